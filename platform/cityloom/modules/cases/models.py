"""Tables of cases: workflow versions, the matter catalogue, cases with steps, ledger, tasks and reports."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    Double,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import AreaScoped, Base, TenantTable, area_foreign_key, tenant_foreign_key
from cityloom.core.sealed import SEALED
from cityloom.core.tallies import tally
from cityloom.modules.cases.flow import LIGHTS
from cityloom.modules.cases.measures import MEASURES

SOURCES = ("SNAP", "GRID", "HOTLINE", "MAILBOX", "WEB", "MEDIA", "DEVICE", "DATA", "SYSTEM")
PRIORITIES = ("LOW", "NORMAL", "HIGH", "URGENT")
ADMISSIONS = ("PROPOSED", "ADMITTED", "REFUSED", "WITHDRAWN")
TASK_STATES = ("OPEN", "RESPONDED", "DONE", "DECLINED")
#: What is recorded of a case besides transitions.
OTHER_VERBS = ("REPORT", "COMMENT", "SUPERVISE", "REMIND", "MERGE", "VISIT", "RESPOND", "COMPLETE", "DECLINE")
#: What a photo shows: the matter as it was reported, before and after it was handled, or something else.
PHOTO_PURPOSES = ("REPORT", "BEFORE", "AFTER", "OTHER")
CLOCK_KINDS = ("START", "DEADLINE", "PAUSE", "RESUME", "STOP", "WARN", "BREACH", "ESCALATE")


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """Text with a check: enums lose their index behind row-level security."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=f"{column}_known")


class WorkflowVersion(TenantTable, Base):
    """One version of a workflow; its definition never changes, and open cases stay on theirs."""

    __tablename__ = "workflow_versions"
    __table_args__ = (
        Index(None, "tenant_id", "published_at", "id"),
        UniqueConstraint("tenant_id", "code", "version"),
        CheckConstraint("version >= 1", name="version_counted"),
        Index(
            "uq_workflow_versions_current",
            "tenant_id",
            "code",
            unique=True,
            postgresql_where=text("is_current"),
        ),
    )

    code: Mapped[str]
    version: Mapped[int]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    is_current: Mapped[bool]
    published_at: Mapped[datetime]
    published_by_id: Mapped[UUID | None]


class WorkflowState(TenantTable, Base):
    """A state of a workflow version as a row, for names and lights in lists; written once with the version."""

    __tablename__ = "workflow_states"
    __table_args__ = (
        tenant_foreign_key("workflow_id", "workflow_versions", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "workflow_id", "code"),
        one_of("light", LIGHTS),
    )

    workflow_id: Mapped[UUID]
    position: Mapped[int]
    code: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    light: Mapped[str]
    is_terminal: Mapped[bool]


class BusinessDay(TenantTable, Base):
    """What the city decided of one day: that it is worked, or that it is not, whatever the state's calendar says."""

    __tablename__ = "business_days"
    __table_args__ = (UniqueConstraint("tenant_id", "day"),)

    day: Mapped[date] = mapped_column(Date)
    is_workday: Mapped[bool]
    name: Mapped[str | None]


