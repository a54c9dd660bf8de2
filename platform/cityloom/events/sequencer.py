"""Sequencers: they move what was committed from the outbox to the stream and give it its position.

Any number may run, in any processes. Of one tenant, one works at a time, by the lock of the tenant's head; the others
pass on to the next tenant, because whoever holds the lock looks once more after it was released.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import text

from cityloom.core import logs, telemetry
from cityloom.core.database import LOST
from cityloom.events.signals import OUTBOX, STREAM, Signals, hearing
from cityloom.events.stream import Streams
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cityloom.core.work import Works

#: Events that one transaction moves; those that must come before them are moved with them.
BATCH: Final = 5_000
POLL_SECONDS: Final = 1.0
#: Tenants whose outboxes one sequencer empties at the same time: each takes a connection of the pool of work.
_AT_ONCE: Final = 3

_LOCK = "SELECT position FROM event_heads WHERE tenant_id = $1 FOR UPDATE SKIP LOCKED"
_FIRST = "INSERT INTO event_heads (tenant_id, id, position) VALUES ($1, $1, 0) ON CONFLICT (tenant_id, id) DO NOTHING"

#: Positions follow the ids, which are times, but never against the sequence of a subject: an event counts as late as
#: the latest that came before it. What is not committed is not visible and waits for its turn. Where the batch is not
#: the whole outbox, a clock that is ahead may have left events behind which come earlier: they are added.
_MOVE = """
WITH oldest AS MATERIALIZED (
  SELECT id, subject_tag, subject_id, subject_sequence FROM outbox WHERE tenant_id = $1 ORDER BY id LIMIT $3
), wanted AS (
  SELECT id FROM oldest
  UNION
  SELECT earlier.id FROM outbox AS earlier JOIN (
    SELECT subject_tag, subject_id, max(subject_sequence) AS last FROM oldest GROUP BY subject_tag, subject_id
  ) AS known ON earlier.subject_tag = known.subject_tag AND earlier.subject_id = known.subject_id
    AND earlier.subject_sequence < known.last
  WHERE earlier.tenant_id = $1 AND (SELECT count(*) FROM oldest) = $3
), taken AS (
  DELETE FROM outbox USING wanted WHERE outbox.tenant_id = $1 AND outbox.id = wanted.id RETURNING outbox.*
), placed AS (
  SELECT *, max(id::text COLLATE "C") OVER (PARTITION BY subject_tag, subject_id ORDER BY subject_sequence) AS due
  FROM taken
), moved AS (
  INSERT INTO events (tenant_id, id, type, subject_tag, subject_id, subject_sequence, area_path, facts, changed,
    actor_kind, actor_tag, actor_id, trace_id, occurred_at, position)
  SELECT tenant_id, id, type, subject_tag, subject_id, subject_sequence, area_path, facts, changed,
    actor_kind, actor_tag, actor_id, trace_id, occurred_at,
    $2::bigint + row_number() OVER (ORDER BY due, subject_sequence)
  FROM placed RETURNING occurred_at
), counted AS (
  SELECT count(*) AS moved, min(occurred_at) AS oldest FROM moved
)
UPDATE event_heads SET position = event_heads.position + counted.moved FROM counted
WHERE event_heads.tenant_id = $1 AND counted.moved > 0
RETURNING event_heads.position, counted.moved, counted.oldest
"""

#: Jumps from tenant to tenant over the primary key, however long the queues are.
_PENDING = """
WITH RECURSIVE pending AS (
  (SELECT tenant_id FROM outbox ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT tenant_id FROM outbox WHERE outbox.tenant_id > pending.tenant_id ORDER BY tenant_id LIMIT 1)
  FROM pending WHERE pending.tenant_id IS NOT NULL
) SELECT tenant_id FROM pending WHERE tenant_id IS NOT NULL
"""

_log = logs.logger("cityloom.events")
_moved = telemetry.counter("cityloom.events.sequenced", "Events that this process put into streams.")
_lag = telemetry.histogram("cityloom.events.lag", "From when an event happened until it was in the stream.")


class Sequencer:
    """Moves events of all tenants to their streams for as long as `run` runs."""

    def __init__(self, works: Works, *, poll_seconds: float = POLL_SECONDS, batch: int = BATCH) -> None:
        self._works = works
        self._batch = batch
        self._poll_seconds = poll_seconds
        self._wanted: dict[UUID, None] = {}
        self._woken = asyncio.Event()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._busy: dict[UUID, asyncio.Task[None]] = {}

    async def advance(self, tenant_id: UUID) -> int:
        """Move what is in a tenant's outbox, at most a batch, in one transaction; how many events it was.

        0 where there is nothing, and where another sequencer is at it.
        """
        async with self._works.begin(system_principal(tenant_id)) as work:
            connection = await work.connection()
            head = await connection.fetchval(_LOCK, tenant_id)
            if head is None:
                await connection.execute(_FIRST, tenant_id)
                head = await connection.fetchval(_LOCK, tenant_id)
            row = None if head is None else await connection.fetchrow(_MOVE, tenant_id, head, self._batch)
            now = work.now()
        if row is None:
            return 0
        _moved.add(row["moved"])
        _lag.record(max(0.0, (now - row["oldest"]).total_seconds()))
        # Readers of this process need not wait for the signal to come round.
        streams = self._works.services.get(Streams)
        if streams is not None:
            streams.grown(tenant_id, row["position"])
        signals = self._works.services.get(Signals)
        if signals is not None:
            signals.tell(STREAM, f"{tenant_id} {row['position']}")
        return int(row["moved"])

    async def drain(self, tenant_id: UUID) -> int:
        """Move everything that is committed by now, as far as no other sequencer does; how many events it was."""
        total = 0
        while moved := await self.advance(tenant_id):
            total += moved
        return total

    async def pending(self) -> list[UUID]:
        """Tenants with events in their outbox."""
        async with self._works.database.operator_engine.connect() as connection:
            return [UUID(str(found)) for found in (await connection.execute(text(_PENDING))).scalars()]

    def want(self, tenant_id: UUID) -> None:
        """Look at a tenant soon."""
        self._wanted[tenant_id] = None
        self._woken.set()

    async def run(self) -> None:
        """Follow the signals, and look every second for what had none, until cancelled."""
        async with hearing(self._works.database, {OUTBOX: self._heard}):
            try:
                while True:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._poll_seconds):
                            await self._woken.wait()
                    if not self._woken.is_set():
                        await self._look()
                    self._woken.clear()
                    wanted, self._wanted = self._wanted, {}
                    for tenant_id in wanted:
                        self._start(tenant_id)
            finally:
                await self._stop()

    def _heard(self, payload: str) -> None:
        self.want(UUID(payload))

    async def _look(self) -> None:
        try:
            for tenant_id in await self.pending():
                self._wanted[tenant_id] = None
        except LOST as error:
            _log.warning("events.outbox_not_seen", error=type(error).__name__)

    def _start(self, tenant_id: UUID) -> None:
        """Empty a tenant's outbox beside others; what is asked for while it is being emptied comes again after it."""
        if tenant_id in self._busy:
            self._busy[tenant_id].add_done_callback(lambda _task: self.want(tenant_id))
            return
        self._busy[tenant_id] = task = asyncio.create_task(self._empty(tenant_id), name="event-sequencer")
        task.add_done_callback(lambda _task: self._busy.pop(tenant_id, None))

    async def _empty(self, tenant_id: UUID) -> None:
        async with self._room:
            try:
                await self.drain(tenant_id)
            except LOST as error:
                # Nothing is lost: the transaction was rolled back, and the next look finds the outbox as it is.
                _log.warning("events.not_sequenced", error=type(error).__name__)

    async def _stop(self) -> None:
        # A transaction that has begun is ended, not cut: it is a matter of milliseconds.
        busy = list(self._busy.values())
        if busy:
            await asyncio.wait(busy, timeout=5)


@asynccontextmanager
async def sequencing(works: Works) -> AsyncIterator[Sequencer]:
    """A sequencer that runs for as long as the block."""
    sequencer = Sequencer(works)
    task = asyncio.create_task(sequencer.run(), name="event-sequencers")
    try:
        yield sequencer
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
