"""Erasing the bodies that tell of somebody who was erased, and what receivers answered to them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from cityloom.core.events import AuditEntry
from cityloom.webhooks import lanes
from cityloom.webhooks.events import BodiesErased
from cityloom.webhooks.fanout import ENDPOINT_TAG

if TYPE_CHECKING:
    from collections.abc import Collection

    from cityloom.core.work import Work

_TELLING = """
SELECT DISTINCT d.endpoint_id FROM webhook_delivery_contents AS c
JOIN webhook_deliveries AS d ON d.tenant_id = $1 AND d.id = c.id
WHERE c.tenant_id = $1 AND c.row_id = ANY($2::uuid[])
"""
#: What was not accepted yet is sent no more: the receiver is told of the erasure by an event of its own.
_ERASE = """
UPDATE webhook_deliveries AS d SET body = '', body_erased_at = $3, lease = NULL,
  state = CASE WHEN d.state IN ('WAITING', 'DUE') THEN 'WITHDRAWN' ELSE d.state END,
  finished_at = coalesce(d.finished_at, $3)
WHERE d.tenant_id = $1 AND d.body_erased_at IS NULL AND d.id IN (
  SELECT c.id FROM webhook_delivery_contents AS c WHERE c.tenant_id = $1 AND c.row_id = ANY($2::uuid[])
)
RETURNING d.id, d.endpoint_id, d.order_key
"""
#: A receiver may say again what it was sent, or what it knows of the person besides.
_ANSWERS = """
UPDATE webhook_attempts SET answer = NULL
WHERE tenant_id = $1 AND delivery_id = ANY($2::uuid[]) AND answer IS NOT NULL
"""
_FORGET = "DELETE FROM webhook_delivery_contents WHERE tenant_id = $1 AND id = ANY($2::uuid[])"


async def erase_bodies(work: Work, row_ids: Collection[UUID]) -> int:
    """Erase every body that tells of one of these rows, which were destroyed, with its answers; how many bodies.

    What is withdrawn leaves its number and its place in the chain behind, so that the rest can be verified.
    """
    connection, now, ids = await work.connection(), work.now(), list(row_ids)
    telling = await connection.fetch(_TELLING, work.tenant_id, ids)
    endpoints = sorted(UUID(bytes=row["endpoint_id"].bytes) for row in telling)
    if not endpoints:
        return 0
    await lanes.lock(connection, work.tenant_id, endpoints)
    rows = await connection.fetch(_ERASE, work.tenant_id, ids, now)
    erased = [row["id"] for row in rows]
    for statement in (_ANSWERS, _FORGET):
        await connection.execute(statement, work.tenant_id, erased)
    orders = sorted({(row["endpoint_id"], row["order_key"]) for row in rows})
    await lanes.promote(connection, work.tenant_id, orders, now)
    await lanes.reschedule(connection, work.tenant_id, endpoints)
    for endpoint_id in endpoints:
        count = sum(row["endpoint_id"] == endpoint_id for row in rows)
        work.emit(BodiesErased(subject_id=endpoint_id, count=count))
        work.audit(
            AuditEntry(
                action="webhooks.delivery.erase",
                object_tag=ENDPOINT_TAG,
                object_id=endpoint_id,
                after={"count": count},
            )
        )
    return len(rows)
