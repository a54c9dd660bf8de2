"""The public keys of a city's endpoints, for whoever verifies signatures `v1a`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.core.ids import encode_id
from cityloom.tenancy.system import system_principal
from cityloom.webhooks import models as m
from cityloom.webhooks.service.deliveries import KEY_TAG
from cityloom.webhooks.signing import jwk

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Works

#: For how long a receiver may keep the keys (seconds); a new key signs beside the old ones for longer than this.
KEPT_SECONDS = 300


async def public_keys(works: Works, tenant_id: UUID) -> dict[str, list[dict[str, str]]]:
    """All keys of a city that sign `v1a` at present, as a JSON Web Key Set; public by nature."""
    async with works.begin(system_principal(tenant_id)) as work:
        rows = await work.session.scalars(
            select(m.WebhookKey)
            .where(m.WebhookKey.public_key.is_not(None), m.WebhookKey.retired_at.is_(None))
            .order_by(m.WebhookKey.id)
        )
        return {
            "keys": [
                jwk(encode_id(KEY_TAG, tenant_id, row.id), row.public_key) for row in rows if row.public_key is not None
            ]
        }
