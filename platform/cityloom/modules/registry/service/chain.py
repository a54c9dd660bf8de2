"""The chain resident, household, dwelling, building, area: reaching a link, and carrying what hangs on it along.

Locks are taken from the building down, so that two moves cannot wait for each other, and the holder of what is put in
somewhere is locked FOR SHARE, so that it cannot move away meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import ColumnElement, func, select, update

from cityloom.core.constraints import refusing
from cityloom.core.database import Base
from cityloom.core.events import AuditEntry
from cityloom.modules.areas.service import demand_version
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import REFUSALS, not_found
from cityloom.modules.registry.service import custom

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Table

    from cityloom.core.work import Work

Link = TypeVar("Link", m.Building, m.Dwelling, m.Household, m.Resident, m.Organisation, m.Vehicle)
TAGS = {
    m.Building: "bldg",
    m.Dwelling: "dwel",
    m.Household: "hshd",
    m.Resident: "resd",
    m.Organisation: "orgn",
    m.Vehicle: "vehi",
}


async def reach(
    work: Work,
    model: type[Link],
    row_id: UUID | None,
    permission: str,
    *,
    path: tuple[str | int, ...] = ("id",),
    version: int | None = None,
    is_holder: bool = False,
) -> Link:
    """One link of the chain, locked, for a caller who may do this to it.

    `is_holder` locks it only against moving, for something that is put into it. Refuses (`NotFound`) what is absent or
    may not be seen, (`Forbidden`) what may be seen but not this, (`ChangedMeanwhile`) another version.
    """
    found = await work.session.scalar(
        select(model)
        .where(model.id == row_id)
        .with_for_update(read=is_holder)
        .execution_options(populate_existing=True)
    )
    noun = model.__tablename__.removesuffix("s")
    seen = work.rights.scope(f"registry.{noun}.read")
    if found is None or seen is None or not seen.covers(found.area_path):
        # Whoever may not do this at all is told so, whether or not the thing exists.
        work.authorise(permission)
        raise not_found(model.__tablename__, path)
    work.authorise(permission, area_path=found.area_path)
    demand_version(version, found.version)
    return found


async def write(
    work: Work, action: str, row: Link, values: dict[str, Any], *, secret: frozenset[str] = frozenset()
) -> bool:
    """Change the columns that differ; answers whether any did. The audit log names what is `secret`, and hides it.

    `custom` among the values holds answers to the city's own fields.
    """
    own = await custom.answers(work, row, values["custom"], is_new=False) if "custom" in values else custom.Answers()
    changed = {key: value for key, value in values.items() if key != "custom" and getattr(row, key) != value}
    if not changed and not own:
        return False
    before = {key: getattr(row, key) for key in changed}
    async with refusing(work, REFUSALS):
        for key, value in changed.items():
            setattr(row, key, value)
        row.version += 1
        row.changed_at = work.now()
    await custom.write_answers(work, row, own)
    told = shown(before, secret) | own.before, shown(changed, secret) | own.after
    audit(work, action, row, before=told[0], after=told[1])
    return True


async def insert(
    work: Work, action: str, row: Link, *, secret: frozenset[str] = frozenset(), answers: object = None
) -> None:
    """Add a link with its answers to the city's own fields; violated constraints become refusals."""
    own = await custom.answers(work, row, {} if answers is None else answers, is_new=True)
    row.version, row.created_at, row.changed_at = 1, work.now(), work.now()
    async with refusing(work, REFUSALS):
        work.session.add(row)
    columns = {column.key: getattr(row, column.key) for column in type(row).__mapper__.column_attrs}
    stated = {key: value for key, value in columns.items() if value is not None and key not in _UNINTERESTING}
    await custom.write_answers(work, row, own)
    audit(work, action, row, after=shown(stated, secret) | own.after)


_UNINTERESTING = frozenset({"tenant_id", "id", "version", "created_at", "changed_at"})


