"""The links of the chain: buildings, dwellings, households, residents, and the tokens of name search.

Where a thing is today stands on the thing itself, for speed; where it was when, in the ties of `models.ties`. Services
write both in one transaction.

Indexes for an ordering end in `area_path`: whoever sees one area only has rows of others passed over within the index,
without a visit to the table (measured: 100 dwellings of a street in 2.8 ms instead of 4.1, residents included).
The index by area includes what counts are filtered by: a count reads one index and no row (measured: 63 ms of CPU
instead of 269 for the women among 500,000 residents).
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, Double, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import AreaScoped, Base, TenantTable, area_foreign_key, tenant_foreign_key
from cityloom.core.sealed import SEALED, index_of
from cityloom.core.subjects import Person, PersonKind, ProtectedField
from cityloom.modules.registry.models.common import Tracked, one_of

DWELLING_USES = ("OWNED", "RENTED", "HOMESTAY", "VACANT", "BUSINESS")
HOUSEHOLD_KINDS = ("FAMILY", "COLLECTIVE")
SEXES = ("MALE", "FEMALE", "UNKNOWN")
RELATIONSHIPS = ("HEAD", "SPOUSE", "CHILD", "PARENT", "GRANDCHILD", "GRANDPARENT", "SIBLING", "OTHER")
RESIDENT_STATUSES = ("LIVING", "MOVED_AWAY", "DECEASED")


class Building(Tracked, AreaScoped, TenantTable, Base):
    """One building (楼栋)."""

    __tablename__ = "buildings"
    __table_args__ = (
        area_foreign_key(),
        UniqueConstraint("tenant_id", "code"),
        CheckConstraint("storeys BETWEEN 1 AND 200", name="storeys_in_range"),
        CheckConstraint("num_nulls(longitude, latitude) IN (0, 2)", name="position_whole"),
        Index(None, "tenant_id", "area_path", "code"),
        Index(None, "tenant_id", "area_id", "code"),
        Index(None, "tenant_id", "name", "id", "area_path"),
        Index(None, "tenant_id", "address"),
        Index(None, "tenant_id", "storeys"),
        Index(None, "tenant_id", "longitude", "latitude"),
        Index(None, "tenant_id", "latitude"),
    )

    code: Mapped[str]
    name: Mapped[str]
    address: Mapped[str | None]
    storeys: Mapped[int | None]
    longitude: Mapped[float | None] = mapped_column(Double)
    latitude: Mapped[float | None] = mapped_column(Double)


class Dwelling(Tracked, AreaScoped, TenantTable, Base):
    """One dwelling (房屋) in a building; `ended_on` once it was merged into another."""

    __tablename__ = "dwellings"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("building_id", "buildings"),
        UniqueConstraint("tenant_id", "building_id", "unit", "number"),
        one_of("use", DWELLING_USES),
        CheckConstraint("floor BETWEEN -9 AND 200", name="floor_in_range"),
        CheckConstraint("size_dm2 BETWEEN 1 AND 10000000", name="size_in_range"),
        Index(None, "tenant_id", "area_path", "number"),
        Index(None, "tenant_id", "number", "id", "area_path"),
        Index(None, "tenant_id", "use", "number", "id", "area_path"),
        Index(None, "tenant_id", "floor"),
    )

    building_id: Mapped[UUID]
    unit: Mapped[str] = mapped_column(default="", server_default="")
    number: Mapped[str]
    floor: Mapped[int | None]
    use: Mapped[str]
    size_dm2: Mapped[int | None]
    ended_on: Mapped[date | None] = mapped_column(Date)


class Household(Tracked, AreaScoped, TenantTable, Base):
    """One household (户); without a dwelling it still lies in an area. `ended_on` once it was merged into another."""

    __tablename__ = "households"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("dwelling_id", "dwellings"),
        UniqueConstraint("tenant_id", "number"),
        one_of("kind", HOUSEHOLD_KINDS),
        CheckConstraint("ended_on IS NULL OR dwelling_id IS NULL", name="ended_nowhere"),
        Index(None, "tenant_id", "area_path", "number", postgresql_include=["kind"]),
        # Residents are found by dwelling through their household: its id and area are all that is asked of it then.
        Index(None, "tenant_id", "dwelling_id", "id", "area_path"),
    )

    number: Mapped[str]
    kind: Mapped[str]
    dwelling_id: Mapped[UUID | None]
    ended_on: Mapped[date | None] = mapped_column(Date)


class Resident(Person, Tracked, AreaScoped, TenantTable, Base):
    """One resident (人); who has moved away or died keeps the area of their last household here."""

    __tablename__ = "residents"
    __person__ = PersonKind(
        tag="resd",
        read="registry.resident.read",
        fields=(
            ProtectedField("registry.resident.birth_on", "birth_on"),
            ProtectedField("registry.resident.identity_number", "identity_number"),
            ProtectedField("registry.resident.phone", "phone"),
        ),
    )
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("household_id", "households"),
        tenant_foreign_key("account_id", "accounts"),
        UniqueConstraint("tenant_id", "identity_index"),
        one_of("sex", SEXES),
        one_of("relationship", RELATIONSHIPS),
        one_of("status", RESIDENT_STATUSES),
        CheckConstraint("birth_year BETWEEN 1850 AND 2200", name="birth_year_in_range"),
        CheckConstraint("num_nulls(identity_number, identity_masked, identity_index) IN (0, 3)", name="identity_whole"),
        CheckConstraint("num_nulls(phone, phone_masked, phone_index) IN (0, 3)", name="phone_whole"),
        CheckConstraint("status <> 'LIVING' OR household_id IS NOT NULL", name="living_in_household"),
        Index(None, "tenant_id", "area_path", "name", postgresql_include=["sex", "relationship", "status"]),
        Index(None, "tenant_id", "household_id"),
        Index(None, "tenant_id", "name", "id", "area_path"),
        Index(None, "tenant_id", "birth_year", "id", "area_path"),
        Index(None, "tenant_id", "phone_index", postgresql_where=text("phone_index IS NOT NULL")),
        UniqueConstraint("tenant_id", "account_id"),
        Index(
            "uq_residents_head_of_household",
            "tenant_id",
            "household_id",
            unique=True,
            postgresql_where=text("relationship = 'HEAD' AND status = 'LIVING'"),
        ),
    )

    name: Mapped[str]
    sex: Mapped[str]
    birth_year: Mapped[int | None]
    birth_on: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    identity_number: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    identity_masked: Mapped[str | None]
    identity_index: Mapped[bytes | None] = mapped_column(LargeBinary, info=index_of("identity_number"))
    phone: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    phone_masked: Mapped[str | None]
    phone_index: Mapped[bytes | None] = mapped_column(LargeBinary, info=index_of("phone"))
    household_id: Mapped[UUID | None]
    relationship: Mapped[str] = mapped_column(default="OTHER", server_default="OTHER")
    status: Mapped[str] = mapped_column(default="LIVING", server_default="LIVING")
    account_id: Mapped[UUID | None]


class ResidentNameToken(TenantTable, Base):
    """One bigram of a resident's name; `id` is the resident's.

    Two characters are most names, too short for pg_trgm, and LIKE loses its index behind row-level security anyway.
    """

    __tablename__ = "resident_name_tokens"
    __table_args__ = (
        tenant_foreign_key("id", "residents", ondelete="CASCADE"),
        Index(None, "tenant_id", "token", "id"),
    )

    token: Mapped[str] = mapped_column(primary_key=True)


class BuildingToken(TenantTable, Base):
    """One bigram of a building's name or address; `id` is the building's."""

    __tablename__ = "building_tokens"
    __table_args__ = (
        tenant_foreign_key("id", "buildings", ondelete="CASCADE"),
        Index(None, "tenant_id", "token", "id"),
    )

    token: Mapped[str] = mapped_column(primary_key=True)
