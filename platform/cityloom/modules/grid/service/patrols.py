"""Patrols with their tracks, and the city's daily rule."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from cityloom.modules.areas.models import Area
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.grid import events
from cityloom.modules.grid import models as m
from cityloom.modules.grid.errors import (
    NotPostedHere,
    PatrolStopped,
    PointMalformed,
    TextTooLong,
    TrackKeyReused,
    TrackTooLate,
    TrackTooLong,
)
from cityloom.modules.grid.geometry import raster
from cityloom.modules.grid.service import posts, rows
from cityloom.modules.grid.settings import settings_of
from cityloom.modules.grid.tracks import Flag, Point, measure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from cityloom.core.work import Work

RECORD = "grid.patrol.record"
#: Points of one upload and of one patrol, at most: twelve hours at a point every two seconds.
LARGEST_BATCH, LARGEST_TRACK = 1_000, 20_000
#: Handsets without a network hand points in later.
LATE_HOURS = 48
LONGEST = timedelta(hours=12)
#: Clocks of handsets differ; a little outside of the patrol's time is believed.
_TOLERANCE = timedelta(minutes=2)
#: A position that is older is not where somebody is.
_FRESH = timedelta(minutes=15)


async def start_patrol(work: Work, *, area_id: UUID | None, kind: str = "ROUTINE") -> m.Patrol:
    """The caller sets out on a patrol (`ROUTINE`, `FOCUS`) of an area in, above or below which they hold a post.

    Refuses (`Forbidden`, `AreaNotFound`, `AreaClosed`, `NotYours`, `NotPostedHere`, `PatrolUnderWay`).
    """
    area = await rows.place(work, area_id, RECORD)
    account_id = rows.caller(work)
    today = civil_day(work.now())
    if not await posts.works_in(work, account_id, area.path, today):
        raise NotPostedHere(path=("areaId",))
    await _stop_forgotten(work, account_id)
    shift = await running_shift(work, account_id)
    patrol = m.Patrol(
        account_id=account_id,
        shift_id=shift.id if shift else None,
        kind=kind,
        started_at=work.now(),
        patrolled_on=today,
        area_id=area.id,
        area_path=area.path,
    )
    await rows.insert(work, RECORD, patrol)
    work.emit(events.PatrolStarted(subject_id=patrol.id, area_path=area.path, account_id=account_id, kind=kind))
    return patrol


async def append_track(work: Work, patrol_id: UUID | None, client_key: str, points: Sequence[Point]) -> m.Patrol:
    """Add points to a patrol of the caller's; a batch that was sent before, by its key, changes nothing.

    Points outside of the patrol's time are not kept, only counted: nobody is followed who is not on patrol. What
    cannot be believed is kept and flagged. Refuses what `rows.reach` refuses, `NotYours`, `TrackTooLong`,
    `TrackTooLate`, `TrackKeyReused`, `PointMalformed`.
    """
    patrol = await rows.reach(work, m.Patrol, patrol_id, RECORD)
    rows.demand_own(work, patrol.account_id)
    if not 0 < len(client_key) <= 64:  # noqa: PLR2004 - room for a UUID or two
        raise TextTooLong(path=("clientKey",), limit=64)
    if not 0 < len(points) <= LARGEST_BATCH:
        raise TrackTooLong(path=("points",), batch=LARGEST_BATCH, patrol=LARGEST_TRACK)
    for at, point in enumerate(points):
        if not _is_possible(point):
            raise PointMalformed(path=("points", at))
    stated = [[p.at_ms, round(p.longitude, 6), round(p.latitude, 6), p.accuracy_m] for p in points]
    digest = hashlib.sha256(orjson.dumps(stated)).hexdigest()
    earlier = await work.session.scalar(
        select(m.TrackBatch.content_hash).where(
            m.TrackBatch.patrol_id == patrol.id, m.TrackBatch.client_key == client_key
        )
    )
    if earlier is not None:
        if earlier != digest:
            raise TrackKeyReused(path=("clientKey",))
        return patrol
    now = work.now()
    if patrol.stopped_at is not None and now > patrol.stopped_at + timedelta(hours=LATE_HOURS):
        raise TrackTooLate(path=("id",), hours=LATE_HOURS)
    if patrol.point_count + len(points) > LARGEST_TRACK:
        raise TrackTooLong(path=("points",), batch=LARGEST_BATCH, patrol=LARGEST_TRACK)
    earliest = _ms(patrol.started_at - _TOLERANCE)
    latest = _ms(min(patrol.stopped_at or now, patrol.started_at + LONGEST, now) + _TOLERANCE)
    kept = sorted((p for p in stated if earliest <= (p[0] or 0) <= latest), key=lambda p: p[0] or 0)
    times = [_moment(int(kept[0][0] or 0)), _moment(int(kept[-1][0] or 0))] if kept else [now, now]
    batch = m.TrackBatch(
        patrol_id=patrol.id,
        client_key=client_key,
        content_hash=digest,
        received_at=now,
        first_at=times[0],
        last_at=times[1],
        point_count=len(kept),
        ignored_count=len(stated) - len(kept),
        points=kept,
        area_id=patrol.area_id,
        area_path=patrol.area_path,
    )
    work.session.add(batch)
    await work.session.flush()
    await _measure(work, patrol)
    rows.audit(work, RECORD, patrol, after={"points": len(kept), "ignored": batch.ignored_count})
    if patrol.stopped_at is None:
        await _show_position(work, patrol, kept)
    else:
        work.emit(
            events.TrackExtended(
                subject_id=patrol.id,
                area_path=patrol.area_path,
                account_id=patrol.account_id,
                active_s=patrol.active_s,
                length_m=patrol.length_m,
            )
        )
    return patrol


async def stop_patrol(work: Work, patrol_id: UUID | None) -> m.Patrol:
    """The caller ends their patrol; refuses what `rows.reach` refuses, `NotYours`, `PatrolStopped`."""
    patrol = await rows.reach(work, m.Patrol, patrol_id, RECORD)
    rows.demand_own(work, patrol.account_id)
    if patrol.stopped_at is not None:
        raise PatrolStopped(path=("id",))
    await _stop(work, patrol, work.now())
    return patrol


async def stop_running(work: Work, account_id: UUID) -> None:
    """End the patrol that somebody has under way, if any: they go off duty."""
    patrol = await _under_way(work, account_id)
    if patrol is not None:
        await _stop(work, patrol, work.now())


async def running_shift(work: Work, account_id: UUID) -> m.Shift | None:
    """The shift that somebody is checked in to at this moment."""
    now = work.now()
    found: m.Shift | None = await work.session.scalar(
        select(m.Shift).where(
            m.Shift.account_id == account_id,
            m.Shift.cancelled_at.is_(None),
            m.Shift.checked_in_at.is_not(None),
            m.Shift.checked_out_at.is_(None),
            m.Shift.ends_at > now,
        )
    )
    return found


async def forget_tracks(work: Work) -> int:
    """Delete points of tracks past the city's retention, and positions of past shifts; answers how many batches.

    For the platform's own principal: refuses (`Forbidden`) others that may not evaluate patrols everywhere.
    """
    work.authorise("grid.patrol.evaluate", area_path="")
    settings = await settings_of(work)
    oldest = work.now() - timedelta(days=settings.track_retention_days)
    gone = await work.session.execute(delete(m.TrackBatch).where(m.TrackBatch.received_at < oldest))
    await work.session.execute(delete(m.WorkerPosition).where(m.WorkerPosition.visible_until <= work.now()))
    return gone.rowcount  # type: ignore[attr-defined,no-any-return] # a DELETE answers a CursorResult


async def stop_all_forgotten(work: Work) -> None:
    """End every patrol that has been under way for longer than one can be, at its last point."""
    late = await work.session.scalars(
        select(m.Patrol)
        .where(m.Patrol.stopped_at.is_(None), m.Patrol.started_at < work.now() - LONGEST)
        .with_for_update()
    )
    for patrol in late.all():
        await _stop(work, patrol, await _last_seen(work, patrol))


async def _stop_forgotten(work: Work, account_id: UUID) -> None:
    patrol = await _under_way(work, account_id)
    if patrol is not None and patrol.started_at < work.now() - LONGEST:
        await _stop(work, patrol, await _last_seen(work, patrol))


async def _under_way(work: Work, account_id: UUID) -> m.Patrol | None:
    found: m.Patrol | None = await work.session.scalar(
        select(m.Patrol)
        .where(m.Patrol.account_id == account_id, m.Patrol.stopped_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found


async def _last_seen(work: Work, patrol: m.Patrol) -> datetime:
    last = await work.session.scalar(
        select(func.max(m.TrackBatch.last_at)).where(m.TrackBatch.patrol_id == patrol.id, m.TrackBatch.point_count > 0)
    )
    return max(patrol.started_at, last or patrol.started_at)


async def _stop(work: Work, patrol: m.Patrol, at: datetime) -> None:
    await rows.write(work, RECORD, patrol, {"stopped_at": at})
    await _measure(work, patrol)
    await work.session.execute(
        update(m.WorkerPosition).where(m.WorkerPosition.patrol_id == patrol.id).values(patrol_id=None)
    )
    work.emit(
        events.PatrolStopped(
            subject_id=patrol.id,
            area_path=patrol.area_path,
            account_id=patrol.account_id,
            active_s=patrol.active_s,
            length_m=patrol.length_m,
        )
    )


async def _measure(work: Work, patrol: m.Patrol) -> None:
    """Make the patrol's figures anew from all of its points: batches may arrive in any order."""
    settings = await settings_of(work)
    batches = (
        await work.session.scalars(
            select(m.TrackBatch).where(m.TrackBatch.patrol_id == patrol.id).order_by(m.TrackBatch.first_at)
        )
    ).all()
    # Two points of one moment cannot both be true: the one that arrived first is.
    by_time: dict[int, Point] = {}
    for batch in sorted(batches, key=lambda one: (one.received_at, one.id)):
        for at_ms, longitude, latitude, accuracy in batch.points:
            by_time.setdefault(at_ms, Point(at_ms, longitude, latitude, accuracy))
    points = [by_time[at] for at in sorted(by_time)]
    area = await work.session.get_one(Area, (work.tenant_id, patrol.area_id))
    cells = raster(area.boundary, settings.cell_m) if area.boundary is not None else None
    began = _ms(patrol.started_at)
    # A patrol that is under way has lasted until its last point.
    ended = _ms(patrol.stopped_at) if patrol.stopped_at else max(began, points[-1].at_ms if points else began)
    figures = measure(points, settings.track_rules, began_ms=began, ended_ms=ended, raster=cells)
    patrol.point_count = sum(batch.point_count for batch in batches)
    patrol.flagged_count = sum(one is not Flag.GOOD for one in figures.flags)
    patrol.length_m, patrol.duration_s = round(figures.length_m), round(figures.duration_s)
    patrol.pause_s = round(figures.pause_s)
    patrol.active_s = patrol.duration_s - patrol.pause_s
    patrol.cell_m = cells.cell_m if cells else None
    patrol.cell_count = len(cells.cells) if cells else None
    patrol.visited_cell_count = len(figures.visited) if cells else None
    patrol.version += 1
    patrol.changed_at = work.now()
    await work.session.flush()


