"""The outbox of events."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable


class EventRecord(TenantTable, Base):
    """One fact. `facts` holds ids and changed values, never sensitive ones; `area_path` says where it happened."""

    __tablename__ = "events"

    type: Mapped[str]
    subject_tag: Mapped[str]
    subject_id: Mapped[UUID]
    area_path: Mapped[str | None] = mapped_column(Text(collation="C"))
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    trace_id: Mapped[str | None]
    occurred_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "tenant_id", "subject_id", "id"),
        Index(None, "tenant_id", "type", "id"),
        {"info": {"append_only": True}},
    )
