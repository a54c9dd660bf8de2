"""Ties in valid time in GraphQL: who lived where from when to when, who owned what, what was used for what."""

from __future__ import annotations

from datetime import date, datetime

from cityloom.graph import bound as b
from cityloom.modules.registry import models as m
from cityloom.modules.registry.api.holders import Organisation, Vehicle
from cityloom.modules.registry.api.shapes import Building, Dwelling, Household, Resident
from cityloom.modules.registry.api.words import DwellingUse, TieRole

_FROM = "Since which day."
_UNTIL = "The first day on which it did not hold any more; null while it holds."
_RECORDED = "When it was recorded."


@b.bound(
    m.ResidentStay,
    tag="rsty",
    module="registry",
    read="registry.resident.read",
    scope=b.ScopeRule(area=m.ResidentStay.area_path),
    orderings={"FROM": (m.ResidentStay.from_on,)},
)
class ResidentStay(b.Node):
    """A resident belonged to a household for a time."""

    resident: Resident | None = b.one(m.ResidentStay.resident_id, "Who.")
    household: Household | None = b.one(m.ResidentStay.household_id, "The household.")
    from_on: date = b.column(m.ResidentStay.from_on, _FROM)
    until_on: date | None = b.column(m.ResidentStay.until_on, _UNTIL)
    recorded_at: datetime = b.column(m.ResidentStay.recorded_at, _RECORDED)


@b.bound(
    m.HouseholdStay,
    tag="hsty",
    module="registry",
    read="registry.household.read",
    scope=b.ScopeRule(area=m.HouseholdStay.area_path),
    orderings={"FROM": (m.HouseholdStay.from_on,)},
)
class HouseholdStay(b.Node):
    """A household lived in a dwelling for a time."""

    household: Household | None = b.one(m.HouseholdStay.household_id, "The household.")
    dwelling: Dwelling | None = b.one(m.HouseholdStay.dwelling_id, "The dwelling.")
    from_on: date = b.column(m.HouseholdStay.from_on, _FROM)
    until_on: date | None = b.column(m.HouseholdStay.until_on, _UNTIL)
    recorded_at: datetime = b.column(m.HouseholdStay.recorded_at, _RECORDED)


@b.bound(
    m.DwellingUsage,
    module="registry",
    read="registry.dwelling.read",
    scope=b.ScopeRule(area=m.DwellingUsage.area_path),
    orderings={"FROM": (m.DwellingUsage.from_on,)},
)
class DwellingUsage:
    """A dwelling was used for something for a time."""

    use: DwellingUse = b.column(m.DwellingUsage.use, "What it was used for.")
    from_on: date = b.column(m.DwellingUsage.from_on, _FROM)
    until_on: date | None = b.column(m.DwellingUsage.until_on, _UNTIL)
    recorded_at: datetime = b.column(m.DwellingUsage.recorded_at, _RECORDED)


@b.bound(
    m.DwellingTie,
    tag="dtie",
    module="registry",
    read="registry.dwelling.read",
    scope=b.ScopeRule(area=m.DwellingTie.area_path),
    orderings={"FROM": (m.DwellingTie.from_on,)},
)
class DwellingTie(b.Node):
    """A resident or an organisation owned or rented a dwelling, or hosted guests in it, for a time."""

    dwelling: Dwelling | None = b.one(m.DwellingTie.dwelling_id, "The dwelling.")
    role: TieRole = b.column(m.DwellingTie.role, "What tied them.", filters=b.EXACT)
    resident: Resident | None = b.one(m.DwellingTie.resident_id, "Who, where it is a resident the caller may see.")
    organisation: Organisation | None = b.one(m.DwellingTie.organisation_id, "Who, where it is an organisation.")
    from_on: date = b.column(m.DwellingTie.from_on, _FROM)
    until_on: date | None = b.column(m.DwellingTie.until_on, _UNTIL)
    recorded_at: datetime = b.column(m.DwellingTie.recorded_at, _RECORDED)


