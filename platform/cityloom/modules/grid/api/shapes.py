"""The GraphQL types of posts, duty and patrols."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import aliased

from cityloom.access.api.shapes import Account
from cityloom.graph import bound as b
from cityloom.modules.areas.api.shapes import Area, AreaKind, today
from cityloom.modules.areas.models import Area as AreaModel
from cityloom.modules.grid import models as m
from cityloom.modules.grid.api.words import PatrolDayResult, PatrolKind

VERSION = "Counts changes: send it with a change, which is then refused if somebody was faster."


def holds(assignment: type[m.PostAssignment], day: ColumnElement[date] | None = None) -> ColumnElement[bool]:
    """Whether an assignment is valid on a day (today where none is given)."""
    at = today() if day is None else day
    return (assignment.valid_from <= at) & (assignment.valid_until.is_(None) | (assignment.valid_until > at))


def lacks(
    area: type[AreaModel], staffing: type[m.PostStaffing], day: ColumnElement[date] | None = None
) -> ColumnElement[bool]:
    """Whether an area has fewer holders of a post than its kind needs."""
    held = aliased(m.PostAssignment)
    count = (
        select(func.count())
        .select_from(held)
        .where(held.area_id == area.id, held.post_id == staffing.post_id, holds(held, day))
        .scalar_subquery()
    )
    return (staffing.kind == area.kind) & (count < staffing.least)


def _unfilled(area: type[AreaModel], post: type[m.Post]) -> ColumnElement[bool]:
    staffing = aliased(m.PostStaffing)
    return post.id.in_(select(staffing.post_id).where(lacks(area, staffing)))


@b.bound(
    m.Post,
    tag="post",
    module="grid",
    read="grid.post.read",
    orderings={"RANK": (m.Post.rank, m.Post.code)},
)
class Post(b.Node):
    """A post (岗位) on the staff of areas, in the city's own table: 网格长, 专职网格员, 网格指导员 and so on."""

    code: str = b.column(m.Post.code, "Its code, unique in the city, for example `GRID_LEAD`.", filters=b.EXACT)
    title_zh: str = b.column(m.Post.title_zh, "What it is called in Chinese.")
    title_en: str = b.column(m.Post.title_en, "What it is called in English.")
    rank: int = b.column(m.Post.rank, "Who is called first: 1 before 2.")
    is_lead: bool = b.column(m.Post.is_lead, "Whether its holders lead the area.")
    is_single: bool = b.column(m.Post.is_single, "Whether an area has one holder of it at a time.")
    must_patrol: bool = b.column(m.Post.must_patrol, "Whether the city's rule of daily patrols holds for its holders.")
    staffing: list[PostStaffing] = b.many(m.PostStaffing.post_id, "How many holders areas need, by kind of area.")


@b.bound(m.PostStaffing, module="grid", read="grid.post.read", orderings={"KIND": (m.PostStaffing.kind,)})
class PostStaffing:
    """How many holders of a post an area of a kind needs (1+1+1+N, 一长四员, 三长)."""

    kind: AreaKind | None = b.one(lambda staffing, kind: kind.code == staffing.kind, "The kind of area.")
    post: Post | None = b.one(m.PostStaffing.post_id, "The post.")
    least: int = b.column(m.PostStaffing.least, "So many it needs; fewer is a gap.")
    most: int | None = b.column(m.PostStaffing.most, "So many it may have; null: any number.")


@b.bound(
    m.Worker,
    tag="gwkr",
    module="grid",
    read="grid.post.read",
    orderings={"NAME": (m.Worker.name,)},
)
class Worker(b.Node):
    """Somebody who holds or held a post: what colleagues see of an account."""

    name: str = b.column(m.Worker.name, "Their name.", filters=b.TEXT)
    account: Account | None = b.one(m.Worker.id, "Their account; null where the caller may not see accounts.")
    assignments: b.Connection[PostAssignment] = b.connection(
        m.PostAssignment.account_id, "Their posts, also past ones."
    )
    shifts: b.Connection[Shift] = b.connection(m.Shift.account_id, "Their shifts.")
    patrols: b.Connection[Patrol] = b.connection(m.Patrol.account_id, "Their patrols.")
    patrol_days: b.Connection[PatrolDay] = b.connection(m.PatrolDay.account_id, "Their days against the daily rule.")


