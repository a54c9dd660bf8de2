"""Entries of the audit log, their places in the chain, and what was signed of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable


class AuditRecord(TenantTable, Base):
    """Who did what to which object, when and why; hashes stand for the state before and after, not the state."""

    __tablename__ = "audit_records"

    recorded_at: Mapped[datetime]
    actor_kind: Mapped[str]
    account_id: Mapped[UUID | None]
    client_id: Mapped[UUID | None]
    action: Mapped[str]
    object_tag: Mapped[str]
    object_id: Mapped[UUID]
    purpose: Mapped[str | None]
    before_hash: Mapped[str | None]
    after_hash: Mapped[str | None]
    changed_fields: Mapped[list[Any]] = mapped_column(JSONB)
    trace_id: Mapped[str | None]

    __table_args__ = (
        Index(None, "tenant_id", "recorded_at", "id"),
        Index(None, "tenant_id", "object_id", "recorded_at", "id"),
        Index(None, "tenant_id", "account_id", "recorded_at", "id"),
        Index(None, "tenant_id", "action", "recorded_at", "id"),
        {"info": {"append_only": True}},
    )


class AuditSeal(TenantTable, Base):
    """The place of one entry in its city's chain, from 1 without gaps.

    `hash` is SHA-256 over the hash before it (32 zero bytes at first) and the entry's canonical text. `latest_at` is
    the latest `recorded_at` up to here. There is no foreign key: a seal outlives an entry that is taken out, and tells.
    """

    __tablename__ = "audit_seals"

    position: Mapped[int] = mapped_column(BigInteger)
    record_id: Mapped[UUID]
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    latest_at: Mapped[datetime]
    sealed_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("tenant_id", "position"),
        UniqueConstraint("tenant_id", "record_id"),
        CheckConstraint("octet_length(hash) = 32", name="hash"),
        {"info": {"append_only": True}},
    )


class AuditCheckpoint(TenantTable, Base):
    """That the chain was signed up to a position; `digest` is of the signed text, which is kept outside."""

    __tablename__ = "audit_checkpoints"

    position: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    signed_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("tenant_id", "position"), {"info": {"append_only": True}})
