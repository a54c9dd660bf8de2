"""Doing the same again and again beside everything else that a process does."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from cityloom.core import logs
from cityloom.core.database import LOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

_log = logs.logger("cityloom.repeating")


@asynccontextmanager
async def repeating(
    name: str,
    turn: Callable[[], Awaitable[object]],
    *,
    seconds: float,
    failures: tuple[type[Exception], ...] = LOST,
) -> AsyncIterator[None]:
    """Take turns for as long as the block lasts, so many seconds from the end of one to the next.

    A turn that fails with one of `failures`, by default a database that is not there, is taken again after them; what
    else goes wrong ends the turns. A turn that is under way at the end of the block is cancelled.
    """

    async def repeat() -> None:
        while True:
            try:
                await turn()
            except failures as error:
                _log.warning("repeating.turn_failed", turns=name, error=type(error).__name__)
            await asyncio.sleep(seconds)

    task = asyncio.create_task(repeat(), name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
