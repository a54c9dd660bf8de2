"""One transaction on one connection: the driver's own calls for hot paths, a session of the ORM for who wants one."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from cityloom.core.database import TenantSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import PoolProxiedConnection

    from cityloom.core.database import Context
    from cityloom.core.lending import Connections

#: The only texts that are put into SQL: a UUID, and the ends of ranges of area paths.
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OLDER = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < :since"
)
_BOUND = re.compile(r"[0-9a-z./]*|\U0010ffff")


class _Begun:
    """What the adapter calls to end the transaction."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def commit(self) -> None:
        """Make it true."""
        await self._connection.execute("COMMIT")

    async def rollback(self) -> None:
        """Make it undone."""
        await self._connection.execute("ROLLBACK")


@lru_cache(maxsize=4_096)
def _beginning(context: Context) -> str:
    """Begin and set the context in one round trip.

    Only the protocol without parameters can do that, so the values are checked to be nothing but what they should be.
    """
    tenant, (low, high) = str(context.tenant_id), context.wall
    if not (_UUID.fullmatch(tenant) and _BOUND.fullmatch(low) and _BOUND.fullmatch(high)):
        message = f"no context: {context}"
        raise ValueError(message)
    # As `SET_CONTEXT` does, but nothing has to be planned.
    settings = {"tenant_id": tenant, "area_lo": low, "area_hi": high}
    return "; ".join(["BEGIN", *(f"SET LOCAL app.{name} = '{value}'" for name, value in settings.items())])


class Transaction:
    """A transaction of one tenant; it is rolled back unless `commit` is called.

    A session costs half a millisecond to begin with and another for every statement, so it is made where it is asked
    for; `connection` is asyncpg's own.
    """

    def __init__(self, connections: Connections, pooled: PoolProxiedConnection, context: Context) -> None:
        self._connections = connections
        self._pooled = pooled
        self._session: AsyncSession | None = None
        self._adapter: DBAPIConnection | Any = pooled.dbapi_connection
        self.context = context
        self.connection: asyncpg.Connection[asyncpg.Record] = pooled.driver_connection

    async def begin(self) -> None:
        """Begin, and say for which tenant and within which wall."""
        # What the adapter would have done itself at the session's first statement: from here on it knows.
        self._adapter._transaction = _Begun(self.connection)  # noqa: SLF001 - else a session would begin once more
        await self.connection.execute(_beginning(self.context))

    def session(self, before_statement: Callable[[], object]) -> AsyncSession:
        """The session of this transaction; `before_statement` is called (in a greenlet) before it asks anything."""
        if self._session is None:
            engine = self._connections.engine
            joined = AsyncConnection(engine, Connection(engine.sync_engine, self._pooled))
            self._session = AsyncSession(
                joined,
                sync_session_class=TenantSession,
                expire_on_commit=False,
                info={"context": self.context, "before_statement": before_statement},
            )
        return self._session

    @property
    def has_session(self) -> bool:
        """Whether anybody has asked for the session."""
        return self._session is not None

    @property
    def is_over(self) -> bool:
        """Whether it has been committed."""
        return self._session is None and self._adapter._transaction is None  # noqa: SLF001 - see `begin`

    async def commit(self) -> None:
        """Make it true; what the ORM has pending is written first."""
        if self._session is not None:
            await self._session.commit()
            if self._adapter._transaction is None:  # noqa: SLF001 - a session that sent nothing commits nothing
                return
        begun = self._adapter._transaction  # noqa: SLF001 - see `begin`
        self._adapter._transaction = None  # noqa: SLF001 - whether or not it succeeds, it is over
        await begun.commit()

    async def close(self) -> None:
        """Roll back what was not committed, and give the connection back."""
        is_usable = False
        try:
            if self._session is not None:
                await self._session.close()
            begun = self._adapter._transaction  # noqa: SLF001 - see `begin`
            if begun is not None:
                self._adapter._transaction = None  # noqa: SLF001 - see `commit`
                await begun.rollback()
            is_usable = True
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            # The connection is lost or unusable.
            pass
        finally:
            await self._connections.put_back(self._pooled, is_usable=is_usable)


async def older_transactions(session: AsyncSession, since: datetime) -> int:
    """How many other transactions of the platform in this database began before a moment and are open still."""
    return int(await session.scalar(_OLDER, {"since": since}) or 0)


@asynccontextmanager
async def transaction(connections: Connections, context: Context) -> AsyncIterator[Transaction]:
    """A transaction for as long as the block lasts."""
    found = Transaction(connections, await connections.take(), context)
    try:
        await found.begin()
        yield found
    finally:
        if found.is_over:
            # Nothing is to be sent, so nothing can interrupt it; a task of its own costs as much as a round trip.
            await found.close()
        else:
            # A deadline that passes must not leave a connection behind whose transaction is open.
            await asyncio.shield(found.close())
