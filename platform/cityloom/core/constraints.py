"""Violated constraints become refusals, by the constraint's name."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from cityloom.core.errors import Refusal
    from cityloom.core.work import Work


def violated(error: IntegrityError) -> str | None:
    """The name of the constraint that PostgreSQL found violated."""
    cause: BaseException | None = error.orig
    while cause is not None:
        name = getattr(cause, "constraint_name", None)
        if name:
            return str(name)
        cause = cause.__cause__
    return None


@asynccontextmanager
async def refusing(work: Work, refusals: Mapping[str, Callable[[], Refusal]]) -> AsyncIterator[None]:
    """Write what is pending at the end of the block; a violation of a named constraint is raised as its refusal.

    What the table does not name is a bug and stays one.
    """
    try:
        yield
        await work.session.flush()
    except IntegrityError as error:
        refusal = refusals.get(violated(error) or "")
        if refusal is None:
            raise
        raise refusal() from error
