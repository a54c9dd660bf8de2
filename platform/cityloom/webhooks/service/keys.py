"""Keys of endpoints: made, proven by a delivery that they alone sign, retired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from cityloom.core.errors import NotFound
from cityloom.core.ids import new_id
from cityloom.webhooks import models as m
from cityloom.webhooks import signing
from cityloom.webhooks.errors import KeyNotProven, KeyRetired, TooManyKeys, key_not_found
from cityloom.webhooks.permissions import CHANGE
from cityloom.webhooks.service.deliveries import add_unchained
from cityloom.webhooks.service.rows import find_endpoint, note
from cityloom.webhooks.targets import ring_of, seal_secret

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.work import Work

MOST_KEYS = 3


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as its owner is told of it, once."""

    row: m.WebhookKey
    secret: str


def add_key(work: Work, keys: TenantKeys, endpoint_id: UUID, algorithm: str) -> NewKey:
    """A further key of an endpoint; it signs from the commit on."""
    made, key_id = signing.new_secret(algorithm), new_id()
    row = m.WebhookKey(
        id=key_id,
        endpoint_id=endpoint_id,
        algorithm=algorithm,
        sealed_secret=seal_secret(keys, key_id, made.secret),
        public_key=made.public_key,
        created_at=work.now(),
    )
    work.session.add(row)
    return NewKey(row, made.secret)


async def rotate_key(work: Work, endpoint_id: UUID | None, algorithm: str) -> NewKey:
    """A new key beside the others: all of them sign, and a proof signed by the new one alone is sent until accepted."""
    endpoint = await find_endpoint(work, endpoint_id, CHANGE)
    count = await work.session.scalar(
        select(func.count()).where(
            m.WebhookKey.endpoint_id == endpoint.id,
            m.WebhookKey.algorithm == algorithm,
            m.WebhookKey.retired_at.is_(None),
        )
    )
    if (count or 0) >= MOST_KEYS:
        raise TooManyKeys(path=("algorithm",), most=MOST_KEYS)
    made = add_key(work, await ring_of(work).of(work.tenant_id), endpoint.id, algorithm)
    await work.session.flush()
    await add_unchained(work, endpoint, "PROOF", key_id=made.row.id)
    note(work, endpoint, "KEY_ROTATED", key_id=made.row.id)
    return made


async def retire_key(work: Work, key_id: UUID | None) -> m.WebhookKey:
    """Let a key sign no more. Refused (`KeyNotProven`) until the endpoint accepted a proof by another one alone."""
    work.authorise(CHANGE)
    row = await work.session.get(m.WebhookKey, (work.tenant_id, key_id)) if key_id else None
    if row is None:
        raise key_not_found()
    endpoint = await _endpoint_of(work, row)
    await work.session.refresh(row)
    if row.retired_at is not None:
        raise KeyRetired(path=("id",))
    proven = await work.session.scalar(
        select(func.count()).where(
            m.WebhookKey.endpoint_id == endpoint.id,
            m.WebhookKey.id != row.id,
            m.WebhookKey.retired_at.is_(None),
            m.WebhookKey.proven_at.is_not(None),
        )
    )
    if not proven:
        raise KeyNotProven(path=("id",))
    row.retired_at = work.now()
    note(work, endpoint, "KEY_RETIRED", key_id=row.id)
    return row


async def _endpoint_of(work: Work, row: m.WebhookKey) -> m.WebhookEndpoint:
    """The key's endpoint; a key of somebody else's endpoint is absent like the endpoint."""
    try:
        return await find_endpoint(work, row.endpoint_id, CHANGE)
    except NotFound:
        raise key_not_found() from None
