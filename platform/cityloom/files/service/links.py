"""Signed links: whoever may see a file is given an address that shows it for some minutes, without a credential.

An address is `tenant, file, variant, end` and a keyed hash of them under the tenant's own index key: nothing is stored,
and destroying the tenant's keys ends every link. A link lives on for its few minutes when rights are taken away.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cityloom.files.store import FileStore
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.errors import TenantNotFound
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from collections.abc import Sequence

LIVES = timedelta(minutes=10)
#: Links end at full minutes of this length, so that a page that is read again gets the same ones, which caches know.
_STEP = 300
_VARIANTS = ("", "thumbnail")
_FORM = struct.Struct(">16s16sBI")
_HASH = 32
#: States of a tenant in which its files are shown.
OPEN_STATES = frozenset({"ONBOARDING", "ACTIVE", "SUSPENDED"})


@dataclass(frozen=True, slots=True)
class Link:
    """What a link leads to."""

    tenant_id: UUID
    file_id: UUID
    variant: str


async def signed_links(
    services: dict[type, Any], files: Sequence[tuple[UUID, UUID]], variant: str = "", *, place: str = "files"
) -> list[str]:
    """Paths under the platform's address for (tenant, file), valid for ten to fifteen minutes.

    `place` names what they lead to: a slice above that keeps bytes of its own has its own place, and a link to one is
    none to the other.
    """
    ring: KeyRing = services[KeyRing]
    store: FileStore = services[FileStore]
    ends = (int((store.clock.now() + LIVES).timestamp()) // _STEP + 1) * _STEP
    found = []
    for tenant_id, file_id in files:
        keys = await ring.of(tenant_id)
        body = _FORM.pack(tenant_id.bytes, file_id.bytes, _VARIANTS.index(variant), ends)
        mark = keys.blind_index(place, "link", body.hex())
        found.append(f"/{place}/links/" + base64.urlsafe_b64encode(body + mark).rstrip(b"=").decode())
    return found


async def open_link(services: dict[type, Any], text: str, *, place: str = "files") -> Link | None:
    """What a link leads to; None for one that nobody signed, or that has ended."""
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(content) != _FORM.size + _HASH:
        return None
    body, mark = content[: _FORM.size], content[_FORM.size :]
    tenant, file, variant, ends = _FORM.unpack(body)
    store: FileStore = services[FileStore]
    if variant >= len(_VARIANTS) or datetime.fromtimestamp(ends, UTC) <= store.clock.now():
        return None
    directory: TenantDirectory | None = services.get(TenantDirectory)
    try:
        # Asked first: whoever makes links up must not make the ring look for, and make, keys of cities that are not.
        config = await directory.get(UUID(bytes=tenant)) if directory is not None else None
    except TenantNotFound:
        return None
    if config is not None and config.state not in OPEN_STATES:
        return None
    ring: KeyRing = services[KeyRing]
    keys = await ring.of(UUID(bytes=tenant))
    if not any(hmac.compare_digest(mark, known) for known in keys.blind_indexes(place, "link", body.hex())):
        return None
    return Link(UUID(bytes=tenant), UUID(bytes=file), _VARIANTS[variant])
