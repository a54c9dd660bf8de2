"""The statements that move lanes. Each runs in a transaction that holds the locks of the rows of the lanes it moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

_LOCK = (
    "SELECT id, is_open, failures, blocked_until FROM webhook_lanes "
    "WHERE tenant_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE"
)
#: A claim or an acknowledgement that a crash takes back costs a repeat under the same id, and nothing else.
_UNHURRIED = "SET LOCAL synchronous_commit = off"

#: The oldest open delivery of each order, where nobody is at one of it: it is the one to be tried.
_PROMOTE = """
UPDATE webhook_deliveries AS d SET state = 'DUE', due_at = greatest(d.due_at, $4::timestamptz)
FROM (SELECT DISTINCT * FROM unnest($2::uuid[], $3::uuid[])) AS done(endpoint_id, order_key)
CROSS JOIN LATERAL (
  SELECT w.id, w.state FROM webhook_deliveries AS w
  WHERE w.tenant_id = $1 AND w.endpoint_id = done.endpoint_id AND w.order_key = done.order_key
    AND w.state IN ('WAITING', 'DUE')
  ORDER BY w.sequence LIMIT 1
) AS first
WHERE d.tenant_id = $1 AND d.id = first.id AND first.state = 'WAITING'
  AND NOT EXISTS (
    SELECT FROM webhook_deliveries AS held
    WHERE held.tenant_id = $1 AND held.endpoint_id = done.endpoint_id AND held.order_key = done.order_key
      AND held.state = 'DUE'
  )
"""

#: When somebody has to look at the lanes again; the partial index is led by whether it was tried before.
_RESCHEDULE = """
UPDATE webhook_lanes AS l SET next_due_at = CASE WHEN e.state = 'ACTIVE' THEN least(
  (SELECT greatest(d.due_at, l.blocked_until) FROM webhook_deliveries AS d
   WHERE d.tenant_id = $1 AND d.endpoint_id = l.id AND d.state = 'DUE' AND (d.tries > 0) = false
   ORDER BY d.due_at LIMIT 1),
  (SELECT greatest(d.due_at, l.blocked_until) FROM webhook_deliveries AS d
   WHERE d.tenant_id = $1 AND d.endpoint_id = l.id AND d.state = 'DUE' AND (d.tries > 0) = true
   ORDER BY d.due_at LIMIT 1)
) END
FROM webhook_endpoints AS e
WHERE l.tenant_id = $1 AND l.id = ANY($2::uuid[]) AND e.tenant_id = $1 AND e.id = l.id
"""


async def lock(connection: Connection, tenant_id: UUID, endpoint_ids: Sequence[UUID]) -> list[asyncpg.Record]:
    """Wait for the lanes and hold them until the transaction ends; always in the order of their ids."""
    found: list[asyncpg.Record] = await connection.fetch(_LOCK, tenant_id, list(endpoint_ids))
    return found


async def unhurried(connection: Connection) -> None:
    """Let this transaction's commit not wait for the disk."""
    await connection.execute(_UNHURRIED)


async def promote(connection: Connection, tenant_id: UUID, orders: Sequence[tuple[UUID, UUID]], now: datetime) -> None:
    """Let the next delivery of each (endpoint, order) be tried, where none of it is being tried."""
    if orders:
        endpoints, keys = zip(*orders, strict=True)
        await connection.execute(_PROMOTE, tenant_id, list(endpoints), list(keys), now)


async def reschedule(connection: Connection, tenant_id: UUID, endpoint_ids: Sequence[UUID]) -> None:
    """Say when somebody has to look at these lanes again."""
    await connection.execute(_RESCHEDULE, tenant_id, list(endpoint_ids))
