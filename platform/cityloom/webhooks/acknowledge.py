"""Writing down what came of tries: attempts, the states of deliveries, what their lanes do next, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.tenancy.system import system_principal
from cityloom.webhooks import events, lanes
from cityloom.webhooks.fanout import ENDPOINT_TAG
from cityloom.webhooks.schedule import BREAKS_AFTER, block, next_try

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from cityloom.core.work import Work, Works
    from cityloom.webhooks.sender import Result
    from cityloom.webhooks.targets import Target

_ATTEMPTS = """
INSERT INTO webhook_attempts (tenant_id, id, delivery_id, endpoint_id, owner_account_id, number, outcome, status,
  answer, started_at, duration_ms)
SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::smallint[], $7::text[], $8::int[],
  $9::text[], $10::timestamptz[], $11::int[])
ON CONFLICT (tenant_id, id) DO NOTHING
"""
#: What was delivered is delivered, whoever has the lease now. A failure counts only with the lease: else somebody else
#: is at it. What was finished or withdrawn meanwhile stays so. An answer is not kept that came to what was erased
#: meanwhile: whoever erases holds the lanes, and has not seen attempts of before.
_DELIVERIES = """
WITH taken_back AS (
  UPDATE webhook_attempts AS a SET answer = NULL FROM webhook_deliveries AS erased
  WHERE a.tenant_id = $1 AND a.id = ANY($7::uuid[]) AND a.answer IS NOT NULL
    AND erased.tenant_id = $1 AND erased.id = a.delivery_id AND erased.body_erased_at IS NOT NULL
)
UPDATE webhook_deliveries AS d SET state = given.state, tries = d.tries + 1, due_at = given.due_at, lease = NULL,
  finished_at = given.finished_at
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[])
  AS given(id, lease, state, due_at, finished_at)
WHERE d.tenant_id = $1 AND d.id = given.id AND d.state IN ('WAITING', 'DUE')
  AND (d.lease = given.lease OR given.state = 'DELIVERED')
RETURNING d.id
"""
_HEALTH = """
UPDATE webhook_lanes AS l SET failures = given.failures, blocked_until = given.blocked_until
FROM unnest($2::uuid[], $3::int[], $4::timestamptz[]) AS given(id, failures, blocked_until)
WHERE l.tenant_id = $1 AND l.id = given.id
"""
_PAUSE = """
UPDATE webhook_endpoints SET state = 'PAUSED', pause_reason = 'GONE', version = version + 1, changed_at = $3
WHERE tenant_id = $1 AND id = $2 AND state = 'ACTIVE' RETURNING id
"""
_PROVE = """
UPDATE webhook_keys SET proven_at = $3
WHERE tenant_id = $1 AND id = $2 AND proven_at IS NULL AND retired_at IS NULL RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Tried:
    """One try that has ended."""

    lease: UUID
    row: asyncpg.Record
    target: Target
    result: Result
    #: Made once, so that writing it down again adds nothing.
    id: UUID = field(default_factory=new_id)


@dataclass(slots=True)
class _Verdict:
    """What a delivery becomes."""

    state: str
    due_at: datetime
    finished_at: datetime | None


async def write(works: Works, tenant_id: UUID, tried: Sequence[Tried]) -> None:
    """Write down what came of these tries; safe to repeat for what was not committed."""
    async with works.begin(system_principal(tenant_id)) as work:
        connection, now = await work.connection(), work.now()
        endpoint_ids = sorted({_endpoint(one) for one in tried})
        await lanes.unhurried(connection)
        # Before the lanes are held: it is half of the work, and nobody else waits for it.
        await _attempts(connection, tenant_id, tried)
        locked = await lanes.lock(connection, tenant_id, endpoint_ids)
        verdicts = [_verdict(one, now) for one in tried]
        counted = {
            row["id"]
            for row in await connection.fetch(
                _DELIVERIES,
                tenant_id,
                [one.row["id"] for one in tried],
                [one.lease for one in tried],
                [verdict.state for verdict in verdicts],
                [verdict.due_at for verdict in verdicts],
                [verdict.finished_at for verdict in verdicts],
                [one.id for one in tried],
            )
        }
        ended = [
            (one, verdict)
            for one, verdict in zip(tried, verdicts, strict=True)
            if one.row["id"] in counted and verdict.finished_at is not None
        ]
        await lanes.promote(
            connection, tenant_id, [(one.row["endpoint_id"], one.row["order_key"]) for one, _ in ended], now
        )
        await _health(work, connection, locked, tried)
        await _prove(work, connection, [one for one, verdict in ended if verdict.state == "DELIVERED"])
        await _pause(work, connection, tried)
        _tell_exhausted(work, ended)
        await lanes.reschedule(connection, tenant_id, endpoint_ids)


