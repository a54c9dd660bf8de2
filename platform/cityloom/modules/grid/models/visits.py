"""Visits with their forms and what they changed in the registry, and daily reports."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import AreaScoped, Base, TenantTable, area_foreign_key, tenant_foreign_key
from cityloom.modules.grid.models.common import Tracked, by, one_of, paths

VISIT_METHODS = ("DOOR", "PHONE")
VISIT_OUTCOMES = ("MET", "NOBODY_HOME", "DECLINED")


class VisitForm(TenantTable, Base):
    """The questions that a visit asks, in one version; a changed form is another version, and answers keep theirs."""

    __tablename__ = "visit_forms"
    __table_args__ = (
        UniqueConstraint("tenant_id", "code", "edition"),
        CheckConstraint("code ~ '^[a-z][a-z0-9_-]{0,39}$'", name="code_formed"),
    )

    code: Mapped[str]
    edition: Mapped[int]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    questions: Mapped[list[Any]] = mapped_column(JSONB)
    is_current: Mapped[bool]
    created_at: Mapped[datetime]


class Visit(Tracked, AreaScoped, TenantTable, Base):
    """A worker knocked at a door (敲门行动) or called; of a dwelling, a household, or both."""

    __tablename__ = "visits"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("account_id", "grid_workers"),
        tenant_foreign_key("dwelling_id", "dwellings"),
        tenant_foreign_key("household_id", "households"),
        tenant_foreign_key("form_id", "visit_forms"),
        tenant_foreign_key("patrol_id", "patrols"),
        one_of("method", VISIT_METHODS),
        one_of("outcome", VISIT_OUTCOMES),
        CheckConstraint("num_nonnulls(dwelling_id, household_id) > 0", name="somewhere"),
        *paths("visited_at"),
        Index(None, "tenant_id", "account_id", "visited_at", "id"),
        Index(None, "tenant_id", "dwelling_id", "visited_at"),
        Index(None, "tenant_id", "household_id", "visited_at"),
        Index(None, "tenant_id", "form_id"),
        Index(None, "tenant_id", "patrol_id"),
        by("visited_at"),
        by("outcome", "visited_at"),
    )

    account_id: Mapped[UUID]
    dwelling_id: Mapped[UUID | None]
    household_id: Mapped[UUID | None]
    patrol_id: Mapped[UUID | None]
    form_id: Mapped[UUID | None]
    visited_at: Mapped[datetime]
    method: Mapped[str]
    outcome: Mapped[str]
    answers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    note: Mapped[str | None]


class VisitChange(AreaScoped, TenantTable, Base):
    """What a visit led to in the registry: the thing, and the version that it had then."""

    __tablename__ = "visit_changes"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("visit_id", "visits", ondelete="CASCADE"),
        tenant_foreign_key("dwelling_id", "dwellings"),
        tenant_foreign_key("household_id", "households"),
        tenant_foreign_key("resident_id", "residents"),
        CheckConstraint("num_nonnulls(dwelling_id, household_id, resident_id) = 1", name="one_thing"),
        *paths(),
        Index(None, "tenant_id", "visit_id", "id"),
        Index(None, "tenant_id", "dwelling_id"),
        Index(None, "tenant_id", "household_id"),
        Index(None, "tenant_id", "resident_id"),
    )

    visit_id: Mapped[UUID]
    dwelling_id: Mapped[UUID | None]
    household_id: Mapped[UUID | None]
    resident_id: Mapped[UUID | None]
    subject_version: Mapped[int]
    note: Mapped[str | None]


class DailyReport(Tracked, AreaScoped, TenantTable, Base):
    """What a worker says of a day, with the day's figures as they were when it was handed in."""

    __tablename__ = "daily_reports"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("account_id", "grid_workers"),
        tenant_foreign_key("acknowledged_by_id", "accounts"),
        UniqueConstraint("tenant_id", "account_id", "day"),
        CheckConstraint("num_nulls(acknowledged_at, acknowledged_by_id) IN (0, 2)", name="acknowledged_by_somebody"),
        *paths("day"),
        by("day"),
    )

    account_id: Mapped[UUID]
    day: Mapped[date] = mapped_column(Date)
    text: Mapped[str]
    patrolled_s: Mapped[int]
    length_m: Mapped[int]
    visit_count: Mapped[int]
    change_count: Mapped[int]
    submitted_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by_id: Mapped[UUID | None]
    remark: Mapped[str | None]
