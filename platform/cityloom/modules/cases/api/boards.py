"""Figures of a command centre's board beside counts and sums: how long things take (ops/decisions/0011)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement

    Figure = tuple[Callable[[Any], ColumnElement[int]], str]


def _percentile(column: str, share: float) -> Callable[[Any], ColumnElement[int]]:
    """The smallest value that this share of the group's values does not exceed: one of them, exactly."""
    return lambda case: func.percentile_disc(share).within_group(getattr(case, column))


TIMES: dict[str, Figure] = {
    "response_seconds_median": (
        _percentile("response_seconds", 0.5),
        "Half of the group's accepted cases were accepted within so many seconds.",
    ),
    "response_seconds_p90": (
        _percentile("response_seconds", 0.9),
        "Nine in ten of the group's accepted cases were accepted within so many seconds.",
    ),
    "closure_seconds_median": (
        _percentile("closure_seconds", 0.5),
        "Half of the group's closed cases were closed within so many seconds.",
    ),
    "closure_seconds_p90": (
        _percentile("closure_seconds", 0.9),
        "Nine in ten of the group's closed cases were closed within so many seconds.",
    ),
}