class Matter(TenantTable, Base):
    """One entry of the matter catalogue: a class, or an item that can be reported.

    `stated` is what was said of this entry itself; the other columns hold that with what it inherits from above.
    """

    __tablename__ = "matters"
    __table_args__ = (
        UniqueConstraint("tenant_id", "code"),
        tenant_foreign_key("parent_id", "matters"),
        tenant_foreign_key("department_id", "departments"),
        one_of("priority", PRIORITIES),
        one_of("admission", ADMISSIONS),
        CheckConstraint("depth BETWEEN 0 AND 12", name="depth_bounded"),
        Index(None, "tenant_id", "parent_id", "code"),
        Index(None, "tenant_id", "department_id"),
        Index(None, "tenant_id", "workflow_code", "code"),
        Index(None, "tenant_id", "admission", "code"),
        Index(None, "tenant_id", "name_zh", "id"),
        Index(None, "tenant_id", "depth", "id"),
    )

    code: Mapped[str]
    parent_id: Mapped[UUID | None]
    depth: Mapped[int]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    workflow_code: Mapped[str | None]
    department_id: Mapped[UUID | None]
    priority: Mapped[str]
    reporters: Mapped[list[str]] = mapped_column(JSONB)
    allows_anonymous: Mapped[bool]
    limits: Mapped[dict[str, str]] = mapped_column(JSONB)
    needs: Mapped[list[str]] = mapped_column(JSONB)
    is_reportable: Mapped[bool]
    admission: Mapped[str]
    source: Mapped[str | None]
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)
    stated: Mapped[dict[str, Any]] = mapped_column(JSONB)
    is_from_pack: Mapped[bool]
    proposed_by_id: Mapped[UUID | None]
    approved_by_id: Mapped[UUID | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Case(AreaScoped, TenantTable, Base):
    """One case. Light, deadline, overdue and level are projections of the state and the ledger, kept for boards."""

    __tablename__ = "cases"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("matter_id", "matters"),
        tenant_foreign_key("workflow_id", "workflow_versions"),
        ForeignKeyConstraint(
            ["tenant_id", "workflow_id", "state"],
            ["workflow_states.tenant_id", "workflow_states.workflow_id", "workflow_states.code"],
        ),
        tenant_foreign_key("department_id", "departments"),
        tenant_foreign_key("assignee_id", "accounts"),
        tenant_foreign_key("reporter_id", "accounts"),
        tenant_foreign_key("resolved_by_id", "accounts"),
        tenant_foreign_key("escalated_to_id", "accounts"),
        tenant_foreign_key("merged_into_id", "cases"),
        UniqueConstraint("tenant_id", "tracking_code"),
        one_of("light", LIGHTS),
        one_of("priority", PRIORITIES),
        one_of("source", SOURCES),
        CheckConstraint("num_nulls(longitude, latitude) IN (0, 2)", name="position_whole"),
        CheckConstraint("is_open = (closed_at IS NULL)", name="closed_when_not_open"),
        CheckConstraint("satisfaction BETWEEN 1 AND 5", name="satisfaction_in_range"),
        CheckConstraint("merged_into_id <> id", name="merged_elsewhere"),
        Index(None, "tenant_id", "area_path", "id"),
        Index(None, "tenant_id", "area_id"),
        # Each step of a case writes an entry in nearly every index here, so columns of few values share one: it is
        # skipped through (PostgreSQL 18) where the first is not asked for. See ops/decisions/0027.
        Index(None, "tenant_id", "light", "state", "area_path"),
        Index(None, "tenant_id", "source", "priority"),
        Index(None, "tenant_id", "level", "reopen_count"),
        # The items of the catalogue; within one, its open cases around a place.
        Index(None, "tenant_id", "matter_id", "is_open", "longitude", "latitude"),
        # Boards read these two and `ix_cases_open` alone, and the rows never: two to four times as quick.
        Index(None, "tenant_id", "reported_at", "id", "area_path"),
        Index(
            "ix_cases_closed",
            "tenant_id",
            "closed_at",
            "id",
            "area_path",
            postgresql_include=[
                "department_id",
                "matter_id",
                "response_seconds",
                "closure_seconds",
                "was_late",
                "reopen_count",
                "satisfaction",
            ],
        ),
        Index(
            "ix_cases_open",
            "tenant_id",
            "area_path",
            "light",
            postgresql_include=[
                "state",
                "area_id",
                "department_id",
                "matter_id",
                "breached_at",
                "level",
                "priority",
                "source",
            ],
            postgresql_where=text("is_open"),
        ),
        Index("ix_cases_due_at_all", "tenant_id", "due_at", "id"),
        # What is null until a case has come so far is not in an index before.
        Index(None, "tenant_id", "longitude", postgresql_where=text("longitude IS NOT NULL")),
        Index(None, "tenant_id", "latitude", postgresql_where=text("latitude IS NOT NULL")),
        Index(None, "tenant_id", "accepted_at", postgresql_where=text("accepted_at IS NOT NULL")),
        Index(None, "tenant_id", "resolved_at", postgresql_where=text("resolved_at IS NOT NULL")),
        Index(None, "tenant_id", "satisfaction", postgresql_where=text("satisfaction IS NOT NULL")),
        Index(None, "tenant_id", "department_id", "id"),
        Index(None, "tenant_id", "assignee_id", "id", postgresql_where=text("assignee_id IS NOT NULL")),
        Index(None, "tenant_id", "reporter_id", "id", postgresql_where=text("reporter_id IS NOT NULL")),
        Index(None, "tenant_id", "merged_into_id", postgresql_where=text("merged_into_id IS NOT NULL")),
        Index(None, "tenant_id", "breached_at", "id", postgresql_where=text("breached_at IS NOT NULL")),
        Index(None, "tenant_id", "next_clock_at", postgresql_where=text("next_clock_at IS NOT NULL")),
        {
            # Boards read indexes alone where the page is known to be visible to all: a fifth of all cases, the usual
            # share, is all that a command centre asks about for months.
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": "0.01",
                "autovacuum_vacuum_insert_scale_factor": "0.01",
            }
        },
    )

    tracking_code: Mapped[str]
    matter_id: Mapped[UUID]
    workflow_id: Mapped[UUID]
    state: Mapped[str]
    light: Mapped[str]
    is_open: Mapped[bool]
    priority: Mapped[str]
    source: Mapped[str]
    description: Mapped[str]
    address: Mapped[str | None]
    longitude: Mapped[float | None] = mapped_column(Double)
    latitude: Mapped[float | None] = mapped_column(Double)
    reporter_id: Mapped[UUID | None]
    department_id: Mapped[UUID | None]
    assignee_id: Mapped[UUID | None]
    resolved_by_id: Mapped[UUID | None]
    escalated_to_id: Mapped[UUID | None]
    merged_into_id: Mapped[UUID | None]
    is_on_board: Mapped[bool] = mapped_column(default=False, server_default="false")
    reported_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    response_seconds: Mapped[int | None] = mapped_column(BigInteger)
    closure_seconds: Mapped[int | None] = mapped_column(BigInteger)
    due_at: Mapped[datetime | None]
    breached_at: Mapped[datetime | None]
    was_late: Mapped[bool] = mapped_column(default=False, server_default="false")
    level: Mapped[int] = mapped_column(default=0, server_default="0")
    clocks: Mapped[dict[str, Any]] = mapped_column(JSONB)
    next_clock_at: Mapped[datetime | None]
    satisfaction: Mapped[int | None]
    reopen_count: Mapped[int] = mapped_column(default=0, server_default="0")
    report_count: Mapped[int] = mapped_column(default=1, server_default="1")
    step_count: Mapped[int] = mapped_column(default=0, server_default="0")
    entry_count: Mapped[int] = mapped_column(default=0, server_default="0")
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    changed_at: Mapped[datetime]


