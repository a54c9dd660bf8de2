"""What is needed to send to an endpoint: its URL, its own headers, and its keys, opened and kept for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from cityloom.tenancy.keys import KeyRing
from cityloom.webhooks import signing
from cityloom.webhooks.models import WebhookEndpoint, WebhookKey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.work import Work

_KEPT = 10_000
_READ = """
SELECT e.id, e.version, e.url, e.sealed_headers, e.owner_account_id, k.id AS key_id, k.sealed_secret
FROM webhook_endpoints AS e
LEFT JOIN webhook_keys AS k ON k.tenant_id = $1 AND k.endpoint_id = e.id AND k.retired_at IS NULL
WHERE e.tenant_id = $1 AND e.id = ANY($2::uuid[]) ORDER BY k.id
"""


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint as it was at one version."""

    version: int
    url: str
    headers: Mapping[str, str]
    signers: Mapping[UUID, signing.Signer]
    owner_account_id: UUID

    def signed(self, webhook_id: str, at: datetime, body: bytes, *, key_id: UUID | None = None) -> dict[str, str]:
        """All headers of a delivery; signed by every key, or by the one that is named, while it is not retired."""
        signers = [one for known, one in self.signers.items() if key_id is None or known == key_id]
        return {**self.headers, **signing.headers(webhook_id, at, body, signers)}


def chained(sequence: int | None, previous: bytes | None) -> dict[str, str]:
    """The headers that tell a delivery's place in the chain; none for those outside of it."""
    if sequence is None or previous is None:
        return {}
    return {signing.SEQUENCE: str(sequence), signing.PREVIOUS_HASH: previous.hex()}


class Targets:
    """The targets that this process has opened; a changed endpoint has another version and is opened anew."""

    def __init__(self) -> None:
        self._kept: dict[tuple[UUID, UUID], Target] = {}

    def known(self, tenant_id: UUID, endpoint_id: UUID, version: int) -> Target | None:
        """The target where this version of it was opened already."""
        found = self._kept.get((tenant_id, endpoint_id))
        return found if found is not None and found.version == version else None

    async def open(self, work: Work, endpoint_ids: list[UUID], keys: TenantKeys | None = None) -> dict[UUID, Target]:
        """Read endpoints and their keys and open them."""
        keys = keys or await ring_of(work).of(work.tenant_id)
        connection = await work.connection()
        found: dict[UUID, Target] = {}
        signers: dict[UUID, dict[UUID, signing.Signer]] = {}
        rows = await connection.fetch(_READ, work.tenant_id, endpoint_ids)
        for row in rows:
            endpoint_id = UUID(bytes=row["id"].bytes)
            mine = signers.setdefault(endpoint_id, {})
            if row["key_id"] is not None:
                key_id = UUID(bytes=row["key_id"].bytes)
                mine[key_id] = signing.signer(open_secret(keys, key_id, row["sealed_secret"]))
            found[endpoint_id] = Target(
                row["version"],
                row["url"],
                open_headers(keys, endpoint_id, row["sealed_headers"]),
                mine,
                UUID(bytes=row["owner_account_id"].bytes),
            )
        if len(self._kept) > _KEPT:
            self._kept.clear()
        self._kept |= {(work.tenant_id, endpoint_id): target for endpoint_id, target in found.items()}
        return found


def ring_of(work: Work) -> KeyRing:
    """The key ring of this process."""
    ring: KeyRing = work.services[KeyRing]
    return ring


def seal_secret(keys: TenantKeys, key_id: UUID, secret: str) -> bytes:
    """A key's secret for its row."""
    return keys.seal(WebhookKey.__tablename__, "sealed_secret", key_id, secret)


def open_secret(keys: TenantKeys, key_id: UUID, envelope: bytes) -> str:
    """The secret of a key."""
    return keys.open(WebhookKey.__tablename__, "sealed_secret", key_id, envelope)


def seal_headers(keys: TenantKeys, endpoint_id: UUID, headers: Mapping[str, str]) -> bytes | None:
    """Custom headers for their endpoint's row; None where there are none."""
    if not headers:
        return None
    text = orjson.dumps(dict(headers)).decode()
    return keys.seal(WebhookEndpoint.__tablename__, "sealed_headers", endpoint_id, text)


def open_headers(keys: TenantKeys, endpoint_id: UUID, envelope: bytes | None) -> dict[str, str]:
    """The custom headers of an endpoint."""
    if envelope is None:
        return {}
    found: dict[str, str] = orjson.loads(
        keys.open(WebhookEndpoint.__tablename__, "sealed_headers", endpoint_id, envelope)
    )
    return found