@b.bound(
    m.PostAssignment,
    tag="pasg",
    module="grid",
    read="grid.post.read",
    orderings={"VALID_FROM": (m.PostAssignment.valid_from,)},
)
class PostAssignment(b.Node):
    """Somebody holds a post in an area for a time. Everybody on the staff sees who is responsible for which grid."""

    post: Post | None = b.one(m.PostAssignment.post_id, "The post.")
    worker: Worker | None = b.one(m.PostAssignment.account_id, "Who holds it.")
    area: Area | None = b.one(m.PostAssignment.area_id, "Where.")
    valid_from: date = b.column(m.PostAssignment.valid_from, "The first day.", filters=b.RANGE)
    valid_until: date | None = b.column(
        m.PostAssignment.valid_until, "The first day on which it holds no longer; null: without end.", filters=b.RANGE
    )
    is_current: bool = b.expression(holds, "Whether it holds today.")
    version: int = b.column(m.PostAssignment.version, VERSION)
    created_at: datetime = b.column(m.PostAssignment.created_at, "When it was recorded.")
    changed_at: datetime = b.column(m.PostAssignment.changed_at, "When it was last changed.")


@b.bound(
    m.Shift,
    tag="shft",
    module="grid",
    read="grid.shift.read",
    scope=b.ScopeRule(area=m.Shift.area_path, owner=m.Shift.account_id),
    orderings={"STARTS": (m.Shift.starts_at,)},
)
class Shift(b.Node):
    """A shift (班次): somebody works in an area from one moment to another, and checks in and out."""

    worker: Worker | None = b.one(m.Shift.account_id, "Who works.")
    post: Post | None = b.one(m.Shift.post_id, "As what, where that was said.")
    area: Area | None = b.one(m.Shift.area_id, "Where.")
    is_duty: bool = b.column(m.Shift.is_duty, "Whether it is on the duty roster (值班): who is called meanwhile.")
    starts_at: datetime = b.column(m.Shift.starts_at, "When it begins.", filters=b.RANGE)
    ends_at: datetime = b.column(m.Shift.ends_at, "When it ends.", filters=b.RANGE)
    note: str | None = b.column(m.Shift.note, "What the planner noted.")
    cancelled_at: datetime | None = b.column(m.Shift.cancelled_at, "When it was cancelled; null: it was not.")
    checked_in_at: datetime | None = b.column(m.Shift.checked_in_at, "When the worker checked in.")
    checked_in_inside: bool | None = b.column(
        m.Shift.checked_in_inside, "Whether that was inside the area; null where it has no boundary."
    )
    checked_in_distance_m: int | None = b.column(
        m.Shift.checked_in_distance_m, "Metres from the boundary, 0 inside; from the centre where there is no boundary."
    )
    checked_out_at: datetime | None = b.column(m.Shift.checked_out_at, "When the worker checked out.")
    checked_out_inside: bool | None = b.column(m.Shift.checked_out_inside, "Whether that was inside the area.")
    checked_out_distance_m: int | None = b.column(m.Shift.checked_out_distance_m, "Metres, as at checking in.")
    version: int = b.column(m.Shift.version, VERSION)
    created_at: datetime = b.column(m.Shift.created_at, "When it was planned.")
    changed_at: datetime = b.column(m.Shift.changed_at, "When it was last changed.")


@b.bound(
    m.Patrol,
    tag="ptrl",
    module="grid",
    read="grid.patrol.read",
    scope=b.ScopeRule(area=m.Patrol.area_path, owner=m.Patrol.account_id),
    orderings={"STARTED": (m.Patrol.started_at,)},
)
class Patrol(b.Node):
    """A patrol (巡查): somebody walks through an area. Its figures follow from the points that the handset sends."""

    worker: Worker | None = b.one(m.Patrol.account_id, "Who walks.")
    area: Area | None = b.one(m.Patrol.area_id, "Where.")
    shift: Shift | None = b.one(m.Patrol.shift_id, "During which shift; null outside of one.")
    kind: PatrolKind = b.column(m.Patrol.kind, "What kind of patrol it is.")
    started_at: datetime = b.column(m.Patrol.started_at, "When it began.", filters=b.RANGE)
    stopped_at: datetime | None = b.column(m.Patrol.stopped_at, "When it ended; null while it is under way.")
    patrolled_on: date = b.column(m.Patrol.patrolled_on, "The civil day on which it counts.", filters=b.RANGE)
    point_count: int = b.column(m.Patrol.point_count, "Points of its track.")
    flagged_count: int = b.column(
        m.Patrol.flagged_count, "Points that are kept but not believed: jumps, and too inaccurate ones."
    )
    length_m: int = b.column(m.Patrol.length_m, "How far, in metres, along believable points, without pauses.")
    duration_s: int = b.column(m.Patrol.duration_s, "How long in seconds, pauses included.")
    pause_s: int = b.column(m.Patrol.pause_s, "Seconds on one spot, or without a point.")
    active_s: int = b.column(m.Patrol.active_s, "Seconds that count for the daily rule: duration without pauses.")
    cell_m: int | None = b.column(m.Patrol.cell_m, "Side of the raster's cells in metres; null without a boundary.")
    cell_count: int | None = b.column(m.Patrol.cell_count, "Cells that the area has.")
    visited_cell_count: int | None = b.column(m.Patrol.visited_cell_count, "Cells of the area that were walked into.")
    track: b.Connection[TrackBatch] = b.connection(
        m.TrackBatch.patrol_id, "Its points, for who may see tracks; deleted when the city's retention has passed."
    )
    version: int = b.column(m.Patrol.version, VERSION)