#: Closed cases by words, and by whose they were with what is summed of them: a board of all years adds them to the open
#: ones, which are few. By matter there would be half as many rows as cases.
CLOSED_CASES = tally(
    "case_tallies",
    Case,
    by=(Case.light, Case.state, Case.source, Case.priority, Case.level),
    rows={Case.is_open: False},
)
CLOSED_BY_DEPARTMENT = tally(
    "case_department_tallies",
    Case,
    by=(Case.department_id, Case.light, Case.state),
    rows={Case.is_open: False},
    measures=MEASURES,
)


class CaseStep(TenantTable, Base):
    """What somebody did with a case; read through the case, so it lies where the case lies."""

    __tablename__ = "case_steps"
    __table_args__ = (
        tenant_foreign_key("case_id", "cases"),
        tenant_foreign_key("actor_id", "accounts"),
        tenant_foreign_key("department_id", "departments"),
        tenant_foreign_key("assignee_id", "accounts"),
        UniqueConstraint("tenant_id", "case_id", "number"),
        CheckConstraint("satisfaction BETWEEN 1 AND 5", name="satisfaction_in_range"),
        {"info": {"append_only": True}},
    )

    case_id: Mapped[UUID]
    number: Mapped[int]
    verb: Mapped[str]
    transition: Mapped[str | None]
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    actor_id: Mapped[UUID | None]
    department_id: Mapped[UUID | None]
    assignee_id: Mapped[UUID | None]
    comment: Mapped[str | None]
    satisfaction: Mapped[int | None]
    longitude: Mapped[float | None] = mapped_column(Double)
    latitude: Mapped[float | None] = mapped_column(Double)
    happened_at: Mapped[datetime]


class CaseClockEntry(TenantTable, Base):
    """One line of the ledger: see `clocks.Entry`."""

    __tablename__ = "case_clock_entries"
    __table_args__ = (
        tenant_foreign_key("case_id", "cases"),
        UniqueConstraint("tenant_id", "case_id", "number"),
        one_of("kind", CLOCK_KINDS),
        one_of("clock", ("STATE", "CASE")),
        {"info": {"append_only": True}},
    )

    case_id: Mapped[UUID]
    number: Mapped[int]
    kind: Mapped[str]
    clock: Mapped[str]
    at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    state: Mapped[str | None]
    limit_ms: Mapped[int | None] = mapped_column(BigInteger)
    is_working: Mapped[bool]
    due_at: Mapped[datetime | None]
    mark: Mapped[int | None]
    target: Mapped[str | None]
    account_id: Mapped[UUID | None]


