"""The root query fields of the registry."""

from __future__ import annotations

import re
from dataclasses import asdict
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    LargeBinary,
    Select,
    SelectBase,
    Text,
    Uuid,
    func,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import aliased

from cityloom.core.database import AreaScoped
from cityloom.graph import bound as b
from cityloom.modules.areas.api.shapes import area_at, end_of
from cityloom.modules.areas.models import Area as AreaModel
from cityloom.modules.registry import models as m
from cityloom.modules.registry.api.custom import CustomField, of_thing
from cityloom.modules.registry.api.holders import Organisation, Vehicle
from cityloom.modules.registry.api.shapes import (
    Building,
    Dwelling,
    Household,
    Resident,
    has_all,
    lacks_any,
    note_identity,
    note_phone,
)
from cityloom.modules.registry.finding import recognise
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from cityloom.core.principal import Principal


def within(
    row: type[AreaScoped],
    area: Annotated[b.ID | None, b.argument("Only what lies in this area, at any depth.", of="area")] = None,
) -> ColumnElement[bool]:
    """Rows in an area."""
    if area is None:
        return true()
    top = aliased(AreaModel)
    low: Any = select(top.path).where(top.id == area).scalar_subquery()
    high: Any = select(end_of(top.path)).where(top.id == area).scalar_subquery()
    inside: ColumnElement[bool] = (row.area_path >= low) & (row.area_path < high)
    return inside


#: What `_recognised` answers, as it is bound. Lists, even of one: `= ANY(null)` finds nothing, while by `= null`
#: PostgreSQL drops what stands beside it, the tenant's condition too.
_WANTED = b.Derived(
    {
        "identity": ARRAY(LargeBinary),
        "phone": ARRAY(LargeBinary),
        "name_among_many": ARRAY(Text),
        "name_among_few": ARRAY(Text),
        "place": ARRAY(Text),
        "telling": ARRAY(Text),
        "units": ARRAY(Text),
        "number": ARRAY(Text),
        "door": ARRAY(Text),
    }
)


def _found(
    row: type[m.Resident],
    wanted: Annotated[SimpleNamespace, _WANTED],
    text: Annotated[str, b.argument("What was typed: at most 100 characters count.")],  # noqa: ARG001 - `_recognised` reads it
    area: Annotated[b.ID | None, b.argument("Only who lives in this area, at any depth.", of="area")] = None,
) -> ColumnElement[bool]:
    """Residents by whatever the text means: a part that it cannot mean is null, finds nobody and costs nothing."""
    by_number, by_phone, by_name = (aliased(m.Resident) for _ in range(3))
    in_building, behind_door = aliased(m.Dwelling), aliased(m.Dwelling)
    has_number = or_(wanted.number.is_(None), in_building.number == func.any(wanted.number))
    called = _having_all(m.BuildingToken, wanted.telling).subquery()
    buildings = select(called.c.id).where(~lacks_any(m.BuildingToken, called.c.id, wanted.place))
    is_in_building = in_building.building_id == _any_of(buildings)
    ways = (
        select(by_number.id).where(by_number.identity_index == func.any(wanted.identity)),
        select(by_phone.id).where(by_phone.phone_index == func.any(wanted.phone)),
        _having_all(m.ResidentNameToken, wanted.name_among_many),
        select(by_name.id).where(has_all(m.ResidentNameToken, by_name.id, wanted.name_among_few)),
        _behind(in_building, wanted, has_number & is_in_building),
        _behind(behind_door, wanted, behind_door.number == func.any(wanted.door)),
    )
    # An array, not a join: however many the ways are thought to find, a page reads no further than it goes.
    return within(row, area) & (row.id == _any_of(union_all(*ways)))


def _any_of(found: SelectBase) -> ColumnElement[Any]:
    return func.any(func.array(found.scalar_subquery(), type_=ARRAY(Uuid())))


def _having_all(model: type[m.ResidentNameToken | m.BuildingToken], tokens: ColumnElement[Any]) -> Select[Any]:
    """The ids of whatever has all of the tokens, by the index of tokens alone."""
    token = aliased(model)
    found = select(token.id).where(token.token == func.any(tokens)).group_by(token.id)
    return found.having(func.count() == func.cardinality(tokens))


def _behind(dwelling: type[m.Dwelling], wanted: SimpleNamespace, is_door: ColumnElement[bool]) -> Select[Any]:
    """Residents of the dwellings behind a door.

    One table after the other, each by ids that are known then: of how many rows lie in an area the planner knows
    little where many cities share a table, and a join in the wrong order reads every dwelling for every resident.
    """
    household, resident = aliased(m.Household), aliased(m.Resident)
    has_unit = or_(wanted.units.is_(None), dwelling.unit == func.any(wanted.units))
    dwellings = select(dwelling.id).where(is_door, has_unit)
    households = select(household.id).where(household.dwelling_id == _any_of(dwellings))
    return select(resident.id).where(resident.household_id == _any_of(households))


