"""The bound types of reports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Text, cast, func, literal_column

from cityloom.access.api.shapes import Account, Department
from cityloom.graph import bound as b
from cityloom.reports import models as m
from cityloom.reports.api.words import (
    ReportFieldDecision,
    ReportFieldMatch,
    ReportFrequency,
    ReportRequestState,
    ReportRhythm,
)
from cityloom.reports.permissions import READ, REQUEST_READ


@b.bound(
    m.Report,
    tag="rprt",
    module="reports",
    read=READ,
    orderings={"CODE": b.Ordering((m.Report.code,), "By `code`.", is_unique=True)},
    name="Report",
)
class Report(b.Node):
    """A stored query with parameters (报表): run it, keep its results, compare them, take it as a file."""

    code: str = b.column(m.Report.code, "Its code, unique in the city.", filters=b.TEXT)
    title_zh: str = b.column(m.Report.title_zh, "What it is called in Chinese.")
    title_en: str = b.column(m.Report.title_en, "What it is called in English.")
    document: str = b.column(m.Report.document, "The query whose one root list is its rows.")
    parameters: b.JSON = b.column(
        m.Report.parameters,
        "The query's variables: objects with `name`, `title_zh`, `title_en`, and `default` where there is one.",
    )
    is_from_pack: bool = b.column(m.Report.is_from_pack, "Whether the city's pack states it.")
    schedules: b.Connection[ReportSchedule] = b.connection(
        m.ReportSchedule.report_id, "When it is run by itself: the caller's own schedules."
    )
    snapshots: b.Connection[ReportSnapshot] = b.connection(
        m.ReportSnapshot.report_id, "Results of it that are kept: the caller's own."
    )
    version: int = b.column(m.Report.version, "Counts changes: send it with a change.")
    changed_at: datetime = b.column(m.Report.changed_at, "When it was last changed.")


def _clock(schedule: Any) -> Any:  # noqa: ANN401 - an alias and an expression
    hours = func.lpad(cast(schedule.at_minute // 60, Text), 2, literal_column("'0'"))
    minutes = func.lpad(cast(func.mod(schedule.at_minute, 60), Text), 2, literal_column("'0'"))
    return func.concat(hours, literal_column("':'"), minutes)


@b.bound(
    m.ReportSchedule,
    tag="rsch",
    module="reports",
    read=READ,
    scope=b.ScopeRule(rows=lambda schedule, reach: reach.caller(schedule.account_id)),
    orderings={"CREATED": b.Ordering((m.ReportSchedule.id,), "By when they were made.")},
    name="ReportSchedule",
)
class ReportSchedule(b.Node):
    """When a report is run by itself and its result kept, with its owner's rights of that moment (定时报表)."""

    report: Report | None = b.one(m.ReportSchedule.report_id, "The report.")
    owner: Account | None = b.one(m.ReportSchedule.account_id, "Whose rights it is run with.")
    rhythm: ReportRhythm = b.column(m.ReportSchedule.rhythm, "How often.")
    day: int | None = b.column(m.ReportSchedule.day, "The weekday (1 is Monday), or the day of the month; else null.")
    at: str = b.expression(_clock, "The time of day in the city's zone, for example 08:30.")
    values: b.JSON = b.column(m.ReportSchedule.values, "The values of its parameters.")
    next_due_at: datetime = b.column(m.ReportSchedule.next_due_at, "When it is run next.")
    last_failure: str | None = b.column(m.ReportSchedule.last_failure, "Why it failed last; null where it did not.")


@b.bound(
    m.ReportSnapshot,
    tag="rsnp",
    module="reports",
    read=READ,
    scope=b.ScopeRule(rows=lambda snapshot, reach: reach.caller(snapshot.account_id), is_personal=True),
    orderings={"TAKEN": b.Ordering((m.ReportSnapshot.id,), "By when they were taken.")},
    name="ReportSnapshot",
)
class ReportSnapshot(b.Node):
    """A result that is kept (报表快照), for whose rights it was taken with. `reportSnapshotResult` shows its rows."""

    report: Report | None = b.one(m.ReportSnapshot.report_id, "The report.")
    is_scheduled: bool = b.column(m.ReportSnapshot.is_scheduled, "Whether a schedule took it.")
    values: b.JSON = b.column(m.ReportSnapshot.values, "The values of its parameters.")
    document_hash: str = b.column(m.ReportSnapshot.document_hash, "The SHA-256 of the query that it was taken with.")
    row_count: int = b.column(m.ReportSnapshot.row_count, "How many rows are kept.")
    is_truncated: bool = b.column(m.ReportSnapshot.is_truncated, "Whether there were more.")
    taken_at: datetime = b.column(m.ReportSnapshot.taken_at, "When it was taken.")
    withdrawn_at: datetime | None = b.column(
        m.ReportSnapshot.withdrawn_at,
        "When its rows were taken back, because somebody of whom they told was erased; null where they are there.",
    )


