"""The chain resident, household, dwelling, building, area: reaching a link, and carrying what hangs on it along.

Locks are taken from the building down, so that two moves cannot wait for each other, and the holder of what is put in
somewhere is locked FOR SHARE, so that it cannot move away meanwhile.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import ColumnElement, select, update

from cityloom.core.constraints import refusing
from cityloom.core.database import Base
from cityloom.core.events import AuditEntry
from cityloom.modules.areas.service import demand_version
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import (
    REFUSALS,
    DateOutOfRange,
    NumberOutOfRange,
    TextMalformed,
    ValueUnknown,
    not_found,
)

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from sqlalchemy import Table

    from cityloom.core.work import Work

Link = TypeVar("Link", m.Building, m.Dwelling, m.Household, m.Resident)
TAGS = {m.Building: "bldg", m.Dwelling: "dwel", m.Household: "hshd", m.Resident: "resd"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EARLIEST_YEAR = 1850


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
    """Change the columns that differ; answers whether any did. The audit log names what is `secret`, and hides it."""
    changed = {key: value for key, value in values.items() if getattr(row, key) != value}
    if not changed:
        return False
    before = {key: getattr(row, key) for key in changed}
    async with refusing(work, REFUSALS):
        for key, value in changed.items():
            setattr(row, key, value)
        row.version += 1
        row.changed_at = work.now()
    audit(work, action, row, before=shown(before, secret), after=shown(changed, secret))
    return True


async def insert(work: Work, action: str, row: Link, *, secret: frozenset[str] = frozenset()) -> None:
    """Add a link; violated constraints become refusals."""
    row.version, row.created_at, row.changed_at = 1, work.now(), work.now()
    async with refusing(work, REFUSALS):
        work.session.add(row)
    columns = {column.key: getattr(row, column.key) for column in type(row).__mapper__.column_attrs}
    stated = {key: value for key, value in columns.items() if value is not None and key not in _UNINTERESTING}
    audit(work, action, row, after=shown(stated, secret))


_UNINTERESTING = frozenset({"tenant_id", "id", "version", "created_at", "changed_at"})


def audit(
    work: Work, action: str, row: Link, *, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None
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
    dwellings = select(m.Dwelling.id).where(m.Dwelling.building_id == building.id).scalar_subquery()
    await _place(work, m.Building, m.Building.id == building.id, area_id, area_path)
    await _place(work, m.Dwelling, m.Dwelling.building_id == building.id, area_id, area_path)
    await _relocate_households(work, m.Household.dwelling_id.in_(dwellings), area_id, area_path)


async def relocate_dwelling(work: Work, dwelling: m.Dwelling, area_id: UUID, area_path: str) -> None:
    """Put a dwelling and everything in it into an area."""
    await _place(work, m.Dwelling, m.Dwelling.id == dwelling.id, area_id, area_path)
    await _relocate_households(work, m.Household.dwelling_id == dwelling.id, area_id, area_path)


async def relocate_household(work: Work, household: m.Household, area_id: UUID, area_path: str) -> None:
    """Put a household and everybody in it into an area."""
    await _relocate_households(work, m.Household.id == household.id, area_id, area_path)


async def _relocate_households(work: Work, which: ColumnElement[bool], area_id: UUID, area_path: str) -> None:
    households = select(m.Household.id).where(which).scalar_subquery()
    residents = select(m.Resident.id).where(m.Resident.household_id.in_(households)).scalar_subquery()
    for model in _lying_with_residents():
        await _place(work, model, model.resident_id.in_(residents), area_id, area_path)
    await _place(work, m.Resident, m.Resident.household_id.in_(households), area_id, area_path)
    await _place(work, m.HouseholdMove, m.HouseholdMove.household_id.in_(households), area_id, area_path)
    await _place(work, m.Household, which, area_id, area_path)


async def relocate_resident(work: Work, resident: m.Resident, area_id: UUID, area_path: str) -> None:
    """Let everything that lies with a resident lie where the resident does."""
    for model in _lying_with_residents():
        await _place(work, model, model.resident_id == resident.id, area_id, area_path)


def _lying_with_residents() -> list[type[Any]]:
    """Past moves, and tables of slices that this one has never heard of: `info={"lies_with": "residents"}`."""
    return [
        mapper.class_
        for mapper in Base.registry.mappers
        if cast("Table", mapper.local_table).info.get("lies_with") == m.Resident.__tablename__
    ]


async def _place(work: Work, model: type[Any], which: ColumnElement[bool], area_id: UUID, area_path: str) -> None:
    statement = update(model).where(which, model.area_id != area_id).values(area_id=area_id, area_path=area_path)
    await work.session.execute(statement.execution_options(synchronize_session=False))


def checked_text(value: str, name: str, limit: int) -> str:
    """A text without blanks around it; refuses (`TextMalformed`)."""
    value = value.strip()
    if not 0 < len(value) <= limit or _CONTROL.search(value):
        raise TextMalformed(path=(name,), limit=limit)
    return value


def checked_optional(value: str | None, name: str, limit: int) -> str | None:
    """A text or none; blank is none."""
    return checked_text(value, name, limit) if value is not None and value.strip() else None


def checked_number(value: int | None, name: str, least: int, most: int) -> int | None:
    """A number in a range, or none; refuses (`NumberOutOfRange`)."""
    if value is not None and not least <= value <= most:
        raise NumberOutOfRange(path=(name,), least=least, most=most)
    return value


def checked_choice(value: str, name: str, known: tuple[str, ...]) -> str:
    """One of some words; refuses (`ValueUnknown`)."""
    if value not in known:
        raise ValueUnknown(path=(name,), known=", ".join(known))
    return value


def checked_day(work: Work, day: date, name: str) -> date:
    """A day that is not in the future; refuses (`DateOutOfRange`)."""
    if day > civil_day(work.now()) or day.year < _EARLIEST_YEAR:
        raise DateOutOfRange(path=(name,))
    return day
