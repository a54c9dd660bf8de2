"""The tree itself: looking up, labels and paths, locks, counting and re-pointing what lies in an area."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, or_, select, text, update

from cityloom.core.clock import CIVIL_TIME
from cityloom.core.database import Base
from cityloom.core.prepared import Prepared, Reader
from cityloom.core.principal import subtree
from cityloom.modules.areas import models as m
from cityloom.modules.areas.codes import CodeForm
from cityloom.modules.areas.errors import AreaClosed, AreaKindUnknown, AreaLevelWrong, AreaNotFound, AreaTooDeep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from sqlalchemy import Column, ForeignKeyConstraint, Table

    from cityloom.core.work import Work

_AREAS = Reader(m.Area, without=("boundary",))
_AREA = Prepared(
    lambda: (
        select(*_AREAS.columns)
        .where(m.Area.tenant_id == bindparam("tenant"), m.Area.id == bindparam("row"))
        .with_for_update(read=True, key_share=True)
    )
)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def civil_day(moment: datetime | None = None) -> date:
    """The calendar day in China at a moment."""
    return (moment or datetime.now(UTC)).astimezone(CIVIL_TIME).date()


def label_of(number: int) -> str:
    """A number in base 36: what stands for one area in paths."""
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if number == 0:
            return digits


async def lock_tree(work: Work) -> None:
    """Changes of one tenant's tree happen one after the other; readers and rows inside areas are not held up."""
    await work.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"areas.tree.{work.tenant_id}"}
    )


async def area_of(work: Work, area_id: UUID | None, path: tuple[str | int, ...] = ("id",)) -> m.Area:
    """The area, locked against other changes; refuses (`AreaNotFound`)."""
    found = await work.session.scalar(
        select(m.Area).where(m.Area.id == area_id).with_for_update().execution_options(populate_existing=True)
    )
    if found is None:
        raise AreaNotFound(path=path)
    return found


async def place_in(work: Work, area_id: UUID | None, path: tuple[str | int, ...] = ("areaId",)) -> m.Area:
    """The open area in which something is about to be put, without its boundary: it cannot move until the work ends.

    Refuses (`AreaNotFound`, `AreaClosed`).
    """
    record = await _AREA.row(work, row=area_id)
    if record is None:
        raise AreaNotFound(path=path)
    found = _AREAS.read(record)
    demand_open(found, civil_day(work.now()), path)
    return found


def is_open(area: m.Area, day: date) -> bool:
    """Whether things can lie in the area from this day on."""
    return area.valid_until is None or area.valid_until > day


def demand_open(area: m.Area, day: date, path: tuple[str | int, ...]) -> None:
    """Refuse (`AreaClosed`) an area whose validity has ended."""
    if not is_open(area, day):
        raise AreaClosed(path=path, name=area.name, area_code=area.code, since=str(area.valid_until))


async def kinds(work: Work) -> dict[str, m.AreaKind]:
    """The tenant's kinds by code."""
    rows = await work.session.scalars(select(m.AreaKind).order_by(m.AreaKind.level, m.AreaKind.code))
    return {kind.code: kind for kind in rows}


def kind_of(known: dict[str, m.AreaKind], code: str, path: tuple[str | int, ...] = ("kind",)) -> m.AreaKind:
    """One kind; refuses (`AreaKindUnknown`)."""
    if code not in known:
        raise AreaKindUnknown(path=path, kind=code[:80], known=", ".join(known) or "–")
    return known[code]


def demand_level(
    kind: m.AreaKind, parent: m.Area | None, known: dict[str, m.AreaKind], path: tuple[str | int, ...]
) -> None:
    """Refuse (`AreaLevelWrong`, `AreaTooDeep`) a kind that cannot lie in the parent."""
    if parent is None:
        return
    above = known[parent.kind]
    if above.level >= kind.level:
        raise AreaLevelWrong(path=path, kind=kind.code, parent_kind=above.code)
    if parent.depth + 1 > m.MAXIMUM_DEPTH:
        raise AreaTooDeep(path=path, limit=m.MAXIMUM_DEPTH)


