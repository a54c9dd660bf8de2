"""The dispatcher: claims what is due, sends it, and writes down what came of it, each in batches.

A claim is a lease: whoever dies with it loses it when it ends, and somebody else sends the same bytes under the same
id. Tenants share the places for requests so that none can take them all: a tenant gets no more than is still free,
weighted, so one that hangs leaves half of the places to the others, and n that hang leave one part of n + 1. Each
tenant has a turn of its own, which nobody else's waits for, and an endpoint gets more places only by answering.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
from sqlalchemy import text

from cityloom.core import logs, telemetry
from cityloom.core.database import LOST
from cityloom.core.errors import Refusal
from cityloom.core.ids import new_id
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.system import system_principal
from cityloom.webhooks import acknowledge, lanes
from cityloom.webhooks.acknowledge import Tried
from cityloom.webhooks.schedule import BREAKS_AFTER
from cityloom.webhooks.sender import Result
from cityloom.webhooks.targets import Target, Targets, chained

if TYPE_CHECKING:
    from collections.abc import Callable

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.work import Work, Works
    from cityloom.webhooks.sender import Sender

#: Requests at once of one process, and of one endpoint in it: so many at first, one more for each answer, and back to
#: the first few when it does not answer in time. What hangs costs no more than these.
PLACES, PLACES_OF_ENDPOINT, PLACES_AT_FIRST = 512, 32, 4
#: What a lease outlasts besides the longest request: the writing down of what came of it (seconds).
LEASE_SPARE = 5.0
#: Of every four deliveries that are claimed, one at least may be a retry, so that a flood of new ones starves none.
_RETRY_SHARE = 4
_BATCH = 256
_POLL_SECONDS = 0.5
#: How much of a second a rate limit may be used up at once.
_BURST_SECONDS = 0.1
_SOON_SECONDS = 0.02
#: How long a tenant is left alone whose keys cannot be had.
_ASIDE_SECONDS = 30.0
#: How long the end waits for receivers.
_PATIENCE_SECONDS = 5.0

_log = logs.logger("cityloom.webhooks")
_outcomes = telemetry.counter("cityloom.webhooks.attempts", "Tries of deliveries, by what came of them.")
_latency = telemetry.histogram("cityloom.webhooks.duration", "How long receivers took to answer.")
_lag = telemetry.histogram("cityloom.webhooks.lag", "From when a delivery was due until it was sent.")

#: So many of each tenant: whoever has thousands that hang must not hide the others.
_DUE = """
SELECT tenant_id, id FROM (
  SELECT tenant_id, id, row_number() OVER (PARTITION BY tenant_id ORDER BY next_due_at) AS place FROM webhook_lanes
  WHERE next_due_at <= :now AND NOT (id = ANY(:full))
) AS due WHERE place <= 64
"""
_LANES = """
SELECT l.id, l.failures, l.rate_at, e.rate_limit, e.version FROM webhook_lanes AS l
JOIN webhook_endpoints AS e ON e.tenant_id = $1 AND e.id = l.id
WHERE l.tenant_id = $1 AND l.id = ANY($2::uuid[]) AND l.next_due_at <= $3 AND e.state = 'ACTIVE'
ORDER BY l.id FOR UPDATE OF l SKIP LOCKED
"""
#: First tries, and beside them a share of retries; what one of them leaves free is the other's.
_CLAIM = """
WITH picked AS (
  SELECT d.id FROM unnest($2::uuid[], $3::int[], $4::int[]) AS room(endpoint_id, most, retries)
  CROSS JOIN LATERAL (
    SELECT * FROM (
      (SELECT f.id, 0 AS later, row_number() OVER (ORDER BY f.due_at) AS place FROM webhook_deliveries AS f
       WHERE f.tenant_id = $1 AND f.endpoint_id = room.endpoint_id AND f.state = 'DUE' AND (f.tries > 0) = false
         AND f.due_at <= $5 ORDER BY f.due_at LIMIT room.most)
      UNION ALL
      (SELECT r.id, 1, row_number() OVER (ORDER BY r.due_at) FROM webhook_deliveries AS r
       WHERE r.tenant_id = $1 AND r.endpoint_id = room.endpoint_id AND r.state = 'DUE' AND (r.tries > 0) = true
         AND r.due_at <= $5 ORDER BY r.due_at LIMIT room.most)
    ) AS both_lanes
    ORDER BY CASE WHEN later = 1 AND place <= room.retries THEN 0 ELSE 1 END, later, place LIMIT room.most
  ) AS d
)
UPDATE webhook_deliveries AS d SET due_at = $6, lease = $7, first_tried_at = coalesce(d.first_tried_at, $5)
FROM picked, webhook_deliveries AS was
WHERE d.tenant_id = $1 AND d.id = picked.id AND was.tenant_id = $1 AND was.id = picked.id
RETURNING d.id, d.endpoint_id, d.kind, d.sequence, d.previous_hash, d.webhook_id, d.order_key, d.key_id, d.body,
  d.tries, d.first_tried_at, was.due_at
