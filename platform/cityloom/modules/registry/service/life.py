"""What happens to several at once: households and dwellings that part and join."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from sqlalchemy import select

from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry import events
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import (
    DwellingEnded,
    HouseholdEnded,
    HouseholdNotHere,
    MergedWithItself,
    NotInHousehold,
)
from cityloom.modules.registry.service import chain, checks, ties
from cityloom.modules.registry.service.buildings import create_dwelling
from cityloom.modules.registry.service.households import create_household, settle_household
from cityloom.modules.registry.service.residents import settle_resident

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.modules.registry.service.values import DwellingValues

HOUSEHOLD, DWELLING = "registry.household.move", "registry.dwelling.move"


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who goes along into a new household, and what they are to its head."""

    resident_id: UUID | None
    relationship: str = "OTHER"


async def split_household(
    work: Work,
    household_id: UUID | None,
    members: Sequence[Member],
    *,
    number: str,
    split_on: date | None = None,
    version: int | None = None,
) -> m.Household:
    """Some of a household become one of their own (分户), in the same place, since today where no day is given.

    Answers the new household. Refuses what `chain.reach` and creating a household refuse, `HouseholdEnded`,
    `NotInHousehold`, `HouseholdHasHead`, `DateOutOfRange`, `TieStillHolds`.
    """
    day = checks.checked_day(work, split_on or civil_day(work.now()), "splitOn")
    household = await chain.reach(work, m.Household, household_id, HOUSEHOLD, version=version)
    if household.ended_on is not None:
        raise HouseholdEnded(path=("id",))
    for member in members:
        checks.checked_choice(member.relationship, "relationship", m.RELATIONSHIPS)
    living = {one.id: one for one in await _living(work, household.id)}
    going = [living[one.resident_id] for one in members if one.resident_id in living]
    if not len({one.id for one in going}) == len(members) < len(living) or not members:
        raise NotInHousehold(path=("residents",))
    made = await create_household(
        work,
        number=number,
        kind=household.kind,
        dwelling_id=household.dwelling_id,
        area_id=household.area_id,
        lives_in_dwelling=household.dwelling_id is not None,
        moved_in_on=day,
    )
    for resident, member in zip(going, members, strict=True):
        await settle_resident(work, HOUSEHOLD, resident, made, day, relationship=member.relationship, name="splitOn")
    await _touch(work, HOUSEHOLD, household, {"split_into": str(made.id)})
    work.emit(
        events.HouseholdSplit(
            subject_id=household.id,
            area_path=household.area_path,
            new_household_id=made.id,
            residents=len(going),
            split_on=day,
        )
    )
    return made


async def merge_household(
    work: Work,
    household_id: UUID | None,
    into_id: UUID | None,
    *,
    merged_on: date | None = None,
    version: int | None = None,
) -> m.Household:
    """Everybody in a household joins another (并户) and the household ends, today where no day is given.

    The other one keeps its head; who was head of this one becomes OTHER. Answers the other household. Refuses what
    `chain.reach` refuses of both, `HouseholdEnded`, `MergedWithItself`, `DateOutOfRange`, `TieStillHolds`.
    """
    day = checks.checked_day(work, merged_on or civil_day(work.now()), "mergedOn")
    target = await chain.reach(work, m.Household, into_id, HOUSEHOLD, path=("intoId",))
    if target.id == household_id:
        raise MergedWithItself(path=("intoId",))
    household = await chain.reach(work, m.Household, household_id, HOUSEHOLD, version=version)
    for one, name in ((household, "id"), (target, "intoId")):
        if one.ended_on is not None:
            raise HouseholdEnded(path=(name,))
    joining = await _living(work, household.id)
    for resident in joining:
        relationship = "OTHER" if resident.relationship == "HEAD" else resident.relationship
        await settle_resident(work, HOUSEHOLD, resident, target, day, relationship=relationship, name="mergedOn")
    if household.dwelling_id is not None:
        await ties.tie(work, household, day, name="mergedOn")
    await chain.write(work, HOUSEHOLD, household, {"dwelling_id": None, "ended_on": day})
    await _touch(work, HOUSEHOLD, target, {"merged_from": str(household.id)})
    work.emit(
        events.HouseholdMerged(
            subject_id=household.id,
            area_path=household.area_path,
            into_household_id=target.id,
            residents=len(joining),
            merged_on=day,
        )
    )
    return target


