"""Tables of reports: what is stored, scheduled and kept, and what departments ask for."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable, tenant_foreign_key
from cityloom.core.sealed import SEALED
from cityloom.core.subjects import contents_of

RHYTHMS = ("DAILY", "WEEKLY", "MONTHLY")
FREQUENCIES = ("ONCE", "DAILY", "WEEKLY", "MONTHLY", "QUARTERLY", "YEARLY")
REQUEST_STATES = ("PROPOSED", "ASKED", "GENERATED", "WITHDRAWN")
MATCHES = ("NONE", "DERIVABLE", "ASKED_ELSEWHERE")
DECISIONS = ("OPEN", "CONFIRMED", "REJECTED")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class Report(TenantTable, Base):
    """One report. `parameters` are objects with `name`, `title_zh`, `title_en` and perhaps `default`."""

    __tablename__ = "reports"
    __table_args__ = (
        UniqueConstraint("tenant_id", "code"),
        CheckConstraint("code ~ '^[a-z][a-z0-9_-]{0,39}$'", name="code"),
    )

    code: Mapped[str]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    document: Mapped[str]
    parameters: Mapped[list[Any]] = mapped_column(JSONB)
    is_from_pack: Mapped[bool]
    version: Mapped[int] = mapped_column(default=1)
    changed_at: Mapped[datetime]


class ReportSchedule(TenantTable, Base):
    """When a report is run by itself, under whose rights. `at_minute` counts from midnight in the city's zone.

    `day` is the weekday (1 is Monday) of a weekly rhythm and the day of the month (1 to 28) of a monthly one.
    """

    __tablename__ = "report_schedules"
    __table_args__ = (
        tenant_foreign_key("report_id", "reports", ondelete="CASCADE"),
        tenant_foreign_key("account_id", "accounts"),
        CheckConstraint(_one_of("rhythm", RHYTHMS), name="rhythm_known"),
        CheckConstraint("at_minute BETWEEN 0 AND 1439", name="at_minute"),
        CheckConstraint("(rhythm = 'DAILY') = (day IS NULL) AND coalesce(day, 1) BETWEEN 1 AND 28", name="day"),
        Index(None, "tenant_id", "report_id"),
        Index(None, "tenant_id", "account_id"),
        Index(None, "tenant_id", "next_due_at"),
    )

    report_id: Mapped[UUID]
    account_id: Mapped[UUID]
    client_id: Mapped[UUID | None]
    rhythm: Mapped[str]
    day: Mapped[int | None]
    at_minute: Mapped[int]
    values: Mapped[dict[str, Any]] = mapped_column(JSONB)
    next_due_at: Mapped[datetime]
    last_failure: Mapped[str | None]


class ReportSnapshot(TenantTable, Base):
    """A kept result. `content` holds the rows, compressed and sealed; `rights` is what they were read with.

    Once somebody of whom it tells is erased, it is withdrawn: the rows and the values that were given are gone.
    """

    __tablename__ = "report_snapshots"
    __table_args__ = (
        tenant_foreign_key("report_id", "reports", ondelete="CASCADE"),
        tenant_foreign_key("account_id", "accounts"),
        Index(None, "tenant_id", "report_id", "taken_at", "id"),
        Index(None, "tenant_id", "account_id", "id"),
        Index(None, "tenant_id", "taken_at", "id"),
        CheckConstraint("(content IS NULL) = (withdrawn_at IS NOT NULL)", name="withdrawn"),
    )

    report_id: Mapped[UUID]
    account_id: Mapped[UUID]
    is_scheduled: Mapped[bool]
    values: Mapped[dict[str, Any]] = mapped_column(JSONB)
    document_hash: Mapped[str]
    columns: Mapped[list[Any]] = mapped_column(JSONB)
    row_count: Mapped[int]
    is_truncated: Mapped[bool]
    content: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    rights: Mapped[dict[str, Any]] = mapped_column(JSONB)
    taken_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class ReportSnapshotContent(TenantTable, Base):
    """A snapshot tells of a row that somebody's erasure can destroy; `id` is the snapshot's."""

    __tablename__ = "report_snapshot_contents"
    __table_args__ = contents_of("report_snapshots")

    row_id: Mapped[UUID] = mapped_column(primary_key=True)


class ReportField(TenantTable, Base):
    """Something that the platform can derive for each row of a root list, and by what names people ask for it."""

    __tablename__ = "report_fields"
    __table_args__ = (
        UniqueConstraint("tenant_id", "code"),
        CheckConstraint("code ~ '^[a-z][a-z0-9_-]{0,59}$'", name="code"),
    )

    code: Mapped[str]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    root: Mapped[str]
    path: Mapped[str]
    synonyms: Mapped[list[Any]] = mapped_column(JSONB)
    is_from_pack: Mapped[bool]


class ReportRequest(TenantTable, Base):
    """What a department asks communities to fill in, `units` of them, in a rhythm."""

    __tablename__ = "report_requests"
    __table_args__ = (
        tenant_foreign_key("department_id", "departments"),
        tenant_foreign_key("filer_id", "accounts"),
        tenant_foreign_key("report_id", "reports"),
        CheckConstraint(_one_of("frequency", FREQUENCIES), name="frequency_known"),
        CheckConstraint(_one_of("state", REQUEST_STATES), name="state_known"),
        CheckConstraint("units > 0", name="units"),
        Index(None, "tenant_id", "department_id", "id"),
        Index(None, "tenant_id", "state", "id"),
        Index(None, "tenant_id", "filer_id"),
        Index(None, "tenant_id", "report_id"),
    )

    title: Mapped[str]
    department_id: Mapped[UUID]
    filer_id: Mapped[UUID]
    frequency: Mapped[str]
    units: Mapped[int]
    state: Mapped[str]
    override_reason: Mapped[str | None]
    report_id: Mapped[UUID | None]
    filed_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]


class ReportRequestField(TenantTable, Base):
    """One field of a request: its name as asked, the minutes that it takes, and what was proposed and decided of it.

    `normal` is the name without what does not matter; a confirmed field is not asked for.
    """

    __tablename__ = "report_request_fields"
    __table_args__ = (
        tenant_foreign_key("request_id", "report_requests", ondelete="CASCADE"),
        tenant_foreign_key("elsewhere_id", "report_request_fields"),
        CheckConstraint(_one_of("match", MATCHES), name="match_known"),
        CheckConstraint(_one_of("decision", DECISIONS), name="decision_known"),
        CheckConstraint("minutes >= 0", name="minutes"),
        CheckConstraint("(match = 'DERIVABLE') = (path IS NOT NULL)", name="derivable"),
        CheckConstraint("(match = 'ASKED_ELSEWHERE') = (elsewhere_id IS NOT NULL)", name="elsewhere"),
        UniqueConstraint("tenant_id", "request_id", "position"),
        Index(None, "tenant_id", "normal", "id", postgresql_where=text("decision <> 'CONFIRMED'")),
        Index(None, "tenant_id", "elsewhere_id"),
    )

    request_id: Mapped[UUID]
    position: Mapped[int]
    name: Mapped[str]
    normal: Mapped[str]
    minutes: Mapped[int]
    match: Mapped[str]
    is_certain: Mapped[bool]
    root: Mapped[str | None]
    path: Mapped[str | None]
    elsewhere_id: Mapped[UUID | None]
    decision: Mapped[str]
