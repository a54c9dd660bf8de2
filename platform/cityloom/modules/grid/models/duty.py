"""Shifts: planned, attended, and the duty roster among them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Double, Index, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import AreaScoped, Base, TenantTable, area_foreign_key, tenant_foreign_key
from cityloom.modules.grid.models.common import Tracked, by, paths

LONGEST_SHIFT_HOURS = 24


class Shift(Tracked, AreaScoped, TenantTable, Base):
    """A time in which an account works in an area; `is_duty`: who is called while it lasts (值班).

    A distance is metres from the area's boundary, 0 inside, or from its centre where it has no boundary; null where the
    area has neither.
    """

    __tablename__ = "shifts"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("account_id", "grid_workers"),
        tenant_foreign_key("post_id", "posts"),
        ExcludeConstraint(
            ("tenant_id", "="),
            ("account_id", "="),
            (func.tstzrange(text("starts_at"), text("ends_at")), "&&"),
            where=text("cancelled_at IS NULL"),
            using="gist",
            name="ex_shifts_one_at_a_time",
        ),
        CheckConstraint(
            f"ends_at > starts_at AND ends_at <= starts_at + interval '{LONGEST_SHIFT_HOURS} hours'",
            name="time_ordered",
        ),
        CheckConstraint("checked_out_at >= checked_in_at", name="attendance_ordered"),
        CheckConstraint("checked_out_at IS NULL OR checked_in_at IS NOT NULL", name="out_after_in"),
        CheckConstraint("num_nulls(checked_in_longitude, checked_in_latitude) IN (0, 2)", name="in_whole"),
        CheckConstraint("num_nulls(checked_out_longitude, checked_out_latitude) IN (0, 2)", name="out_whole"),
        *paths("starts_at"),
        Index(None, "tenant_id", "account_id", "starts_at", "id"),
        Index(None, "tenant_id", "post_id"),
        by("starts_at"),
        by("ends_at"),
        Index(None, "tenant_id", "area_path", "ends_at", postgresql_where=text("is_duty AND cancelled_at IS NULL")),
    )

    account_id: Mapped[UUID]
    post_id: Mapped[UUID | None]
    is_duty: Mapped[bool]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    note: Mapped[str | None]
    cancelled_at: Mapped[datetime | None]
    checked_in_at: Mapped[datetime | None]
    checked_in_longitude: Mapped[float | None] = mapped_column(Double)
    checked_in_latitude: Mapped[float | None] = mapped_column(Double)
    checked_in_inside: Mapped[bool | None]
    checked_in_distance_m: Mapped[int | None]
    checked_out_at: Mapped[datetime | None]
    checked_out_longitude: Mapped[float | None] = mapped_column(Double)
    checked_out_latitude: Mapped[float | None] = mapped_column(Double)
    checked_out_inside: Mapped[bool | None]
    checked_out_distance_m: Mapped[int | None]