async def ancestors(work: Work, path: str) -> list[m.Area]:
    """The areas that hold this path, nearest first, itself not included."""
    labels = path[:-1].split(".")
    above = [".".join(labels[:n]) + "." for n in range(len(labels) - 1, 0, -1)]
    rows = await work.session.scalars(select(m.Area).where(m.Area.path.in_(above)).order_by(m.Area.depth.desc()))
    return list(rows)


async def lineage(
    work: Work, parent: m.Area | None, known: dict[str, m.AreaKind], *, without: frozenset[UUID] = frozenset()
) -> list[tuple[CodeForm, str]]:
    """Form and code of the parent and all above it, nearest first: what codes below must begin with."""
    if parent is None:
        return []
    above = [parent, *await ancestors(work, parent.path)]
    return [(CodeForm(known[a.kind].code_form), a.code) for a in above if a.id not in without]


async def subtree_of(work: Work, area: m.Area, *, locked: bool = False) -> list[m.Area]:
    """The area and all below it, top down."""
    low, high = subtree(area.path)
    query = select(m.Area).where(m.Area.path >= low, m.Area.path < high).order_by(m.Area.path)
    if locked:
        query = query.with_for_update()
    return list(await work.session.scalars(query.execution_options(populate_existing=True)))


async def next_label(work: Work) -> int:
    """A label that no area of the tenant has had; the tree must be locked."""
    return (await work.session.scalar(select(func.coalesce(func.max(m.Area.label), 0)))) + 1  # type: ignore[operator] # coalesce


async def next_position(work: Work, parent_id: UUID | None) -> int:
    """The place after the last sibling."""
    last = await work.session.scalar(
        select(func.coalesce(func.max(m.Area.position), 0)).where(m.Area.parent_id.is_not_distinct_from(parent_id))
    )
    return int(last or 0) + 1


def residing() -> Iterator[tuple[Table, Column[UUID], Column[str]]]:
    """Every table whose rows lie in areas, with the columns of area and path: known from the foreign keys.

    So a tree change reaches the tables of slices that this one has never heard of.
    """
    for table in Base.metadata.sorted_tables:
        for key in table.foreign_key_constraints:
            if key.referred_table.name == m.Area.__tablename__ and len(key.elements) == 3:  # noqa: PLR2004 - tenant, id, path
                yield table, *_area_columns(key)


def _area_columns(key: ForeignKeyConstraint) -> tuple[Column[UUID], Column[str]]:
    by_target = {element.column.name: element.parent for element in key.elements}
    return by_target["id"], by_target["path"]


async def residing_counts(work: Work, roots: Sequence[str]) -> dict[str, int]:
    """How many rows of each table lie at or below these paths; tables without any are left out."""
    counts: dict[str, int] = {}
    for there in (await residing_by_path(work, roots)).values():
        for table, count in there.items():
            counts[table] = counts.get(table, 0) + count
    return counts


async def residing_by_path(work: Work, roots: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many rows of each table lie directly at each path at or below these; what holds nothing is left out."""
    if not roots:
        return {}
    counts: dict[str, dict[str, int]] = {}
    for table, _, path in residing():
        inside = or_(*((path >= low) & (path < high) for low, high in map(subtree, roots)))
        found = await work.session.execute(
            select(path, func.count()).where(table.c.tenant_id == work.tenant_id, inside).group_by(path)
        )
        for at, count in found.all():
            there = counts.setdefault(at, {})
            there[table.name] = there.get(table.name, 0) + int(count)
    return counts


async def repoint(work: Work, old: m.Area, new: m.Area) -> None:
    """Put every row that lies directly in one area into another."""
    await work.session.flush()
    for table, area_id, path in residing():
        await work.session.execute(
            update(table)
            .where(table.c.tenant_id == work.tenant_id, path == old.path, area_id == old.id)
            .values({area_id.name: new.id, path.name: new.path})
        )