@b.bound(
    m.ReportField,
    tag="rfld",
    module="reports",
    read=REQUEST_READ,
    orderings={"CODE": b.Ordering((m.ReportField.code,), "By `code`.", is_unique=True)},
    name="ReportField",
)
class ReportField(b.Node):
    """Something that the platform can derive (可派生字段), with the names by which people ask for it."""

    code: str = b.column(m.ReportField.code, "Its code, unique in the city.", filters=b.TEXT)
    title_zh: str = b.column(m.ReportField.title_zh, "What it is called in Chinese.")
    title_en: str = b.column(m.ReportField.title_en, "What it is called in English.")
    root_field: str = b.column(m.ReportField.root, "The list of whose rows it is a value.")
    path: str = b.column(m.ReportField.path, "Where it stands in a row, as `reportFields` tells it.")
    synonyms: list[str] = b.column(m.ReportField.synonyms, "Other names by which people ask for it.")


@b.bound(
    m.ReportRequest,
    tag="rreq",
    module="reports",
    read=REQUEST_READ,
    orderings={"FILED": b.Ordering((m.ReportRequest.id,), "By when they were filed.")},
    name="ReportRequest",
)
class ReportRequest(b.Node):
    """What a department asks communities to fill in by hand (填表要求)."""

    title: str = b.column(m.ReportRequest.title, "What it is called.")
    department: Department | None = b.one(m.ReportRequest.department_id, "Who asks.")
    frequency: ReportFrequency = b.column(m.ReportRequest.frequency, "How often it is filled in.")
    units: int = b.column(m.ReportRequest.units, "How many fill it in.")
    state: ReportRequestState = b.column(m.ReportRequest.state, "What has become of it.", filters=b.EXACT)
    override_reason: str | None = b.column(
        m.ReportRequest.override_reason, "Why it is asked for although the platform knows it; null where it is not."
    )
    report: Report | None = b.one(m.ReportRequest.report_id, "The report that answers what nobody is asked for.")
    fields: list[ReportRequestField] = b.many(
        m.ReportRequestField.request_id, "Its fields, in their order.", limit=100, filterable=False
    )
    filed_at: datetime = b.column(m.ReportRequest.filed_at, "When it was filed.")
    settled_at: datetime | None = b.column(m.ReportRequest.settled_at, "When it was decided what is asked.")
    withdrawn_at: datetime | None = b.column(m.ReportRequest.withdrawn_at, "When it was withdrawn.")


@b.bound(
    m.ReportRequestField,
    module="reports",
    read=REQUEST_READ,
    orderings={
        "POSITION": b.Ordering((m.ReportRequestField.request_id, m.ReportRequestField.position), "By position.")
    },
    name="ReportRequestField",
)
class ReportRequestField:
    """One field of a report request, and what is known of it."""

    position: int = b.column(m.ReportRequestField.position, "Its place in the form, from 1.")
    name: str = b.column(m.ReportRequestField.name, "What it is called in the form.")
    minutes: int = b.column(m.ReportRequestField.minutes, "How many minutes it takes to fill in.")
    match: ReportFieldMatch = b.column(m.ReportRequestField.match, "What it was found to be.")
    is_certain: bool = b.column(m.ReportRequestField.is_certain, "Whether it is called exactly so in the catalogue.")
    root_field: str | None = b.column(m.ReportRequestField.root, "The list from which it can be derived.")
    path: str | None = b.column(m.ReportRequestField.path, "Where it stands in a row of that list.")
    decision: ReportFieldDecision = b.column(m.ReportRequestField.decision, "What a person decided.")
