"""What is held of one person: read for their export, destroyed for their erasure, by what the slices declare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, false, select, update

from cityloom.core.crypto import DataKeyDestroyed, DataKeyMissing, UnreadableEnvelope
from cityloom.core.database import Base, beyond_wall
from cityloom.core.sealed import sealed_tables
from cityloom.core.subjects import Fate, begin_erasure
from cityloom.privacy.catalogue import catalogue_of
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement, Table

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.subjects import Holding, Person
    from cityloom.core.work import Work

#: Columns that are the platform's own order, and say nothing of anybody.
_PLUMBING = frozenset({"tenant_id", "area_path"})


def held_of(work: Work, person: Person) -> list[Holding]:
    """Everything that is declared of this kind of people, from low slices to high."""
    tag = person.__person__.tag
    return [one for one in catalogue_of(work).holdings if one.tag == tag or one.tag_column is not None]


def _rows(work: Work, holding: Holding, table: Table, person: Person) -> ColumnElement[bool]:
    if holding.rows is not None:
        return (table.c.tenant_id == work.tenant_id) & holding.rows(table, person)
    key = person.account_id if holding.by_account else person.id
    if key is None:
        return false()
    condition = (table.c.tenant_id == work.tenant_id) & (table.c[holding.column] == key)
    if holding.tag_column is not None:
        condition &= table.c[holding.tag_column] == person.__person__.tag
    return condition


async def read_rows(work: Work, holding: Holding, person: Person) -> AsyncIterator[dict[str, Any]]:
    """The rows of one holding as plain values, with sealed columns in clear."""
    ring: KeyRing = work.services[KeyRing]
    keys = await ring.of(work.tenant_id)
    table = Base.metadata.tables[holding.table]
    sealed = {one.table.name: one for one in sealed_tables()}.get(holding.table)
    indexes = set(sealed.indexes.values()) if sealed is not None else set()
    shown = [c for c in table.c if c.name not in _PLUMBING | holding.hidden | indexes]
    # By id, so that the answer is the same each time.
    query = select(*shown).where(_rows(work, holding, table, person)).order_by(*table.primary_key.columns)
    rows = await work.session.stream(query, execution_options={"yield_per": 200})
    async for row in rows.mappings():
        found = dict(row)
        for column in () if sealed is None else sealed.columns:
            if sealed is not None and found.get(column) is not None:
                found[column] = _opened(keys, sealed.place, column, found)
        yield {name: value.hex() if isinstance(value, bytes) else value for name, value in found.items()}


def _opened(keys: TenantKeys, place: str, column: str, row: dict[str, Any]) -> str | None:
    """A value in clear; None where it can be opened no more, which must not keep the rest from its owner."""
    try:
        return keys.open(place, column, row["id"], row[column])
    except (DataKeyDestroyed, DataKeyMissing, UnreadableEnvelope):
        return None


async def destroy_rows(work: Work, person: Person) -> dict[str, int]:
    """Delete and clear what the declarations say, and take back what is kept of it; answers how many of what.

    Wherever they lie: what somebody wrote of the person in an area that the caller does not see is no less theirs.
    Higher slices first, for their rows hang on lower ones; what is found by the person's account before the row that
    names the account.
    """
    await begin_erasure(work)
    counts: dict[str, int] = {}
    # What was kept before it was noted of which rows it tells is noted under the tenant's own id.
    destroyed = {work.tenant_id}
    held = held_of(work, person)[::-1]
    async with beyond_wall(work.session):
        for holding in (*(one for one in held if one.by_account), *(one for one in held if not one.by_account)):
            done = await _destroy(work, holding, person)
            if done:
                counts[holding.table] = counts.get(holding.table, 0) + len(done)
                destroyed.update(done)
        for copies in catalogue_of(work).copies:
            count = await copies.withdraw(work, destroyed)
            if count:
                counts[copies.name] = count
    work.session.expire_all()
    return counts


async def _destroy(work: Work, holding: Holding, person: Person) -> Sequence[UUID]:
    """The ids of the rows, one for each."""
    if holding.fate is Fate.KEEP:
        return ()
    table = Base.metadata.tables[holding.table]
    where = _rows(work, holding, table, person)
    if holding.fate is Fate.DELETE:
        return (await work.session.scalars(delete(table).where(where).returning(table.c.id))).all()
    found = (await work.session.scalars(select(table.c.id).where(where))).all()
    for row_id in found:
        values = {name: value(row_id) if callable(value) else value for name, value in holding.cleared.items()}
        await work.session.execute(update(table).where(where, table.c.id == row_id).values(values))
    return found
