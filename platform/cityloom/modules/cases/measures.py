"""What boards sum over cases: each a whole number of an alias of `Case`, null where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import case as when
from sqlalchemy import func

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement

_SATISFIED = 4


def _one(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return when((condition, 1), else_=0)


MEASURES: dict[str, Callable[[Any], ColumnElement[Any]]] = {
    "overdue": lambda case: _one(case.breached_at.is_not(None)),
    "late": lambda case: _one(case.was_late),
    "reopened": lambda case: _one(case.reopen_count > 0),
    "responded": lambda case: _one(case.response_seconds.is_not(None)),
    "response_seconds": lambda case: case.response_seconds,
    "closed": lambda case: _one(case.closure_seconds.is_not(None)),
    "closure_seconds": lambda case: case.closure_seconds,
    "rated": lambda case: _one(case.satisfaction.is_not(None)),
    "satisfied": lambda case: _one(func.coalesce(case.satisfaction, 0) >= _SATISFIED),
    "satisfaction_points": lambda case: case.satisfaction,
}


def is_open(case: Any) -> ColumnElement[int]:  # noqa: ANN401 - an alias
    """1 for an open case."""
    return _one(case.is_open)
