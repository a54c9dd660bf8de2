"""Tables of tags: the catalogue, its rules, who has which tag in which period, and how far changes were reviewed.

How many have a tag now is tallied; where a question goes beyond the tally, it is counted in an index alone: see the two
indexes of `resident_tags` that hold current assignments only.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import AreaScoped, Base, TenantTable, area_foreign_key, tenant_foreign_key
from cityloom.core.tallies import tally
from cityloom.modules.registry.models import Tracked, one_of

TAG_CLASSES = ("IDENTITY", "SERVICE", "BEHAVIOUR")
SENSITIVITIES = ("OPEN", "RESTRICTED", "SENSITIVE")
SOURCES = ("PERSON", "IMPORT", "RULE")
#: Why an assignment ended: taken back, its rule holds no more, its time was up, its resident left, a person assigned
#: the same tag in its place, or the resident withdrew their consent.
ENDINGS = ("WITHDRAWN", "RULE", "EXPIRED", "LEFT", "REPLACED", "CONSENT_WITHDRAWN")

_CURRENT = text("ended_at IS NULL")


class Tag(Tracked, TenantTable, Base):
    """One tag of the city's catalogue; one that needs consent is assigned to who consents to `purpose_id`."""

    __tablename__ = "tags"
    __table_args__ = (
        tenant_foreign_key("purpose_id", "privacy_purposes"),
        UniqueConstraint("tenant_id", "code"),
        UniqueConstraint("tenant_id", "id", "code", "sensitivity"),
        CheckConstraint("code ~ '^[a-z][a-z0-9_]{0,39}$'", name="code_formed"),
        one_of("tag_class", TAG_CLASSES),
        one_of("sensitivity", SENSITIVITIES),
        CheckConstraint("validity_days BETWEEN 1 AND 36500", name="validity_in_range"),
        Index(None, "tenant_id", "tag_class", "code"),
        Index(None, "tenant_id", "sensitivity", "code"),
        Index(None, "tenant_id", "purpose_id"),
    )

    code: Mapped[str]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    tag_class: Mapped[str]
    sensitivity: Mapped[str]
    validity_days: Mapped[int | None]
    needs_consent: Mapped[bool] = mapped_column(default=False, server_default="false")
    purpose_id: Mapped[UUID | None]


class TagRule(Tracked, TenantTable, Base):
    """What decides by itself who has a tag; `definition` is in the language of `rules`.

    `is_pending` until everybody was held against it as it is now.
    """

    __tablename__ = "tag_rules"
    __table_args__ = (
        tenant_foreign_key("tag_id", "tags"),
        UniqueConstraint("tenant_id", "tag_id"),
    )

    tag_id: Mapped[UUID]
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    edition: Mapped[int] = mapped_column(default=1, server_default="1")
    is_pending: Mapped[bool] = mapped_column(default=True, server_default="true")
    evaluated_at: Mapped[datetime | None]


class ResidentTag(AreaScoped, TenantTable, Base):
    """A resident has, or had, a tag: one period. `valid_until` is the first day on which it does not hold any more."""

    __tablename__ = "resident_tags"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("resident_id", "residents", ondelete="CASCADE"),
        # Sensitivity is carried along, so that what may not be seen is left out within an index; the code, so that the
        # planner knows how many have a tag that is asked for by it: see ops/decisions/0036.
        ForeignKeyConstraint(
            ["tenant_id", "tag_id", "code", "sensitivity"],
            ["tags.tenant_id", "tags.id", "tags.code", "tags.sensitivity"],
            deferrable=True,
            name="fk_resident_tags_tag",
        ),
        one_of("sensitivity", SENSITIVITIES),
        one_of("source", SOURCES),
        one_of("ending", ENDINGS),
        CheckConstraint("valid_until > valid_from", name="validity_ordered"),
        CheckConstraint("num_nulls(ended_at, ending) IN (0, 2)", name="ended_for_a_reason"),
        Index(
            "uq_resident_tags_current",
            "tenant_id",
            "resident_id",
            "tag_id",
            unique=True,
            postgresql_where=_CURRENT,
            postgresql_include=["sensitivity", "area_path"],
        ),
        Index(None, "tenant_id", "resident_id", "assigned_at", "id"),
        Index(
            "ix_resident_tags_by_tag",
            "tenant_id",
            "tag_id",
            "area_path",
            "resident_id",
            postgresql_where=_CURRENT,
            postgresql_include=["sensitivity"],
        ),
        Index(
            "ix_resident_tags_by_code",
            "tenant_id",
            "code",
            "resident_id",
            postgresql_where=_CURRENT,
            postgresql_include=["sensitivity", "area_path"],
        ),
        Index(
            "ix_resident_tags_by_area",
            "tenant_id",
            "area_path",
            "tag_id",
            # A key, not included: only so are equal entries stored once, a tenth of the pages to count in.
            "sensitivity",
            postgresql_where=_CURRENT,
        ),
        Index("ix_resident_tags_area_path_all", "tenant_id", "area_path", "id"),
        Index(
            "ix_resident_tags_valid_until",
            "tenant_id",
            "valid_until",
            postgresql_where=text("ended_at IS NULL AND valid_until IS NOT NULL"),
        ),
        {"info": {"lies_with": "residents"}},
    )

    tag_id: Mapped[UUID]
    code: Mapped[str]
    resident_id: Mapped[UUID]
    sensitivity: Mapped[str]
    source: Mapped[str]
    valid_from: Mapped[date] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)
    has_consent: Mapped[bool] = mapped_column(default=False, server_default="false")
    assigned_at: Mapped[datetime] = mapped_column(server_default=func.now())
    assigned_by_id: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]
    ended_by_id: Mapped[UUID | None]
    ending: Mapped[str | None]


#: Who has which tag now.
CURRENT_TAGS = tally(
    "resident_tag_tallies",
    ResidentTag,
    by=(ResidentTag.tag_id, ResidentTag.sensitivity, ResidentTag.source),
    rows={ResidentTag.ended_at: None},
)


class TagReview(TenantTable, Base):
    """Up to which event of the stream changes were held against the rules; one row, whose id is the tenant's."""

    __tablename__ = "tag_reviews"
    __table_args__ = (CheckConstraint("id = tenant_id", name="one"),)

    position: Mapped[int] = mapped_column(BigInteger)
