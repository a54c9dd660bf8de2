"""What has to happen to the database so that it holds what a pack states."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson

from cityloom.tenancy.packs.tables import PackRow, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

R = TypeVar("R", bound=PackRow)


@dataclass(frozen=True, slots=True)
class Difference(Generic[R]):
    """Rows of one table to add, to change (old and new) and to remove."""

    added: tuple[R, ...] = ()
    changed: tuple[tuple[R, R], ...] = ()
    removed: tuple[R, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan: `+`, `~` or `-`, the row's key, and for `~` each field's old and new value."""

    table: str
    sign: str
    key: tuple[str, ...]
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)


class Differences:
    """The differences of all tables."""

    def __init__(self, by_table: Mapping[Table[Any], Difference[Any]]) -> None:
        self._by_table = dict(by_table)

    def __getitem__(self, table: Table[R]) -> Difference[R]:
        return self._by_table.get(table, Difference())

    def __bool__(self) -> bool:
        return any(self._by_table.values())

    def without_removals(self) -> Differences:
        """Only what is added and changed."""
        return Differences({table: Difference(d.added, d.changed) for table, d in self._by_table.items()})

    def only_removals(self) -> Differences:
        """Only what is removed."""
        return Differences({table: Difference(removed=d.removed) for table, d in self._by_table.items()})

    def changes(self) -> Iterator[Change]:
        """Every change, table by table, in canonical order."""
        for table, difference in self._by_table.items():
            for row in table.sorted(difference.added):
                yield Change(table.name, "+", table.key_of(row))
            old = {table.key_of(before): before for before, _ in difference.changed}
            for row in table.sorted([after for _, after in difference.changed]):
                yield Change(table.name, "~", table.key_of(row), changed_fields(old[table.key_of(row)], row))
            for row in table.sorted(difference.removed):
                yield Change(table.name, "-", table.key_of(row))


def changed_fields(before: PackRow, after: PackRow) -> dict[str, tuple[Any, Any]]:
    """Old and new value of every field that differs, as JSON values."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return {name: (old.get(name), new[name]) for name in new if old.get(name) != new[name]}


def difference(table: Table[R], wanted: Sequence[R], present: Sequence[R]) -> Difference[R]:
    """What turns the present rows into the wanted ones; rows are matched by key."""
    before = {table.key_of(row): row for row in present}
    after = {table.key_of(row): row for row in wanted}
    return Difference(
        added=tuple(row for key, row in after.items() if key not in before),
        changed=tuple((before[key], row) for key, row in after.items() if key in before and before[key] != row),
        removed=tuple(row for key, row in before.items() if key not in after),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between a pack and what a tenant is, for a person to look at before it is applied."""

    slug: str
    is_new: bool
    pack_digest: str
    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return self.is_new or bool(self.changes)

    @property
    def digest(self) -> str:
        """Stands for pack and changes together: apply with it, and exactly this plan is carried out or none."""
        stated = [[c.table, c.sign, c.key, c.fields] for c in self.changes]
        return hashlib.sha256(orjson.dumps([self.slug, self.is_new, self.pack_digest, stated])).hexdigest()

    def counts(self) -> dict[str, dict[str, int]]:
        """How many rows of each table are added (`+`), changed (`~`) and removed (`-`); no zero tables."""
        counted: dict[str, dict[str, int]] = {}
        for change in self.changes:
            table = counted.setdefault(change.table, {"+": 0, "~": 0, "-": 0})
            table[change.sign] += 1
        return counted

    def total(self, sign: str) -> int:
        """How many rows are added, changed or removed in all."""
        return sum(change.sign == sign for change in self.changes)
