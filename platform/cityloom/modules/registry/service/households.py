"""Households."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from cityloom.modules.areas.tree import civil_day, place_in
from cityloom.modules.registry import events
from cityloom.modules.registry import models as m
from cityloom.modules.registry.service import chain

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.modules.registry.service.values import HouseholdValues


def household_columns(values: HouseholdValues) -> dict[str, Any]:
    """The columns that follow from what is stated of a household."""
    checks: dict[str, Any] = {
        "number": lambda v: chain.checked_text(v, "number", 40),
        "kind": lambda v: chain.checked_choice(v, "kind", m.HOUSEHOLD_KINDS),
    }
    return {key: checks[key](value) for key, value in values.items()}


async def create_household(
    work: Work,
    *,
    number: str,
    kind: str = "FAMILY",
    dwelling_id: UUID | None = None,
    area_id: UUID | None = None,
    lives_in_dwelling: bool = True,
) -> m.Household:
    """Record a household in a dwelling, or (`lives_in_dwelling` false) directly in an open area.

    Refuses (`Forbidden`, `NotFound`, `AreaNotFound`, `AreaClosed`, `HouseholdNumberTaken`, `TextMalformed`,
    `ValueUnknown`).
    """
    action = "registry.household.create"
    household = m.Household(**household_columns({"number": number, "kind": kind}))
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
    await chain.insert(work, action, household)
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

    Refuses what `chain.reach` refuses of both, and `DateOutOfRange`.
    """
    action = "registry.household.move"
    day = chain.checked_day(work, moved_on or civil_day(work.now()), "movedOn")
    dwelling = await _holder(work, dwelling_id, action)
    household = await chain.reach(work, m.Household, household_id, action, version=version)
    former = household.dwelling_id
    if former == dwelling.id:
        return household
    await chain.relocate_household(work, household, dwelling.area_id, dwelling.area_path)
    await work.session.refresh(household)
    work.session.add(
        m.HouseholdMove(
            household_id=household.id,
            from_dwelling_id=former,
            to_dwelling_id=dwelling.id,
            moved_on=day,
            recorded_at=work.now(),
            area_id=dwelling.area_id,
            area_path=dwelling.area_path,
        )
    )
    await chain.write(work, action, household, {"dwelling_id": dwelling.id})
    work.emit(
        events.HouseholdMoved(
            subject_id=household.id,
            area_path=dwelling.area_path,
            former_dwelling_id=former,
            dwelling_id=dwelling.id,
        )
    )
    return household


async def _holder(work: Work, dwelling_id: UUID | None, permission: str) -> m.Dwelling:
    return await chain.reach(work, m.Dwelling, dwelling_id, permission, path=("dwellingId",), is_holder=True)
