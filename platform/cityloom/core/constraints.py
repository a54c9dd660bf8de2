"""Violated constraints become refusals, by the constraint's name."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy.exc import IntegrityError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from cityloom.core.errors import Refusal
    from cityloom.core.work import Work


def violated(error: IntegrityError | asyncpg.IntegrityConstraintViolationError) -> str | None:
    """The name of the constraint that PostgreSQL found violated."""
    cause: BaseException | None = error.orig if isinstance(error, IntegrityError) else error
    while cause is not None:
        name = getattr(cause, "constraint_name", None)
        if name:
            return str(name)
        cause = cause.__cause__
    return None


def refusal_for(
    error: IntegrityError | asyncpg.IntegrityConstraintViolationError, refusals: Mapping[str, Callable[[], Refusal]]
) -> Refusal | None:
    """What a violation means to the caller; None for a bug."""
    made = refusals.get(violated(error) or "")
    return None if made is None else made()


@asynccontextmanager
async def refusing(work: Work, refusals: Mapping[str, Callable[[], Refusal]]) -> AsyncIterator[None]:
    """Write what is pending at the end of the block; a violation of a named constraint is raised as its refusal.

    What the table does not name is a bug and stays one.
    """
    try:
        yield
        await work.flush()
    except (IntegrityError, asyncpg.IntegrityConstraintViolationError) as error:
        refusal = refusal_for(error, refusals)
        if refusal is None:
            raise
        raise refusal from error
