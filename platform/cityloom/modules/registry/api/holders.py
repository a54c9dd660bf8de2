"""Organisations and vehicles in GraphQL."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, LargeBinary, func

from cityloom.graph import bound as b
from cityloom.modules.areas.api.shapes import Area
from cityloom.modules.registry import models as m
from cityloom.modules.registry.api.custom import custom, custom_matches, custom_restricted
from cityloom.modules.registry.api.shapes import VERSION, Building, Dwelling, Resident, count_in, name_search
from cityloom.modules.registry.api.words import OrganisationKind, VehicleKind
from cityloom.modules.registry.service.organisations import plate_indexes
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from cityloom.core.principal import Principal


async def _plate_indexes(plate: str, principal: Principal, services: dict[type, Any]) -> list[bytes]:
    return plate_indexes(await services[KeyRing].of(principal.tenant_id), plate)


@b.bound(
    m.Organisation,
    tag="orgn",
    module="registry",
    read="registry.organisation.read",
    scope=b.ScopeRule(area=m.Organisation.area_path),
    orderings={"NAME": (m.Organisation.name,)},
    matches=custom_matches("ORGANISATION") | {"search": name_search(m.OrganisationNameToken)},
)
class Organisation(b.Node):
    """An organisation (法人、商户、企业): a company, shop, institution or association."""

    name: str = b.column(m.Organisation.name, "The name as it is registered.", filters=b.TEXT)
    kind: OrganisationKind = b.column(m.Organisation.kind, "What kind of organisation it is.", filters=b.EXACT)
    credit_code: str | None = b.column(
        m.Organisation.credit_code, "The unified social credit code (统一社会信用代码, GB 32100).", filters=b.EXACT
    )
    building: Building | None = b.one(
        m.Organisation.building_id, "The building that it occupies; null where it is in one dwelling of it."
    )
    dwelling: Dwelling | None = b.one(m.Organisation.dwelling_id, "The dwelling that it occupies.")
    area: Area | None = b.one(m.Organisation.area_id, "The area that it lies in: its premises', or its last ones'.")
    vehicles: b.Connection[Vehicle] = b.connection(m.Vehicle.organisation_id, "Its vehicles.")
    ended_on: date | None = b.column(m.Organisation.ended_on, "Since when it is no more; null while it is.")
    custom: b.JSON = custom()
    custom_restricted: b.JSON | None = custom_restricted(m.Organisation)
    version: int = b.column(m.Organisation.version, VERSION)
    created_at: datetime = b.column(m.Organisation.created_at, "When it was recorded.")
    changed_at: datetime = b.column(m.Organisation.changed_at, "When it was last changed.")


@b.bound(
    m.Vehicle,
    tag="vehi",
    module="registry",
    read="registry.vehicle.read",
    scope=b.ScopeRule(area=m.Vehicle.area_path),
    orderings={"RECORDED": (m.Vehicle.id,)},
    matches=custom_matches("VEHICLE")
    | {
        "plate": b.Match(
            str,
            lambda vehicle, value: vehicle.plate_index == func.any(value),
            "Exactly this plate, whole. The plate itself is neither stored nor logged in clear.",
            prepare=_plate_indexes,
            sql_type=ARRAY(LargeBinary),
        )
    },
)
class Vehicle(b.Node):
    """A vehicle (车辆) of a resident or an organisation, with the plate as far as the caller's role shows it."""

    plate: str | None = b.masked(
        m.Vehicle.plate_masked,
        field="registry.vehicle.plate",
        description="The number plate with all but its first and last two characters hidden.",
    )
    kind: VehicleKind = b.column(m.Vehicle.kind, "What kind of vehicle it is.", filters=b.EXACT)
    resident: Resident | None = b.one(m.Vehicle.resident_id, "Whose it is, where it is a resident's.")
    organisation: Organisation | None = b.one(m.Vehicle.organisation_id, "Whose it is, where it is an organisation's.")
    area: Area | None = b.one(m.Vehicle.area_id, "The area that it lies in: its holder's.")
    custom: b.JSON = custom()
    custom_restricted: b.JSON | None = custom_restricted(m.Vehicle)
    version: int = b.column(m.Vehicle.version, VERSION)
    created_at: datetime = b.column(m.Vehicle.created_at, "When it was recorded.")
    changed_at: datetime = b.column(m.Vehicle.changed_at, "When it was last changed.")


@b.extend(Resident, module="registry")
class ResidentVehicles:
    """A resident's vehicles."""

    vehicles: b.Connection[Vehicle] = b.connection(m.Vehicle.resident_id, "Their vehicles.")


@b.extend(Building, module="registry")
class BuildingOrganisations:
    """Organisations in a building."""

    organisations: b.Connection[Organisation] = b.connection(
        m.Organisation.building_id, "The organisations that occupy it as a whole; those in one dwelling are there."
    )


@b.extend(Dwelling, module="registry")
class DwellingOrganisations:
    """Organisations in a dwelling."""

    organisations: b.Connection[Organisation] = b.connection(
        m.Organisation.dwelling_id, "The organisations that occupy it."
    )


@b.extend(Area, module="registry")
class AreaHolders:
    """Organisations and vehicles in an area."""

    organisation_count: int = b.expression(
        lambda area: count_in(m.Organisation, area), "How many organisations in it, at any depth, the caller can see."
    )
    vehicle_count: int = b.expression(
        lambda area: count_in(m.Vehicle, area), "How many vehicles in it, at any depth, the caller can see."
    )
