"""The outbox, the stream that it is moved to, and the two counters between them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable


class _Fact(TenantTable):
    """One fact. `facts` and `changed` are as integrators read them; `area_path` says where it happened, then."""

    type: Mapped[str]
    subject_tag: Mapped[str]
    subject_id: Mapped[UUID]
    subject_sequence: Mapped[int] = mapped_column(BigInteger)
    area_path: Mapped[str | None] = mapped_column(Text(collation="C"))
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    changed: Mapped[list[str]] = mapped_column(ARRAY(Text))
    actor_kind: Mapped[str]
    actor_tag: Mapped[str | None]
    actor_id: Mapped[UUID | None]
    trace_id: Mapped[str | None]
    occurred_at: Mapped[datetime]


class OutboxRecord(_Fact, Base):
    """An event that was written and is not in the stream yet. Operators see whose it is, nothing else."""

    __tablename__ = "outbox"
    __table_args__ = (
        {
            # Rows live for milliseconds: dead ones are to be cleared by their number, not by their share.
            "postgresql_with": {"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "5000"},
            "info": {"operator_reads": ("tenant_id",)},
        },
    )


class EventRecord(_Fact, Base):
    """An event of the stream."""

    __tablename__ = "events"

    position: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        UniqueConstraint("tenant_id", "position", postgresql_include=["area_path"]),
        Index(None, "tenant_id", "subject_id", "position"),
        Index(None, "tenant_id", "type", "position", "area_path"),
        {"info": {"append_only": True}},
    )


class EventSubject(TenantTable, Base):
    """How many events a subject has had. Its row lock keeps the order of one subject's changes."""

    __tablename__ = "event_subjects"

    subject_tag: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        # Every event updates a row here: with room on the page no index is touched.
        {"postgresql_with": {"fillfactor": "70"}},
    )


class EventHead(TenantTable, Base):
    """The last position of a tenant's stream; one row, whose id is the tenant's. Sequencers take turns by its lock."""

    __tablename__ = "event_heads"

    position: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        CheckConstraint("id = tenant_id", name="one"),
        {"info": {"operator_reads": True}},
    )