@b.bound(
    m.OrganisationStay,
    module="registry",
    read="registry.organisation.read",
    scope=b.ScopeRule(area=m.OrganisationStay.area_path),
    orderings={"FROM": (m.OrganisationStay.from_on,)},
)
class OrganisationStay:
    """An organisation occupied a building, or one dwelling of it, for a time."""

    organisation: Organisation | None = b.one(m.OrganisationStay.organisation_id, "The organisation.")
    building: Building | None = b.one(m.OrganisationStay.building_id, "The building.")
    dwelling: Dwelling | None = b.one(m.OrganisationStay.dwelling_id, "The dwelling.")
    from_on: date = b.column(m.OrganisationStay.from_on, _FROM)
    until_on: date | None = b.column(m.OrganisationStay.until_on, _UNTIL)
    recorded_at: datetime = b.column(m.OrganisationStay.recorded_at, _RECORDED)


@b.bound(
    m.VehicleHolding,
    module="registry",
    read="registry.vehicle.read",
    scope=b.ScopeRule(area=m.VehicleHolding.area_path),
    orderings={"FROM": (m.VehicleHolding.from_on,)},
)
class VehicleHolding:
    """A vehicle was a resident's or an organisation's for a time."""

    resident: Resident | None = b.one(m.VehicleHolding.resident_id, "Whose it was.")
    organisation: Organisation | None = b.one(m.VehicleHolding.organisation_id, "Whose it was.")
    from_on: date = b.column(m.VehicleHolding.from_on, _FROM)
    until_on: date | None = b.column(m.VehicleHolding.until_on, _UNTIL)
    recorded_at: datetime = b.column(m.VehicleHolding.recorded_at, _RECORDED)


@b.extend(Resident, module="registry")
class ResidentTies:
    """Where a resident lived, and what ties them to dwellings."""

    stays: list[ResidentStay] = b.many(
        m.ResidentStay.resident_id, "The households they belonged to, oldest first; the last one today's.", limit=100
    )
    dwelling_ties: b.Connection[DwellingTie] = b.connection(
        m.DwellingTie.resident_id, "What they own, rent or host in, and did."
    )


@b.extend(Household, module="registry")
class HouseholdTies:
    """Where a household lived, and who belonged to it."""

    stays: list[HouseholdStay] = b.many(
        m.HouseholdStay.household_id, "The dwellings it lived in, oldest first; the last one today's.", limit=100
    )
    resident_stays: b.Connection[ResidentStay] = b.connection(
        m.ResidentStay.household_id, "Who belonged to it and when, of those that the caller can see."
    )


@b.extend(Dwelling, module="registry")
class DwellingTies:
    """Who lived in a dwelling, owned or rented it, and what it was used for."""

    stays: b.Connection[HouseholdStay] = b.connection(
        m.HouseholdStay.dwelling_id, "The households that lived in it and when, of those that the caller can see."
    )
    usages: list[DwellingUsage] = b.many(
        m.DwellingUsage.dwelling_id, "What it was used for, oldest first; the last one today's.", limit=100
    )
    ties: b.Connection[DwellingTie] = b.connection(
        m.DwellingTie.dwelling_id, "Who owns, rents or hosts in it, and did."
    )


@b.extend(Organisation, module="registry")
class OrganisationTies:
    """Where an organisation was, and what ties it to dwellings."""

    stays: list[OrganisationStay] = b.many(
        m.OrganisationStay.organisation_id, "The premises it had, oldest first; the last one today's.", limit=100
    )
    dwelling_ties: b.Connection[DwellingTie] = b.connection(
        m.DwellingTie.organisation_id, "What it owns, rents or hosts in, and did."
    )


@b.extend(Vehicle, module="registry")
class VehicleTies:
    """Whose a vehicle was."""

    holdings: list[VehicleHolding] = b.many(
        m.VehicleHolding.vehicle_id, "Whose it was, oldest first; the last one today's.", limit=100
    )
