"""Organisations and vehicles."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import AreaScoped, Base, TenantTable, area_foreign_key, tenant_foreign_key
from cityloom.core.sealed import SEALED, index_of
from cityloom.modules.registry.models.common import Tracked, one_of

ORGANISATION_KINDS = ("COMPANY", "SHOP", "INSTITUTION", "ASSOCIATION", "OTHER")
VEHICLE_KINDS = ("CAR", "TRUCK", "MOTORCYCLE", "ELECTRIC_BICYCLE", "OTHER")


class Organisation(Tracked, AreaScoped, TenantTable, Base):
    """A company, shop, institution or association (法人、商户、企业); without premises it still lies in an area."""

    __tablename__ = "organisations"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("building_id", "buildings"),
        tenant_foreign_key("dwelling_id", "dwellings"),
        UniqueConstraint("tenant_id", "credit_code"),
        one_of("kind", ORGANISATION_KINDS),
        CheckConstraint("num_nonnulls(building_id, dwelling_id) < 2", name="one_place"),
        CheckConstraint("ended_on IS NULL OR num_nonnulls(building_id, dwelling_id) = 0", name="ended_nowhere"),
        Index(None, "tenant_id", "area_path", "name"),
        Index(None, "tenant_id", "name", "id", "area_path"),
        Index(None, "tenant_id", "kind", "name", "id", "area_path"),
        Index(None, "tenant_id", "building_id"),
        Index(None, "tenant_id", "dwelling_id"),
    )

    name: Mapped[str]
    kind: Mapped[str]
    credit_code: Mapped[str | None]
    building_id: Mapped[UUID | None]
    dwelling_id: Mapped[UUID | None]
    ended_on: Mapped[date | None] = mapped_column(Date)


class OrganisationNameToken(TenantTable, Base):
    """One bigram of an organisation's name; `id` is the organisation's. See `ResidentNameToken`."""

    __tablename__ = "organisation_name_tokens"
    __table_args__ = (
        tenant_foreign_key("id", "organisations", ondelete="CASCADE"),
        Index(None, "tenant_id", "token", "id"),
    )

    token: Mapped[str] = mapped_column(primary_key=True)


class Vehicle(Tracked, AreaScoped, TenantTable, Base):
    """A vehicle; it lies where its holder does. The plate tells who somebody is, so it is protected."""

    __tablename__ = "vehicles"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("resident_id", "residents"),
        tenant_foreign_key("organisation_id", "organisations"),
        UniqueConstraint("tenant_id", "plate_index"),
        one_of("kind", VEHICLE_KINDS),
        CheckConstraint("num_nonnulls(resident_id, organisation_id) = 1", name="one_holder"),
        Index(None, "tenant_id", "area_path", "id"),
        Index(None, "tenant_id", "kind", "id", "area_path"),
        Index(None, "tenant_id", "resident_id"),
        Index(None, "tenant_id", "organisation_id"),
    )

    kind: Mapped[str]
    plate: Mapped[bytes] = mapped_column(LargeBinary, info=SEALED)
    plate_masked: Mapped[str]
    plate_index: Mapped[bytes] = mapped_column(LargeBinary, info=index_of("plate"))
    resident_id: Mapped[UUID | None]
    organisation_id: Mapped[UUID | None]
