"""From a city's stream to the deliveries of its endpoints: numbered, linked, frozen, in one transaction a batch."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from cityloom.access.acting import acting
from cityloom.core.ids import encode_id, new_id
from cityloom.core.subjects import hold_off_erasures
from cityloom.events import stream
from cityloom.events.envelope import render
from cityloom.tenancy.system import system_principal
from cityloom.webhooks import lanes, signing
from cityloom.webhooks.matching import READS_EVENTS, wants

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from cityloom.core.principal import Principal
    from cityloom.core.work import Work, Works
    from cityloom.events.stream import StreamedEvent
    from cityloom.webhooks.shaping import Shaper

#: Positions that one transaction moves the lanes of a city on at most.
BATCH = 500
ENDPOINT_TAG = "whep"

#: One worker at a time reads a city's stream for its endpoints; the locks of the lanes are taken at the end only.
_TURN = "SELECT pg_try_advisory_xact_lock(hashtextextended('cityloom.webhooks.fanout:' || $1::text, 0))"
_HEAD = "SELECT position FROM event_heads WHERE tenant_id = $1"
_BEHIND = """
SELECT l.id, l.position, l.sequence, l.chain_hash, e.events::text AS events, e.conditions::text AS conditions,
  e.document, e.ordering,
  e.owner_account_id, e.owner_client_id, a.kind, a.locale, a.is_active AND coalesce(c.is_active, true) AS is_active,
  c.permissions::text AS permissions
FROM webhook_lanes AS l
JOIN webhook_endpoints AS e ON e.tenant_id = $1 AND e.id = l.id
JOIN accounts AS a ON a.tenant_id = $1 AND a.id = e.owner_account_id
LEFT JOIN api_clients AS c ON c.tenant_id = $1 AND c.id = e.owner_client_id
WHERE l.tenant_id = $1 AND l.is_open AND l.position < $2
ORDER BY l.position LIMIT 1000
"""
_INSERT = """
INSERT INTO webhook_deliveries (tenant_id, id, endpoint_id, kind, sequence, previous_hash, webhook_id, position,
  event_type, order_key, body, state, tries, due_at, created_at)
SELECT $1, given.id, given.endpoint_id, 'EVENT', given.sequence, given.previous_hash, given.webhook_id, given.position,
  given.event_type, given.order_key, given.body,
  CASE WHEN given.is_first AND NOT EXISTS (
    SELECT FROM webhook_deliveries AS d WHERE d.tenant_id = $1 AND d.endpoint_id = given.endpoint_id
      AND d.order_key = given.order_key AND d.state IN ('WAITING', 'DUE')
  ) THEN 'DUE' ELSE 'WAITING' END, 0, $2::timestamptz, $2::timestamptz
FROM unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::bytea[], $7::text[], $8::bigint[], $9::text[], $10::uuid[],
  $11::bytea[], $12::boolean[])
  AS given(id, endpoint_id, sequence, previous_hash, webhook_id, position, event_type, order_key, body, is_first)