async def _recognised(given: dict[str, Any], principal: Principal, services: dict[type, Any]) -> dict[str, Any]:
    wanted = recognise(await services[KeyRing].of(principal.tenant_id), given["text"])
    if wanted.identity is not None:
        await note_identity(wanted.identity, principal, services)
    if wanted.phone is not None:
        await note_phone(wanted.phone, principal, services)
    # Who sees nearly everybody need not look at anybody to find who has the name; who sees few looks at those.
    way = "name_among_many" if given["area"] is None and _sees_a_city(principal) else "name_among_few"
    name = {"name_among_many": None, "name_among_few": None} | {way: wanted.name}
    return {**given, "wanted": SimpleNamespace(**asdict(wanted), **name, telling=_telling(wanted.place))}


def _telling(place: list[str] | None) -> list[str] | None:
    """The tokens by which buildings are found: those with a digit, where there are any; every other one is a 号楼."""
    return place and ([token for token in place if re.search(r"\d", token)] or place)


def _sees_a_city(principal: Principal) -> bool:
    """Whether the caller may see the residents of a whole city: what is below its top, whose path has one label."""
    scope = principal.rights.scope("registry.resident.read")
    return scope is not None and (scope.everywhere or any(low.count(".") <= 1 for low, _ in scope.areas))


@b.query(module="registry")
class RegistryQuery:
    """Buildings, dwellings, households, residents, organisations and vehicles by id, in pages, and counted."""

    building: Building | None = b.root_one(Building, "One building by its id.")
    buildings: b.Connection[Building] = b.root_connection(
        Building, "The buildings that the caller can see.", narrow=within
    )
    dwelling: Dwelling | None = b.root_one(Dwelling, "One dwelling by its id.")
    dwellings: b.Connection[Dwelling] = b.root_connection(
        Dwelling, "The dwellings that the caller can see.", narrow=within
    )
    dwelling_stats: list[b.Group] = b.root_aggregate(
        Dwelling,
        "Dwellings counted.",
        by={
            "USE": b.dimension(m.Dwelling.use, "By use."),
            "AREA": b.dimension(
                m.Dwelling.area_path, "By the area that they lie in directly.", tag="area", shown=area_at
            ),
        },
        narrow=within,
    )
    household: Household | None = b.root_one(Household, "One household by its id.")
    households: b.Connection[Household] = b.root_connection(
        Household, "The households that the caller can see.", narrow=within
    )
    resident: Resident | None = b.root_one(Resident, "One resident by their id.")
    residents: b.Connection[Resident] = b.root_connection(
        Resident, "The residents that the caller can see.", narrow=within
    )
    resident_search: b.Connection[Resident] = b.root_connection(
        Resident,
        "Residents by what somebody types: a whole identity number or phone number; part of a name, two characters or"
        " more; or where they live, as in `3号楼 301` or `向阳社区 3号楼 2单元301室`.",
        narrow=_found,
        prepare=_recognised,
    )
    resident_stats: list[b.Group] = b.root_aggregate(
        Resident,
        "Residents counted.",
        by={
            "AREA": b.dimension(
                m.Resident.area_path, "By the area that they live in directly.", tag="area", shown=area_at
            ),
            "SEX": b.dimension(m.Resident.sex, "By sex."),
            "STATUS": b.dimension(m.Resident.status, "By whether they live here."),
            "BIRTH_YEAR": b.dimension(m.Resident.birth_year, "By year of birth."),
        },
        narrow=within,
    )
    organisation: Organisation | None = b.root_one(Organisation, "One organisation by its id.")
    organisations: b.Connection[Organisation] = b.root_connection(
        Organisation, "The organisations that the caller can see.", narrow=within
    )
    organisation_stats: list[b.Group] = b.root_aggregate(
        Organisation,
        "Organisations counted.",
        by={
            "KIND": b.dimension(m.Organisation.kind, "By kind."),
            "AREA": b.dimension(
                m.Organisation.area_path, "By the area that they lie in directly.", tag="area", shown=area_at
            ),
        },
        narrow=within,
    )
    vehicle: Vehicle | None = b.root_one(Vehicle, "One vehicle by its id.")
    vehicles: b.Connection[Vehicle] = b.root_connection(Vehicle, "The vehicles that the caller can see.", narrow=within)
    custom_fields: list[CustomField] = b.root_list(
        CustomField, "The city's own fields of one kind of thing, in their order.", narrow=of_thing
    )
