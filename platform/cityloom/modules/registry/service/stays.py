"""The past set right: stays that were recorded wrongly or not at all, and who owned, rented or hosted where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cityloom.core.constraints import refusing
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry import events
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import (
    REFUSALS,
    DwellingEnded,
    HolderMissing,
    PeriodEmpty,
    TieEnded,
    not_found,
)
from cityloom.modules.registry.service import chain, checks, ties

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from cityloom.core.work import Work

RESIDENT, HOUSEHOLD, TIE = "registry.resident.move", "registry.household.move", "registry.dwelling.change"


async def record_resident_stay(
    work: Work, resident_id: UUID | None, household_id: UUID | None, from_on: date, until_on: date
) -> m.ResidentStay:
    """A resident belonged to a household for a time that has ended.

    Refuses what `chain.reach` refuses of both, `PeriodsOverlap`, `PeriodEmpty`, `DateOutOfRange`.
    """
    household = await _place(work, m.Household, household_id, RESIDENT, "householdId")
    resident = await chain.reach(work, m.Resident, resident_id, RESIDENT, path=("residentId",))
    stay: m.ResidentStay = await ties.record_past(work, resident, from_on, until_on, household_id=household.id)
    await _told(work, RESIDENT, resident, after=_period(stay, "household_id"))
    return stay


async def correct_resident_stay(work: Work, stay_id: UUID | None, **changes: Any) -> m.ResidentStay:  # noqa: ANN401 - days and an id
    """Set days or the household of a stay right; refuses what `ties.correct` and `chain.reach` refuse."""
    stay: m.ResidentStay = await ties.reach_tie(work, m.ResidentStay, stay_id, "resident", RESIDENT)
    resident = await _of(work, m.Resident, stay.resident_id, RESIDENT)
    if "household_id" in changes:
        changes["household_id"] = (await _place(work, m.Household, changes["household_id"], RESIDENT, "householdId")).id
    await _corrected(work, RESIDENT, resident, stay, changes)
    return stay


async def remove_resident_stay(work: Work, stay_id: UUID | None) -> m.Resident:
    """Take back a stay that never was; answers the resident. Refuses `NotFound`, `Forbidden`, `TieToday`."""
    stay: m.ResidentStay = await ties.reach_tie(work, m.ResidentStay, stay_id, "resident", RESIDENT)
    resident = await _of(work, m.Resident, stay.resident_id, RESIDENT)
    await ties.remove(work, stay)
    await _told(work, RESIDENT, resident, before=_period(stay, "household_id"))
    return resident


async def record_household_stay(
    work: Work, household_id: UUID | None, dwelling_id: UUID | None, from_on: date, until_on: date
) -> m.HouseholdStay:
    """A household lived in a dwelling for a time that has ended; refuses as `record_resident_stay` does."""
    dwelling = await _place(work, m.Dwelling, dwelling_id, HOUSEHOLD, "dwellingId")
    household = await chain.reach(work, m.Household, household_id, HOUSEHOLD, path=("householdId",))
    stay: m.HouseholdStay = await ties.record_past(work, household, from_on, until_on, dwelling_id=dwelling.id)
    await _told(work, HOUSEHOLD, household, after=_period(stay, "dwelling_id"))
    return stay


async def correct_household_stay(work: Work, stay_id: UUID | None, **changes: Any) -> m.HouseholdStay:  # noqa: ANN401 - days and an id
    """Set days or the dwelling of a stay right; refuses what `ties.correct` and `chain.reach` refuse."""
    stay: m.HouseholdStay = await ties.reach_tie(work, m.HouseholdStay, stay_id, "household", HOUSEHOLD)
    household = await _of(work, m.Household, stay.household_id, HOUSEHOLD)
    if "dwelling_id" in changes:
        changes["dwelling_id"] = (await _place(work, m.Dwelling, changes["dwelling_id"], HOUSEHOLD, "dwellingId")).id
    await _corrected(work, HOUSEHOLD, household, stay, changes)
    return stay


async def remove_household_stay(work: Work, stay_id: UUID | None) -> m.Household:
    """Take back a stay that never was; answers the household. Refuses `NotFound`, `Forbidden`, `TieToday`."""
    stay: m.HouseholdStay = await ties.reach_tie(work, m.HouseholdStay, stay_id, "household", HOUSEHOLD)
    household = await _of(work, m.Household, stay.household_id, HOUSEHOLD)
    await ties.remove(work, stay)
    await _told(work, HOUSEHOLD, household, before=_period(stay, "dwelling_id"))
    return household


async def begin_tie(
    work: Work,
    dwelling_id: UUID | None,
    role: str,
    *,
    resident_id: UUID | None = None,
    organisation_id: UUID | None = None,
    names_resident: bool,
    from_on: date | None = None,
    until_on: date | None = None,
) -> m.DwellingTie:
    """A resident or an organisation owns or rents a dwelling, or hosts in it, since a day, today where none is given.

    Refuses what `chain.reach` refuses, `PeriodsOverlap` for the same again and for a second host, `PeriodEmpty`,
    `DwellingEnded`, `DateOutOfRange`, `ValueUnknown`.
    """
    checks.checked_choice(role, "role", m.TIE_ROLES)
    day = checks.checked_day(work, from_on or civil_day(work.now()), "fromOn")
    if until_on is not None and checks.checked_day(work, until_on, "untilOn") <= day:
        raise PeriodEmpty(path=("untilOn",))
    dwelling = await chain.reach(work, m.Dwelling, dwelling_id, TIE, path=("dwellingId",))
    if dwelling.ended_on is not None:
        raise DwellingEnded(path=("dwellingId",))
    holder: dict[str, UUID] = {}
    if names_resident:
        holder["resident_id"] = await seen(work, m.Resident, resident_id, "residentId")
    else:
        holder["organisation_id"] = await seen(work, m.Organisation, organisation_id, "organisationId")
    tie = m.DwellingTie(
        dwelling_id=dwelling.id,
        role=role,
        from_on=day,
        until_on=until_on,
        recorded_at=work.now(),
        area_id=dwelling.area_id,
        area_path=dwelling.area_path,
        **holder,
    )
    async with refusing(work, REFUSALS):
        work.session.add(tie)
    await _noted(work, dwelling, after={"role": role, **{key: str(value) for key, value in holder.items()}})
    work.emit(
        events.DwellingTieBegun(
            subject_id=dwelling.id,
            area_path=dwelling.area_path,
            role=role,
            resident_id=tie.resident_id,
            organisation_id=tie.organisation_id,
            from_on=day,
        )
    )
    return tie


async def end_tie(work: Work, tie_id: UUID | None, *, until_on: date | None = None) -> m.DwellingTie:
    """Somebody does not own, rent or host any more since a day, today where none is given.

    Refuses what `chain.reach` refuses of the dwelling, `TieEnded`, `PeriodEmpty`,
    `DateOutOfRange`.
    """
    day = checks.checked_day(work, until_on or civil_day(work.now()), "untilOn")
    tie: m.DwellingTie = await ties.reach_tie(work, m.DwellingTie, tie_id, "dwelling", TIE)
    dwelling = await chain.reach(work, m.Dwelling, tie.dwelling_id, TIE)
    if tie.until_on is not None:
        raise TieEnded(path=("id",))
    if day <= tie.from_on:
        raise PeriodEmpty(path=("untilOn",))
    tie.until_on = day
    await _noted(work, dwelling, after={"role": tie.role, "until_on": day.isoformat()})
    work.emit(
        events.DwellingTieEnded(
            subject_id=dwelling.id,
            area_path=dwelling.area_path,
            role=tie.role,
            resident_id=tie.resident_id,
            organisation_id=tie.organisation_id,
            until_on=day,
        )
    )
    return tie


async def seen(work: Work, model: type[chain.Link], row_id: UUID | None, name: str) -> UUID:
    """Somebody whom the caller may see, and who cannot go away until the work ends; refuses (`NotFound`)."""
    if row_id is None:
        raise not_found(model.__tablename__, (name,))
    noun = model.__tablename__.removesuffix("s")
    return (await chain.reach(work, model, row_id, f"registry.{noun}.read", path=(name,), is_holder=True)).id


def one_holder(resident: object, organisation: object) -> bool:
    """Whether a resident is named and not an organisation; refuses (`HolderMissing`) both and none."""
    if (resident is None) == (organisation is None):
        raise HolderMissing(path=("residentId",))
    return resident is not None


async def _place(work: Work, model: type[chain.Link], row_id: UUID | None, permission: str, name: str) -> chain.Link:
    return await chain.reach(work, model, row_id, permission, path=(name,), is_holder=True)


async def _of(work: Work, model: type[chain.Link], row_id: UUID, permission: str) -> chain.Link:
    return await chain.reach(work, model, row_id, permission)


async def _corrected(
    work: Work,
    action: str,
    thing: m.Resident | m.Household,
    stay: m.ResidentStay | m.HouseholdStay,
    changes: dict[str, Any],
) -> None:
    before = await ties.correct(work, stay, changes)
    if before:
        was = {key: str(value) for key, value in before.items()}
        await _told(work, action, thing, before=was, after={key: str(changes[key]) for key in before})


async def _told(
    work: Work,
    action: str,
    thing: m.Resident | m.Household,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    thing.version += 1
    thing.changed_at = work.now()
    await work.session.flush()
    chain.audit(work, action, thing, before=before, after=after)
    made = events.ResidentStaysCorrected if isinstance(thing, m.Resident) else events.HouseholdStaysCorrected
    work.emit(made(subject_id=thing.id, area_path=thing.area_path))


async def _noted(work: Work, dwelling: m.Dwelling, *, after: dict[str, Any]) -> None:
    dwelling.version += 1
    dwelling.changed_at = work.now()
    await work.session.flush()
    chain.audit(work, TIE, dwelling, after=after)


def _period(stay: m.ResidentStay | m.HouseholdStay, place: str) -> dict[str, str]:
    return {name: str(getattr(stay, name)) for name in (place, "from_on", "until_on")}
