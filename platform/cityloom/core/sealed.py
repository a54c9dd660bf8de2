"""Which columns hold envelopes and blind indexes: said where the column is, so that no list can forget one.

    phone: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    phone_index: Mapped[bytes | None] = mapped_column(LargeBinary, info=index_of("phone"))

An envelope is sealed for the table's name, the column's name and the row's id; its index is of the value in it. Rows
that wait to become rows of another table are sealed for that one: `info=sealed_for("residents", row="target_id")`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cityloom.core.database import Base

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Table

_SEALED, _INDEX, _ROW = "sealed", "index_of", "sealed_row"
#: What a column with envelopes says of itself.
SEALED: Final[dict[Any, Any]] = {_SEALED: True}


def sealed_for(table: str, *, row: str) -> dict[Any, Any]:
    """What a column says of itself whose envelopes will be taken over, as they are, by another table.

    `row` is the column with the id of the row that takes them over.
    """
    return {_SEALED: table, _ROW: row}


def index_of(column: str) -> dict[Any, Any]:
    """What a column with the blind index of a sealed column says of itself."""
    return {_INDEX: column}


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table with envelopes: their columns, and its columns with blind indexes, by the sealed column of each.

    `place` is the table that they are sealed and indexed for, and `row` the column with the id of the row: mostly its
    own name and id.
    """

    table: Table
    place: str
    row: str
    columns: tuple[str, ...]
    indexes: Mapping[str, str]


def index_columns(table: Table) -> list[str]:
    """The columns of a table that hold blind indexes."""
    return [column.name for column in table.c if _INDEX in column.info]


def sealed_tables() -> tuple[SealedTable, ...]:
    """Every table of tenants that holds envelopes, in the order of the metadata."""
    found = []
    for table in Base.metadata.sorted_tables:
        columns = tuple(column.name for column in table.c if column.info.get(_SEALED))
        indexes = {column.info[_INDEX]: column.name for column in table.c if _INDEX in column.info}
        if columns:
            stated = table.c[columns[0]].info
            place = table.name if stated[_SEALED] is True else str(stated[_SEALED])
            found.append(SealedTable(table, place, stated.get(_ROW, "id"), columns, indexes))
    return tuple(found)
