"""A tally in place of the rows that it counts: what is declared over rows is asked of it, and refused where it is not.

Scope, guard, `narrow`, filters, dimensions and sums are functions of an alias. Here the alias is a tally's: a column
that the tally keeps is itself, one that all its rows agree on is a constant, and any other means that the rows have to
be read. So a right that depends on more than a tally knows is never asked of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from cityloom.core.tallies import CHANGED, DEEPEST, HERE
from cityloom.graph.compiler.build import Columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement

    from cityloom.core.tallies import Tally
    from cityloom.graph.bound.bindings import Dimension, Plain

_PLACE = "area_path"


class NotTallied(Exception):
    """What is asked of a tally it does not know."""


class Tallied(Columns):
    """An alias of a tally that stands for one of the model it counts."""

    def __init__(self, tally: Tally, model: type[Any], name: str) -> None:
        super().__init__(tally.table.alias(name), model)
        self.tally = tally

    def __getattr__(self, name: str) -> Plain:
        """A column of the rows, by the model's name."""
        if name == _PLACE or name in self.tally.by:
            return self.table.c[name]
        if name not in self.tally.rows:
            raise NotTallied(name)
        value = self.tally.rows[name]
        if value is None:
            return sa.cast(sa.null(), self.tally.of.c[name].type)
        return sa.literal_column("true" if value else "false", sa.Boolean())

    def amount(self, name: str) -> ColumnElement[int]:
        """What is added up under this name; refuses (`NotTallied`) what is not."""
        if name not in self.tally.amounts:
            raise NotTallied(name)
        found: ColumnElement[int] = self.table.c[name]
        return found

    def is_told_of_place(self, expressions: Iterable[ColumnElement[Any]]) -> bool:
        """Whether any of these looks at where rows lie."""
        place = self.table.c[_PLACE]
        return any(found is place for one in expressions for found in visitors.iterate(one))

    def whole(self, dimension: Dimension, path: ColumnElement[str], depth: int) -> ColumnElement[str]:
        """The area that a row is grouped by, where whole areas of a depth are counted: those are named as they are."""
        if dimension.rolled is None or dimension.depth is None:
            raise NotTallied(_PLACE)
        found = dimension.rolled(path, dimension.depth)
        if dimension.depth != depth:
            return found
        return sa.case((self.table.c.tier == sa.literal_column(str(depth)), path), else_=found)

    def tiers(self, depth: int | None) -> ColumnElement[bool]:
        """The tiers that together count each row once: by whole areas of a depth, or by where exactly rows lie."""
        last = DEEPEST if depth is None else depth
        tiers = [CHANGED, *([] if depth is None else [depth]), *range(HERE, HERE + last + 1)]
        return self.table.c.tier.in_([sa.literal_column(str(tier)) for tier in tiers])


def implies(conditions: Iterable[ColumnElement[bool]], wanted: ColumnElement[bool]) -> bool:
    """Whether one of the conditions, or of those that it joins by AND, is just this one."""
    for condition in conditions:
        if isinstance(condition, sa.BooleanClauseList) and condition.operator is sa.sql.operators.and_:
            if implies(condition.clauses, wanted):
                return True
        elif condition.compare(wanted):
            return True
    return False