async def _show_position(work: Work, patrol: m.Patrol, kept: list[list[float | None]]) -> None:
    """Let those who may see where a worker is; only while on shift."""
    shift = await running_shift(work, patrol.account_id)
    settings = await settings_of(work)
    believable = [p for p in kept if p[3] is None or p[3] <= settings.worst_accuracy_m]
    if shift is None or not believable:
        return
    at_ms, longitude, latitude, accuracy = believable[-1]
    recorded_at = _moment(int(at_ms or 0))
    if recorded_at < max(work.now() - _FRESH, shift.checked_in_at or recorded_at):
        return
    values = {
        "shift_id": shift.id,
        "patrol_id": patrol.id,
        "recorded_at": recorded_at,
        "visible_until": shift.ends_at,
        "longitude": longitude,
        "latitude": latitude,
        "accuracy_m": None if accuracy is None else round(accuracy),
        "area_id": patrol.area_id,
        "area_path": patrol.area_path,
    }
    statement = insert(m.WorkerPosition).values(tenant_id=work.tenant_id, id=patrol.account_id, **values)
    await work.session.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "id"],
            set_=values,
            where=m.WorkerPosition.recorded_at <= statement.excluded.recorded_at,
        )
    )


def _is_possible(point: Point) -> bool:
    return (
        -180 <= point.longitude <= 180  # noqa: PLR2004 - degrees
        and -90 <= point.latitude <= 90  # noqa: PLR2004 - degrees
        and (point.accuracy_m is None or 0 <= point.accuracy_m < 10**7)
    )


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
