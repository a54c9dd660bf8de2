"""Reading a tenant's stream by position, and hearing that it has grown."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID

import orjson
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from cityloom.core import logs
from cityloom.core.database import SET_CONTEXT
from cityloom.core.principal import EVERYWHERE
from cityloom.events.models import EventHead
from cityloom.events.signals import STREAM, hearing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import asyncpg

    from cityloom.core.database import Database

POLL_SECONDS: Final = 1.0
#: Events that one reading answers at most.
PAGE: Final = 1_000

_PAGE = """
SELECT position, id, type, subject_tag, subject_id, subject_sequence, area_path, facts::text AS facts, changed,
  actor_kind, actor_tag, actor_id, trace_id, occurred_at
FROM events
WHERE tenant_id = $1::text::uuid AND position > $2::bigint AND ($4::text[] IS NULL OR type = ANY($4::text[])) {tie}
ORDER BY position LIMIT $3::int
"""
_READ = _PAGE.format(tie="")
#: The same in autocommit: it sets the tenant itself, and the tie makes PostgreSQL do that first.
_READ_ALONE = """
WITH ctx (tenant, low, high) AS MATERIALIZED (SELECT {settings})
SELECT page.* FROM ctx CROSS JOIN LATERAL ({page}) AS page ORDER BY page.position
""".format(  # noqa: S608 - texts of ours
    settings=SET_CONTEXT.format(tenant="$1::text", low="$5", high="$6"),
    page=_PAGE.format(tie="AND ctx.tenant IS NOT NULL"),
)
_HEADS = select(EventHead.tenant_id, EventHead.position)
#: Positions only grow: where their sum is what it was, no stream has grown, however many there are.
_SUM = select(func.sum(EventHead.position))
_log = logs.logger("cityloom.events")


@dataclass(frozen=True, slots=True)
class StreamedEvent:
    """One event of the stream; `facts` and `changed` are in their public form."""

    position: int
    id: UUID
    type: str
    subject_tag: str
    subject_id: UUID
    subject_sequence: int
    area_path: str | None
    facts: dict[str, Any]
    changed: tuple[str, ...]
    actor_kind: str
    actor_tag: str | None
    actor_id: UUID | None
    trace_id: str | None
    occurred_at: datetime


async def read(
    connection: asyncpg.Connection[asyncpg.Record],
    tenant_id: UUID,
    after: int,
    limit: int = PAGE,
    *,
    types: Sequence[str] | None = None,
) -> list[StreamedEvent]:
    """Events after a position, in order, at most `limit`; inside of a transaction of this tenant (`work.connection()`).

    The last position read is where to go on from. `types` are whole names of types.
    """
    rows = await connection.fetch(_READ, str(tenant_id), after, limit, None if types is None else list(types))
    return [_event(row) for row in rows]


def _event(row: asyncpg.Record) -> StreamedEvent:
    values = dict(row)
    values["facts"] = orjson.loads(values["facts"])
    values["changed"] = tuple(values["changed"])
    return StreamedEvent(**values)


class Streams:
    """The streams of all tenants, as this process reads and hears of them.

    `async with Streams(database)`: it listens for growth, and looks at the heads of all streams every second.
    """

    def __init__(self, database: Database, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._database = database
        self._poll_seconds = poll_seconds
        self._heads: dict[UUID, int] = {}
        self._waiting: dict[UUID, asyncio.Future[None]] = {}
        self._watchers: dict[int, Callable[[UUID, int], None]] = {}
        self._has_looked = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(hearing(self._database, {STREAM: self._heard}))
        looking = asyncio.create_task(self._look(), name="stream-heads")
        self._stack.push_async_callback(_ended, looking)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        for waited in self._waiting.values():
            waited.cancel()

    async def read(
        self, tenant_id: UUID, after: int, limit: int = PAGE, *, types: Sequence[str] | None = None
    ) -> list[StreamedEvent]:
        """As the function `read`, in one statement of its own: for workers, which see the whole tenant."""
        rows = await self._database.reads.fetch(
            _READ_ALONE, str(tenant_id), after, limit, None if types is None else list(types), *EVERYWHERE
        )
        return [_event(row) for row in rows]

    async def ready(self) -> None:
        """Wait until the heads of all streams were looked at once."""
        await self._has_looked.wait()

    def head(self, tenant_id: UUID) -> int:
        """The last position that this process has heard of; 0 where it has not heard of the tenant."""
        return self._heads.get(tenant_id, 0)

    def heads(self) -> dict[UUID, int]:
        """All streams that this process has heard of, with their last positions."""
        return dict(self._heads)

    async def wait(self, tenant_id: UUID, after: int) -> int:
        """Wait until the stream has a position after this one, and answer the last one; cancel it to stop waiting."""
        while (head := self.head(tenant_id)) <= after:
            future = self._waiting.setdefault(tenant_id, asyncio.get_running_loop().create_future())
            # Whoever stops waiting does not stop the others.
            await asyncio.shield(future)
        return head

    def watch(self, callback: Callable[[UUID, int], None]) -> Callable[[], None]:
        """Call back with the tenant and the last position whenever a stream grows; answers how to stop that.

        Streams that were there before are told at the first look, so that nobody starts blind.
        """
        key = id(callback)
        self._watchers[key] = callback
        for tenant_id, position in self._heads.items():
            callback(tenant_id, position)
        return lambda: (self._watchers.pop(key, None), None)[1]

    def _heard(self, payload: str) -> None:
        tenant, _, position = payload.partition(" ")
        self.grown(UUID(tenant), int(position))

    def grown(self, tenant_id: UUID, position: int) -> None:
        """Take note that a stream has this position; earlier news than known is none."""
        if position <= self._heads.get(tenant_id, 0):
            return
        self._heads[tenant_id] = position
        waited = self._waiting.pop(tenant_id, None)
        if waited is not None:
            waited.set_result(None)
        for callback in list(self._watchers.values()):
            callback(tenant_id, position)

    async def _look(self) -> None:
        known: int | None = None
        while True:
            try:
                async with self._database.operator_engine.connect() as connection:
                    total = await connection.scalar(_SUM) or 0
                    if total != known:
                        for tenant_id, position in await connection.execute(_HEADS):
                            self.grown(tenant_id, position)
                        known = total
                self._has_looked.set()
            except (OSError, TimeoutError, SQLAlchemyError) as error:
                _log.warning("events.heads_not_seen", error=type(error).__name__)
            await asyncio.sleep(self._poll_seconds)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