async def split_dwelling(
    work: Work,
    dwelling_id: UUID | None,
    household_ids: Sequence[UUID | None] = (),
    *,
    split_on: date | None = None,
    version: int | None = None,
    **values: Unpack[DwellingValues],
) -> m.Dwelling:
    """A part of a dwelling becomes one of its own, with some of its households and all of its owners.

    Answers the new dwelling, described by `values` as for `create_dwelling`. Refuses what `chain.reach` and creating a
    dwelling refuse, `DwellingEnded`, `HouseholdNotHere`, `DateOutOfRange`, `TieStillHolds`.
    """
    day = checks.checked_day(work, split_on or civil_day(work.now()), "splitOn")
    dwelling = await chain.reach(work, m.Dwelling, dwelling_id, DWELLING, version=version)
    if dwelling.ended_on is not None:
        raise DwellingEnded(path=("id",))
    here = {one.id: one for one in await _lodgers(work, dwelling.id)}
    if len(set(household_ids)) < len(household_ids) or not set(household_ids) <= here.keys():
        raise HouseholdNotHere(path=("householdIds",))
    made = await create_dwelling(work, building_id=dwelling.building_id, used_since=day, **values)
    for household_id in household_ids:
        await settle_household(work, DWELLING, here[household_id], made, day, name="splitOn")  # type: ignore[index] # checked above
    for tie in await _open_ties(work, dwelling.id):
        if tie.role == "OWNER":
            work.session.add(_owned(work, tie, made, day))
    await _touch(work, DWELLING, dwelling, {"split_into": str(made.id)})
    work.emit(
        events.DwellingSplit(
            subject_id=dwelling.id,
            area_path=dwelling.area_path,
            new_dwelling_id=made.id,
            households=len(household_ids),
            split_on=day,
        )
    )
    return made


async def merge_dwelling(
    work: Work,
    dwelling_id: UUID | None,
    into_id: UUID | None,
    *,
    merged_on: date | None = None,
    version: int | None = None,
) -> m.Dwelling:
    """A dwelling becomes part of another in the same building, with the households and organisations in it.

    What tied people to it ends; its owners own the other from then on. Answers the other dwelling. Refuses what
    `chain.reach` refuses of both, `DwellingEnded`, `MergedWithItself`, `DateOutOfRange`, `TieStillHolds`.
    """
    day = checks.checked_day(work, merged_on or civil_day(work.now()), "mergedOn")
    target = await chain.reach(work, m.Dwelling, into_id, DWELLING, path=("intoId",))
    if target.id == dwelling_id:
        raise MergedWithItself(path=("intoId",))
    dwelling = await chain.reach(work, m.Dwelling, dwelling_id, DWELLING, version=version)
    for one, name in ((dwelling, "id"), (target, "intoId")):
        if one.ended_on is not None:
            raise DwellingEnded(path=(name,))
    if dwelling.building_id != target.building_id:
        raise MergedWithItself(path=("intoId",))
    lodgers = await _lodgers(work, dwelling.id)
    for household in lodgers:
        await settle_household(work, DWELLING, household, target, day, name="mergedOn")
    for organisation in await work.session.scalars(
        select(m.Organisation).where(m.Organisation.dwelling_id == dwelling.id).with_for_update()
    ):
        await chain.write(work, DWELLING, organisation, {"dwelling_id": target.id})
        await ties.tie(work, organisation, day, name="mergedOn", dwelling_id=target.id)
    owners = {
        tie.resident_id or tie.organisation_id for tie in await _open_ties(work, target.id) if tie.role == "OWNER"
    }
    for tie in await _open_ties(work, dwelling.id):
        if tie.from_on < day:
            tie.until_on = day
        else:
            await work.session.delete(tie)
        if tie.role == "OWNER" and (tie.resident_id or tie.organisation_id) not in owners:
            work.session.add(_owned(work, tie, target, day))
    await ties.tie(work, dwelling, day, name="mergedOn")
    await chain.write(work, DWELLING, dwelling, {"ended_on": day})
    size = (target.size_dm2 or 0) + (dwelling.size_dm2 or 0)
    await chain.write(work, DWELLING, target, {"size_dm2": size or None})
    work.emit(
        events.DwellingMerged(
            subject_id=dwelling.id,
            area_path=dwelling.area_path,
            into_dwelling_id=target.id,
            households=len(lodgers),
            merged_on=day,
        )
    )
    return target


async def _living(work: Work, household_id: UUID) -> Sequence[m.Resident]:
    rows = await work.session.scalars(
        select(m.Resident)
        .where(m.Resident.household_id == household_id)
        .order_by(m.Resident.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return rows.all()


async def _lodgers(work: Work, dwelling_id: UUID) -> Sequence[m.Household]:
    rows = await work.session.scalars(
        select(m.Household)
        .where(m.Household.dwelling_id == dwelling_id)
        .order_by(m.Household.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return rows.all()


async def _open_ties(work: Work, dwelling_id: UUID) -> Sequence[m.DwellingTie]:
    rows = await work.session.scalars(
        select(m.DwellingTie)
        .where(m.DwellingTie.dwelling_id == dwelling_id, m.DwellingTie.until_on.is_(None))
        .order_by(m.DwellingTie.id)
        .with_for_update()
    )
    return rows.all()


def _owned(work: Work, tie: m.DwellingTie, dwelling: m.Dwelling, day: date) -> m.DwellingTie:
    return m.DwellingTie(
        dwelling_id=dwelling.id,
        role="OWNER",
        resident_id=tie.resident_id,
        organisation_id=tie.organisation_id,
        from_on=day,
        recorded_at=work.now(),
        area_id=dwelling.area_id,
        area_path=dwelling.area_path,
    )


async def _touch(work: Work, action: str, row: m.Household | m.Dwelling, told: dict[str, str]) -> None:
    """Something has happened to a thing that no column of it tells: another version, and an entry that says what."""
    row.version += 1
    row.changed_at = work.now()
    await work.session.flush()
    chain.audit(work, action, row, after=dict(told))
