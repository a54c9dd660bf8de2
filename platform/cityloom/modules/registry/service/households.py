"""Households."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from cityloom.core.ids import new_id
from cityloom.modules.areas.tree import civil_day, place_in
from cityloom.modules.registry import events
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import DwellingEnded, HouseholdEnded
from cityloom.modules.registry.service import chain, checks, ties

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.modules.registry.service.values import HouseholdValues


def household_columns(values: HouseholdValues) -> dict[str, Any]:
    """The columns that follow from what is stated of a household, and `custom`."""
    rules: dict[str, Any] = {
        "number": lambda v: checks.checked_text(v, "number", 40),
        "kind": lambda v: checks.checked_choice(v, "kind", m.HOUSEHOLD_KINDS),
        "custom": lambda v: v or {},
    }
    return {key: rules[key](value) for key, value in values.items()}


async def create_household(  # noqa: PLR0913 - what is said of a household
    work: Work,
    *,
    number: str,
    kind: str = "FAMILY",
    dwelling_id: UUID | None = None,
    area_id: UUID | None = None,
    lives_in_dwelling: bool = True,
    moved_in_on: date | None = None,
    row_id: UUID | None = None,
    custom: dict[str, Any] | None = None,
) -> m.Household:
    """Record a household in a dwelling, or (`lives_in_dwelling` false) directly in an open area.

    It lives there since `moved_in_on`, today where no day is given. Refuses (`Forbidden`, `NotFound`, `AreaNotFound`,
    `AreaClosed`, `HouseholdNumberTaken`, `DwellingEnded`, `TextMalformed`, `ValueUnknown`, `DateOutOfRange`,
    `AnswersWrong`).
    """
    action = "registry.household.create"
    day = checks.checked_day(work, moved_in_on or civil_day(work.now()), "movedInOn")
    household = m.Household(id=row_id or new_id(), **household_columns({"number": number, "kind": kind}))
    if lives_in_dwelling:
        dwelling = await _holder(work, dwelling_id, action)
        household.dwelling_id, household.area_id, household.area_path = (
            dwelling.id,
            dwelling.area_id,
            dwelling.area_path,
        )
    else:
        area = await place_in(work, area_id)
        work.authorise(action, area_path=area.path)
        household.area_id, household.area_path = area.id, area.path
    await chain.insert(work, action, household, answers=custom)
    if household.dwelling_id is not None:
        await ties.tie(work, household, day, name="movedInOn", dwelling_id=household.dwelling_id)
    work.emit(
        events.HouseholdCreated(
            subject_id=household.id, area_path=household.area_path, dwelling_id=household.dwelling_id
        )
    )
    return household


async def change_household(
    work: Work, household_id: UUID | None, *, version: int | None = None, **values: Unpack[HouseholdValues]
) -> m.Household:
    """Change what is given of a household; refuses what creating and `chain.reach` refuse."""
    action = "registry.household.change"
    household = await chain.reach(work, m.Household, household_id, action, version=version)
    if await chain.write(work, action, household, household_columns(values)):
        fields = tuple(sorted(values))
        work.emit(events.HouseholdChanged(subject_id=household.id, area_path=household.area_path, fields=fields))
    return household


async def move_household(
    work: Work,
    household_id: UUID | None,
    dwelling_id: UUID | None,
    *,
    moved_on: date | None = None,
    version: int | None = None,
) -> m.Household:
    """Let a household with everybody in it live in another dwelling, since today where no day is given.

    Refuses what `chain.reach` refuses of both, `HouseholdEnded`, `DwellingEnded`, `DateOutOfRange`, `TieStillHolds`.
    """
    action = "registry.household.move"
    day = checks.checked_day(work, moved_on or civil_day(work.now()), "movedOn")
    dwelling = await _holder(work, dwelling_id, action)
    household = await chain.reach(work, m.Household, household_id, action, version=version)
    if household.ended_on is not None:
        raise HouseholdEnded(path=("id",))
    former = household.dwelling_id
    if former == dwelling.id:
        return household
    await settle_household(work, action, household, dwelling, day, name="movedOn")
    work.emit(
        events.HouseholdMoved(
            subject_id=household.id,
            area_path=dwelling.area_path,
            former_dwelling_id=former,
            dwelling_id=dwelling.id,
        )
    )
    return household


async def settle_household(
    work: Work, action: str, household: m.Household, dwelling: m.Dwelling, day: date, *, name: str
) -> None:
    """Let a household live in a dwelling since a day, with everybody in it; `name` is the day's field."""
    await chain.relocate_household(work, household, dwelling.area_id, dwelling.area_path)
    await work.session.refresh(household)
    await chain.write(work, action, household, {"dwelling_id": dwelling.id})
    await ties.tie(work, household, day, name=name, dwelling_id=dwelling.id)


async def _holder(work: Work, dwelling_id: UUID | None, permission: str) -> m.Dwelling:
    found = await chain.reach(work, m.Dwelling, dwelling_id, permission, path=("dwellingId",), is_holder=True)
    if found.ended_on is not None:
        raise DwellingEnded(path=("dwellingId",))
    return found
