"""Tables of tenants: the directory of cities, their modules, limits and keys, and what operators did to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable
from cityloom.core.ids import new_id

#: States of a tenant, in the order in which they are lived through.
STATES = ("ONBOARDING", "ACTIVE", "SUSPENDED", "LEAVING", "GONE")


class Tenant(Base):
    """One city in the directory; written by operators only, and by a tenant's own work seen only as itself."""

    __tablename__ = "tenants"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    description_zh: Mapped[str | None]
    description_en: Mapped[str | None]
    state: Mapped[str] = mapped_column(default="ONBOARDING")
    state_reason: Mapped[str | None]
    locale: Mapped[str] = mapped_column(default="zh")
    time_zone: Mapped[str] = mapped_column(default="Asia/Shanghai")
    division_code: Mapped[str | None]
    extends: Mapped[str | None]
    created_at: Mapped[datetime]
    state_changed_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("slug"),
        CheckConstraint("state IN ('ONBOARDING', 'ACTIVE', 'SUSPENDED', 'LEAVING', 'GONE')", name="state"),
        CheckConstraint("locale IN ('zh', 'en')", name="locale"),
        CheckConstraint("slug ~ '^[a-z][a-z0-9-]{1,38}[a-z0-9]$'", name="slug"),
        {"info": {"kind": "directory"}},
    )


class TenantModule(TenantTable, Base):
    """A module as one tenant has it: on or off, with its settings."""

    __tablename__ = "tenant_modules"

    module: Mapped[str]
    is_enabled: Mapped[bool]
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)

    __table_args__ = (UniqueConstraint("tenant_id", "module"), {"info": {"operator_reads": True}})


class TenantLimit(TenantTable, Base):
    """A limit that differs from the platform's default for one tenant."""

    __tablename__ = "tenant_limits"

    name: Mapped[str]
    value: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint("value >= 0", name="value"),
        {"info": {"operator_reads": True}},
    )


class TenantDataKey(TenantTable, Base):
    """A tenant's data key, wrapped by a key-encryption key of the tenant; emptying `wrapped` erases what it sealed.

    `active_at` is when it is used first, so that every process knows it by then. `generation` counts the keys of one
    purpose from 1, so that two processes cannot both make the first.
    """

    __tablename__ = "tenant_data_keys"

    purpose: Mapped[str]
    generation: Mapped[int]
    algorithm: Mapped[str]
    provider: Mapped[str]
    provider_key: Mapped[str]
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    active_at: Mapped[datetime | None]
    destroyed_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "purpose", "generation"),
        CheckConstraint("purpose IN ('FIELD', 'INDEX')", name="purpose"),
        CheckConstraint("(destroyed_at IS NULL) = (length(wrapped) > 0)", name="destroyed"),
    )


class PackApplication(Base):
    """One applied pack: the hash of its files, who applied it, and how many rows it added, changed and removed."""

    __tablename__ = "pack_applications"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[UUID]
    pack_hash: Mapped[str]
    actor: Mapped[str]
    applied_at: Mapped[datetime]
    added: Mapped[int]
    changed: Mapped[int]
    removed: Mapped[int]
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB)

    __table_args__ = (Index(None, "tenant_id", "id"), {"info": {"kind": "control", "append_only": True}})


class OperatorAction(Base):
    """What an operator did on the control plane; append-only. A tenant sees its own in its audit log."""

    __tablename__ = "operator_actions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[UUID | None]
    actor: Mapped[str]
    action: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    acted_at: Mapped[datetime]

    __table_args__ = (Index(None, "tenant_id", "id"), {"info": {"kind": "control", "append_only": True}})
