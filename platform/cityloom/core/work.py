"""The unit of work: one transaction of one principal; nobody else commits."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cityloom.core.clock import Clock, SystemClock
from cityloom.core.database import Context, Database, raw
from cityloom.core.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg
    from sqlalchemy.ext.asyncio import AsyncSession

    from cityloom.core.events import AuditEntry, Event
    from cityloom.core.principal import Principal, Rights, Scope
    from cityloom.core.text import Locale

    #: Runs before the commit, in the same transaction: the outbox and the audit log are written by these.
    Writer = Callable[["Work"], Awaitable[None]]


@dataclass(slots=True)
class Work:
    """What a service function works with: session, tenant, principal, clock, rights and outbox."""

    session: AsyncSession
    principal: Principal
    clock: Clock
    services: dict[type, Any]
    outbox: list[Event] = field(default_factory=list)
    audited: list[AuditEntry] = field(default_factory=list)
    after_commit: list[Callable[[], None]] = field(default_factory=list)

    @property
    def tenant_id(self) -> UUID:
        """The tenant that the credential belongs to."""
        return self.principal.tenant_id

    @property
    def rights(self) -> Rights:
        """What the principal may do, as of the beginning of the work."""
        return self.principal.rights

    @property
    def locale(self) -> Locale:
        """The caller's language."""
        return self.principal.locale

    def now(self) -> datetime:
        """The present moment by the injected clock."""
        return self.clock.now()

    def emit(self, event: Event) -> None:
        """Record that something has happened; it becomes true with the commit."""
        self.outbox.append(event)

    def audit(self, entry: AuditEntry) -> None:
        """Record a change or a sensitive read in the audit log; it becomes true with the commit."""
        self.audited.append(entry)

    def authorise(self, permission: str, *, area_path: str | None = None) -> Scope:
        """The scope in which the caller may do this; refuses (`Forbidden`) outside of it.

        Where an area path is given, it must lie in the scope's areas.
        """
        scope = self.rights.scope(permission)
        if scope is None or (area_path is not None and not scope.covers(area_path)):
            refusal = Forbidden(permission=permission)
            refusal.area_path = area_path
            raise refusal
        return scope

    async def connection(self) -> asyncpg.Connection[asyncpg.Record]:
        """The raw connection inside this transaction, pending changes flushed: for compiled selections and COPY."""
        await self.session.flush()
        return await raw(self.session)

    async def fetch(self, sql: str, args: Sequence[Any]) -> asyncpg.Record | None:
        """The single row that a compiled statement answers, in this transaction."""
        return await (await self.connection()).fetchrow(sql, *args)


class Works:
    """Makes units of work for HTTP, jobs, the command line and tests alike.

    `services` are process-wide collaborators by type (key ring, access snapshots …) that slices look up with
    `work.services[KeyRing]`.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock | None = None,
        writers: Sequence[Writer] = (),
        services: dict[type, Any] | None = None,
    ) -> None:
        self.database = database
        self.clock = clock or SystemClock()
        self.writers = tuple(writers)
        self.services = services if services is not None else {}

    @asynccontextmanager
    async def begin(self, principal: Principal) -> AsyncIterator[Work]:
        """One transaction: commits when the block ends well, rolls back when anything is raised."""
        context = Context(principal.tenant_id, principal.rights.wall)
        async with self.database.session(context) as session:
            work = Work(session, principal, self.clock, self.services)
            yield work
            for writer in self.writers:
                await writer(work)
            await session.commit()
        for callback in work.after_commit:
            callback()
