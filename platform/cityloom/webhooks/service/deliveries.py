"""Deliveries on request: tests, proofs, replays, examinations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from cityloom.core.events import AuditEntry
from cityloom.core.ids import encode_id, new_id
from cityloom.webhooks import lanes
from cityloom.webhooks import models as m
from cityloom.webhooks.errors import (
    CertificationUnderWay,
    KeyRetired,
    NothingToReplay,
    ReplayTooLarge,
    key_not_found,
)
from cityloom.webhooks.events import DeliveriesReplayed
from cityloom.webhooks.fanout import ENDPOINT_TAG
from cityloom.webhooks.permissions import CHANGE, REPLAY
from cityloom.webhooks.service.rows import find_endpoint, note

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from cityloom.core.work import Work

DELIVERY_TAG, KEY_TAG = "whdl", "whky"
#: Types of bodies that are no events of the stream.
TYPES = {"TEST": "webhooks.endpoint.test.v1", "PROOF": "webhooks.endpoint.key_proof.v1"}
MOST_REPLAYED = 10_000

_NAMED = """
SELECT id, order_key, state, lease IS NOT NULL AND due_at > $6 AS is_held FROM webhook_deliveries
WHERE tenant_id = $1 AND endpoint_id = $2 AND state <> 'WITHDRAWN' AND body_erased_at IS NULL
  AND ($3::uuid[] IS NULL OR id = ANY($3::uuid[]))
  AND ($4::bigint IS NULL OR sequence >= $4) AND ($5::bigint IS NULL OR sequence <= $5)
  AND ($7 = false OR state = 'EXHAUSTED' OR (state = 'DUE' AND tries > 0))
ORDER BY id LIMIT $8
"""
_REOPEN = """
UPDATE webhook_deliveries SET state = 'WAITING', tries = 0, first_tried_at = NULL, finished_at = NULL, lease = NULL,
  due_at = $3
WHERE tenant_id = $1 AND id = ANY($2::uuid[])
"""
_TRUST = "UPDATE webhook_lanes SET failures = 0, blocked_until = NULL WHERE tenant_id = $1 AND id = $2"
#: What is open and younger goes behind what is opened again, unless somebody is at it.
_STEP_BACK = """
UPDATE webhook_deliveries SET state = 'WAITING', lease = NULL
WHERE tenant_id = $1 AND endpoint_id = $2 AND order_key = ANY($3::uuid[]) AND state = 'DUE'
  AND (lease IS NULL OR due_at <= $4)
"""


async def add_unchained(
    work: Work, endpoint: m.WebhookEndpoint, kind: str, *, key_id: UUID | None
) -> m.WebhookDelivery:
    """A delivery that is no event: outside of the chain, waiting for nothing."""
    row_id, now = new_id(), work.now()
    webhook_id = encode_id(DELIVERY_TAG, work.tenant_id, row_id)
    data: dict[str, Any] = {"id": webhook_id, "endpoint": encode_id(ENDPOINT_TAG, work.tenant_id, endpoint.id)}
    if key_id is not None:
        data["key"] = encode_id(KEY_TAG, work.tenant_id, key_id)
    moment = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    row = m.WebhookDelivery(
        id=row_id,
        endpoint_id=endpoint.id,
        kind=kind,
        webhook_id=webhook_id,
        event_type=TYPES[kind],
        order_key=row_id,
        key_id=key_id,
        body=orjson.dumps({"type": TYPES[kind], "timestamp": moment, "data": data}),
        state="DUE",
        tries=0,
        due_at=now,
        created_at=now,
    )
    work.session.add(row)
    await work.session.flush()
    await lanes.reschedule(await work.connection(), work.tenant_id, [endpoint.id])
    return row


async def send_test(
    work: Work, endpoint_id: UUID | None, *, names_key: bool = False, key_id: UUID | None = None
) -> m.WebhookDelivery:
    """Have a test sent, signed by all keys; or a proof, signed by the key that is named alone."""
    endpoint = await find_endpoint(work, endpoint_id, CHANGE)
    if not names_key:
        row = await add_unchained(work, endpoint, "TEST", key_id=None)
    else:
        key = await work.session.get(m.WebhookKey, (work.tenant_id, key_id)) if key_id else None
        if key is None or key.endpoint_id != endpoint.id:
            raise key_not_found(("keyId",))
        if key.retired_at is not None:
            raise KeyRetired(path=("keyId",))
        row = await add_unchained(work, endpoint, "PROOF", key_id=key.id)
    note(work, endpoint, "TESTED")
    return row


async def replay(
    work: Work,
    endpoint_id: UUID | None,
    *,
    delivery_ids: Sequence[UUID | None] | None = None,
    first_sequence: int | None = None,
    last_sequence: int | None = None,
    only_missing: bool = False,
) -> m.WebhookEndpoint:
    """Have deliveries sent again, the same bytes under the same ids, oldest first.

    What failed and waits for its next try is tried now, and so is an endpoint that was left alone. `only_missing`:
    what was given up, and what has failed so far. What was withdrawn, or erased, is not sent again.

    Refuses (`NothingToReplay`) where none is named, and (`ReplayTooLarge`) more than 10,000 at once.
    """
    endpoint = await find_endpoint(work, endpoint_id, REPLAY)
    connection, now = await work.connection(), work.now()
    wanted = None if delivery_ids is None else [one for one in delivery_ids if one is not None]
    rows = await connection.fetch(
        _NAMED,
        work.tenant_id,
        endpoint.id,
        wanted,
        first_sequence,
        last_sequence,
        now,
        only_missing,
        MOST_REPLAYED + 1,
    )
    if not rows or (delivery_ids is not None and len(rows) < len(set(delivery_ids))):
        raise NothingToReplay
    if len(rows) > MOST_REPLAYED:
        raise ReplayTooLarge(most=MOST_REPLAYED)
    # What somebody is sending right now is being sent: nothing to add.
    free = [row for row in rows if not row["is_held"]]
    await connection.execute(_REOPEN, work.tenant_id, [row["id"] for row in free], now)
    orders = sorted({row["order_key"] for row in free})
    await connection.execute(_STEP_BACK, work.tenant_id, endpoint.id, orders, now)
    await connection.execute(_TRUST, work.tenant_id, endpoint.id)
    await lanes.promote(connection, work.tenant_id, [(endpoint.id, order) for order in orders], now)
    await lanes.reschedule(connection, work.tenant_id, [endpoint.id])
    work.emit(DeliveriesReplayed(subject_id=endpoint.id, count=len(rows)))
    work.audit(
        AuditEntry(
            action="webhooks.delivery.replay",
            object_tag=ENDPOINT_TAG,
            object_id=endpoint.id,
            after={"count": len(rows), "first": first_sequence, "last": last_sequence, "missing": only_missing},
        )
    )
    return endpoint


async def certify_endpoint(work: Work, endpoint_id: UUID | None) -> m.WebhookCertification:
    """Have an endpoint examined by a worker; the result is there within a minute or two."""
    endpoint = await find_endpoint(work, endpoint_id, CHANGE)
    lane = await work.session.get_one(m.WebhookLane, (work.tenant_id, endpoint.id))
    if lane.certification_id is not None:
        raise CertificationUnderWay(path=("id",))
    row = m.WebhookCertification(
        id=new_id(), endpoint_id=endpoint.id, state="REQUESTED", probes=[], requested_at=work.now()
    )
    work.session.add(row)
    lane.certification_id = row.id
    note(work, endpoint, "CERTIFICATION_REQUESTED")
    return row
