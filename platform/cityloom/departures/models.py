"""Tables of departures: how far each is, and the parts of its bundle that are written. Kept when the city is gone."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base
from cityloom.core.ids import new_id

#: Steps in the order in which they are gone through; a step is what has been done last.
STEPS = (
    "ASKED",
    "REVOKED",
    "SETTLED",
    "EXPORTED",
    "CONFIRMED",
    "SHREDDING",
    "SHREDDED",
    "EMPTIED",
    "CLEARED",
    "GONE",
    "TAKEN_BACK",
)
#: Steps at which no key has been touched, so that the city can stay.
REVERSIBLE = STEPS[: STEPS.index("SHREDDING")]


class TenantDeparture(Base):
    """One city's way out: who asked for it, how far it is, and what became of it.

    `not_before` is when the next step may be done, `folder` where the bundle is written, `counts` the rows by table
    that the city had when its keys were destroyed, `failure` the kind of error that the last try ended with.
    """

    __tablename__ = "tenant_departures"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[UUID]
    slug: Mapped[str]
    former_state: Mapped[str]
    step: Mapped[str]
    reason: Mapped[str]
    folder: Mapped[str]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    not_before: Mapped[datetime]
    failure: Mapped[str | None]
    exported_at: Mapped[datetime | None]
    manifest_hash: Mapped[str | None]
    confirmed_by: Mapped[str | None]
    confirmed_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    object_count: Mapped[int | None] = mapped_column(BigInteger)
    object_bytes: Mapped[int | None] = mapped_column(BigInteger)
    keys_destroyed_at: Mapped[datetime | None]
    rows_deleted_at: Mapped[datetime | None]
    files_deleted_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    certificate: Mapped[str | None]
    signature: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint(
            "step IN ('ASKED', 'REVOKED', 'SETTLED', 'EXPORTED', 'CONFIRMED', 'SHREDDING', 'SHREDDED', 'EMPTIED', "
            "'CLEARED', 'GONE', 'TAKEN_BACK')",
            name="step",
        ),
        CheckConstraint("(ended_at IS NULL) = (step NOT IN ('GONE', 'TAKEN_BACK'))", name="ended"),
        CheckConstraint("(step = 'GONE') = (certificate IS NOT NULL)", name="certificate"),
        CheckConstraint("(certificate IS NULL) = (signature IS NULL)", name="signature"),
        Index("uq_tenant_departures_open", "tenant_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index(None, "tenant_id", "id"),
        {"info": {"kind": "control"}},
    )


class DeparturePart(Base):
    """A part of a bundle that is written whole: its path below the bundle's folder, and what it must be."""

    __tablename__ = "departure_parts"

    departure_id: Mapped[UUID] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    row_count: Mapped[int | None] = mapped_column(BigInteger)
    byte_size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]

    __table_args__ = (
        ForeignKeyConstraint(["departure_id"], ["tenant_departures.id"], ondelete="CASCADE"),
        {"info": {"kind": "control"}},
    )
