"""Organisations, and vehicles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from sqlalchemy import delete

from cityloom.core.ids import new_id
from cityloom.modules.areas.tree import civil_day, place_in
from cityloom.modules.registry import events, names, papers, people
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import DwellingEnded, OrganisationEnded, PlateTaken
from cityloom.modules.registry.service import chain, checks, ties

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.work import Work
    from cityloom.modules.registry.service.values import OrganisationValues, VehicleValues

_NAME_LIMIT = 100
_PLATE = frozenset({"plate", "plate_masked", "plate_index"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where an organisation is: in a building, in one dwelling of it, or just in an area; `kind` says which."""

    kind: str
    row_id: UUID | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a vehicle is."""

    is_resident: bool
    row_id: UUID | None


def organisation_columns(values: OrganisationValues) -> dict[str, Any]:
    """The columns that follow from what is stated of an organisation; refuses what creating one refuses of values."""
    rules: dict[str, Any] = {
        "name": lambda v: checks.checked_text(v, "name", _NAME_LIMIT),
        "kind": lambda v: checks.checked_choice(v, "kind", m.ORGANISATION_KINDS),
        "credit_code": lambda v: None if v is None else papers.checked_credit_code(v),
        "custom": lambda v: v or {},
    }
    return {key: rules[key](value) for key, value in values.items()}


async def _put(work: Work, place: Place, permission: str) -> tuple[dict[str, UUID], UUID, str]:
    """The column and id of the place, and its area."""
    if place.kind == "building":
        building = await chain.reach(work, m.Building, place.row_id, permission, path=("buildingId",), is_holder=True)
        return {"building_id": building.id}, building.area_id, building.area_path
    if place.kind == "dwelling":
        dwelling = await chain.reach(work, m.Dwelling, place.row_id, permission, path=("dwellingId",), is_holder=True)
        if dwelling.ended_on is not None:
            raise DwellingEnded(path=("dwellingId",))
        return {"dwelling_id": dwelling.id}, dwelling.area_id, dwelling.area_path
    area = await place_in(work, place.row_id)
    work.authorise(permission, area_path=area.path)
    return {}, area.id, area.path


async def create_organisation(
    work: Work,
    place: Place,
    *,
    moved_in_on: date | None = None,
    row_id: UUID | None = None,
    **values: Unpack[OrganisationValues],
) -> m.Organisation:
    """Record an organisation (`name`, `kind`, `credit_code`), there since a day, today where none is given.

    Refuses (`Forbidden`, `NotFound`, `AreaNotFound`, `AreaClosed`, `CreditCodeInvalid`, `CreditCodeTaken`,
    `DwellingEnded`, `TextMalformed`, `ValueUnknown`, `DateOutOfRange`, `AnswersWrong`).
    """
    action = "registry.organisation.create"
    day = checks.checked_day(work, moved_in_on or civil_day(work.now()), "movedInOn")
    premises, area_id, area_path = await _put(work, place, action)
    columns = {"kind": "OTHER", "credit_code": None, **organisation_columns(values)}
    answers = columns.pop("custom", None)
    made = m.Organisation(
        id=row_id or new_id(), area_id=area_id, area_path=area_path, **_everywhere(premises), **columns
    )
    await chain.insert(work, action, made, answers=answers)
    await ties.tie(work, made, day, name="movedInOn", **premises)
    await _write_tokens(work, made)
    work.emit(
        events.OrganisationCreated(
            subject_id=made.id,
            area_path=area_path,
            kind=made.kind,
            building_id=made.building_id,
            dwelling_id=made.dwelling_id,
        )
    )
    return made


async def change_organisation(
    work: Work, organisation_id: UUID | None, *, version: int | None = None, **values: Unpack[OrganisationValues]
) -> m.Organisation:
    """Change what is given of an organisation; refuses what creating and `chain.reach` refuse."""
    action = "registry.organisation.change"
    found = await chain.reach(work, m.Organisation, organisation_id, action, version=version)
    former = found.name
    if await chain.write(work, action, found, organisation_columns(values)):
        if found.name != former:
            await _write_tokens(work, found)
        fields = tuple(sorted(values))
        work.emit(events.OrganisationChanged(subject_id=found.id, area_path=found.area_path, fields=fields))
    return found


async def move_organisation(
    work: Work,
    organisation_id: UUID | None,
    place: Place,
    *,
    moved_on: date | None = None,
    version: int | None = None,
) -> m.Organisation:
    """Let an organisation be somewhere else, with its vehicles, since a day, today where none is given.

    Refuses what `chain.reach` refuses of both, `OrganisationEnded`, `DwellingEnded`, `DateOutOfRange`, `TieStillHolds`.
    """
    action = "registry.organisation.move"
    day = checks.checked_day(work, moved_on or civil_day(work.now()), "movedOn")
    premises, area_id, area_path = await _put(work, place, action)
    found = await chain.reach(work, m.Organisation, organisation_id, action, version=version)
    if found.ended_on is not None:
        raise OrganisationEnded(path=("id",))
    columns = {**_everywhere(premises), "area_id": area_id, "area_path": area_path}
    if await chain.write(work, action, found, columns):
        await chain.relocate_organisation(work, found, area_id, area_path)
        await ties.tie(work, found, day, name="movedOn", **premises)
        work.emit(
            events.OrganisationMoved(
                subject_id=found.id,
                area_path=area_path,
                building_id=found.building_id,
                dwelling_id=found.dwelling_id,
                moved_on=day,
            )
        )
    return found


async def close_organisation(
    work: Work, organisation_id: UUID | None, *, closed_on: date | None = None, version: int | None = None
) -> m.Organisation:
    """An organisation is no more since a day, today where none is given; its record stays where it was.

    Refuses what `chain.reach` refuses, `OrganisationEnded`, `DateOutOfRange`, `TieStillHolds`.
    """
    action = "registry.organisation.move"
    day = checks.checked_day(work, closed_on or civil_day(work.now()), "closedOn")
    found = await chain.reach(work, m.Organisation, organisation_id, action, version=version)
    if found.ended_on is not None:
        raise OrganisationEnded(path=("id",))
    had_premises = found.building_id is not None or found.dwelling_id is not None
    await chain.write(work, action, found, {**_everywhere({}), "ended_on": day})
    if had_premises:
        await ties.tie(work, found, day, name="closedOn")
    work.emit(events.OrganisationClosed(subject_id=found.id, area_path=found.area_path, closed_on=day))
    return found


def _everywhere(premises: dict[str, UUID]) -> dict[str, UUID | None]:
    return {"building_id": premises.get("building_id"), "dwelling_id": premises.get("dwelling_id")}


async def _write_tokens(work: Work, found: m.Organisation) -> None:
    await work.session.execute(delete(m.OrganisationNameToken).where(m.OrganisationNameToken.id == found.id))
    work.session.add_all(m.OrganisationNameToken(id=found.id, token=token) for token in names.tokens(found.name))
    await work.session.flush()


def plate_columns(keys: TenantKeys, row_id: UUID, plate: str) -> dict[str, Any]:
    """The three columns of a plate in its normal form."""
    table = m.Vehicle.__tablename__
    return {
        "plate": keys.seal(table, "plate", row_id, plate),
        "plate_masked": papers.mask_plate(plate),
        "plate_index": keys.blind_index(table, "plate", plate),
    }


def plate_indexes(keys: TenantKeys, value: str) -> list[bytes]:
    """What to search for, the index that is written now first; refuses (`PlateInvalid`)."""
    return keys.blind_indexes(m.Vehicle.__tablename__, "plate", papers.checked_plate(value))


async def _demand_new_plate(work: Work, keys: TenantKeys, row_id: UUID, plate: str) -> None:
    known = plate_indexes(keys, plate)
    await people.demand_new(work, m.Vehicle.plate_index, known, row_id, PlateTaken(path=("plate",)))


async def _holder(work: Work, holder: Holder, permission: str) -> tuple[dict[str, UUID | None], UUID, str]:
    """Both columns of the holder, and the area."""
    if holder.is_resident:
        resident = await chain.reach(work, m.Resident, holder.row_id, permission, path=("residentId",), is_holder=True)
        return {"resident_id": resident.id, "organisation_id": None}, resident.area_id, resident.area_path
    organisation = await chain.reach(
        work, m.Organisation, holder.row_id, permission, path=("organisationId",), is_holder=True
    )
    return {"resident_id": None, "organisation_id": organisation.id}, organisation.area_id, organisation.area_path


async def create_vehicle(
    work: Work,
    holder: Holder,
    *,
    kind: str,
    plate: str,
    held_since: date | None = None,
    row_id: UUID | None = None,
    custom: dict[str, Any] | None = None,
) -> m.Vehicle:
    """Record a vehicle of a resident or an organisation, theirs since a day, today where none is given.

    Refuses (`Forbidden`, `NotFound`, `PlateInvalid`, `PlateTaken`, `ValueUnknown`, `DateOutOfRange`, `AnswersWrong`).
    """
    action = "registry.vehicle.create"
    checks.checked_choice(kind, "kind", m.VEHICLE_KINDS)
    day = checks.checked_day(work, held_since or civil_day(work.now()), "heldSince")
    columns, area_id, area_path = await _holder(work, holder, action)
    row_id = row_id or new_id()
    keys = await people.keys_of(work)
    plate = papers.checked_plate(plate, kind)
    made = m.Vehicle(
        id=row_id,
        kind=kind,
        area_id=area_id,
        area_path=area_path,
        **columns,
        **plate_columns(keys, row_id, plate),
    )
    await chain.insert(work, action, made, secret=_PLATE, answers=custom)
    await _demand_new_plate(work, keys, row_id, plate)
    await ties.tie(work, made, day, name="heldSince", **columns)
    work.emit(events.VehicleCreated(subject_id=made.id, area_path=area_path, kind=kind, **columns))
    return made


async def change_vehicle(
    work: Work, vehicle_id: UUID | None, *, version: int | None = None, **values: Unpack[VehicleValues]
) -> m.Vehicle:
    """Change what is given of a vehicle; refuses what creating and `chain.reach` refuse."""
    action = "registry.vehicle.change"
    found = await chain.reach(work, m.Vehicle, vehicle_id, action, version=version)
    columns: dict[str, Any] = {}
    keys, plate = await people.keys_of(work), None
    if "kind" in values:
        columns["kind"] = checks.checked_choice(values["kind"], "kind", m.VEHICLE_KINDS)
    if "plate" in values:
        plate = papers.checked_plate(values["plate"], values.get("kind", found.kind))
        sealed = plate_columns(keys, found.id, plate)
        # Every sealing differs: where the plate is the same, nothing has changed.
        columns |= sealed if sealed["plate_index"] != found.plate_index else {}
    if "custom" in values:
        columns["custom"] = values["custom"] or {}
    if await chain.write(work, action, found, columns, secret=_PLATE):
        if plate is not None:
            await _demand_new_plate(work, keys, found.id, plate)
        fields = tuple(sorted(values))
        work.emit(events.VehicleChanged(subject_id=found.id, area_path=found.area_path, fields=fields))
    return found


async def transfer_vehicle(
    work: Work, vehicle_id: UUID | None, holder: Holder, *, since: date | None = None, version: int | None = None
) -> m.Vehicle:
    """A vehicle is somebody else's since a day, today where none is given, and lies where they do.

    Refuses what `chain.reach` refuses of both, `DateOutOfRange`, `TieStillHolds`.
    """
    action = "registry.vehicle.move"
    day = checks.checked_day(work, since or civil_day(work.now()), "since")
    columns, area_id, area_path = await _holder(work, holder, action)
    found = await chain.reach(work, m.Vehicle, vehicle_id, action, version=version)
    former = {"former_resident_id": found.resident_id, "former_organisation_id": found.organisation_id}
    if await chain.write(work, action, found, {**columns, "area_id": area_id, "area_path": area_path}):
        await chain.relocate_vehicle(work, found, area_id, area_path)
        await ties.tie(work, found, day, name="since", **columns)
        work.emit(events.VehicleTransferred(subject_id=found.id, area_path=area_path, **former, **columns, since=day))
    return found
