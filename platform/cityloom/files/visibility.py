"""Through what a file is seen: slices above say which of their rows hold it, and where those lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, or_

if TYPE_CHECKING:
    from collections.abc import Callable

    from cityloom.graph.bound import Reach

    #: (alias of the file, the caller's reach) → whether the caller sees something that holds the file.
    Holder = Callable[[Any, Reach], ColumnElement[bool]]

_holders: list[Holder] = []


def holds_files(holder: Holder) -> Holder:
    """Name, while modules are imported, a condition under which a file is seen besides by who uploaded it."""
    _holders.append(holder)
    return holder


def seen_through(file: Any, reach: Reach) -> ColumnElement[bool]:  # noqa: ANN401 - an alias
    """Whether the caller uploaded the file, or something that they can see holds it."""
    return or_(reach.caller(file.uploader_id), *(holder(file, reach) for holder in _holders))
