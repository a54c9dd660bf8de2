"""Ties in valid time of which a thing has one at a time: beginning and ending them, and setting the past right.

A change of today's tie is told by the thing itself (a move, a death); what this module writes is the tie alone, and the
caller writes the thing in the same transaction. Days are half-open: who moved on the 3rd lived there up to the 2nd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from cityloom.core.constraints import refusing
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import REFUSALS, PeriodEmpty, TieStillHolds, TieToday, not_found
from cityloom.modules.registry.service.checks import checked_day

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from uuid import UUID

    from cityloom.core.work import Work


@dataclass(frozen=True, slots=True)
class Track:
    """A tie of which a thing has one at a time: its table, the thing's column, and the columns of what it is tied to.

    The thing has columns of the same names, which hold what it is tied to today.
    """

    model: type[Any]
    thing: str
    places: tuple[str, ...]


RESIDENCE = Track(m.ResidentStay, "resident_id", ("household_id",))
LODGING = Track(m.HouseholdStay, "household_id", ("dwelling_id",))
USAGE = Track(m.DwellingUsage, "dwelling_id", ("use",))
PREMISES = Track(m.OrganisationStay, "organisation_id", ("building_id", "dwelling_id"))
HOLDING = Track(m.VehicleHolding, "vehicle_id", ("resident_id", "organisation_id"))
TRACKS: dict[type[Any], Track] = {
    m.Resident: RESIDENCE,
    m.Household: LODGING,
    m.Dwelling: USAGE,
    m.Organisation: PREMISES,
    m.Vehicle: HOLDING,
}


async def tie(work: Work, thing: Any, day: date, *, name: str, **places: Any) -> None:  # noqa: ANN401 - of one of five models
    """Since this day the thing is tied to these places, where none is given to nothing; its tie before ends.

    On the very day on which the tie before began it takes its place. `name` is the day's field of the input. The thing
    must lie where it will lie. Refuses (`TieStillHolds`) a day before which a later tie began, or within an ended one.
    """
    track = TRACKS[type(thing)]
    table = track.model
    own = getattr(table, track.thing) == thing.id
    later = await work.session.scalars(
        select(table)
        .where(own, or_(table.until_on.is_(None), table.until_on > day))
        .order_by(table.from_on)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for stay in later:
        if stay.until_on is not None or stay.from_on > day:
            raise TieStillHolds(path=(name,), since=stay.from_on.isoformat())
        if stay.from_on == day:
            await work.session.delete(stay)
        else:
            stay.until_on = day
    await work.session.flush()
    if any(value is not None for value in places.values()):
        await _insert(work, track, thing, from_on=day, **places)


async def _insert(work: Work, track: Track, thing: Any, **values: Any) -> Any:  # noqa: ANN401 - of one of five models
    stay = track.model(
        **{track.thing: thing.id}, recorded_at=work.now(), area_id=thing.area_id, area_path=thing.area_path, **values
    )
    async with refusing(work, REFUSALS):
        work.session.add(stay)
    return stay


async def record_past(work: Work, thing: Any, from_on: date, until_on: date, **places: UUID) -> Any:  # noqa: ANN401 - of one of five models
    """Add a tie that has ended; refuses (`PeriodsOverlap`, `PeriodEmpty`, `DateOutOfRange`)."""
    track = TRACKS[type(thing)]
    _checked(work, from_on, until_on)
    return await _insert(work, track, thing, from_on=from_on, until_on=until_on, **places)


async def correct(work: Work, stay: Any, changes: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - of one of five models
    """Set days or places of a recorded tie right, and answer what was before.

    A tie that holds today keeps its places and its open end, and one that has ended an end: moving and leaving change
    today. Refuses (`TieToday`, `PeriodsOverlap`, `PeriodEmpty`, `DateOutOfRange`).
    """
    track = next(one for one in TRACKS.values() if one.model is type(stay))
    before = {key: getattr(stay, key) for key, value in changes.items() if getattr(stay, key) != value}
    if stay.until_on is None and before.keys() & {"until_on", *track.places}:
        raise TieToday(path=("untilOn",))
    after = {"from_on": stay.from_on, "until_on": stay.until_on, **changes}
    if stay.until_on is not None and after["until_on"] is None:
        raise TieToday(path=("untilOn",))
    _checked(work, after["from_on"], after["until_on"])
    async with refusing(work, REFUSALS):
        for key in before:
            setattr(stay, key, changes[key])
    return before


async def remove(work: Work, stay: Any) -> None:  # noqa: ANN401 - of one of five models
    """Take back a tie that never was; refuses (`TieToday`) the one that holds today."""
    if stay.until_on is None:
        raise TieToday(path=("id",))
    await work.session.delete(stay)
    await work.session.flush()


async def reach_tie(work: Work, model: type[Any], tie_id: UUID | None, thing: str, permission: str) -> Any:  # noqa: ANN401 - of one of six models
    """A recorded tie of a thing (`resident`, `household` …), locked, for a caller who may do this to the thing.

    Refuses (`NotFound`) what is absent or may not be seen; the rest is asked of the thing.
    """
    found = await work.session.scalar(
        select(model).where(model.id == tie_id).with_for_update().execution_options(populate_existing=True)
    )
    seen = work.rights.scope(f"registry.{thing}.read")
    if found is None or seen is None or not seen.covers(found.area_path):
        work.authorise(permission)
        raise not_found(model.__tablename__, ("id",))
    return found


def _checked(work: Work, from_on: date, until_on: date | None) -> None:
    checked_day(work, from_on, "fromOn")
    if until_on is not None:
        checked_day(work, until_on, "untilOn")
        if until_on <= from_on:
            raise PeriodEmpty(path=("untilOn",))