class CaseTask(AreaScoped, TenantTable, Base):
    """Somebody's part in a case besides the leading department: called in by a whistle, or a co-handler.

    It says enough of the case for who may see the task alone.
    """

    __tablename__ = "case_tasks"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("case_id", "cases"),
        tenant_foreign_key("department_id", "departments"),
        tenant_foreign_key("assignee_id", "accounts"),
        one_of("state", TASK_STATES),
        CheckConstraint("num_nonnulls(department_id, assignee_id) >= 1", name="somebodys"),
        Index(None, "tenant_id", "case_id", "id"),
        Index(None, "tenant_id", "department_id", "state", "id"),
        Index(None, "tenant_id", "assignee_id", "state", "id"),
        Index(None, "tenant_id", "state", "id"),
        Index(None, "tenant_id", "area_path", "id"),
        Index(None, "tenant_id", "area_id"),
    )

    case_id: Mapped[UUID]
    department_id: Mapped[UUID | None]
    assignee_id: Mapped[UUID | None]
    is_lead: Mapped[bool]
    instruction: Mapped[str | None]
    summary: Mapped[str]
    address: Mapped[str | None]
    longitude: Mapped[float | None] = mapped_column(Double)
    latitude: Mapped[float | None] = mapped_column(Double)
    state: Mapped[str] = mapped_column(default="OPEN", server_default="OPEN")
    answer: Mapped[str | None]
    called_at: Mapped[datetime]
    responded_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    changed_at: Mapped[datetime]


class CaseReport(TenantTable, Base):
    """One person's or device's report; a merged case's reports go to the case that stays: nobody is forgotten."""

    __tablename__ = "case_reports"
    __table_args__ = (
        tenant_foreign_key("case_id", "cases"),
        tenant_foreign_key("original_case_id", "cases"),
        tenant_foreign_key("reporter_id", "accounts"),
        UniqueConstraint("tenant_id", "tracking_code"),
        one_of("source", SOURCES),
        CheckConstraint("num_nulls(phone, phone_masked) IN (0, 2)", name="phone_whole"),
        Index(None, "tenant_id", "case_id", "id"),
        Index(None, "tenant_id", "original_case_id"),
        Index(None, "tenant_id", "reporter_id", "id", postgresql_where=text("reporter_id IS NOT NULL")),
        Index(
            "uq_case_reports_external",
            "tenant_id",
            "source",
            "external_reference",
            unique=True,
            postgresql_where=text("external_reference IS NOT NULL"),
        ),
    )

    case_id: Mapped[UUID]
    original_case_id: Mapped[UUID]
    tracking_code: Mapped[str]
    source: Mapped[str]
    external_reference: Mapped[str | None]
    reporter_id: Mapped[UUID | None]
    description: Mapped[str]
    phone: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    phone_masked: Mapped[str | None]
    reported_at: Mapped[datetime]


class CaseTracking(TenantTable, Base):
    """What a tracking code shows: the public face of a case, one row per report, kept equal to the case by its service.

    A table of its own because its readers may see no case at all; it holds no text that anybody wrote.
    """

    __tablename__ = "case_trackings"
    __table_args__ = (
        tenant_foreign_key("case_id", "cases"),
        tenant_foreign_key("matter_id", "matters"),
        UniqueConstraint("tenant_id", "code"),
        Index(None, "tenant_id", "case_id"),
        Index(None, "tenant_id", "matter_id"),
        # Each step of the case updates the row: with room on the page no index is touched.
        {"postgresql_with": {"fillfactor": "70"}},
    )

    code: Mapped[str]
    case_id: Mapped[UUID]
    matter_id: Mapped[UUID]
    state_zh: Mapped[str]
    state_en: Mapped[str]
    light: Mapped[str]
    is_open: Mapped[bool]
    reported_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class CasePhoto(TenantTable, Base):
    """A photo or video that came with a step of a case; a merged case's photos go to the case that stays."""

    __tablename__ = "case_photos"
    __table_args__ = (
        tenant_foreign_key("case_id", "cases"),
        tenant_foreign_key("step_id", "case_steps"),
        tenant_foreign_key("file_id", "files"),
        UniqueConstraint("tenant_id", "file_id"),
        one_of("purpose", PHOTO_PURPOSES),
        Index(None, "tenant_id", "case_id", "id"),
        Index(None, "tenant_id", "step_id", "id"),
    )

    case_id: Mapped[UUID]
    step_id: Mapped[UUID]
    file_id: Mapped[UUID]
    purpose: Mapped[str]
    added_at: Mapped[datetime]