def audit(
    work: Work,
    action: str,
    row: Any,  # noqa: ANN401 - one of six models
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Note a change in the audit log."""
    work.audit(AuditEntry(action=action, object_tag=TAGS[type(row)], object_id=row.id, before=before, after=after))


def shown(values: dict[str, Any], secret: frozenset[str]) -> dict[str, Any]:
    """Values for the audit log: envelopes, indexes and what is secret are replaced by a mark."""
    return {
        key: "●"
        if key in secret or isinstance(value, bytes)
        else value
        if isinstance(value, int | None)
        else str(value)
        for key, value in values.items()
    }


#: Tables with the condition on their rows, what hangs on a row before the row itself.
Carried = list[tuple[type[Any], ColumnElement[bool]]]


async def relocate_building(work: Work, building: m.Building, area_id: UUID, area_path: str) -> None:
    """Put a building and everything in it into an area."""
    await _relocate(work, _building(m.Building.id == building.id), area_id, area_path)


async def relocate_dwelling(work: Work, dwelling: m.Dwelling, area_id: UUID, area_path: str) -> None:
    """Put a dwelling and everything in it into an area."""
    await _relocate(work, _dwellings(m.Dwelling.id == dwelling.id), area_id, area_path)


async def relocate_household(work: Work, household: m.Household, area_id: UUID, area_path: str) -> None:
    """Put a household and everybody in it into an area."""
    await _relocate(work, _households(m.Household.id == household.id), area_id, area_path)


async def relocate_resident(work: Work, resident: m.Resident, area_id: UUID, area_path: str) -> None:
    """Put a resident, with past stays and vehicles, into an area."""
    await _relocate(work, _residents(m.Resident.id == resident.id), area_id, area_path)


async def relocate_organisation(work: Work, organisation: m.Organisation, area_id: UUID, area_path: str) -> None:
    """Put an organisation, with past premises and vehicles, into an area."""
    await _relocate(work, _organisations(m.Organisation.id == organisation.id), area_id, area_path)


async def relocate_vehicle(work: Work, vehicle: m.Vehicle, area_id: UUID, area_path: str) -> None:
    """Put a vehicle, with its past holders, into an area."""
    await _relocate(work, _vehicles(m.Vehicle.id == vehicle.id), area_id, area_path)


async def inside(work: Work, building: m.Building) -> dict[str, int]:
    """How many rows of each table would go along with a building; tables without any are left out."""
    counts: dict[str, int] = {}
    for model, which in reversed(_building(m.Building.id == building.id)):
        found = await work.session.scalar(select(func.count()).select_from(model).where(which))
        if found:
            name = model.__tablename__
            counts[name] = counts.get(name, 0) + found
    return counts


def _building(which: ColumnElement[bool]) -> Carried:
    buildings = select(m.Building.id).where(which).scalar_subquery()
    return [
        *_dwellings(m.Dwelling.building_id.in_(buildings)),
        *_organisations(m.Organisation.building_id.in_(buildings)),
        (m.Building, which),
    ]


def _dwellings(which: ColumnElement[bool]) -> Carried:
    dwellings = select(m.Dwelling.id).where(which).scalar_subquery()
    return [
        *_households(m.Household.dwelling_id.in_(dwellings)),
        *_organisations(m.Organisation.dwelling_id.in_(dwellings)),
        (m.DwellingTie, m.DwellingTie.dwelling_id.in_(dwellings)),
        (m.DwellingUsage, m.DwellingUsage.dwelling_id.in_(dwellings)),
        (m.Dwelling, which),
    ]


def _households(which: ColumnElement[bool]) -> Carried:
    households = select(m.Household.id).where(which).scalar_subquery()
    return [
        *_residents(m.Resident.household_id.in_(households)),
        (m.HouseholdStay, m.HouseholdStay.household_id.in_(households)),
        (m.Household, which),
    ]


def _residents(which: ColumnElement[bool]) -> Carried:
    residents = select(m.Resident.id).where(which).scalar_subquery()
    return [
        *_vehicles(m.Vehicle.resident_id.in_(residents)),
        (m.ResidentStay, m.ResidentStay.resident_id.in_(residents)),
        *((model, model.resident_id.in_(residents)) for model in _lying_with_residents()),
        (m.Resident, which),
    ]


def _organisations(which: ColumnElement[bool]) -> Carried:
    organisations = select(m.Organisation.id).where(which).scalar_subquery()
    return [
        *_vehicles(m.Vehicle.organisation_id.in_(organisations)),
        (m.OrganisationStay, m.OrganisationStay.organisation_id.in_(organisations)),
        (m.Organisation, which),
    ]


def _vehicles(which: ColumnElement[bool]) -> Carried:
    vehicles = select(m.Vehicle.id).where(which).scalar_subquery()
    return [(m.VehicleHolding, m.VehicleHolding.vehicle_id.in_(vehicles)), (m.Vehicle, which)]


async def _relocate(work: Work, carried: Carried, area_id: UUID, area_path: str) -> None:
    for model, which in carried:
        await _place(work, model, which, area_id, area_path)


def _lying_with_residents() -> list[type[Any]]:
    """Tables of slices that this one has never heard of: `info={"lies_with": "residents"}`."""
    return [
        mapper.class_
        for mapper in Base.registry.mappers
        if cast("Table", mapper.local_table).info.get("lies_with") == m.Resident.__tablename__
    ]


async def _place(work: Work, model: type[Any], which: ColumnElement[bool], area_id: UUID, area_path: str) -> None:
    statement = update(model).where(which, model.area_id != area_id).values(area_id=area_id, area_path=area_path)
    await work.session.execute(statement.execution_options(synchronize_session=False))
