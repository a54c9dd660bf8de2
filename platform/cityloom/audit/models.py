"""Entries of the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
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
        Index(None, "tenant_id", "object_id", "id"),
        {"info": {"append_only": True}},
    )
