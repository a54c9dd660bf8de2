"""Two kept results of one report: what came, what went, what changed, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Row key and cells, in the order of the columns.
Rows = list[tuple[str, list[Any]]]
NUMBERS: Final = frozenset({"Int", "Float", "BigInt"})


@dataclass(frozen=True, slots=True)
class Change:
    """One row that is not the same in both: `before` is None for one that came, `after` for one that went."""

    key: str
    before: list[Any] | None
    after: list[Any] | None
    changed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Total:
    """One column of numbers, added up on both sides."""

    column: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs: `changes` in the order of keys as they stand, first those of the later result."""

    added: int
    removed: int
    changed: int
    unchanged: int
    changes: tuple[Change, ...]
    totals: tuple[Total, ...]


def compare(types: Sequence[str], before: Rows, after: Rows, *, most: int) -> Comparison:
    """The difference of two results with the same columns; at most so many changes are named, all are counted."""
    old, new = dict(before), dict(after)
    added = [Change(key, None, cells) for key, cells in new.items() if key not in old]
    removed = [Change(key, cells, None) for key, cells in old.items() if key not in new]
    changed = []
    for key, cells in new.items():
        former = old.get(key)
        if former is not None and former != cells:
            differing = tuple(at for at, pair in enumerate(zip(former, cells, strict=True)) if pair[0] != pair[1])
            changed.append(Change(key, former, cells, differing))
    totals = tuple(
        Total(at, _sum(old.values(), at), _sum(new.values(), at)) for at, type_ in enumerate(types) if type_ in NUMBERS
    )
    same = len(new) - len(added) - len(changed)
    named = (*changed, *added, *removed)[:most]
    return Comparison(len(added), len(removed), len(changed), same, named, totals)


def _sum(rows: Iterable[list[Any]], at: int) -> float:
    numbers: list[float] = [
        cells[at] for cells in rows if isinstance(cells[at], int | float) and not isinstance(cells[at], bool)
    ]
    return sum(numbers)
