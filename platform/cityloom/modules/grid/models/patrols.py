"""Patrols, their tracks, where people on shift are, and the daily rule."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, Double, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import AreaScoped, Base, TenantTable, area_foreign_key, tenant_foreign_key
from cityloom.modules.grid.models.common import Tracked, by, one_of, paths

PATROL_KINDS = ("ROUTINE", "FOCUS")
DAY_RESULTS = ("MET", "MISSED", "EXEMPT")


class Patrol(Tracked, AreaScoped, TenantTable, Base):
    """A walk through an area (巡查). Figures follow from the track and are made anew with each batch.

    Lengths in metres, times in seconds; `duration_s` counts pauses, `active_s` does not; cells are those of the raster
    of `cell_m` metres whose centres lie inside the area's boundary.
    """

    __tablename__ = "patrols"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("account_id", "grid_workers"),
        tenant_foreign_key("shift_id", "shifts"),
        one_of("kind", PATROL_KINDS),
        CheckConstraint("stopped_at >= started_at", name="time_ordered"),
        Index(
            "uq_patrols_under_way",
            "tenant_id",
            "account_id",
            unique=True,
            postgresql_where=text("stopped_at IS NULL"),
        ),
        *paths("started_at"),
        Index(None, "tenant_id", "account_id", "patrolled_on", "id"),
        Index(None, "tenant_id", "shift_id"),
        by("started_at"),
        by("patrolled_on"),
    )

    account_id: Mapped[UUID]
    shift_id: Mapped[UUID | None]
    kind: Mapped[str]
    started_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    patrolled_on: Mapped[date] = mapped_column(Date)
    point_count: Mapped[int] = mapped_column(default=0)
    flagged_count: Mapped[int] = mapped_column(default=0)
    length_m: Mapped[int] = mapped_column(default=0)
    duration_s: Mapped[int] = mapped_column(default=0)
    pause_s: Mapped[int] = mapped_column(default=0)
    active_s: Mapped[int] = mapped_column(default=0)
    cell_m: Mapped[int | None]
    cell_count: Mapped[int | None]
    visited_cell_count: Mapped[int | None]


class TrackBatch(AreaScoped, TenantTable, Base):
    """Points of a track as one upload brought them: `[[unix milliseconds, longitude, latitude, accuracy in m], …]`.

    Rows per batch, not per point: 1,480 workers at a point every ten seconds are a million points a day. Deleted when
    the city's retention has passed; the patrol's figures stay.
    """

    __tablename__ = "track_batches"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("patrol_id", "patrols", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "patrol_id", "client_key"),
        *paths(),
        Index(None, "tenant_id", "patrol_id", "first_at", "id"),
        Index(None, "tenant_id", "received_at"),
    )

    patrol_id: Mapped[UUID]
    client_key: Mapped[str]
    content_hash: Mapped[str]
    received_at: Mapped[datetime]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    point_count: Mapped[int]
    ignored_count: Mapped[int]
    points: Mapped[list[Any]] = mapped_column(JSONB)


class WorkerPosition(AreaScoped, TenantTable, Base):
    """Where somebody on shift was last; `id` is the account's. Gone when they check out, unseen when the shift ends."""

    __tablename__ = "worker_positions"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("id", "grid_workers"),
        tenant_foreign_key("shift_id", "shifts"),
        tenant_foreign_key("patrol_id", "patrols"),
        *paths("recorded_at"),
        by("recorded_at"),
        Index(None, "tenant_id", "visible_until"),
    )

    shift_id: Mapped[UUID]
    patrol_id: Mapped[UUID | None]
    recorded_at: Mapped[datetime]
    visible_until: Mapped[datetime]
    longitude: Mapped[float] = mapped_column(Double)
    latitude: Mapped[float] = mapped_column(Double)
    accuracy_m: Mapped[int | None]


class PatrolDay(Tracked, AreaScoped, TenantTable, Base):
    """One worker's day against the city's rule (2 小时巡查): how long, how far, and whether that was enough."""

    __tablename__ = "patrol_days"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("account_id", "grid_workers"),
        UniqueConstraint("tenant_id", "account_id", "day"),
        one_of("result", DAY_RESULTS),
        *paths("day"),
        by("day"),
        by("result", "day"),
    )

    account_id: Mapped[UUID]
    day: Mapped[date] = mapped_column(Date)
    result: Mapped[str]
    required_minutes: Mapped[int]
    patrolled_s: Mapped[int]
    length_m: Mapped[int]
    patrol_count: Mapped[int]
