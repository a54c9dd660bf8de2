"""The mutations of the chain: each turns an input into a call of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cityloom.core.errors import InvalidInput
from cityloom.core.ids import decode_id, encode_id
from cityloom.core.work import Work
from cityloom.graph import bound as b
from cityloom.graph.given import given, word
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.modules.areas.api.inputs import plan_counts, position_of
from cityloom.modules.registry import models as m
from cityloom.modules.registry import service
from cityloom.modules.registry.api import inputs as i
from cityloom.modules.registry.api.shapes import Building, Dwelling, Household, Resident

if TYPE_CHECKING:
    from uuid import UUID


def id_in(work: Work, value: str, tag: str, *path: str) -> UUID | None:
    """The row id in a global id; None where it is another tenant's, or of another type."""
    return decode_id(value, work.tenant_id, tag, path=path or ("id",))


def _with_position(values: dict[str, Any]) -> dict[str, Any]:
    position = values.get("position")
    return values if position is None else {**values, "position": position_of(position)}


async def _create_building(work: Work, input: i.BuildingCreateInput) -> m.Building:  # noqa: A002 - the argument's name in GraphQL
    values = _with_position(given(input, without=("area_id",)))
    return await service.create_building(work, area_id=id_in(work, input.area_id, "area", "areaId"), **values)


async def change_building(work: Work, input: i.BuildingChangeInput) -> m.Building:  # noqa: A002 - the argument's name in GraphQL
    """See `service.change_building`."""
    values = _with_position(given(input, without=("id",), never_null=("code", "name")))
    return await service.change_building(work, id_in(work, input.id, "bldg"), **values)


async def _move_building(work: Work, input: i.BuildingMoveInput) -> m.Building:  # noqa: A002 - the argument's name in GraphQL
    area_id = id_in(work, input.area_id, "area", "areaId")
    return await service.move_building(work, id_in(work, input.id, "bldg"), area_id, version=input.version)


async def create_dwelling(work: Work, input: i.DwellingCreateInput, row_id: UUID | None = None) -> m.Dwelling:  # noqa: A002 - the argument's name in GraphQL
    """See `service.create_dwelling`."""
    building_id = id_in(work, input.building_id, "bldg", "buildingId")
    values = given(input, without=("building_id",))
    return await service.create_dwelling(work, building_id=building_id, row_id=row_id, **values)


async def change_dwelling(work: Work, input: i.DwellingChangeInput) -> m.Dwelling:  # noqa: A002 - the argument's name in GraphQL
    """See `service.change_dwelling`."""
    return await service.change_dwelling(
        work, id_in(work, input.id, "dwel"), **given(input, without=("id",), never_null=("number", "use"))
    )


async def _move_dwelling(work: Work, input: i.DwellingMoveInput) -> m.Dwelling:  # noqa: A002 - the argument's name in GraphQL
    building_id = id_in(work, input.building_id, "bldg", "buildingId")
    return await service.move_dwelling(work, id_in(work, input.id, "dwel"), building_id, version=input.version)


async def create_household(work: Work, input: i.HouseholdCreateInput, row_id: UUID | None = None) -> m.Household:  # noqa: A002 - the argument's name in GraphQL
    """See `service.create_household`."""
    if (input.dwelling_id is None) == (input.area_id is None):
        raise InvalidInput(
            "请给出 dwellingId 或 areaId 中的一个。", "Send one of dwellingId and areaId.", path=("dwellingId",)
        )
    dwelling = input.dwelling_id
    return await service.create_household(
        work,
        dwelling_id=None if dwelling is None else id_in(work, dwelling, "dwel", "dwellingId"),
        area_id=None if input.area_id is None else id_in(work, input.area_id, "area", "areaId"),
        lives_in_dwelling=dwelling is not None,
        row_id=row_id,
        **given(input, without=("dwelling_id", "area_id")),
    )


async def change_household(work: Work, input: i.HouseholdChangeInput) -> m.Household:  # noqa: A002 - the argument's name in GraphQL
    """See `service.change_household`."""
    return await service.change_household(
        work, id_in(work, input.id, "hshd"), **given(input, without=("id",), never_null=("number", "kind"))
    )


async def move_household(work: Work, input: i.HouseholdMoveInput) -> m.Household:  # noqa: A002 - the argument's name in GraphQL
    """See `service.move_household`."""
    dwelling_id = id_in(work, input.dwelling_id, "dwel", "dwellingId")
    return await service.move_household(
        work, id_in(work, input.id, "hshd"), dwelling_id, moved_on=input.moved_on, version=input.version
    )


