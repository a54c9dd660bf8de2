"""The mutations of the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cityloom.core.errors import InvalidInput
from cityloom.core.ids import decode_id
from cityloom.core.work import Work
from cityloom.graph.given import given, word
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.modules.areas.api.inputs import position_of
from cityloom.modules.registry import models as m
from cityloom.modules.registry import service
from cityloom.modules.registry.api import inputs as i
from cityloom.modules.registry.api.shapes import Building, Dwelling, Household, Resident

if TYPE_CHECKING:
    from uuid import UUID


def _id(work: Work, value: str, tag: str, *path: str) -> UUID | None:
    return decode_id(value, work.tenant_id, tag, path=path or ("id",))


def _with_position(values: dict[str, Any]) -> dict[str, Any]:
    position = values.get("position")
    return values if position is None else {**values, "position": position_of(position)}


async def _create_building(work: Work, input: i.BuildingCreateInput) -> m.Building:  # noqa: A002 - the argument's name in GraphQL
    values = _with_position(given(input, without=("area_id",)))
    return await service.create_building(work, area_id=_id(work, input.area_id, "area", "areaId"), **values)


async def _change_building(work: Work, input: i.BuildingChangeInput) -> m.Building:  # noqa: A002 - the argument's name in GraphQL
    values = _with_position(given(input, without=("id",), never_null=("code", "name")))
    return await service.change_building(work, _id(work, input.id, "bldg"), **values)


async def _move_building(work: Work, input: i.BuildingMoveInput) -> m.Building:  # noqa: A002 - the argument's name in GraphQL
    area_id = _id(work, input.area_id, "area", "areaId")
    return await service.move_building(work, _id(work, input.id, "bldg"), area_id, version=input.version)


async def _create_dwelling(work: Work, input: i.DwellingCreateInput) -> m.Dwelling:  # noqa: A002 - the argument's name in GraphQL
    building_id = _id(work, input.building_id, "bldg", "buildingId")
    return await service.create_dwelling(work, building_id=building_id, **given(input, without=("building_id",)))


async def _change_dwelling(work: Work, input: i.DwellingChangeInput) -> m.Dwelling:  # noqa: A002 - the argument's name in GraphQL
    return await service.change_dwelling(
        work, _id(work, input.id, "dwel"), **given(input, without=("id",), never_null=("number", "use"))
    )


async def _move_dwelling(work: Work, input: i.DwellingMoveInput) -> m.Dwelling:  # noqa: A002 - the argument's name in GraphQL
    building_id = _id(work, input.building_id, "bldg", "buildingId")
    return await service.move_dwelling(work, _id(work, input.id, "dwel"), building_id, version=input.version)


async def _create_household(work: Work, input: i.HouseholdCreateInput) -> m.Household:  # noqa: A002 - the argument's name in GraphQL
    if (input.dwelling_id is None) == (input.area_id is None):
        raise InvalidInput(
            "请给出 dwellingId 或 areaId 中的一个。", "Send one of dwellingId and areaId.", path=("dwellingId",)
        )
    dwelling = input.dwelling_id
    return await service.create_household(
        work,
        number=input.number,
        kind=word(input.kind),
        dwelling_id=None if dwelling is None else _id(work, dwelling, "dwel", "dwellingId"),
        area_id=None if input.area_id is None else _id(work, input.area_id, "area", "areaId"),
        lives_in_dwelling=dwelling is not None,
    )


async def _change_household(work: Work, input: i.HouseholdChangeInput) -> m.Household:  # noqa: A002 - the argument's name in GraphQL
    return await service.change_household(
        work, _id(work, input.id, "hshd"), **given(input, without=("id",), never_null=("number", "kind"))
    )


async def _move_household(work: Work, input: i.HouseholdMoveInput) -> m.Household:  # noqa: A002 - the argument's name in GraphQL
    dwelling_id = _id(work, input.dwelling_id, "dwel", "dwellingId")
    return await service.move_household(
        work, _id(work, input.id, "hshd"), dwelling_id, moved_on=input.moved_on, version=input.version
    )


async def _create_resident(work: Work, input: i.ResidentCreateInput) -> m.Resident:  # noqa: A002 - the argument's name in GraphQL
    household_id = _id(work, input.household_id, "hshd", "householdId")
    return await service.create_resident(
        work, household_id=household_id, **given(input, without=("household_id",), never_null=("sex",))
    )


async def _change_resident(work: Work, input: i.ResidentChangeInput) -> m.Resident:  # noqa: A002 - the argument's name in GraphQL
    return await service.change_resident(
        work,
        _id(work, input.id, "resd"),
        **given(input, without=("id",), never_null=("name", "sex", "relationship")),
    )


async def _move_resident(work: Work, input: i.ResidentMoveInput) -> m.Resident:  # noqa: A002 - the argument's name in GraphQL
    return await service.move_resident(
        work,
        _id(work, input.id, "resd"),
        _id(work, input.household_id, "hshd", "householdId"),
        relationship=word(input.relationship),
        moved_on=input.moved_on,
        version=input.version,
    )


async def _leave(work: Work, input: i.ResidentLeaveInput) -> m.Resident:  # noqa: A002 - the argument's name in GraphQL
    return await service.leave(
        work, _id(work, input.id, "resd"), status=word(input.departure), left_on=input.left_on, version=input.version
    )


@mutation_root(module="registry")
class RegistryMutation:
    """Changes of the registry."""

    building_create: Building = mutation(_create_building, "Record a building in an area.")
    building_change: Building = mutation(_change_building, "Change a building.")
    building_move: Building = mutation(
        _move_building, "Put a building into another area, with its dwellings, households and residents."
    )
    dwelling_create: Dwelling = mutation(_create_dwelling, "Record a dwelling in a building.")
    dwelling_change: Dwelling = mutation(_change_dwelling, "Change a dwelling, for example what it is used for.")
    dwelling_move: Dwelling = mutation(_move_dwelling, "Assign a dwelling to the building that it really is in.")
    household_create: Household = mutation(_create_household, "Record a household in a dwelling or an area.")
    household_change: Household = mutation(_change_household, "Change a household.")
    household_move: Household = mutation(
        _move_household, "Let a household with everybody in it live in another dwelling."
    )
    resident_create: Resident = mutation(_create_resident, "Record a resident in a household.")
    resident_change: Resident = mutation(_change_resident, "Change a resident.")
    resident_move: Resident = mutation(_move_resident, "Let a resident live in another household.")
    resident_leave: Resident = mutation(_leave, "Record that a resident moved away from the city, or died.")