"""
_RATE = """
UPDATE webhook_lanes AS l SET rate_at = given.rate_at,
  next_due_at = CASE WHEN l.next_due_at IS NOT NULL THEN greatest(l.next_due_at, given.rate_at - $4::interval) END
FROM unnest($2::uuid[], $3::timestamptz[]) AS given(id, rate_at) WHERE l.tenant_id = $1 AND l.id = given.id
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process has the lease of."""

    tenant_id: UUID
    lease: UUID
    row: asyncpg.Record
    target: Target

    @property
    def endpoint_id(self) -> UUID:
        """Where it goes."""
        return UUID(bytes=self.row["endpoint_id"].bytes)


class Dispatcher:
    """Sends what is due, for as long as `run` runs."""

    def __init__(
        self,
        works: Works,
        sender: Sender,
        *,
        places: int = PLACES,
        weight_of: Callable[[UUID], float] = lambda _tenant_id: 1.0,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        self._works = works
        self._sender = sender
        #: Whoever dies with a claim loses it when this is over.
        self.lease = timedelta(seconds=sender.limit_seconds + LEASE_SPARE)
        self._places = places
        self._weight_of = weight_of
        self._poll_seconds = poll_seconds
        self._targets = Targets()
        self._sending: set[asyncio.Task[None]] = set()
        self._of_tenant: Counter[UUID] = Counter()
        self._of_endpoint: Counter[UUID] = Counter()
        #: Places that endpoints have earned by answering.
        self._earned: Counter[UUID] = Counter()
        self._turns: dict[UUID, asyncio.Task[bool]] = {}
        self._tried: dict[UUID, list[Tried]] = defaultdict(list)
        self._acknowledging: dict[UUID, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        #: Tenants that are refused, by when they are asked again.
        self._set_aside: dict[UUID, float] = {}
        self._is_ending = False
        #: Transactions at once; each holds a connection of the pool of work. One tenant has two at most.
        self._room = asyncio.Semaphore(4)

    def wake(self) -> None:
        """There may be something due: look now."""
        self._woken.set()

    async def run(self) -> None:
        """Send until cancelled; then wait for what is under way, and write it down."""
        looking: asyncio.Task[list[asyncio.Task[bool]]] | None = None
        try:
            while True:
                self._woken.clear()
                looking = asyncio.create_task(self._look())
                try:
                    # Turns that were begun are ended, also where the end comes in between.
                    await asyncio.shield(looking)
                except LOST as error:
                    _log.warning("webhooks.not_claimed", error=type(error).__name__)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._woken.wait()
        finally:
            self._is_ending = True
            if looking is not None:
                await asyncio.wait([looking])
            await self._end()

    async def round(self) -> bool:
        """Look once for what is due in any tenant, and begin to send it; whether there was anything."""
        return any([await turn for turn in await self._look()])

    async def _look(self) -> list[asyncio.Task[bool]]:
        """Begin a turn of each tenant in which something is due, unless one is under way; those that were begun."""
        if not self._free():
            return []
        full = [endpoint_id for endpoint_id, count in self._of_endpoint.items() if count >= self._most(endpoint_id)]
        async with self._works.database.operator_engine.connect() as connection:
            due = await connection.execute(text(_DUE), {"now": self._works.clock.now(), "full": full})
            endpoints: dict[UUID, list[UUID]] = defaultdict(list)
            for tenant_id, endpoint_id in due:
                endpoints[UUID(bytes=tenant_id.bytes)].append(UUID(bytes=endpoint_id.bytes))
        now = asyncio.get_running_loop().time()
        self._set_aside = {tenant_id: until for tenant_id, until in self._set_aside.items() if until > now}
        # Who has the fewest places now comes first.
        waiting = sorted(
            endpoints.keys() - self._set_aside.keys() - self._turns.keys(),
            key=lambda one: self._of_tenant[one] / self._weight_of(one),
        )
        return [self._begin(tenant_id, endpoints[tenant_id]) for tenant_id in waiting]

    def _begin(self, tenant_id: UUID, endpoint_ids: list[UUID]) -> asyncio.Task[bool]:
        turn = asyncio.create_task(self._turn(tenant_id, endpoint_ids), name="webhook-turn")
        self._turns[tenant_id] = turn
        turn.add_done_callback(lambda done: self._ended(tenant_id, done))
        return turn

    def _ended(self, tenant_id: UUID, turn: asyncio.Task[bool]) -> None:
        self._turns.pop(tenant_id, None)
        loop = asyncio.get_running_loop()
        error = None if turn.cancelled() else turn.exception()
        if error is not None:
            # A bug, in one tenant's turn: the others have theirs.
            self._set_aside[tenant_id] = loop.time() + _ASIDE_SECONDS
            _log.error("webhooks.turn_failed", exc_info=error)
        elif turn.result():
            # There may be more than could be claimed at once.
            loop.call_later(_SOON_SECONDS, self.wake)

    def _most(self, endpoint_id: UUID) -> int:
        """How many requests at once an endpoint may have."""
        return min(PLACES_AT_FIRST + self._earned[endpoint_id], PLACES_OF_ENDPOINT)

    def _free(self) -> int:
        return max(0, self._places - self._of_tenant.total())

    def _share(self, tenant_id: UUID) -> int:
        """How many places a tenant may take besides those that it has: what it has then is what is free then."""
        weight, mine = self._weight_of(tenant_id), self._of_tenant[tenant_id]
        return max(0, min(int((weight * self._free() - mine) / (1 + weight)), _BATCH))

    async def _turn(self, tenant_id: UUID, endpoint_ids: list[UUID]) -> bool:
        """Claim and send what is due in one tenant; whether there may be more that could be sent at once."""
        try:
            claimed = await self._claimed(tenant_id, endpoint_ids)
        except LOST as error:
            _log.warning("webhooks.not_claimed", error=type(error).__name__)
            return False
        except Refusal as error:
            _log.warning("webhooks.not_claimed", error=type(error).__name__)
            # Its keys cannot be had: asking again and again would only be in the others' way.
            self._set_aside[tenant_id] = asyncio.get_running_loop().time() + _ASIDE_SECONDS
            return False
        for one in claimed:
            self._start(one)
            # One at a time: whoever has a single delivery comes in between those of whoever has hundreds.
            await asyncio.sleep(0)
        return len(claimed) > 0

    async def _claimed(self, tenant_id: UUID, endpoint_ids: list[UUID]) -> list[Claimed]:
        async with self._room:
            share = self._share(tenant_id)
            if not share or self._is_ending:
                return []
            # Places are taken before anything waits, so that turns at the same time cannot take the same ones.
            self._of_tenant[tenant_id] += share
            try:
                claimed = await self._claim(tenant_id, endpoint_ids, share)
            finally:
                self._of_tenant[tenant_id] -= share
        for one in claimed:
            self._of_tenant[tenant_id] += 1
            self._of_endpoint[one.endpoint_id] += 1
        return claimed

    async def _claim(self, tenant_id: UUID, endpoint_ids: list[UUID], share: int) -> list[Claimed]:
        ring: KeyRing = self._works.services[KeyRing]
        keys = await ring.of(tenant_id)
        async with self._works.begin(system_principal(tenant_id)) as work:
            connection, now = await work.connection(), work.now()
            await lanes.unhurried(connection)
            rows = await connection.fetch(_LANES, tenant_id, endpoint_ids, now)
            room = self._room_of(rows, share, now)
            if not room:
                return []
            lease = new_id()
            found = await connection.fetch(
                _CLAIM,
                tenant_id,
                list(room),
                list(room.values()),
                [max(1, most // _RETRY_SHARE) for most in room.values()],
                now,
                now + self.lease,
                lease,
            )
            await lanes.reschedule(connection, tenant_id, list(room))
            await self._charge(connection, tenant_id, rows, found, now)
            targets = await self._open(work, rows, keys)
        for row in found:
            _lag.record(max(0.0, (now - row["due_at"]).total_seconds()))
        return [Claimed(tenant_id, lease, row, targets[row["endpoint_id"]]) for row in found]

    def _room_of(self, rows: list[asyncpg.Record], share: int, now: datetime) -> dict[UUID, int]:
        """How many deliveries of each endpoint may be claimed: places, rate, and one only behind an open breaker."""
        room: dict[UUID, int] = {}
        for at, row in enumerate(rows):
            most = max(1, share // (len(rows) - at)) if share else 0
            most = min(most, self._most(row["id"]) - self._of_endpoint[row["id"]])
            if row["failures"] >= BREAKS_AFTER:
                most = min(most, 1 - self._of_endpoint[row["id"]])
            if row["rate_limit"] is not None:
                most = min(most, allowed(row["rate_limit"], row["rate_at"], now))
            if most > 0:
                room[row["id"]] = most
                share -= most
        return room

    async def _charge(
        self,
        connection: asyncpg.Connection[asyncpg.Record],
        tenant_id: UUID,
        rows: list[asyncpg.Record],
        found: list[asyncpg.Record],
        now: datetime,
    ) -> None:
        """Note on the lanes with a rate limit what was used of it."""
        taken = Counter(row["endpoint_id"] for row in found)
        for row in rows:
            if row["rate_limit"] is not None:
                each = timedelta(seconds=1 / row["rate_limit"])
                rate_at = max(row["rate_at"] or now, now) + taken[row["id"]] * each
                await connection.execute(_RATE, tenant_id, [row["id"]], [rate_at], tolerance(row["rate_limit"]) - each)

    async def _open(self, work: Work, rows: list[asyncpg.Record], keys: TenantKeys) -> dict[UUID, Target]:
        found, unknown = {}, []
        for row in rows:
            known = self._targets.known(work.tenant_id, row["id"], row["version"])
            if known is None:
                unknown.append(row["id"])
            else:
                found[row["id"]] = known
        return found | (await self._targets.open(work, unknown, keys) if unknown else {})

    def _start(self, claimed: Claimed) -> None:
        task = asyncio.create_task(self._send(claimed))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, claimed: Claimed) -> None:
        row, target = claimed.row, claimed.target
        try:
            headers = target.signed(
                row["webhook_id"], self._works.clock.now(), row["body"], key_id=row["key_id"]
            ) | chained(row["sequence"], row["previous_hash"])
            result = await self._sender.send(target.url, row["body"], headers)
        except Exception:  # noqa: BLE001 - whatever it is, the delivery is not lost: it is tried again
            _log.exception("webhooks.not_sent")
            result = Result("UNREACHABLE", self._works.clock.now(), 0)
        finally:
            self._of_tenant[claimed.tenant_id] -= 1
            self._of_endpoint[claimed.endpoint_id] -= 1
            if not self._of_endpoint[claimed.endpoint_id]:
                del self._of_endpoint[claimed.endpoint_id]
        if result.outcome == "TIMED_OUT":
            self._earned.pop(claimed.endpoint_id, None)
        else:
            self._earned[claimed.endpoint_id] = min(self._earned[claimed.endpoint_id] + 1, PLACES_OF_ENDPOINT)
        _outcomes.add(1, {"outcome": result.outcome})
        _latency.record(result.duration_ms / 1000)
        self._tried[claimed.tenant_id].append(Tried(claimed.lease, row, target, result))
        self._acknowledge(claimed.tenant_id)

    def _acknowledge(self, tenant_id: UUID) -> None:
        """Write down what has come together; what comes while that is done is the next batch."""
        if tenant_id not in self._acknowledging:
            task = asyncio.create_task(self._write(tenant_id))
            self._acknowledging[tenant_id] = task
            task.add_done_callback(lambda _task: self._written(tenant_id))

    def _written(self, tenant_id: UUID) -> None:
        self._acknowledging.pop(tenant_id, None)
        if self._tried[tenant_id]:
            self._acknowledge(tenant_id)
        else:
            del self._tried[tenant_id]
        self.wake()

    async def _write(self, tenant_id: UUID) -> None:
        async with self._room:
            tried, self._tried[tenant_id] = self._tried[tenant_id], []
            while True:
                try:
                    await acknowledge.write(self._works, tenant_id, tried)
                except LOST as error:
                    # Until the lease ends nobody else sends it; then it is sent again, under the same id.
                    _log.warning("webhooks.not_acknowledged", error=type(error).__name__)
                    if self._is_ending:
                        return
                    await asyncio.sleep(_POLL_SECONDS)
                else:
                    return

    async def _end(self) -> None:
        """Wait a little for what is on its way and write it down; the leases of the rest end by themselves."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self.idle()
        for task in [*self._sending]:
            task.cancel()

    async def idle(self) -> None:
        """Wait until nothing is on its way and everything is written down."""
        while self._turns or self._sending or self._acknowledging:
            await asyncio.wait([*self._turns.values(), *self._sending, *self._acknowledging.values()])
            # Callbacks of what has ended may begin the next batch.
            await asyncio.sleep(0)


def tolerance(rate: int) -> timedelta:
    """How far ahead of its rate an endpoint may be."""
    return timedelta(seconds=max(_BURST_SECONDS, 1 / rate))


def allowed(rate: int, rate_at: datetime | None, now: datetime) -> int:
    """How many may be sent now under a rate a second (the generic cell rate algorithm)."""
    ahead = max(rate_at or now, now) - now
    return max(0, int((tolerance(rate) - ahead).total_seconds() * rate + 1e-6))