"""
_CONTENTS = """
INSERT INTO webhook_delivery_contents (tenant_id, id, row_id) SELECT $1, * FROM unnest($2::uuid[], $3::uuid[])
"""
_MOVE = """
UPDATE webhook_lanes AS l SET position = moved.position, sequence = moved.sequence, chain_hash = moved.chain_hash
FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bytea[]) AS moved(id, position, sequence, chain_hash)
WHERE l.tenant_id = $1 AND l.id = moved.id
"""


@dataclass(slots=True)
class _Lane:
    """One endpoint while its events are collected."""

    row: asyncpg.Record
    principal: Principal
    upto: int
    found: list[StreamedEvent] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    tells: list[frozenset[UUID]] = field(default_factory=list)

    @property
    def id(self) -> UUID:
        return UUID(bytes=self.row["id"].bytes)


@dataclass(frozen=True, slots=True)
class Moved:
    """What one batch did. `is_behind`: there is more to do; without the turn, another worker is at it."""

    deliveries: int
    is_behind: bool
    has_turn: bool = True


class Fanout:
    """Makes deliveries of what happens; any number of workers may, one at a time for each city."""

    def __init__(self, works: Works, shaper: Shaper) -> None:
        self._works = works
        self._shaper = shaper

    async def advance(self, tenant_id: UUID) -> Moved:
        """Move the lanes of a city on by one batch of its stream, in one transaction."""
        async with self._works.begin(system_principal(tenant_id)) as work:
            connection = await work.connection()
            if not await connection.fetchval(_TURN, str(tenant_id)):
                return Moved(0, is_behind=True, has_turn=False)
            head = await connection.fetchval(_HEAD, tenant_id) or 0
            rows = await connection.fetch(_BEHIND, tenant_id, head)
            if not rows:
                return Moved(0, is_behind=False)
            first = rows[0]["position"]
            events = await stream.read(connection, tenant_id, first, BATCH)
            upto = events[-1].position if events else head
            behind = [row for row in rows if row["position"] < upto]
            found = [_Lane(row, await self._owner(work, row), upto) for row in behind]
            if any(row["document"] is not None for row in behind):
                await hold_off_erasures(work)
            for lane in found:
                await self._collect(lane, events)
            made = await _write(connection, tenant_id, found, work.now())
            return Moved(made, is_behind=upto < head or len(behind) < len(rows))

    async def _collect(self, lane: _Lane, events: Sequence[StreamedEvent]) -> None:
        """What this endpoint gets of the batch, and the bodies, as its owner may see them now."""
        row = lane.row
        scope = lane.principal.rights.scope(READS_EVENTS)
        patterns, conditions = orjson.loads(row["events"]), row["conditions"] and orjson.loads(row["conditions"])
        lane.found = [
            event
            for event in events
            if event.position > row["position"] and wants(lane.id, patterns, conditions, scope, event)
        ]
        if not lane.found:
            return
        selections: list[bytes | None] = [None] * len(lane.found)
        lane.tells = [frozenset()] * len(lane.found)
        if row["document"] is not None:
            shaped = await self._shaper.shape(lane.principal, row["document"], lane.found)
            selections, lane.tells = [one.data for one in shaped], [one.tells for one in shaped]
        tenant_id = lane.principal.tenant_id
        lane.bodies = [
            render(event, tenant_id, selection) for event, selection in zip(lane.found, selections, strict=True)
        ]

    async def _owner(self, work: Work, row: asyncpg.Record) -> Principal:
        return await acting(
            work,
            account_id=UUID(bytes=row["owner_account_id"].bytes),
            client_id=row["owner_client_id"] and UUID(bytes=row["owner_client_id"].bytes),
            is_active=row["is_active"],
            cap=None if row["permissions"] is None else tuple(orjson.loads(row["permissions"])),
            locale=row["locale"],
        )


async def _write(
    connection: asyncpg.Connection[asyncpg.Record], tenant_id: UUID, found: Sequence[_Lane], now: datetime
) -> int:
    """Number and link what was collected, and move the lanes; how many deliveries it was."""
    locked = await lanes.lock(connection, tenant_id, [lane.id for lane in found])
    still = {row["id"] for row in locked if row["is_open"]}
    deliveries: list[tuple[Any, ...]] = []
    contents: list[tuple[UUID, UUID]] = []
    moved: list[tuple[UUID, int, int, bytes]] = []
    due: list[UUID] = []
    for lane in found:
        if lane.row["id"] not in still:
            continue
        sequence, chain_hash = lane.row["sequence"], lane.row["chain_hash"]
        known: dict[UUID, bool] = defaultdict(bool)
        # Ids of one millisecond are in no order of their own, and the log is read in theirs.
        ids = sorted(new_id() for _ in lane.found)
        for row_id, event, body, tells in zip(ids, lane.found, lane.bodies, lane.tells, strict=True):
            contents += [(row_id, told) for told in tells]
            order = event.subject_id if lane.row["ordering"] == "PER_SUBJECT" else lane.id
            previous, sequence = chain_hash, sequence + 1
            chain_hash = signing.link(previous, sequence, body)
            webhook_id = signing.chained_id(sequence, chain_hash)
            deliveries.append(
                (
                    row_id,
                    lane.id,
                    sequence,
                    previous,
                    webhook_id,
                    event.position,
                    event.type,
                    order,
                    body,
                    not known[order],
                )
            )
            known[order] = True
        moved.append((lane.id, lane.upto, sequence, chain_hash))
        if lane.found:
            due.append(lane.id)
    if deliveries:
        await connection.execute(_INSERT, tenant_id, now, *map(list, zip(*deliveries, strict=True)))
    if contents:
        await connection.execute(_CONTENTS, tenant_id, *map(list, zip(*contents, strict=True)))
    if moved:
        await connection.execute(_MOVE, tenant_id, *map(list, zip(*moved, strict=True)))
    if due:
        await lanes.reschedule(connection, tenant_id, due)
    return len(deliveries)


def chain_start(tenant_id: UUID, endpoint_id: UUID) -> bytes:
    """The hash before the first delivery of an endpoint."""
    return signing.genesis(encode_id(ENDPOINT_TAG, tenant_id, endpoint_id))
