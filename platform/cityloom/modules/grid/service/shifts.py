"""Shifts: planning them, cancelling them, checking in and out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from cityloom.modules.areas.models import Area
from cityloom.modules.areas.service import checked_centre
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.grid import events
from cityloom.modules.grid import models as m
from cityloom.modules.grid.errors import (
    CheckedInAlready,
    NotCheckedIn,
    NotPostedHere,
    OutsideShift,
    PeriodWrong,
    ShiftBegun,
    ShiftCancelled,
    TooFarAway,
    not_found,
)
from cityloom.modules.grid.geometry import distance_m, distance_outside_m
from cityloom.modules.grid.models.duty import LONGEST_SHIFT_HOURS
from cityloom.modules.grid.service import posts, rows
from cityloom.modules.grid.service.patrols import stop_running
from cityloom.modules.grid.settings import settings_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from cityloom.core.work import Work

PLAN, ATTEND = "grid.shift.plan", "grid.shift.attend"
Position = tuple[float, float]


async def plan_shift(
    work: Work,
    *,
    account_id: UUID | None,
    area_id: UUID | None,
    starts_at: datetime,
    ends_at: datetime,
    post_id: UUID | None = None,
    is_duty: bool = False,
    note: str | None = None,
) -> m.Shift:
    """Plan a shift of at most 24 hours for somebody with a post here, above or below; on the duty roster where asked.

    Refuses (`Forbidden`, `AreaNotFound`, `AreaClosed`, `NotFound`, `PeriodWrong`, `NotPostedHere`, `ShiftOverlaps`).
    """
    area = await rows.place(work, area_id, PLAN)
    work.authorise(PLAN, area_path=area.path)
    if not timedelta() < ends_at - starts_at <= timedelta(hours=LONGEST_SHIFT_HOURS):
        raise PeriodWrong(path=("endsAt",), limit=f"{LONGEST_SHIFT_HOURS} h")
    worker = await work.session.scalar(select(m.Worker).where(m.Worker.id == account_id))
    if worker is None:
        raise not_found("grid_workers", ("workerId",))
    post = None
    if post_id is not None:
        post = await work.session.scalar(select(m.Post.id).where(m.Post.id == post_id))
        if post is None:
            raise not_found("posts", ("postId",))
    if not await posts.works_in(work, worker.id, area.path, civil_day(starts_at)):
        raise NotPostedHere(path=("workerId",))
    shift = m.Shift(
        account_id=worker.id,
        post_id=post,
        is_duty=is_duty,
        starts_at=starts_at,
        ends_at=ends_at,
        note=rows.checked_optional(note, "note", 500),
        area_id=area.id,
        area_path=area.path,
    )
    await rows.insert(work, PLAN, shift)
    work.emit(
        events.ShiftPlanned(
            subject_id=shift.id,
            area_path=area.path,
            account_id=worker.id,
            starts_at=starts_at.isoformat(),
            ends_at=ends_at.isoformat(),
            is_duty=is_duty,
        )
    )
    return shift


async def cancel_shift(work: Work, shift_id: UUID | None, *, version: int | None = None) -> m.Shift:
    """Cancel a shift that nobody has checked in to.

    Refuses what `rows.reach` refuses, `ShiftCancelled`, `ShiftBegun`.
    """
    shift = await rows.reach(work, m.Shift, shift_id, PLAN, version=version)
    if shift.cancelled_at is not None:
        raise ShiftCancelled(path=("id",))
    if shift.checked_in_at is not None:
        raise ShiftBegun(path=("id",))
    await rows.write(work, PLAN, shift, {"cancelled_at": work.now()})
    work.emit(events.ShiftCancelled(subject_id=shift.id, area_path=shift.area_path, account_id=shift.account_id))
    return shift


async def check_in(work: Work, shift_id: UUID | None, position: Position) -> m.Shift:
    """The worker begins their shift here (WGS-84): in its area or not, and how far away, is noted.

    Refuses what `rows.reach` refuses, `NotYours`, `ShiftCancelled`, `CheckedInAlready`, `OutsideShift`,
    `TooFarAway` where the city has a limit, `CoordinateOutOfRange`.
    """
    shift = await _own(work, shift_id)
    if shift.checked_in_at is not None:
        raise CheckedInAlready(path=("id",))
    settings = await settings_of(work)
    earliest = shift.starts_at - timedelta(minutes=settings.check_in_early_minutes)
    if not earliest <= work.now() < shift.ends_at:
        raise OutsideShift(path=("id",), earliest=earliest.isoformat(), latest=shift.ends_at.isoformat())
    is_inside, away = await _whereabouts(work, shift, position)
    if settings.check_in_limit_m is not None and away is not None and away > settings.check_in_limit_m:
        raise TooFarAway(path=("position",), distance_m=away, limit_m=settings.check_in_limit_m)
    await rows.write(
        work,
        ATTEND,
        shift,
        {
            "checked_in_at": work.now(),
            "checked_in_longitude": position[0],
            "checked_in_latitude": position[1],
            "checked_in_inside": is_inside,
            "checked_in_distance_m": away,
        },
    )
    work.emit(
        events.ShiftCheckedIn(
            subject_id=shift.id, area_path=shift.area_path, account_id=shift.account_id, is_inside=is_inside
        )
    )
    return shift


async def check_out(work: Work, shift_id: UUID | None, position: Position) -> m.Shift:
    """The worker ends their shift: a patrol under way stops, and where they are is forgotten.

    Refuses what `rows.reach` refuses, `NotYours`, `ShiftCancelled`, `NotCheckedIn`, `CoordinateOutOfRange`.
    """
    shift = await _own(work, shift_id)
    if shift.checked_in_at is None or shift.checked_out_at is not None:
        raise NotCheckedIn(path=("id",))
    is_inside, away = await _whereabouts(work, shift, position)
    await stop_running(work, shift.account_id)
    await work.session.execute(delete(m.WorkerPosition).where(m.WorkerPosition.id == shift.account_id))
    await rows.write(
        work,
        ATTEND,
        shift,
        {
            "checked_out_at": work.now(),
            "checked_out_longitude": position[0],
            "checked_out_latitude": position[1],
            "checked_out_inside": is_inside,
            "checked_out_distance_m": away,
        },
    )
    work.emit(
        events.ShiftCheckedOut(
            subject_id=shift.id, area_path=shift.area_path, account_id=shift.account_id, is_inside=is_inside
        )
    )
    return shift


async def _own(work: Work, shift_id: UUID | None) -> m.Shift:
    shift = await rows.reach(work, m.Shift, shift_id, ATTEND)
    rows.demand_own(work, shift.account_id)
    if shift.cancelled_at is not None:
        raise ShiftCancelled(path=("id",))
    return shift


async def _whereabouts(work: Work, shift: m.Shift, position: Position) -> tuple[bool | None, int | None]:
    """Whether a position is in the shift's area, and how many metres away; None where the area has no boundary."""
    checked_centre(position)
    area = await work.session.get_one(Area, (work.tenant_id, shift.area_id))
    if area.boundary is not None:
        away = round(distance_outside_m(area.boundary, position))
        return away == 0, away
    if area.centre_longitude is None or area.centre_latitude is None:
        return None, None
    return None, round(distance_m((area.centre_longitude, area.centre_latitude), position))
