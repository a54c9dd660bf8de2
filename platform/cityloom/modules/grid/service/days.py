"""The city's daily rule (每日巡查 2 小时): each worker's day, held against it."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from cityloom.core.clock import CIVIL_TIME
from cityloom.core.principal import subtree
from cityloom.modules.areas.models import Area
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.grid import events
from cityloom.modules.grid import models as m
from cityloom.modules.grid.errors import DayWrong
from cityloom.modules.grid.service import posts, rows
from cityloom.modules.grid.service.patrols import stop_all_forgotten
from cityloom.modules.grid.settings import settings_of

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from cityloom.core.work import Work

EVALUATE = "grid.patrol.evaluate"
_EARLIEST_DAYS = 400


def bounds(day: date) -> tuple[datetime, datetime]:
    """Beginning and end of a civil day."""
    begins = datetime.combine(day, time(), CIVIL_TIME)
    return begins, begins + timedelta(days=1)


async def evaluate_days(work: Work, area_id: UUID | None, day: date | None = None) -> Area:
    """Hold a civil day (yesterday where none is given) of everybody with a patrolling post against the rule.

    Done again, it takes in what arrived late. A patrol counts on the day on which it began, without its pauses. Refuses
    (`Forbidden`, `AreaNotFound`, `AreaClosed`, `DayWrong`).
    """
    area = await rows.place(work, area_id, EVALUATE)
    work.authorise(EVALUATE, area_path=area.path)
    today = civil_day(work.now())
    day = day or today - timedelta(days=1)
    if not today - timedelta(days=_EARLIEST_DAYS) <= day <= today:
        raise DayWrong(path=("day",), earliest=(today - timedelta(days=_EARLIEST_DAYS)).isoformat())
    await stop_all_forgotten(work)
    low, high = subtree(area.path)
    # Who patrols in several areas is evaluated once, where their post of the first rank is.
    people: dict[UUID, posts.Holder] = {}
    for holder in sorted(await posts.holders(work, day, m.Post.must_patrol.is_(True)), key=lambda holder: holder.rank):
        people.setdefault(holder.account_id, holder)
    people = {account_id: holder for account_id, holder in people.items() if low <= holder.area_path < high}
    walked = await _walked(work, day)
    on_shift = await _on_shift(work, day)
    settings = await settings_of(work)
    known = {
        row.account_id: row
        for row in await work.session.scalars(select(m.PatrolDay).where(m.PatrolDay.day == day).with_for_update())
    }
    holds = day.isoweekday() in settings.patrol_weekdays and settings.daily_patrol_minutes > 0
    for account_id, holder in people.items():
        active_s, length_m, count = walked.get(account_id, (0, 0, 0))
        is_due = holds and (settings.patrol_rule_days == "EVERY_DAY" or account_id in on_shift)
        required = settings.daily_patrol_minutes if is_due else 0
        result = "MET" if is_due and active_s >= required * 60 else "MISSED" if is_due else "EXEMPT"
        values: dict[str, str | int] = {
            "result": result,
            "required_minutes": required,
            "patrolled_s": active_s,
            "length_m": length_m,
            "patrol_count": count,
        }
        await _note(work, known.get(account_id), holder, day, values)
    return area


async def _note(
    work: Work, row: m.PatrolDay | None, holder: posts.Holder, day: date, values: dict[str, str | int]
) -> None:
    former = row.result if row is not None else None
    if row is None:
        row = m.PatrolDay(
            account_id=holder.account_id, day=day, area_id=holder.area_id, area_path=holder.area_path, **values
        )
        await rows.insert(work, EVALUATE, row)
    else:
        await rows.write(work, EVALUATE, row, values)
    if row.result != former:
        work.emit(
            events.PatrolDayEvaluated(
                subject_id=row.id,
                area_path=row.area_path,
                account_id=row.account_id,
                day=day.isoformat(),
                result=row.result,
            )
        )


async def _walked(work: Work, day: date) -> dict[UUID, tuple[int, int, int]]:
    """Active seconds, metres and number of the patrols that began on a day, by account."""
    found = await work.session.execute(
        select(m.Patrol.account_id, func.sum(m.Patrol.active_s), func.sum(m.Patrol.length_m), func.count())
        .where(m.Patrol.patrolled_on == day)
        .group_by(m.Patrol.account_id)
    )
    return {account_id: (int(active), int(length), int(count)) for account_id, active, length, count in found.all()}


async def _on_shift(work: Work, day: date) -> set[UUID]:
    begins, ends = bounds(day)
    found = await work.session.scalars(
        select(m.Shift.account_id).where(
            m.Shift.starts_at >= begins, m.Shift.starts_at < ends, m.Shift.cancelled_at.is_(None)
        )
    )
    return set(found.all())
