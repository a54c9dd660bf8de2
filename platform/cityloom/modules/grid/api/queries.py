"""The root query fields of the grid."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import aliased

from cityloom.graph import bound as b
from cityloom.modules.areas.api.shapes import Area, above, end_of, open_on
from cityloom.modules.areas.models import Area as AreaModel
from cityloom.modules.grid import models as m
from cityloom.modules.grid.api.results import (
    Award,
    AwardKind,
    DailyReport,
    Score,
    ScoreAppeal,
    ScoreFormula,
    ScorePeriod,
    Visit,
    VisitForm,
)
from cityloom.modules.grid.api.shapes import (
    Patrol,
    PatrolDay,
    Post,
    PostAssignment,
    Shift,
    Worker,
    WorkerPosition,
    holds,
    lacks,
)
from cityloom.modules.registry.api.queries import within


def with_gap(
    area: type[AreaModel],
    post: Annotated[str | None, b.argument("Only areas that lack holders of the post with this code.")] = None,
    inside: Annotated[b.ID | None, b.argument("Only this area and what lies in it.", of="area")] = None,
    on: Annotated[date | None, b.argument("On this day; today where none is given.")] = None,
) -> ColumnElement[bool]:
    """Open areas with fewer holders of a post than their kind needs."""
    staffing = aliased(m.PostStaffing)
    gaps = select(staffing.id).where(lacks(area, staffing, on))  # type: ignore[arg-type] # a bind element
    if post is not None:
        kind = aliased(m.Post)
        gaps = gaps.where(staffing.post_id.in_(select(kind.id).where(kind.code == post)))
    found = gaps.correlate(area).exists() & open_on(area, on)  # type: ignore[arg-type] # a bind element
    if inside is None:
        return found
    top = aliased(AreaModel)
    low = select(top.path).where(top.id == inside).scalar_subquery()
    high = select(end_of(top.path)).where(top.id == inside).scalar_subquery()
    return found & (area.path >= low) & (area.path < high)


def held_on(
    assignment: type[m.PostAssignment],
    on: Annotated[date | None, b.argument("Only who holds the post on this day.")] = None,
    area: Annotated[b.ID | None, b.argument("Only in this area, at any depth.", of="area")] = None,
) -> ColumnElement[bool]:
    """Assignments on a day, in an area."""
    found: ColumnElement[bool] = within(assignment, area)  # type: ignore[arg-type] # it has the columns
    return found if on is None else found & holds(assignment, on)  # type: ignore[arg-type] # a bind element


def on_duty(
    shift: type[m.Shift],
    area: Annotated[b.ID, b.argument("The area that somebody is called for.", of="area")],
    at: Annotated[datetime | None, b.argument("The moment; now where none is given.")] = None,
) -> ColumnElement[bool]:
    """The duty roster of an area and of all above it at a moment."""
    moment: Any = func.now() if at is None else at
    here, other = aliased(AreaModel), aliased(AreaModel)
    up = select(other.id).select_from(here, other).where(here.id == area, (other.id == here.id) | above(here, other))
    found: ColumnElement[bool] = (
        shift.is_duty.is_(True)
        & shift.cancelled_at.is_(None)
        & shift.area_id.in_(up)
        & (shift.starts_at <= moment)
        & (shift.ends_at > moment)
        & (shift.checked_out_at.is_(None) | (shift.checked_out_at > moment))
    )
    return found


def on_shift(
    position: type[m.WorkerPosition],
    area: Annotated[b.ID | None, b.argument("Only in this area, at any depth.", of="area")] = None,
) -> ColumnElement[bool]:
    """Positions of those whose shift has not ended; who has checked out has none."""
    return within(position, area) & (position.visible_until > func.now())


@b.query(module="grid")
class GridQuery:
    """Posts, duty, patrols, visits, reports, scores and awards."""

    post: Post | None = b.root_one(Post, "One post by its id.")
    posts: list[Post] = b.root_list(Post, "The posts that this city has, in the order of their ranks.", limit=100)
    worker: Worker | None = b.root_one(Worker, "One worker by their id.")
    workers: b.Connection[Worker] = b.root_connection(Worker, "Everybody who holds or held a post.")
    post_assignment: PostAssignment | None = b.root_one(PostAssignment, "One assignment of a post by its id.")
    post_assignments: b.Connection[PostAssignment] = b.root_connection(
        PostAssignment, "Who holds or held which post where.", narrow=held_on
    )
    staffing_gaps: b.Connection[Area] = b.root_connection(
        Area, "Which areas lack staff: which grids have no lead? See `Area.unfilledPosts`.", narrow=with_gap
    )
    shift: Shift | None = b.root_one(Shift, "One shift by its id.")
    shifts: b.Connection[Shift] = b.root_connection(Shift, "The shifts that the caller can see.", narrow=within)
    duty_shifts: list[Shift] = b.root_list(
        Shift, "Who is called for an area: the duty roster there and in all areas above.", limit=50, narrow=on_duty
    )
    patrol: Patrol | None = b.root_one(Patrol, "One patrol by its id.")
    patrols: b.Connection[Patrol] = b.root_connection(Patrol, "The patrols that the caller can see.", narrow=within)
    patrol_days: b.Connection[PatrolDay] = b.root_connection(
        PatrolDay, "Workers' days against the city's rule of daily patrols.", narrow=within
    )
    patrol_day_stats: list[b.Group] = b.root_aggregate(
        PatrolDay,
        "Workers' days counted: how many met the rule?",
        by={
            "RESULT": b.dimension(m.PatrolDay.result, "By what they came to."),
            "DAY": b.dimension(m.PatrolDay.day, "By day."),
            "AREA": b.dimension(m.PatrolDay.area_id, "By area.", tag="area"),
        },
        sums={"patrolled_s": m.PatrolDay.patrolled_s, "length_m": m.PatrolDay.length_m},
        narrow=within,
    )
    worker_positions: b.Connection[WorkerPosition] = b.root_connection(
        WorkerPosition, "Where those who are on shift were last.", narrow=on_shift
    )
    worker_position_stats: list[b.Group] = b.root_aggregate(
        WorkerPosition,
        "Those who are on shift, counted by where they patrol: how many are there, and where is nobody?",
        by={"AREA": b.dimension(m.WorkerPosition.area_id, "By the area that they patrol.", tag="area")},
        narrow=on_shift,
    )
    visit: Visit | None = b.root_one(Visit, "One visit by its id.")
    visits: b.Connection[Visit] = b.root_connection(Visit, "The visits that the caller can see.", narrow=within)
    visit_stats: list[b.Group] = b.root_aggregate(
        Visit,
        "Visits counted.",
        by={
            "OUTCOME": b.dimension(m.Visit.outcome, "By outcome."),
            "METHOD": b.dimension(m.Visit.method, "By method."),
            "AREA": b.dimension(m.Visit.area_id, "By area.", tag="area"),
        },
        narrow=within,
    )
    visit_forms: list[VisitForm] = b.root_list(VisitForm, "The forms of visits, with their versions.", limit=100)
    daily_report: DailyReport | None = b.root_one(DailyReport, "One daily report by its id.")
    daily_reports: b.Connection[DailyReport] = b.root_connection(
        DailyReport, "The daily reports that the caller can see.", narrow=within
    )
    score_formulas: list[ScoreFormula] = b.root_list(
        ScoreFormula, "The city's formulas of scores, with their versions.", limit=100
    )
    score_period: ScorePeriod | None = b.root_one(ScorePeriod, "One period of scores by its id.")
    score_periods: b.Connection[ScorePeriod] = b.root_connection(
        ScorePeriod, "The periods over which workers were scored.", narrow=within
    )
    score: Score | None = b.root_one(Score, "One score by its id.")
    scores: b.Connection[Score] = b.root_connection(Score, "The scores that the caller can see.", narrow=within)
    score_appeals: b.Connection[ScoreAppeal] = b.root_connection(
        ScoreAppeal, "The appeals that the caller can see.", narrow=within
    )
    award_kinds: list[AwardKind] = b.root_list(AwardKind, "The awards that this city gives.", limit=100)
    award: Award | None = b.root_one(Award, "One award by its id.")
    awards: b.Connection[Award] = b.root_connection(Award, "The awards that the caller can see.", narrow=within)
