"""What a worker does for webhooks: fans streams out, and sends what is due."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import text

from cityloom.core import logs, telemetry
from cityloom.core.database import LOST
from cityloom.core.errors import Refusal
from cityloom.events.stream import Streams
from cityloom.webhooks.certifying import Certifier
from cityloom.webhooks.dispatch import Dispatcher
from cityloom.webhooks.fanout import Fanout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cityloom.core.work import Works
    from cityloom.webhooks.sender import Sender
    from cityloom.webhooks.shaping import Shaper

POLL_SECONDS: Final = 1.0
#: Cities that are fanned out at the same time: each takes a connection of the pool of work.
_AT_ONCE: Final = 2
#: How soon to look again where another worker has the turn.
_AGAIN_SECONDS: Final = 0.05

_BEHIND = (
    "SELECT l.tenant_id, sum(h.position - l.position) AS events FROM webhook_lanes AS l "
    "JOIN event_heads AS h ON h.tenant_id = l.tenant_id AND h.position > l.position WHERE l.is_open "
    "GROUP BY l.tenant_id"
)
_OVERDUE = (
    "SELECT count(*) AS lanes, coalesce(extract(epoch FROM :now - min(next_due_at)), 0) AS seconds "
    "FROM webhook_lanes WHERE next_due_at <= :now"
)
#: What is tried again later: nothing is lost by it.
_PASSING: tuple[type[Exception], ...] = (*LOST, Refusal)
_log = logs.logger("cityloom.webhooks")
#: What the last look has found, for whoever collects metrics.
_seen = {"behind": 0.0, "lanes": 0.0, "overdue": 0.0}
telemetry.gauge(
    "cityloom.webhooks.behind", "Events that endpoints have not read yet, added over them.", lambda: _seen["behind"]
)
telemetry.gauge("cityloom.webhooks.due", "Endpoints with something due.", lambda: _seen["lanes"])
telemetry.gauge(
    "cityloom.webhooks.overdue", "How long the oldest of these has been due.", lambda: _seen["overdue"], "s"
)
_made = telemetry.counter("cityloom.webhooks.deliveries", "Deliveries that this process made of events.")


class FanoutLoop:
    """Fans out every stream that grows, for as long as `run` runs."""

    def __init__(
        self, works: Works, fanout: Fanout, on_deliveries: Callable[[], None], *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._works = works
        self._fanout = fanout
        self._on_deliveries = on_deliveries
        self._poll_seconds = poll_seconds
        self._busy: dict[UUID, asyncio.Task[None]] = {}
        self._again: set[UUID] = set()
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Follow the streams, and look every second for what nobody told, until cancelled."""
        streams: Streams = self._works.services[Streams]
        stop = streams.watch(lambda tenant_id, _position: self.want(tenant_id))
        try:
            while True:
                await self._look()
                await asyncio.sleep(self._poll_seconds)
        finally:
            stop()
            # A batch that has begun is ended, not cut.
            if self._busy:
                await asyncio.wait(self._busy.values(), timeout=5)

    def want(self, tenant_id: UUID) -> None:
        """Fan a city out now; where that is being done, once more after it."""
        if tenant_id in self._busy:
            self._again.add(tenant_id)
            return
        self._busy[tenant_id] = task = asyncio.create_task(self._follow(tenant_id))
        task.add_done_callback(lambda _task: self._done(tenant_id))

    def _done(self, tenant_id: UUID) -> None:
        self._busy.pop(tenant_id, None)
        if tenant_id in self._again:
            self._again.discard(tenant_id)
            self.want(tenant_id)

    async def _follow(self, tenant_id: UUID) -> None:
        is_behind = True
        while is_behind:
            try:
                async with self._room:
                    moved = await self._fanout.advance(tenant_id)
            except _PASSING as error:
                # Nothing is lost: the cursors are where they were, and the next look finds them behind.
                _log.warning("webhooks.not_fanned_out", error=type(error).__name__)
                return
            if moved.deliveries:
                _made.add(moved.deliveries)
                self._on_deliveries()
            is_behind = moved.is_behind
            if is_behind and not moved.has_turn:
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _look(self) -> None:
        try:
            async with self._works.database.operator_engine.connect() as connection:
                behind = (await connection.execute(text(_BEHIND))).all()
                overdue = (await connection.execute(text(_OVERDUE), {"now": self._works.clock.now()})).one()
            for tenant_id, _ in behind:
                self.want(UUID(bytes=tenant_id.bytes))
            _seen.update(
                behind=float(sum(events for _, events in behind)),
                lanes=float(overdue.lanes),
                overdue=float(overdue.seconds),
            )
        except LOST as error:
            _log.warning("webhooks.lanes_not_seen", error=type(error).__name__)


@asynccontextmanager
async def delivering(works: Works, sender: Sender, shaper: Shaper) -> AsyncIterator[Dispatcher]:
    """Fan-out and dispatcher, running for as long as the block; afterwards what is on its way is waited for."""
    dispatcher = Dispatcher(works, sender)
    loop = FanoutLoop(works, Fanout(works, shaper), dispatcher.wake)
    tasks = [
        asyncio.create_task(loop.run(), name="webhook-fanout"),
        asyncio.create_task(dispatcher.run(), name="webhook-dispatcher"),
        asyncio.create_task(Certifier(works, sender).run(), name="webhook-certifier"),
    ]
    try:
        yield dispatcher
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
