"""Which rows an answer tells of: said in the answer itself by the same statement, and taken out before it is kept.

Whoever keeps an answer (a file, a result, a body) has to find it again when one of those rows is destroyed, however
deep in the selection it stands and whatever was selected of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cityloom.core.ids import read_uuid
from cityloom.graph.bound.bindings import Plain

if TYPE_CHECKING:
    from uuid import UUID

#: Stands in each object of a table that is asked for, with the row's id; no response key can be called so.
TELLS: Final = "!row"


def taken_out(value: Plain) -> frozenset[UUID]:
    """The ids of the rows that a decoded answer tells of, which are taken out of it."""
    found: set[str] = set()
    _take_out(value, found)
    return frozenset(map(read_uuid, found))


def _take_out(value: Plain, found: set[str]) -> None:
    if isinstance(value, dict):
        told = value.pop(TELLS, None)
        if told is not None:
            found.add(told)
        for item in value.values():
            if isinstance(item, dict | list):
                _take_out(item, found)
    elif isinstance(value, list):
        for item in value:
            _take_out(item, found)
