"""Buildings and dwellings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from sqlalchemy import delete

from cityloom.core.ids import new_id
from cityloom.modules.areas.service import checked_centre
from cityloom.modules.areas.tree import area_of, civil_day, place_in
from cityloom.modules.registry import events, names
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import DwellingEnded
from cityloom.modules.registry.service import chain, checks, ties

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.modules.areas.models import Area
    from cityloom.modules.registry.service.values import BuildingValues, DwellingValues

_MOST_STOREYS, _LOWEST, _LARGEST_DM2 = 200, -9, 10_000_000


def building_columns(values: BuildingValues) -> dict[str, Any]:
    """The columns that follow from what is stated of a building, and `custom`."""
    rules: dict[str, Any] = {
        "code": lambda v: checks.checked_text(v, "code", 40),
        "name": lambda v: checks.checked_text(v, "name", 100),
        "address": lambda v: checks.checked_optional(v, "address", 200),
        "storeys": lambda v: checks.checked_number(v, "storeys", 1, _MOST_STOREYS),
        "custom": lambda v: v or {},
    }
    checked = {key: rules[key](value) for key, value in values.items() if key != "position"}
    if "position" in values:
        position = values["position"]
        checked["longitude"], checked["latitude"] = checked_centre(position) if position else (None, None)
    return checked


def dwelling_columns(values: DwellingValues) -> dict[str, Any]:
    """The columns that follow from what is stated of a dwelling, and `custom`."""
    rules: dict[str, Any] = {
        "unit": lambda v: checks.checked_optional(v, "unit", 20) or "",
        "number": lambda v: checks.checked_text(v, "number", 20),
        "floor": lambda v: checks.checked_number(v, "floor", _LOWEST, _MOST_STOREYS),
        "use": lambda v: checks.checked_choice(v, "use", m.DWELLING_USES),
        "size_dm2": lambda v: checks.checked_number(v, "sizeDm2", 1, _LARGEST_DM2),
        "custom": lambda v: v or {},
    }
    return {key: rules[key](value) for key, value in values.items()}


async def create_building(work: Work, *, area_id: UUID | None, **values: Unpack[BuildingValues]) -> m.Building:
    """Record a building (`code`, `name`, `address`, `storeys`, `position`) in an open area.

    Refuses (`Forbidden`, `AreaNotFound`, `AreaClosed`, `BuildingCodeTaken`, `TextMalformed`, `NumberOutOfRange`).
    """
    area = await place_in(work, area_id)
    work.authorise("registry.building.create", area_path=area.path)
    columns = building_columns(values)
    answers = columns.pop("custom", None)
    building = m.Building(area_id=area.id, area_path=area.path, **columns)
    await chain.insert(work, "registry.building.create", building, answers=answers)
    await _write_tokens(work, building)
    work.emit(events.BuildingCreated(subject_id=building.id, area_path=area.path, code=building.code))
    return building


async def change_building(
    work: Work, building_id: UUID | None, *, version: int | None = None, **values: Unpack[BuildingValues]
) -> m.Building:
    """Change what is given of a building; refuses what creating and `chain.reach` refuse."""
    action = "registry.building.change"
    building = await chain.reach(work, m.Building, building_id, action, version=version)
    checked = building_columns(values)
    former = building.name, building.address
    if await chain.write(work, action, building, checked):
        if (building.name, building.address) != former:
            await _write_tokens(work, building)
        fields = tuple(sorted(values))
        work.emit(events.BuildingChanged(subject_id=building.id, area_path=building.area_path, fields=fields))
    return building


@dataclass(frozen=True, slots=True)
class BuildingPlan:
    """What putting a building into another area touches: rows by table, and both areas."""

    former: Area
    new: Area
    counts: dict[str, int]


async def plan_building_move(work: Work, building_id: UUID | None, area_id: UUID | None) -> BuildingPlan:
    """What `move_building` would touch; changes nothing and refuses what that refuses."""
    action = "registry.building.move"
    area = await place_in(work, area_id)
    building = await chain.reach(work, m.Building, building_id, action)
    work.authorise(action, area_path=area.path)
    former = await area_of(work, building.area_id)
    return BuildingPlan(former, area, await chain.inside(work, building))


async def move_building(
    work: Work, building_id: UUID | None, area_id: UUID | None, *, version: int | None = None
) -> m.Building:
    """Put a building with everything in it into another area.

    Refuses what `chain.reach` refuses, `AreaNotFound`, `AreaClosed`, and `Forbidden` for the new area.
    """
    action = "registry.building.move"
    area = await place_in(work, area_id)
    building = await chain.reach(work, m.Building, building_id, action, version=version)
    work.authorise(action, area_path=area.path)
    former = building.area_id
    if former == area.id:
        return building
    await chain.relocate_building(work, building, area.id, area.path)
    await work.session.refresh(building)
    building.version += 1
    building.changed_at = work.now()
    await work.session.flush()
    chain.audit(work, action, building, before={"area_id": str(former)}, after={"area_id": str(area.id)})
    work.emit(events.BuildingMoved(subject_id=building.id, area_path=area.path, former_area_id=former, area_id=area.id))
    return building


async def create_dwelling(
    work: Work,
    *,
    building_id: UUID | None,
    used_since: date | None = None,
    row_id: UUID | None = None,
    **values: Unpack[DwellingValues],
) -> m.Dwelling:
    """Record a dwelling (`unit`, `number`, `floor`, `use`, `size_dm2`) in a building, used so since a day (today).

    Refuses (`Forbidden`, `NotFound`, `DwellingNumberTaken`, `TextMalformed`, `NumberOutOfRange`, `ValueUnknown`,
    `DateOutOfRange`, `AnswersWrong`).
    """
    building = await _holder(work, building_id, "registry.dwelling.create")
    day = checks.checked_day(work, used_since or civil_day(work.now()), "usedSince")
    columns = dwelling_columns(values)
    answers = columns.pop("custom", None)
    dwelling = m.Dwelling(
        id=row_id or new_id(),
        building_id=building.id,
        area_id=building.area_id,
        area_path=building.area_path,
        **{"unit": "", **columns},
    )
    await chain.insert(work, "registry.dwelling.create", dwelling, answers=answers)
    await ties.tie(work, dwelling, day, name="usedSince", use=dwelling.use)
    work.emit(
        events.DwellingCreated(
            subject_id=dwelling.id, area_path=dwelling.area_path, building_id=building.id, use=dwelling.use
        )
    )
    return dwelling


async def change_dwelling(
    work: Work, dwelling_id: UUID | None, *, version: int | None = None, **values: Unpack[DwellingValues]
) -> m.Dwelling:
    """Change what is given of a dwelling, its use since today; refuses what creating and `chain.reach` refuse."""
    action = "registry.dwelling.change"
    dwelling = await chain.reach(work, m.Dwelling, dwelling_id, action, version=version)
    checked, former = dwelling_columns(values), dwelling.use
    if await chain.write(work, action, dwelling, checked):
        if dwelling.use != former:
            await ties.tie(work, dwelling, civil_day(work.now()), name="use", use=dwelling.use)
        fields = tuple(sorted(values))
        work.emit(
            events.DwellingChanged(
                subject_id=dwelling.id, area_path=dwelling.area_path, fields=fields, use=dwelling.use
            )
        )
    return dwelling


async def change_use(
    work: Work, dwelling_id: UUID | None, *, use: str, changed_on: date | None = None, version: int | None = None
) -> m.Dwelling:
    """A dwelling is used for something else since a day, today where none is given.

    Refuses what `chain.reach` refuses, `ValueUnknown`, `DateOutOfRange`, `DwellingEnded`, `TieStillHolds`.
    """
    action = "registry.dwelling.change"
    checks.checked_choice(use, "use", m.DWELLING_USES)
    day = checks.checked_day(work, changed_on or civil_day(work.now()), "changedOn")
    dwelling = await chain.reach(work, m.Dwelling, dwelling_id, action, version=version)
    if dwelling.ended_on is not None:
        raise DwellingEnded(path=("id",))
    former = dwelling.use
    if await chain.write(work, action, dwelling, {"use": use}):
        await ties.tie(work, dwelling, day, name="changedOn", use=use)
        work.emit(
            events.DwellingUseChanged(
                subject_id=dwelling.id,
                area_path=dwelling.area_path,
                former_use=former,
                use=use,
                changed_on=day,
            )
        )
    return dwelling


async def move_dwelling(
    work: Work, dwelling_id: UUID | None, building_id: UUID | None, *, version: int | None = None
) -> m.Dwelling:
    """Assign a dwelling with everybody in it to another building: houses stay, records were wrong.

    Refuses what `chain.reach` refuses of both, and `DwellingNumberTaken`.
    """
    action = "registry.dwelling.move"
    building = await _holder(work, building_id, action)
    dwelling = await chain.reach(work, m.Dwelling, dwelling_id, action, version=version)
    former = dwelling.building_id
    if former == building.id:
        return dwelling
    await chain.relocate_dwelling(work, dwelling, building.area_id, building.area_path)
    await work.session.refresh(dwelling)
    await chain.write(work, action, dwelling, {"building_id": building.id})
    work.emit(
        events.DwellingMoved(
            subject_id=dwelling.id,
            area_path=building.area_path,
            former_building_id=former,
            building_id=building.id,
        )
    )
    return dwelling


async def _write_tokens(work: Work, building: m.Building) -> None:
    await work.session.execute(delete(m.BuildingToken).where(m.BuildingToken.id == building.id))
    tokens = names.place_tokens(building.name, building.address)
    work.session.add_all(m.BuildingToken(id=building.id, token=token) for token in tokens)
    await work.session.flush()


async def _holder(work: Work, building_id: UUID | None, permission: str) -> m.Building:
    return await chain.reach(work, m.Building, building_id, permission, path=("buildingId",), is_holder=True)
