"""Tables of privacy: purposes, disclosures, consents, holds, erasures, and the rotation of keys.

People are named by the tag of their type and their row's id, without a foreign key: which tables people are is known to
higher slices, and what was done with their data is told after they are gone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable, tenant_foreign_key

#: Personal Information Protection Law (个人信息保护法), article 13, items 1 to 7.
BASES = (
    "CONSENT",
    "CONTRACT",
    "LEGAL_DUTY",
    "EMERGENCY",
    "PUBLIC_INTEREST",
    "PUBLISHED",
    "OTHER_LAW",
)
DISCLOSURE_KINDS = ("UNMASK", "SEARCH", "EXPORT")


def _words(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=f"{column}_known")


class Purpose(TenantTable, Base):
    """What protected data may be asked for, in the tenant's own register."""

    __tablename__ = "privacy_purposes"
    __table_args__ = (
        UniqueConstraint("tenant_id", "code"),
        _words("basis", BASES),
        CheckConstraint("daily_quota BETWEEN 1 AND 100000", name="daily_quota_in_range"),
        CheckConstraint("lasts_minutes BETWEEN 1 AND 1440", name="lasts_minutes_in_range"),
    )

    code: Mapped[str]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    basis: Mapped[str]
    basis_text: Mapped[str]
    fields: Mapped[list[str]] = mapped_column(JSONB)
    daily_quota: Mapped[int]
    lasts_minutes: Mapped[int]
    is_active: Mapped[bool] = mapped_column(default=True, server_default="true")
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class Disclosure(TenantTable, Base):
    """Somebody was shown protected data of a person, or found them by such; `is_counted` against the quota."""

    __tablename__ = "disclosures"
    __table_args__ = (
        tenant_foreign_key("purpose_id", "privacy_purposes"),
        _words("kind", DISCLOSURE_KINDS),
        CheckConstraint("kind <> 'UNMASK' OR purpose_id IS NOT NULL", name="unmasked_for_a_purpose"),
        Index(None, "tenant_id", "subject_tag", "subject_id", "id"),
        Index(None, "tenant_id", "caller_id", "disclosed_at"),
        Index(None, "tenant_id", "disclosed_at", "id"),
        Index(None, "tenant_id", "purpose_id", "id"),
    )

    kind: Mapped[str]
    subject_tag: Mapped[str]
    subject_id: Mapped[UUID]
    #: Account or API client, so that both are counted alike.
    caller_id: Mapped[UUID]
    actor_kind: Mapped[str]
    account_id: Mapped[UUID | None]
    client_id: Mapped[UUID | None]
    purpose_id: Mapped[UUID | None]
    fields: Mapped[list[str]] = mapped_column(JSONB)
    note: Mapped[str | None]
    is_counted: Mapped[bool]
    disclosed_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class Consent(TenantTable, Base):
    """A person gave or withdrew consent to a purpose; the newest entry of the two is what holds."""

    __tablename__ = "consents"
    __table_args__ = (
        tenant_foreign_key("purpose_id", "privacy_purposes"),
        Index(None, "tenant_id", "subject_tag", "subject_id", "purpose_id", "id"),
        Index(None, "tenant_id", "purpose_id", "id"),
        {"info": {"append_only": True}},
    )

    subject_tag: Mapped[str]
    subject_id: Mapped[UUID]
    purpose_id: Mapped[UUID]
    is_given: Mapped[bool]
    evidence: Mapped[str]
    account_id: Mapped[UUID | None]
    recorded_at: Mapped[datetime]


class LegalHold(TenantTable, Base):
    """What is stored of a person must not be erased for as long as this is not lifted."""

    __tablename__ = "legal_holds"
    __table_args__ = (
        CheckConstraint("num_nulls(lifted_at, lift_reason) IN (0, 2)", name="lifted_for_a_reason"),
        Index(
            "uq_legal_holds_standing",
            "tenant_id",
            "subject_tag",
            "subject_id",
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
        Index(None, "tenant_id", "subject_tag", "subject_id", "id"),
    )

    subject_tag: Mapped[str]
    subject_id: Mapped[UUID]
    reason: Mapped[str]
    placed_at: Mapped[datetime]
    account_id: Mapped[UUID | None]
    lifted_at: Mapped[datetime | None]
    lift_reason: Mapped[str | None]


class Erasure(TenantTable, Base):
    """A person's data were erased; `noted_at` is when that was written down outside of the database."""

    __tablename__ = "erasures"
    __table_args__ = (
        UniqueConstraint("tenant_id", "subject_tag", "subject_id"),
        Index(None, "tenant_id", "erased_at", "id"),
        Index(None, "tenant_id", "id", postgresql_where=text("noted_at IS NULL")),
    )

    subject_tag: Mapped[str]
    subject_id: Mapped[UUID]
    reason: Mapped[str]
    account_id: Mapped[UUID | None]
    erased_at: Mapped[datetime]
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    noted_at: Mapped[datetime | None]


class KeyRotation(TenantTable, Base):
    """The tenant's keys are changed: everything is sealed and indexed again, then the old keys are destroyed.

    `place` and `cursor` say how far it is: a table, and the last row of it that was looked at. `old_provider_keys` open
    backups from before; they are destroyed at `shred_at`.
    """

    __tablename__ = "key_rotations"
    __table_args__ = (Index(None, "tenant_id", "started_at", "id"), {"info": {"operator_reads": True}})

    started_at: Mapped[datetime]
    active_at: Mapped[datetime]
    algorithm: Mapped[str]
    field_key_id: Mapped[UUID]
    index_key_id: Mapped[UUID]
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    place: Mapped[int] = mapped_column(default=0)
    cursor: Mapped[UUID | None]
    finished_at: Mapped[datetime | None]
    old_provider_keys: Mapped[list[str]] = mapped_column(JSONB, default=list)
    shred_at: Mapped[datetime | None]
    shredded_at: Mapped[datetime | None]
