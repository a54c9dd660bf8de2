"""Ties in valid time: who lived in which household, which household in which dwelling, who owned what, and when.

Of most ties a thing has one at a time, which the database holds. A tie lies where the thing lies today, its past ties
included: whoever may see a resident sees where they lived before.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped

from cityloom.core.database import AreaScoped, Base, TenantTable, area_foreign_key, tenant_foreign_key
from cityloom.modules.registry.models.chain import DWELLING_USES
from cityloom.modules.registry.models.common import Period, in_time, no_overlap, one_of

TIE_ROLES = ("OWNER", "TENANT", "HOST")


class ResidentStay(Period, AreaScoped, TenantTable, Base):
    """A resident belonged to a household."""

    __tablename__ = "resident_stays"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("resident_id", "residents", ondelete="CASCADE"),
        tenant_foreign_key("household_id", "households"),
        no_overlap("resident_stays", "one_at_a_time", "resident_id"),
        *in_time("resident_id", "household_id"),
    )

    resident_id: Mapped[UUID]
    household_id: Mapped[UUID]


class HouseholdStay(Period, AreaScoped, TenantTable, Base):
    """A household lived in a dwelling."""

    __tablename__ = "household_stays"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("household_id", "households", ondelete="CASCADE"),
        tenant_foreign_key("dwelling_id", "dwellings"),
        no_overlap("household_stays", "one_at_a_time", "household_id"),
        *in_time("household_id", "dwelling_id"),
    )

    household_id: Mapped[UUID]
    dwelling_id: Mapped[UUID]


class DwellingUsage(Period, AreaScoped, TenantTable, Base):
    """A dwelling was used for something."""

    __tablename__ = "dwelling_usages"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("dwelling_id", "dwellings", ondelete="CASCADE"),
        one_of("use", DWELLING_USES),
        no_overlap("dwelling_usages", "one_at_a_time", "dwelling_id"),
        *in_time("dwelling_id"),
    )

    dwelling_id: Mapped[UUID]
    use: Mapped[str]


class OrganisationStay(Period, AreaScoped, TenantTable, Base):
    """An organisation had its premises in a building, or in one dwelling of it."""

    __tablename__ = "organisation_stays"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("organisation_id", "organisations", ondelete="CASCADE"),
        tenant_foreign_key("building_id", "buildings"),
        tenant_foreign_key("dwelling_id", "dwellings"),
        CheckConstraint("num_nonnulls(building_id, dwelling_id) = 1", name="one_place"),
        no_overlap("organisation_stays", "one_at_a_time", "organisation_id"),
        *in_time("organisation_id", "building_id", "dwelling_id"),
    )

    organisation_id: Mapped[UUID]
    building_id: Mapped[UUID | None]
    dwelling_id: Mapped[UUID | None]


class VehicleHolding(Period, AreaScoped, TenantTable, Base):
    """A vehicle was a resident's or an organisation's."""

    __tablename__ = "vehicle_holdings"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("vehicle_id", "vehicles", ondelete="CASCADE"),
        tenant_foreign_key("resident_id", "residents"),
        tenant_foreign_key("organisation_id", "organisations"),
        CheckConstraint("num_nonnulls(resident_id, organisation_id) = 1", name="one_holder"),
        no_overlap("vehicle_holdings", "one_at_a_time", "vehicle_id"),
        *in_time("vehicle_id", "resident_id", "organisation_id"),
    )

    vehicle_id: Mapped[UUID]
    resident_id: Mapped[UUID | None]
    organisation_id: Mapped[UUID | None]


class DwellingTie(Period, AreaScoped, TenantTable, Base):
    """A resident or an organisation owned or rented a dwelling, or hosted in it; it lies where the dwelling does.

    Owners and tenants may be several at a time, each once; of hosts there is one.
    """

    __tablename__ = "dwelling_ties"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("dwelling_id", "dwellings", ondelete="CASCADE"),
        tenant_foreign_key("resident_id", "residents", ondelete="CASCADE"),
        tenant_foreign_key("organisation_id", "organisations"),
        one_of("role", TIE_ROLES),
        CheckConstraint("num_nonnulls(resident_id, organisation_id) = 1", name="one_holder"),
        no_overlap("dwelling_ties", "once", "dwelling_id", "role", "coalesce(resident_id, organisation_id)"),
        no_overlap("dwelling_ties", "one_host", "dwelling_id", where="role = 'HOST'"),
        *in_time("dwelling_id", "resident_id", "organisation_id"),
    )

    dwelling_id: Mapped[UUID]
    role: Mapped[str]
    resident_id: Mapped[UUID | None]
    organisation_id: Mapped[UUID | None]
