"""Connections at hand: for single statements in autocommit, and for transactions."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy.util import greenlet_spawn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.pool import PoolProxiedConnection

#: A connection is borrowed from the pool for this long (seconds), and lent to one statement after the other meanwhile.
LEASE: Final = 30.0
#: Seconds that a transaction waits for a connection.
PATIENCE: Final = 10.0


@dataclass(slots=True, eq=False)
class _Lease:
    """A borrowed connection; over when its time is up, or the pool closes."""

    connection: PoolConnectionProxy[asyncpg.Record]
    is_over: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether the server has closed it meanwhile; then the pool has taken it back, and the proxy says nothing."""
        try:
            return bool(self.connection.is_closed())
        except asyncpg.InterfaceError:
            return True


class Lending:
    """A pool's connections, lent to statements that set their own context and are done with their answer.

    Taking a connection from asyncpg's pool and giving it back costs a task, a proxy and two timers: a sixth of what a
    small read costs this process. Here a connection that has answered is kept at hand for the next statement. One whose
    statement failed or was cancelled goes back to the pool, which waits for the cancellation and replaces what is lost.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], size: int) -> None:
        """`size` is how many connections the pool has at most."""
        self._pool = pool
        self._room = asyncio.Semaphore(size)
        self._free: list[_Lease] = []
        self._lent: set[_Lease] = set()
        self._returning: set[asyncio.Task[None]] = set()

    async def fetch(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """All rows of a statement's answer."""
        found: list[asyncpg.Record] = await self._lend(PoolConnectionProxy.fetch, sql, arguments)
        return found

    async def fetchrow(self, sql: str, *arguments: object) -> Any:  # noqa: ANN401 - a record, or None
        """The first row of a statement's answer, or None."""
        return await self._lend(PoolConnectionProxy.fetchrow, sql, arguments)

    async def fetchval(self, sql: str, *arguments: object) -> Any:  # noqa: ANN401 - of the column's type
        """The first column of the first row."""
        found = await self.fetchrow(sql, *arguments)
        return None if found is None else found[0]

    async def close(self) -> None:
        """Close all connections; statements under way are answered first."""
        for lease in self._lent:
            lease.is_over = True
        while self._free:
            await self._return(self._free.pop())
        await self._pool.close()

    async def _lend(self, send: Callable[..., Awaitable[Any]], sql: str, arguments: tuple[object, ...]) -> Any:  # noqa: ANN401 - what `send` answers
        async with self._room:
            lease = self._free.pop() if self._free else await self._borrow()
            while lease.is_lost:
                await self._return(lease)
                lease = self._free.pop() if self._free else await self._borrow()
            try:
                found = await send(lease.connection, sql, *arguments)
            except BaseException:
                await self._return(lease)
                raise
            if lease.is_over:
                await self._return(lease)
            else:
                self._free.append(lease)
            return found

    async def _borrow(self) -> _Lease:
        lease = _Lease(await self._pool.acquire())
        self._lent.add(lease)
        asyncio.get_running_loop().call_later(LEASE, self._end, lease)
        return lease

    def _end(self, lease: _Lease) -> None:
        """So that the pool counts what a connection has answered, and closes those that nobody needs."""
        lease.is_over = True
        if lease in self._free:
            self._free.remove(lease)
            task = asyncio.get_running_loop().create_task(self._return(lease))
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)

    async def _return(self, lease: _Lease) -> None:
        self._lent.discard(lease)
        await self._pool.release(lease.connection)


class Connections:
    """The connections of transactions, each kept at hand for the next one when one is over.

    Taking a connection out of SQLAlchemy's pool and putting it back needs two greenlets and dozens of calls, which take
    as long as two round trips. The one that was used last is used next: its server process has everything at hand.
    """

    def __init__(self, engine: AsyncEngine, size: int) -> None:
        """`size` is how many there are at most."""
        self.engine = engine
        # Apart from the engine's own, whose connections sessions without a unit of work wait for.
        self._pool = engine.sync_engine.pool.recreate()
        self._room = asyncio.Semaphore(size)
        self._free: list[PoolProxiedConnection] = []

    async def take(self) -> PoolProxiedConnection:
        """A connection that is open; raises TimeoutError where none is free in time."""
        if self._room.locked():
            async with asyncio.timeout(PATIENCE):
                await self._room.acquire()
        else:
            await self._room.acquire()
        try:
            while self._free:
                found = self._free.pop()
                if not self._is_closed(found):
                    return found
                await greenlet_spawn(found.invalidate)
            return await greenlet_spawn(self._pool.connect)
        except BaseException:
            self._room.release()
            raise

    async def put_back(self, pooled: PoolProxiedConnection, *, is_usable: bool) -> None:
        """Keep a connection for the next transaction; nobody gets one again that is not usable."""
        try:
            # A session gives up a connection by itself where a statement was cancelled or the server went away.
            if is_usable and pooled.is_valid:
                self._free.append(pooled)
            elif pooled.is_valid:
                with suppress(Exception):
                    await greenlet_spawn(pooled.invalidate)
        finally:
            self._room.release()

    async def close(self) -> None:
        """Close those at hand."""
        while self._free:
            await greenlet_spawn(self._free.pop().close)
        await greenlet_spawn(self._pool.dispose)

    @staticmethod
    def _is_closed(pooled: PoolProxiedConnection) -> bool:
        """Whether the server has closed it meanwhile."""
        driver: Any = pooled.driver_connection
        return bool(driver.is_closed())