@b.bound(
    m.TrackBatch,
    module="grid",
    read="grid.track.read",
    scope=b.ScopeRule(area=m.TrackBatch.area_path),
    orderings={"FIRST": (m.TrackBatch.first_at,)},
)
class TrackBatch:
    """Points of a track as one upload brought them."""

    client_key: str = b.column(m.TrackBatch.client_key, "The key that the handset gave the upload.")
    received_at: datetime = b.column(m.TrackBatch.received_at, "When it arrived.")
    first_at: datetime = b.column(m.TrackBatch.first_at, "When its first point was.")
    last_at: datetime = b.column(m.TrackBatch.last_at, "When its last point was.")
    point_count: int = b.column(m.TrackBatch.point_count, "Points that were kept.")
    ignored_count: int = b.column(
        m.TrackBatch.ignored_count, "Points that were not kept, because they lie outside of the patrol's time."
    )
    points: b.JSON = b.column(
        m.TrackBatch.points, "`[[unix milliseconds, longitude, latitude, accuracy in metres or null], …]`, WGS-84."
    )


@b.bound(
    m.WorkerPosition,
    tag="wpos",
    module="grid",
    read="grid.position.read",
    scope=b.ScopeRule(area=m.WorkerPosition.area_path),
    orderings={"RECORDED": (m.WorkerPosition.recorded_at,)},
)
class WorkerPosition(b.Node):
    """Where somebody on shift was last: for command centres. Nobody is shown who is not on shift."""

    worker: Worker | None = b.one(m.WorkerPosition.id, "Who.")
    area: Area | None = b.one(m.WorkerPosition.area_id, "The area that they patrol.")
    shift: Shift | None = b.one(m.WorkerPosition.shift_id, "Their shift.")
    patrol: Patrol | None = b.one(m.WorkerPosition.patrol_id, "The patrol that they are on.")
    recorded_at: datetime = b.column(m.WorkerPosition.recorded_at, "When they were there.", filters=b.RANGE)
    longitude: float = b.column(m.WorkerPosition.longitude, "Degrees east, WGS-84.")
    latitude: float = b.column(m.WorkerPosition.latitude, "Degrees north, WGS-84.")
    accuracy_m: int | None = b.column(m.WorkerPosition.accuracy_m, "How exact that is, in metres.")


@b.bound(
    m.PatrolDay,
    tag="pday",
    module="grid",
    read="grid.patrol.read",
    scope=b.ScopeRule(area=m.PatrolDay.area_path, owner=m.PatrolDay.account_id),
    orderings={"DAY": (m.PatrolDay.day,)},
)
class PatrolDay(b.Node):
    """One worker's day, held against the city's rule of daily patrols (每日巡查 2 小时)."""

    worker: Worker | None = b.one(m.PatrolDay.account_id, "Who.")
    area: Area | None = b.one(m.PatrolDay.area_id, "Where they hold the post that patrols.")
    day: date = b.column(m.PatrolDay.day, "The civil day.", filters=b.RANGE)
    result: PatrolDayResult = b.column(m.PatrolDay.result, "What the day came to.", filters=b.EXACT)
    required_minutes: int = b.column(m.PatrolDay.required_minutes, "Minutes that the rule asked for.")
    patrolled_s: int = b.column(m.PatrolDay.patrolled_s, "Seconds patrolled, without pauses.")
    length_m: int = b.column(m.PatrolDay.length_m, "Metres patrolled.")
    patrol_count: int = b.column(m.PatrolDay.patrol_count, "How many patrols began on the day.")
    changed_at: datetime = b.column(m.PatrolDay.changed_at, "When it was last evaluated with another outcome.")


@b.extend(Area, module="grid")
class AreaGrid:
    """Who works in an area."""

    assignments: b.Connection[PostAssignment] = b.connection(
        m.PostAssignment.area_id, "Who holds or held a post directly in it."
    )
    unfilled_posts: list[Post] = b.many(_unfilled, "Posts of which it has fewer holders today than its kind needs.")
    shifts: b.Connection[Shift] = b.connection(m.Shift.area_id, "Shifts directly in it.")
    patrols: b.Connection[Patrol] = b.connection(m.Patrol.area_id, "Patrols directly of it.")
