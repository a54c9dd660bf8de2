"""Staging tables of the registry's import: what rows state, and what was found out of it.

They are unlogged: what is in them follows from the sealed chunks, so a crash of the database costs only the time to
stage again. Nothing refers to them and they refer to nothing, for the same reason. Protected values are sealed as in
the registry itself. Blind indexes without an envelope beside them are those of one key: rows of an import are staged
under one, and again under another.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Date, Double, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable
from cityloom.core.sealed import index_of, sealed_for

_SEALED = sealed_for("residents", row="target_id")
_PLATE: Final = sealed_for("vehicles", row="id")
_ANSWER: Final = sealed_for("custom_values", row="id")

#: Each row of a link is written once more when what it is was found out: beside itself, where its indexes find it.
_RESOLVED: Final[dict[str, Any]] = {"prefixes": ["UNLOGGED"], "postgresql_with": {"fillfactor": 45}}

#: What becomes of a thing. SKIPPED is registered with other values that stay.
OUTCOMES = ("NEW", "CHANGED", "SAME", "SKIPPED", "REFUSED")


class Staged(TenantTable):
    """Where a thing stands in the file; `id` will be its own, should it be new."""

    import_id: Mapped[UUID] = mapped_column(sort_order=-18)
    sheet: Mapped[int] = mapped_column(sort_order=-17)
    row: Mapped[int] = mapped_column(sort_order=-16)


class StagedLink(Staged):
    """A building, dwelling or household, put together from all rows that state it.

    `is_end`: some row states nothing that lies in it. `target_id` is what is registered, or will be; `place_id` and
    `place_path` its area; `holder_id` what it will be in.
    """

    is_end: Mapped[bool]
    is_contradicted: Mapped[bool]
    target_id: Mapped[UUID | None] = mapped_column(sort_order=90)
    holder_id: Mapped[UUID | None] = mapped_column(sort_order=91)
    place_id: Mapped[UUID | None] = mapped_column(sort_order=92)
    place_path: Mapped[str | None] = mapped_column(sort_order=93)
    version: Mapped[int | None] = mapped_column(sort_order=94)
    outcome: Mapped[str | None] = mapped_column(sort_order=95)


class StagedBuilding(StagedLink, Base):
    """A building that is stated."""

    __tablename__ = "registry_staged_buildings"
    __table_args__ = (UniqueConstraint("tenant_id", "import_id", "code"), _RESOLVED)

    code: Mapped[str]
    area_code: Mapped[str | None]
    name: Mapped[str | None]
    address: Mapped[str | None]
    storeys: Mapped[int | None]
    longitude: Mapped[float | None] = mapped_column(Double)
    latitude: Mapped[float | None] = mapped_column(Double)


class StagedDwelling(StagedLink, Base):
    """A dwelling that is stated."""

    __tablename__ = "registry_staged_dwellings"
    __table_args__ = (
        UniqueConstraint(
            "tenant_id", "import_id", "building_code", "unit", "number", name="uq_registry_staged_dwellings_stated"
        ),
        _RESOLVED,
    )

    building_code: Mapped[str]
    unit: Mapped[str]
    number: Mapped[str]
    floor: Mapped[int | None]
    use: Mapped[str | None]
    size_dm2: Mapped[int | None]


class StagedHousehold(StagedLink, Base):
    """A household that is stated, in a dwelling or directly in an area."""

    __tablename__ = "registry_staged_households"
    __table_args__ = (UniqueConstraint("tenant_id", "import_id", "number"), _RESOLVED)

    number: Mapped[str]
    kind: Mapped[str | None]
    area_code: Mapped[str | None]
    building_code: Mapped[str | None]
    unit: Mapped[str | None]
    dwelling_number: Mapped[str | None]


class StagedOrganisation(Staged, Base):
    """An organisation in a building, in one dwelling of it, or in an area, all of which are registered already.

    `is_likely`: `target_id` is registered by name and place, not by its code. `tokens` are those of the name, a line
    each.
    """

    __tablename__ = "registry_staged_organisations"
    __table_args__ = (UniqueConstraint("tenant_id", "import_id", "sheet", "row"), {"prefixes": ["UNLOGGED"]})

    name: Mapped[str]
    kind: Mapped[str | None]
    credit_code: Mapped[str | None]
    area_code: Mapped[str | None]
    building_code: Mapped[str | None]
    unit: Mapped[str | None]
    dwelling_number: Mapped[str | None]
    moved_in_on: Mapped[date | None] = mapped_column(Date)
    tokens: Mapped[str]
    target_id: Mapped[UUID | None]
    is_likely: Mapped[bool | None]
    building_id: Mapped[UUID | None]
    dwelling_id: Mapped[UUID | None]
    place_id: Mapped[UUID | None]
    place_path: Mapped[str | None]
    version: Mapped[int | None]
    outcome: Mapped[str | None]


class StagedVehicle(Staged, Base):
    """A vehicle of a resident or an organisation, who are registered already; `holder_id` is theirs.

    `owner_index` is the blind index of the resident's identity number, by which they are found among those who are
    registered; the number itself is not staged. The plate is sealed for the vehicle that the row will be if it is new.
    """

    __tablename__ = "registry_staged_vehicles"
    __table_args__ = (UniqueConstraint("tenant_id", "import_id", "sheet", "row"), {"prefixes": ["UNLOGGED"]})

    kind: Mapped[str | None]
    plate: Mapped[bytes] = mapped_column(LargeBinary, info=_PLATE)
    plate_masked: Mapped[str]
    plate_index: Mapped[bytes] = mapped_column(LargeBinary, info=index_of("plate"))
    owner_index: Mapped[bytes | None] = mapped_column(LargeBinary)
    credit_code: Mapped[str | None]
    held_since: Mapped[date | None] = mapped_column(Date)
    target_id: Mapped[UUID | None]
    holder_id: Mapped[UUID | None]
    place_id: Mapped[UUID | None]
    place_path: Mapped[str | None]
    version: Mapped[int | None]
    outcome: Mapped[str | None]


class StagedAnswer(Staged, Base):
    """What a thing answers to a field of the city's own; `key` names the thing among those of its kind (`own.KEYS`).

    Of an answer to a restricted field there are only the blind indexes, one after the other, by which it is compared.
    """

    __tablename__ = "registry_staged_answers"
    __table_args__ = (UniqueConstraint("tenant_id", "import_id", "field_id", "key"), {"prefixes": ["UNLOGGED"]})

    field_id: Mapped[UUID]
    key: Mapped[str]
    word: Mapped[str | None]
    number: Mapped[float | None] = mapped_column(Double)
    day: Mapped[date | None] = mapped_column(Date)
    indexes: Mapped[bytes | None] = mapped_column(LargeBinary)
    is_contradicted: Mapped[bool]


class StagedSealedAnswer(TenantTable, Base):
    """What a restricted field is answered, sealed as the row of `custom_values` that it will be; choices one by one.

    Nothing comes of those whose `answer_id` is not staged: an earlier row had answered before.
    """

    __tablename__ = "registry_staged_sealed_answers"
    __table_args__ = (
        UniqueConstraint(
            "tenant_id", "import_id", "answer_id", "position", name="uq_registry_staged_sealed_answers_stated"
        ),
        {"prefixes": ["UNLOGGED"]},
    )

    import_id: Mapped[UUID]
    answer_id: Mapped[UUID]
    position: Mapped[int]
    sealed: Mapped[bytes] = mapped_column(LargeBinary, info=_ANSWER)
    sealed_index: Mapped[bytes] = mapped_column(LargeBinary, info=index_of("sealed"))


class StagedResident(Staged, Base):
    """A resident as they will be registered; `version` is that of the registered one, who is `target_id`.

    `likeness` is a blind index of household, name and date of birth. `tokens` are those of the name, a line each; none
    where the name stays.
    """

    __tablename__ = "registry_staged_residents"
    __table_args__ = (UniqueConstraint("tenant_id", "import_id", "sheet", "row"), {"prefixes": ["UNLOGGED"]})

    household_number: Mapped[str]
    target_id: Mapped[UUID]
    version: Mapped[int | None]
    outcome: Mapped[str]
    is_refused: Mapped[bool]
    likeness: Mapped[bytes] = mapped_column(LargeBinary)
    name: Mapped[str | None]
    sex: Mapped[str | None]
    birth_year: Mapped[int | None]
    birth_on: Mapped[bytes | None] = mapped_column(LargeBinary, info=_SEALED)
    identity_number: Mapped[bytes | None] = mapped_column(LargeBinary, info=_SEALED)
    identity_masked: Mapped[str | None]
    identity_index: Mapped[bytes | None] = mapped_column(LargeBinary, info=index_of("identity_number"))
    phone: Mapped[bytes | None] = mapped_column(LargeBinary, info=_SEALED)
    phone_masked: Mapped[str | None]
    phone_index: Mapped[bytes | None] = mapped_column(LargeBinary, info=index_of("phone"))
    relationship: Mapped[str | None]
    tokens: Mapped[str | None]