async def create_resident(work: Work, input: i.ResidentCreateInput, row_id: UUID | None = None) -> m.Resident:  # noqa: A002 - the argument's name in GraphQL
    """See `service.create_resident`."""
    household_id = id_in(work, input.household_id, "hshd", "householdId")
    values = given(input, without=("household_id",), never_null=("sex",))
    return await service.create_resident(work, household_id=household_id, row_id=row_id, **values)


async def change_resident(work: Work, input: i.ResidentChangeInput) -> m.Resident:  # noqa: A002 - the argument's name in GraphQL
    """See `service.change_resident`."""
    values = given(input, without=("id",), never_null=("name", "sex", "relationship"))
    if values.get("account_id") is not None:
        values["account_id"] = id_in(work, values["account_id"], "acct", "accountId")
    return await service.change_resident(work, id_in(work, input.id, "resd"), **values)


async def move_resident(work: Work, input: i.ResidentMoveInput) -> m.Resident:  # noqa: A002 - the argument's name in GraphQL
    """See `service.move_resident`."""
    return await service.move_resident(
        work,
        id_in(work, input.id, "resd"),
        id_in(work, input.household_id, "hshd", "householdId"),
        relationship=word(input.relationship),
        moved_on=input.moved_on,
        version=input.version,
    )


async def leave(work: Work, input: i.ResidentLeaveInput) -> m.Resident:  # noqa: A002 - the argument's name in GraphQL
    """See `service.leave`."""
    return await service.leave(
        work, id_in(work, input.id, "resd"), status=word(input.departure), left_on=input.left_on, version=input.version
    )


# A mutation's arguments are the client's; the id of what is recorded is one only in `fieldwork`.
async def _plan_building_move(work: Work, input: i.BuildingMovePlanInput) -> i.BuildingMovePlan:  # noqa: A002 - the argument's name in GraphQL
    area_id = id_in(work, input.area_id, "area", "areaId")
    plan = await service.plan_building_move(work, id_in(work, input.id, "bldg"), area_id)
    return i.BuildingMovePlan(
        former_area_id=b.ID(encode_id("area", work.tenant_id, plan.former.id)),
        former_area_name=plan.former.name,
        area_id=b.ID(encode_id("area", work.tenant_id, plan.new.id)),
        area_name=plan.new.name,
        counts=plan_counts(plan.counts),
    )


async def _create_dwelling(work: Work, input: i.DwellingCreateInput) -> m.Dwelling:  # noqa: A002 - the argument's name in GraphQL
    return await create_dwelling(work, input)


async def _create_household(work: Work, input: i.HouseholdCreateInput) -> m.Household:  # noqa: A002 - the argument's name in GraphQL
    return await create_household(work, input)


async def _create_resident(work: Work, input: i.ResidentCreateInput) -> m.Resident:  # noqa: A002 - the argument's name in GraphQL
    return await create_resident(work, input)


@mutation_root(module="registry")
class RegistryMutation:
    """Changes of the registry."""

    building_create: Building = mutation(_create_building, "Record a building in an area.")
    building_change: Building = mutation(change_building, "Change a building.")
    building_move_plan: i.BuildingMovePlan = mutation(
        _plan_building_move,
        "See what putting a building into another area would touch; changes nothing.",
        changes=False,
    )
    building_move: Building = mutation(
        _move_building, "Put a building into another area, with its dwellings, households and residents."
    )
    dwelling_create: Dwelling = mutation(_create_dwelling, "Record a dwelling in a building.")
    dwelling_change: Dwelling = mutation(change_dwelling, "Change a dwelling, for example what it is used for.")
    dwelling_move: Dwelling = mutation(_move_dwelling, "Assign a dwelling to the building that it really is in.")
    household_create: Household = mutation(_create_household, "Record a household in a dwelling or an area.")
    household_change: Household = mutation(change_household, "Change a household.")
    household_move: Household = mutation(
        move_household, "Let a household with everybody in it live in another dwelling."
    )
    resident_create: Resident = mutation(_create_resident, "Record a resident in a household.")
    resident_change: Resident = mutation(change_resident, "Change a resident.")
    resident_move: Resident = mutation(move_resident, "Let a resident live in another household.")
    resident_leave: Resident = mutation(leave, "Record that a resident moved away from the city, or died.")
