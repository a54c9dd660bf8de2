"""The chain resident, household, dwelling, building, area: reaching a link, and carrying what hangs on it along.

Locks are taken from the building down, so that two moves cannot wait for each other, and the holder of what is put in
somewhere is locked FOR SHARE, so that it cannot move away meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import ColumnElement, select, update

from cityloom.core.constraints import refusing
from cityloom.core.events import AuditEntry
from cityloom.modules.areas.service import demand_version
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import REFUSALS, not_found
from cityloom.modules.registry.service import custom

if TYPE_CHECKING:
    from uuid import UUID

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


async def relocate_building(work: Work, building: m.Building, area_id: UUID, area_path: str) -> None:
    """Put a building and everything in it into an area."""
    await _place(work, m.Building, m.Building.id == building.id, area_id, area_path)
    await _relocate_organisations(work, m.Organisation.building_id == building.id, area_id, area_path)
    await _relocate_dwellings(work, m.Dwelling.building_id == building.id, area_id, area_path)


async def relocate_dwelling(work: Work, dwelling: m.Dwelling, area_id: UUID, area_path: str) -> None:
    """Put a dwelling and everything in it into an area."""
    await _relocate_dwellings(work, m.Dwelling.id == dwelling.id, area_id, area_path)


async def relocate_household(work: Work, household: m.Household, area_id: UUID, area_path: str) -> None:
    """Put a household and everybody in it into an area."""
    await _relocate_households(work, m.Household.id == household.id, area_id, area_path)


async def relocate_resident(work: Work, resident: m.Resident, area_id: UUID, area_path: str) -> None:
    """Put a resident, with past stays and vehicles, into an area."""
    await _relocate_residents(work, m.Resident.id == resident.id, area_id, area_path)


async def relocate_organisation(work: Work, organisation: m.Organisation, area_id: UUID, area_path: str) -> None:
    """Put an organisation, with past premises and vehicles, into an area."""
    await _relocate_organisations(work, m.Organisation.id == organisation.id, area_id, area_path)


async def relocate_vehicle(work: Work, vehicle: m.Vehicle, area_id: UUID, area_path: str) -> None:
    """Put a vehicle, with its past holders, into an area."""
    await _relocate_vehicles(work, m.Vehicle.id == vehicle.id, area_id, area_path)


async def _relocate_dwellings(work: Work, which: ColumnElement[bool], area_id: UUID, area_path: str) -> None:
    dwellings = select(m.Dwelling.id).where(which).scalar_subquery()
    await _place(work, m.Dwelling, which, area_id, area_path)
    for model in (m.DwellingUsage, m.DwellingTie):
        await _place(work, model, model.dwelling_id.in_(dwellings), area_id, area_path)
    await _relocate_organisations(work, m.Organisation.dwelling_id.in_(dwellings), area_id, area_path)
    await _relocate_households(work, m.Household.dwelling_id.in_(dwellings), area_id, area_path)


async def _relocate_households(work: Work, which: ColumnElement[bool], area_id: UUID, area_path: str) -> None:
    households = select(m.Household.id).where(which).scalar_subquery()
    await _relocate_residents(work, m.Resident.household_id.in_(households), area_id, area_path)
    await _place(work, m.HouseholdStay, m.HouseholdStay.household_id.in_(households), area_id, area_path)
    await _place(work, m.Household, which, area_id, area_path)


async def _relocate_residents(work: Work, which: ColumnElement[bool], area_id: UUID, area_path: str) -> None:
    residents = select(m.Resident.id).where(which).scalar_subquery()
    await _relocate_vehicles(work, m.Vehicle.resident_id.in_(residents), area_id, area_path)
    await _place(work, m.ResidentStay, m.ResidentStay.resident_id.in_(residents), area_id, area_path)
    await _place(work, m.Resident, which, area_id, area_path)


async def _relocate_organisations(work: Work, which: ColumnElement[bool], area_id: UUID, area_path: str) -> None:
    organisations = select(m.Organisation.id).where(which).scalar_subquery()
    await _relocate_vehicles(work, m.Vehicle.organisation_id.in_(organisations), area_id, area_path)
    await _place(work, m.OrganisationStay, m.OrganisationStay.organisation_id.in_(organisations), area_id, area_path)
    await _place(work, m.Organisation, which, area_id, area_path)


async def _relocate_vehicles(work: Work, which: ColumnElement[bool], area_id: UUID, area_path: str) -> None:
    vehicles = select(m.Vehicle.id).where(which).scalar_subquery()
    await _place(work, m.VehicleHolding, m.VehicleHolding.vehicle_id.in_(vehicles), area_id, area_path)
    await _place(work, m.Vehicle, which, area_id, area_path)


async def _place(work: Work, model: type[Any], which: ColumnElement[bool], area_id: UUID, area_path: str) -> None:
    statement = update(model).where(which, model.area_id != area_id).values(area_id=area_id, area_path=area_path)
    await work.session.execute(statement.execution_options(synchronize_session=False))
