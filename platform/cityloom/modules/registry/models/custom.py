"""A city's own fields, and what they hold; and the changes that handsets made while they had no network."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Computed, Date, Double, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable, tenant_foreign_key
from cityloom.core.questions import KINDS
from cityloom.core.sealed import SEALED, index_of
from cityloom.modules.registry.models.common import Tracked, one_of

#: What can have fields of a city's own, and the column of `custom_values` that names it.
CUSTOM_THINGS = {
    "BUILDING": "building_id",
    "DWELLING": "dwelling_id",
    "HOUSEHOLD": "household_id",
    "RESIDENT": "resident_id",
    "ORGANISATION": "organisation_id",
    "VEHICLE": "vehicle_id",
}
SENSITIVITIES = ("PLAIN", "RESTRICTED")
#: Characters of a text: an entry of an index holds 2,700 bytes.
LONGEST_WORD = 500


class CustomField(Tracked, TenantTable, Base):
    """A question that one city asks of a thing of the registry; `is_retired` once it asks no more."""

    __tablename__ = "custom_fields"
    __table_args__ = (
        UniqueConstraint("tenant_id", "thing", "code"),
        one_of("thing", tuple(CUSTOM_THINGS)),
        one_of("kind", KINDS),
        one_of("sensitivity", SENSITIVITIES),
        CheckConstraint("code ~ '^[a-z][a-z0-9_]{0,39}$'", name="code_formed"),
        CheckConstraint("(kind IN ('CHOICE', 'CHOICES')) = (cardinality(choices) > 0)", name="choices_where_chosen"),
        Index(None, "tenant_id", "thing", "position", "id"),
    )

    thing: Mapped[str]
    code: Mapped[str]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    kind: Mapped[str]
    is_required: Mapped[bool] = mapped_column(default=False)
    choices: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    sensitivity: Mapped[str] = mapped_column(default="PLAIN")
    position: Mapped[int] = mapped_column(default=0)
    is_retired: Mapped[bool] = mapped_column(default=False)


class CustomValue(TenantTable, Base):
    """What one thing answers to one field; several choices are several rows, in `position`.

    A table and not jsonb on the thing: jsonb operators lose their index behind row-level security. Words, choices and
    true or false are in `word`. What a restricted field is answered is in `sealed` instead, whatever its kind, as
    `service.custom` writes it.
    """

    __tablename__ = "custom_values"
    __table_args__ = (
        tenant_foreign_key("field_id", "custom_fields"),
        *(
            tenant_foreign_key(column, f"{column.removesuffix('_id')}s", ondelete="CASCADE")
            for column in CUSTOM_THINGS.values()
        ),
        UniqueConstraint("tenant_id", "field_id", "row_id", "position"),
        CheckConstraint(f"num_nonnulls({', '.join(CUSTOM_THINGS.values())}) = 1", name="one_thing"),
        CheckConstraint("num_nonnulls(word, number, day, sealed) = 1", name="one_value"),
        CheckConstraint("num_nulls(sealed, sealed_index) IN (0, 2)", name="sealed_whole"),
        Index(None, "tenant_id", "row_id"),
        CheckConstraint(f"char_length(word) <= {LONGEST_WORD}", name="word_indexable"),
        Index(None, "tenant_id", "field_id", "word", "row_id"),
        Index(None, "tenant_id", "field_id", "number", "row_id"),
        Index(None, "tenant_id", "field_id", "day", "row_id"),
        Index(None, "tenant_id", "field_id", "sealed_index", "row_id"),
        *(
            Index(None, "tenant_id", column, postgresql_where=text(f"{column} IS NOT NULL"))
            for column in CUSTOM_THINGS.values()
        ),
    )

    field_id: Mapped[UUID]
    building_id: Mapped[UUID | None]
    dwelling_id: Mapped[UUID | None]
    household_id: Mapped[UUID | None]
    resident_id: Mapped[UUID | None]
    organisation_id: Mapped[UUID | None]
    vehicle_id: Mapped[UUID | None]
    row_id: Mapped[UUID] = mapped_column(Computed(f"coalesce({', '.join(CUSTOM_THINGS.values())})", persisted=True))
    position: Mapped[int] = mapped_column(default=0)
    word: Mapped[str | None]
    number: Mapped[float | None] = mapped_column(Double)
    day: Mapped[date | None] = mapped_column(Date)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    sealed_index: Mapped[bytes | None] = mapped_column(LargeBinary, info=index_of("sealed"))


class FieldChange(TenantTable, Base):
    """A change made offline that was carried out; `id` is the client's own, so that it is never made twice.

    `input_hash` is a hash of what was sent, sealed: a keyed hash could not be made again once its key is rotated.
    """

    __tablename__ = "field_changes"
    __table_args__ = (
        tenant_foreign_key("account_id", "accounts"),
        Index(None, "tenant_id", "account_id", "id"),
    )

    account_id: Mapped[UUID]
    action: Mapped[str]
    input_hash: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    subject_tag: Mapped[str]
    subject_id: Mapped[UUID]
    subject_version: Mapped[int]
    made_at: Mapped[datetime]
    received_at: Mapped[datetime]
