"""Visits to dwellings and households, and daily reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text

from cityloom.core.ids import new_id
from cityloom.core.questions import Question, checked_answers
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.grid import events
from cityloom.modules.grid import models as m
from cityloom.modules.grid.errors import (
    ChangesTooMany,
    DayWrong,
    MomentWrong,
    NotPostedHere,
    ReportAcknowledged,
    VisitNowhere,
    not_found,
)
from cityloom.modules.grid.service import posts, rows
from cityloom.modules.grid.service.days import bounds
from cityloom.modules.grid.settings import settings_of
from cityloom.modules.registry import models as registry
from cityloom.modules.registry.errors import ClientIdWrong

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from uuid import UUID

    from cityloom.core.work import Work

RECORD, SUBMIT, ACKNOWLEDGE = "grid.visit.record", "grid.report.submit", "grid.report.acknowledge"
MOST_CHANGES = 50
#: Handsets without a network hand visits in later.
LATE_HOURS = 72
Subject = registry.Dwelling | registry.Household | registry.Resident
_MODELS: dict[str, tuple[type[Any], str]] = {
    "dwel": (registry.Dwelling, "dwelling"),
    "hshd": (registry.Household, "household"),
    "resd": (registry.Resident, "resident"),
}


@dataclass(frozen=True, slots=True)
class Changed:
    """Something of the registry that a visit led to changing: its tag, its row id (None: absent), a note."""

    tag: str
    row_id: UUID | None
    note: str | None = None


async def record_visit(  # noqa: PLR0913 - what is said of a visit
    work: Work,
    *,
    client_id: UUID | None = None,
    dwelling_id: UUID | None = None,
    household_id: UUID | None = None,
    names_dwelling: bool,
    names_household: bool,
    method: str = "DOOR",
    outcome: str,
    form: str | None = None,
    answers: object = None,
    visited_at: datetime | None = None,
    note: str | None = None,
    changes: Sequence[Changed] = (),
) -> m.Visit:
    """The caller visited a dwelling, a household or both, in an area where they hold a post, or below or above it.

    `answers` fit the current version of the form with this code. A visit during a patrol of the caller's is tied to it.
    Under a `client_id` that the caller has recorded a visit with already, that visit is answered. Refuses
    (`Forbidden`, `NotFound`, `VisitNowhere`, `NotYours`, `NotPostedHere`, `MomentWrong`, `AnswersWrong`,
    `ChangesTooMany`, `TextTooLong`, `ClientIdWrong`).
    """
    work.authorise(RECORD)
    account_id = rows.caller(work)
    if client_id is not None and (before := await _recorded(work, client_id, account_id)) is not None:
        return before
    if not (names_dwelling or names_household):
        raise VisitNowhere(path=("dwellingId",))
    household = await _seen(work, "hshd", household_id, ("householdId",)) if names_household else None
    dwelling = await _seen(work, "dwel", dwelling_id, ("dwellingId",)) if names_dwelling else None
    if household is not None and dwelling is not None and household.dwelling_id != dwelling.id:
        raise VisitNowhere(path=("householdId",))
    somewhere: Any = dwelling or household
    area = await rows.place(work, somewhere.area_id, RECORD)
    now = work.now()
    moment = visited_at or now
    if not now - timedelta(hours=LATE_HOURS) <= moment <= now:
        raise MomentWrong(path=("visitedAt",), hours=LATE_HOURS)
    if not await posts.works_in(work, account_id, area.path, civil_day(moment)):
        raise NotPostedHere(path=("dwellingId",) if dwelling is not None else ("householdId",))
    asked = await _form(work, form)
    questions = [Question.of(one) for one in asked.questions] if asked is not None else []
    patrol = await work.session.scalar(
        select(m.Patrol.id).where(
            m.Patrol.account_id == account_id,
            m.Patrol.started_at <= moment,
            m.Patrol.stopped_at.is_(None) | (m.Patrol.stopped_at >= moment),
        )
    )
    visit = m.Visit(
        id=client_id or new_id(),
        account_id=account_id,
        dwelling_id=dwelling.id if dwelling is not None else household.dwelling_id if household is not None else None,
        household_id=household.id if household is not None else None,
        patrol_id=patrol,
        form_id=asked.id if asked is not None else None,
        visited_at=moment,
        method=method,
        outcome=outcome,
        answers=checked_answers(questions, answers if answers is not None else {}, is_complete=outcome == "MET"),
        note=rows.checked_optional(note, "note", 1_000),
        area_id=area.id,
        area_path=area.path,
    )
    await rows.insert(work, RECORD, visit)
    await _note_changes(work, visit, changes)
    work.emit(
        events.VisitRecorded(
            subject_id=visit.id,
            area_path=visit.area_path,
            account_id=account_id,
            dwelling_id=visit.dwelling_id,
            household_id=visit.household_id,
            outcome=outcome,
            changes=len(changes),
        )
    )
    return visit


async def _recorded(work: Work, client_id: UUID, account_id: UUID) -> m.Visit | None:
    """The visit that a handset recorded under its own id before; of two that are sent at a time the second waits."""
    key = {"key": f"grid.visit.{work.tenant_id}.{client_id}"}
    await work.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)
    found: m.Visit | None = await work.session.get(m.Visit, (work.tenant_id, client_id))
    if found is not None and found.account_id != account_id:
        raise ClientIdWrong(path=("clientId",))
    return found


async def _seen(work: Work, tag: str, row_id: UUID | None, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - one of three models
    """Something of the registry that the caller may see; it cannot move until the work ends. Refuses (`NotFound`)."""
    model, noun = _MODELS[tag]
    found = await work.session.scalar(select(model).where(model.id == row_id).with_for_update(read=True))
    scope = work.rights.scope(f"registry.{noun}.read")
    if found is None or scope is None or not scope.covers(found.area_path):
        raise not_found(model.__tablename__, path)
    return found


async def _form(work: Work, code: str | None) -> m.VisitForm | None:
    if code is None:
        return None
    found: m.VisitForm | None = await work.session.scalar(
        select(m.VisitForm).where(m.VisitForm.code == code, m.VisitForm.is_current)
    )
    if found is None:
        raise not_found("visit_forms", ("form",))
    return found


async def _note_changes(work: Work, visit: m.Visit, changes: Sequence[Changed]) -> None:
    ids = [(change.tag, change.row_id) for change in changes]
    if len(changes) > MOST_CHANGES or len(set(ids)) != len(ids):
        raise ChangesTooMany(path=("changes",), limit=MOST_CHANGES)
    for at, change in enumerate(changes):
        subject = await _seen(work, change.tag, change.row_id, ("changes", at, "id"))
        noun = _MODELS[change.tag][1]
        work.session.add(
            m.VisitChange(
                visit_id=visit.id,
                **{f"{noun}_id": subject.id},
                subject_version=subject.version,
                note=rows.checked_optional(change.note, "changes", 500),
                area_id=visit.area_id,
                area_path=visit.area_path,
            )
        )
    await work.session.flush()


async def submit_report(work: Work, *, area_id: UUID | None, text: str, day: date | None = None) -> m.DailyReport:
    """The caller hands in a report of a civil day (today), with the day's figures; again, until acknowledged.

    Refuses (`Forbidden`, `AreaNotFound`, `AreaClosed`, `NotYours`, `NotPostedHere`, `DayWrong`, `ReportAcknowledged`,
    `TextTooLong`).
    """
    area = await rows.place(work, area_id, SUBMIT)
    account_id = rows.caller(work)
    today = civil_day(work.now())
    day = day or today
    earliest = today - timedelta(days=(await settings_of(work)).report_days)
    if not earliest <= day <= today:
        raise DayWrong(path=("day",), earliest=earliest.isoformat())
    if not await posts.works_in(work, account_id, area.path, day):
        raise NotPostedHere(path=("areaId",))
    values = {
        "text": rows.checked_text(text, "text", 5_000),
        "submitted_at": work.now(),
        "area_id": area.id,
        "area_path": area.path,
        **await _figures(work, account_id, day),
    }
    report = await work.session.scalar(
        select(m.DailyReport).where(m.DailyReport.account_id == account_id, m.DailyReport.day == day).with_for_update()
    )
    if report is None:
        report = m.DailyReport(account_id=account_id, day=day, **values)
        await rows.insert(work, SUBMIT, report)
    elif report.acknowledged_at is not None:
        raise ReportAcknowledged(path=("day",))
    else:
        await rows.write(work, SUBMIT, report, values)
    work.emit(
        events.ReportSubmitted(subject_id=report.id, area_path=area.path, account_id=account_id, day=day.isoformat())
    )
    return report


async def acknowledge_report(
    work: Work, report_id: UUID | None, *, remark: str | None = None, version: int | None = None
) -> m.DailyReport:
    """Somebody has read a report and may remark on it; it cannot be changed any more.

    Refuses what `rows.reach` refuses, `NotYours` for callers without an account, `ReportAcknowledged`.
    """
    report = await rows.reach(work, m.DailyReport, report_id, ACKNOWLEDGE, version=version)
    if report.acknowledged_at is not None:
        raise ReportAcknowledged(path=("id",))
    await rows.write(
        work,
        ACKNOWLEDGE,
        report,
        {
            "acknowledged_at": work.now(),
            "acknowledged_by_id": rows.caller(work),
            "remark": rows.checked_optional(remark, "remark", 1_000),
        },
    )
    work.emit(events.ReportAcknowledged(subject_id=report.id, area_path=report.area_path, account_id=report.account_id))
    return report


async def _figures(work: Work, account_id: UUID, day: date) -> dict[str, int]:
    begins, ends = bounds(day)
    walked = (
        await work.session.execute(
            select(func.coalesce(func.sum(m.Patrol.active_s), 0), func.coalesce(func.sum(m.Patrol.length_m), 0)).where(
                m.Patrol.account_id == account_id, m.Patrol.patrolled_on == day
            )
        )
    ).one()
    visits = select(m.Visit.id).where(
        m.Visit.account_id == account_id, m.Visit.visited_at >= begins, m.Visit.visited_at < ends
    )
    visit_count = await work.session.scalar(select(func.count()).select_from(visits.subquery()))
    change_count = await work.session.scalar(select(func.count()).where(m.VisitChange.visit_id.in_(visits)))
    return {
        "patrolled_s": int(walked[0]),
        "length_m": int(walked[1]),
        "visit_count": visit_count or 0,
        "change_count": change_count or 0,
    }
