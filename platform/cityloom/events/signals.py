"""NOTIFY outside of the transactions that it is about, so that these do not wait for each other.

A transaction that has notified holds a lock of the whole database while it commits: commits would go one by one. So a
process says what has happened afterwards, on a connection of its own: the first at once, and then at most every
`_QUIET_SECONDS` everything that has come together. Each signal wakes every process that listens; a busy city would
wake them hundreds of times a second for the same thing. A signal may be lost with the process: whoever listens also
looks every second.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self

import asyncpg

from cityloom.core import logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from cityloom.core.database import Database

#: "There are events in the outbox of a tenant": the tenant's id.
OUTBOX: Final = "cityloom_outbox"
#: "The stream of a tenant has grown": the tenant's id and the last position, with a space between.
STREAM: Final = "cityloom_stream"

_AGAIN_SECONDS: Final = 0.25
_QUIET_SECONDS: Final = 0.02
_TELL = "SELECT pg_notify(channel, payload) FROM unnest($1::text[], $2::text[]) AS told(channel, payload)"
_log = logs.logger("cityloom.events")


class Signals:
    """Says what has happened to whoever listens, in this process's name.

    `async with Signals(database)`; `tell` never waits and never fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[tuple[str, str], None] = {}
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._telling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._telling is not None:
            await self._telling
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def tell(self, channel: str, payload: str) -> None:
        """Say it soon; what is told twice before it is said, is said once."""
        self._waiting[channel, payload] = None
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell(), name="event-signals")

    async def _tell(self) -> None:
        while self._waiting:
            told, self._waiting = list(self._waiting), {}
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._database.connect_app()
                await self._connection.execute(_TELL, *map(list, zip(*told, strict=True)))
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("events.signal_lost", count=len(told), error=type(error).__name__)
                with contextlib.suppress(Exception):
                    if self._connection is not None:
                        self._connection.terminate()
                self._connection = None
            await asyncio.sleep(_QUIET_SECONDS)


@asynccontextmanager
async def hearing(database: Database, heard: Mapping[str, Callable[[str], None]]) -> AsyncIterator[None]:
    """Call back with the payload of every signal of the named channels for as long as the block lasts.

    A lost connection is opened again. The callbacks run in the event loop and must not wait.
    """
    task = asyncio.create_task(_hear(database, heard), name="event-hearing")
    try:
        yield
    finally:
        task.cancel()
        # Cancelled between two messages of its connection, asyncpg says that another operation is in progress.
        with contextlib.suppress(asyncio.CancelledError, asyncpg.InternalClientError):
            await task


async def _hear(database: Database, heard: Mapping[str, Callable[[str], None]]) -> None:
    while True:
        try:
            connection = await database.connect_app()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(_AGAIN_SECONDS)
            continue
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _connection, lost=lost: lost.set())
            for channel, callback in heard.items():
                await connection.add_listener(channel, lambda _c, _pid, _ch, payload, to=callback: to(payload))
            await lost.wait()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(_AGAIN_SECONDS)
        finally:
            connection.terminate()
