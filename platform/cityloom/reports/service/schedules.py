"""Reports that are run by themselves, under their owners' rights of that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from graphql import GraphQLError
from sqlalchemy import select

from cityloom.access.acting import acting_as
from cityloom.core.clock import CIVIL_TIME
from cityloom.core.errors import Forbidden, Refusal
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.core.subjects import hold_off_erasures
from cityloom.core.work import Works
from cityloom.reports import events
from cityloom.reports import models as m
from cityloom.reports.errors import absent
from cityloom.reports.permissions import READ, SCHEDULE
from cityloom.reports.service.results import result, values_of
from cityloom.reports.service.snapshots import keep
from cityloom.reports.service.stored import find_report
from cityloom.reports.settings import settings_of
from cityloom.reports.timing import checked_day, minute_of, next_due
from cityloom.tenancy.directory import TenantDirectory

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

TAG = "rsch"
#: Schedules that one transaction runs.
BATCH: Final = 10


async def create_schedule(
    work: Work, report_id: UUID | None, *, rhythm: str, at: str, day: int | None, given: dict[str, Any]
) -> m.ReportSchedule:
    """Have a report run by itself and its result kept, under the caller's rights.

    Refuses (`Forbidden`, `NotFound`, `TimeWrong`, `ParameterUnknown`).
    """
    work.authorise(SCHEDULE)
    account_id = work.principal.account_id
    if account_id is None:
        raise Forbidden(permission=SCHEDULE)
    report = await find_report(work, report_id)
    values_of(report, given)
    minute, day = minute_of(at), checked_day(rhythm, day)
    schedule = m.ReportSchedule(
        id=new_id(),
        report_id=report.id,
        account_id=account_id,
        client_id=work.principal.client_id,
        rhythm=rhythm,
        day=day,
        at_minute=minute,
        values=given,
        next_due_at=next_due(rhythm, day, minute, await _zone(work), work.now()),
    )
    work.session.add(schedule)
    await work.session.flush()
    work.emit(events.ScheduleCreated(subject_id=schedule.id, report_id=report.id, owner_id=account_id, rhythm=rhythm))
    after = {"report_id": str(report.id), "rhythm": rhythm, "day": day, "at_minute": minute}
    work.audit(AuditEntry(action=SCHEDULE, object_tag=TAG, object_id=schedule.id, after=after))
    return schedule


async def remove_schedule(work: Work, schedule_id: UUID | None) -> m.ReportSchedule:
    """Stop a schedule: one's own, or anybody's with the permission everywhere. Refuses (`Forbidden`, `NotFound`)."""
    scope = work.authorise(SCHEDULE)
    query = select(m.ReportSchedule).where(m.ReportSchedule.id == schedule_id).with_for_update()
    if not scope.everywhere:
        query = query.where(m.ReportSchedule.account_id == work.principal.account_id)
    schedule = await work.session.scalar(query)
    if schedule is None:
        raise absent(thing="schedule", thing_zh="定时")
    await work.session.delete(schedule)
    work.emit(events.ScheduleRemoved(subject_id=schedule.id, report_id=schedule.report_id))
    before = {"report_id": str(schedule.report_id), "rhythm": schedule.rhythm}
    entry = AuditEntry(
        action="reports.schedule.remove", object_tag=TAG, object_id=schedule.id, before=before, after=None
    )
    work.audit(entry)
    return schedule


async def run_schedules(work: Work) -> int:
    """Run at most `BATCH` schedules that are due; one that fails says why and is tried at its next time."""
    zone = await _zone(work)
    await hold_off_erasures(work)
    found = (
        await work.session.scalars(
            select(m.ReportSchedule)
            .where(m.ReportSchedule.next_due_at <= work.now())
            .order_by(m.ReportSchedule.next_due_at)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
    ).all()
    for schedule in found:
        report = await work.session.get_one(m.Report, (work.tenant_id, schedule.report_id))
        try:
            await _run(work, schedule, report)
            schedule.last_failure = None
        except (Refusal, GraphQLError) as error:
            refusal = error if isinstance(error, Refusal) else None
            schedule.last_failure = refusal.message("zh") if refusal is not None else str(error)
            reason = refusal.reason if refusal is not None else "DOCUMENT_INVALID"
            work.emit(events.ScheduleFailed(subject_id=schedule.id, report_id=report.id, refusal=reason))
            work.audit(
                AuditEntry(
                    action="reports.schedule.run", object_tag=TAG, object_id=schedule.id, after={"failure": reason}
                )
            )
        # What was missed while nobody ran it is not made up for: there is but one present to look at.
        schedule.next_due_at = next_due(schedule.rhythm, schedule.day, schedule.at_minute, zone, work.now())
    return len(found)


async def _run(work: Work, schedule: m.ReportSchedule, report: m.Report) -> None:
    owner = await acting_as(work, schedule.account_id, schedule.client_id)
    works: Works = work.services[Works]
    most = (await settings_of(work)).snapshot_rows
    async with works.begin(owner) as reading:
        reading.authorise(READ)
        read = await result(reading, report, schedule.values, most=most)
    await keep(work, report, read, schedule.values, owner_id=schedule.account_id, is_scheduled=True)


async def _zone(work: Work) -> ZoneInfo:
    directory: TenantDirectory | None = work.services.get(TenantDirectory)
    name = str(CIVIL_TIME) if directory is None else (await directory.get(work.tenant_id)).time_zone
    return ZoneInfo(name)
