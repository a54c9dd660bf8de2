"""Tallies: counts that the database keeps beside the rows they count, so that nobody walks a million of them to know.

A model declares which of its rows are counted, by which of its columns, and what is summed. From that come a table, the
triggers that keep it with every statement that writes rows, and what counts anew and compares (ops/decisions/0034).

A row of a tally says how many rows there are in a place, by `tier`: a **change** that a statement has just made
(`CHANGED`), what lies **directly** in an area (`HERE` and its depth), or everything **below** an area (its depth).
Writers only ever add changes, so none waits for another; folding them into the other two changes no sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, Uuid, inspect

from cityloom.core.database import Base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement

    #: Of an alias of the model, a whole number that is summed.
    Measure = Callable[[Any], ColumnElement[Any]]

#: The tier of changes that have not been folded.
CHANGED: Final = -1
#: The tier of what lies directly in an area of depth 0; of deeper ones so many more.
HERE: Final = 100
#: The depth of the deepest area that there can be.
DEEPEST: Final = 16

_tallies: dict[Table, list[Tally]] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """A count that is kept: of the rows of `of` in which the columns of `rows` hold these values, by the columns `by`.

    Columns go by the model's names, which are those of both tables. `measures` are sums beside the count.
    """

    table: Table
    of: Table
    by: tuple[str, ...]
    rows: Mapping[str, bool | None]
    measures: Mapping[str, Measure]

    @property
    def amounts(self) -> tuple[str, ...]:
        """The columns that are added up."""
        return ("count", *self.measures)


def tally(
    name: str,
    of: type[Any],
    *,
    by: Sequence[Any],
    rows: Mapping[Any, bool | None],
    measures: Mapping[str, Measure] | None = None,
) -> Tally:
    """Declare a count of the rows of an area-scoped model by some of its columns, kept in a table of this name.

    `rows` says which rows are counted: those whose columns hold these values. `measures` are summed: whole numbers of
    an alias of the model, null counting as 0.
    """
    counted: Table = inspect(of).local_table
    columns = [inspect(of).columns[column.key] for column in by]
    table = Table(
        name,
        Base.metadata,
        Column("tenant_id", Uuid(), nullable=False),
        Column("id", Uuid(), nullable=False),
        Column("tier", Integer(), nullable=False),
        Column("area_path", Text(collation="C"), nullable=False),
        *(Column(column.key, column.type, nullable=column.nullable) for column in columns),
        # Whole numbers of this size are added up several times as fast as larger ones.
        Column("count", Integer(), nullable=False),
        *(Column(measure, BigInteger(), nullable=False) for measure in measures or {}),
        PrimaryKeyConstraint("tenant_id", "id"),
        Index(f"ix_{name}_tier", "tenant_id", "tier", "area_path", *(column.key for column in columns)),
        # Folding adds to rows where they are.
        postgresql_with={"fillfactor": "80"},
        info={"kind": "tenant", "is_tally": True},
    )
    # Whoever makes or clears tables in order has the tally for as long as rows are written.
    counted.add_is_dependent_on(table)
    made = Tally(
        table,
        counted,
        tuple(column.key for column in by),
        {column.key: value for column, value in rows.items()},
        measures or {},
    )
    _tallies.setdefault(counted, []).append(made)
    return made


def tallies_of(table: Table) -> Sequence[Tally]:
    """The tallies of a table's rows, in the order in which they were declared."""
    return _tallies.get(table, ())


def tallied_tables() -> list[Table]:
    """The tables whose rows some tally counts."""
    return list(_tallies)


def all_tallies() -> Iterator[Tally]:
    """Every tally that is declared."""
    for found in _tallies.values():
        yield from found


def is_outside(row: Any, name: str, value: bool | None) -> ColumnElement[bool]:  # noqa: ANN401, FBT001 - an alias, a value of `rows`
    """Whether a row is not counted, because this column of it holds another value."""
    column: ColumnElement[bool] = getattr(row, name)
    # Bare, as partial indexes say it.
    return column.is_not(None) if value is None else ~column if value else column


__all__ = [
    "CHANGED",
    "DEEPEST",
    "HERE",
    "Measure",
    "Tally",
    "all_tallies",
    "is_outside",
    "tallied_tables",
    "tallies_of",
    "tally",
]