def _endpoint(tried: Tried) -> UUID:
    return UUID(bytes=tried.row["endpoint_id"].bytes)


def _verdict(tried: Tried, now: datetime) -> _Verdict:
    row, result = tried.row, tried.result
    if result.is_delivered:
        return _Verdict("DELIVERED", now, now)
    due_at = next_try(row["tries"] + 1, row["first_tried_at"], now, retry_after=result.retry_after)
    return _Verdict("EXHAUSTED", now, now) if due_at is None else _Verdict("DUE", due_at, None)


async def _attempts(connection: asyncpg.Connection[asyncpg.Record], tenant_id: UUID, tried: Sequence[Tried]) -> None:
    rows = [
        (
            one.id,
            one.row["id"],
            one.row["endpoint_id"],
            one.target.owner_account_id,
            one.row["tries"] + 1,
            one.result.outcome,
            one.result.status,
            one.result.answer,
            one.result.started_at,
            one.result.duration_ms,
        )
        for one in tried
    ]
    await connection.execute(_ATTEMPTS, tenant_id, *map(list, zip(*rows, strict=True)))


async def _health(
    work: Work,
    connection: asyncpg.Connection[asyncpg.Record],
    locked: Sequence[asyncpg.Record],
    tried: Sequence[Tried],
) -> None:
    """Count failures in a row, and leave an endpoint alone that fails or asks for it."""
    now = work.now()
    results: dict[UUID, list[Result]] = defaultdict(list)
    for one in tried:
        # A proof fails while its receiver does not know the key, which says nothing of the receiver's health.
        if one.row["kind"] != "PROOF":
            results[_endpoint(one)].append(one.result)
    changed: list[tuple[UUID, int, datetime | None]] = []
    for row in locked:
        endpoint_id, before = UUID(bytes=row["id"].bytes), row["failures"]
        failures, until = before, row["blocked_until"]
        for result in sorted(results[endpoint_id], key=lambda found: found.started_at):
            if result.is_delivered:
                failures, until = 0, None
                continue
            failures += 1
            blocked = block(failures, now, is_throttled=result.outcome == "THROTTLED", retry_after=result.retry_after)
            until = max(filter(None, (until, blocked)), default=None)
        if before < BREAKS_AFTER <= failures:
            work.emit(events.EndpointFailing(subject_id=endpoint_id, failures=failures))
        if (failures, until) != (before, row["blocked_until"]):
            changed.append((endpoint_id, failures, until))
    if changed:
        await connection.execute(_HEALTH, work.tenant_id, *map(list, zip(*changed, strict=True)))


async def _prove(work: Work, connection: asyncpg.Connection[asyncpg.Record], delivered: Sequence[Tried]) -> None:
    for one in delivered:
        if one.row["kind"] == "PROOF" and await connection.fetchval(
            _PROVE, work.tenant_id, one.row["key_id"], work.now()
        ):
            work.emit(events.KeyProven(subject_id=_endpoint(one), key_id=UUID(bytes=one.row["key_id"].bytes)))


async def _pause(work: Work, connection: asyncpg.Connection[asyncpg.Record], tried: Sequence[Tried]) -> None:
    for endpoint_id in sorted({_endpoint(one) for one in tried if one.result.outcome == "GONE"}):
        if await connection.fetchval(_PAUSE, work.tenant_id, endpoint_id, work.now()):
            work.emit(events.EndpointGone(subject_id=endpoint_id))
            work.audit(
                AuditEntry(
                    action="webhooks.endpoint.pause",
                    object_tag=ENDPOINT_TAG,
                    object_id=endpoint_id,
                    after={"state": "PAUSED", "pause_reason": "GONE"},
                )
            )


def _tell_exhausted(work: Work, ended: Sequence[tuple[Tried, _Verdict]]) -> None:
    exhausted: dict[UUID, list[Any]] = defaultdict(list)
    for one, verdict in ended:
        if verdict.state == "EXHAUSTED":
            exhausted[_endpoint(one)].append(one.row["sequence"])
    for endpoint_id, sequences in exhausted.items():
        first = min((number for number in sequences if number is not None), default=None)
        work.emit(events.DeliveriesExhausted(subject_id=endpoint_id, count=len(sequences), first_sequence=first))
