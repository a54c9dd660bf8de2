"""The unit of work: one transaction of one principal; nobody else commits."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
from sqlalchemy.util import await_only

from cityloom.core.clock import Clock, SystemClock
from cityloom.core.constraints import refusal_for
from cityloom.core.database import Context, Database
from cityloom.core.errors import Forbidden
from cityloom.core.transactions import transaction
from cityloom.core.writes import RowsMissing, Writes, made

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from cityloom.core.database import TenantTable
    from cityloom.core.errors import Refusal
    from cityloom.core.events import AuditEntry, Event
    from cityloom.core.principal import Principal, Rights, Scope
    from cityloom.core.text import Locale
    from cityloom.core.transactions import Transaction
    from cityloom.core.writes import Part

    #: Runs before the commit, in the same transaction: the outbox and the audit log are written by these.
    Writer = Callable[["Work"], Awaitable[None]]


Row = TypeVar("Row", bound="TenantTable")


@dataclass(slots=True)
class Work:
    """What a service function works with: principal, clock, rights, outbox, and two ways to the database.

    `session` is the ORM's. Where the time of a call counts, rows are read by `core.prepared` and given to `add`,
    `keep` and `change`: they are written together with events and audit entries by one statement at the end, or before
    anything else of this work asks the database something, so that what is pending is always seen.
    """

    transaction: Transaction
    principal: Principal
    clock: Clock
    services: dict[type, Any]
    writers: tuple[Writer, ...] = ()
    outbox: list[Event] = field(default_factory=list)
    audited: list[AuditEntry] = field(default_factory=list)
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    _writes: Writes = field(init=False)
    _refusals: dict[str, Callable[[], Refusal]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is pending at first."""
        self._writes = Writes(self.principal.tenant_id)

    @property
    def session(self) -> AsyncSession:
        """The ORM's session in this transaction; what is pending is written before its first statement."""
        return self.transaction.session(self._before_statement)

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

    def add(self, row: Row) -> Row:
        """Write a new row; what changes of it afterwards is written too."""
        self._writes.add(row)
        return row

    def new(self, model: type[Row], **values: Any) -> Row:  # noqa: ANN401 - columns
        """Write a new row of these values; its attributes are plain ones, without the ORM behind them."""
        return self.add(made(model, values))

    def keep(self, row: Row) -> Row:
        """Write what will have changed of a row that was read, and locked, by a statement of `core.prepared`."""
        self._writes.keep(row)
        return row

    def change(self, model: type[TenantTable], where: Mapping[str, Any], **values: Any) -> None:  # noqa: ANN401 - columns
        """Write values into whatever rows of the tenant have what `where` says; there may be none."""
        self._writes.change(model, where, values)

    def attach(self, part: Part, *arguments: Any) -> None:  # noqa: ANN401 - of the part's parameters
        """Let a part of a slice's own words be carried out with the rows that are pending."""
        self._writes.attach(part, arguments)

    def refusing(self, refusals: Mapping[str, Callable[[], Refusal]]) -> None:
        """Raise violations of these constraints, by pending rows, as their refusals."""
        self._refusals.update(refusals)

    async def flush(self) -> None:
        """Send everything that is pending."""
        await self._send()
        if self.transaction.has_session:
            await self.session.flush()

    async def write(self) -> None:
        """Send everything that is pending, with the events and audit entries so far."""
        if self.outbox or self.audited:
            for writer in self.writers:
                await writer(self)
            self.outbox.clear()
            self.audited.clear()
        await self.flush()

    async def connection(self) -> asyncpg.Connection[asyncpg.Record]:
        """The raw connection inside this transaction, pending changes flushed: for compiled selections and COPY."""
        await self.flush()
        return self.transaction.connection

    async def fetch(self, sql: str, args: Sequence[Any]) -> asyncpg.Record | None:
        """The single row that a compiled statement answers, in this transaction."""
        return await (await self.connection()).fetchrow(sql, *args)

    async def _send(self) -> None:
        if not self._writes:
            return
        pending = self._writes.statement()
        if pending is None:
            return
        sql, arguments, expected = pending
        try:
            found = await self.transaction.connection.fetchval(sql, *arguments)
        except asyncpg.IntegrityConstraintViolationError as error:
            refusal = refusal_for(error, self._refusals)
            if refusal is None:
                raise
            raise refusal from error
        if found != expected:
            message = f"{expected} rows were to change, {found} did"
            raise RowsMissing(message)

    def _before_statement(self) -> None:
        """What the session calls in its greenlet before it asks anything."""
        if self._writes:
            await_only(self._send())


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
        async with transaction(self.database.transactions, context) as begun:
            work = Work(begun, principal, self.clock, self.services, self.writers)
            yield work
            await work.write()
            await begun.commit()
        for callback in work.after_commit:
            callback()
