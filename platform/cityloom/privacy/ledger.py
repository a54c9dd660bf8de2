"""The ledger of erasures outside of the database: what a restored backup has to be brought up to.

Each erasure is an object `erasures/<tenant>/<erasure>.json`, signed, beside the checkpoints of the audit log, where
who may write the database may not write. It names the person by the id that their row had, and holds nothing else.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidSignature

from cityloom.audit.checkpoints import Checkpoints

if TYPE_CHECKING:
    from cityloom.core.work import Work
    from cityloom.privacy.models import Erasure


class LedgerForged(Exception):
    """An entry of the ledger of erasures has no valid signature of this installation: nothing was erased by it."""


@dataclass(frozen=True, slots=True)
class Noted:
    """One entry of the ledger."""

    erasure_id: UUID
    tag: str
    person_id: UUID
    reason: str


def _folder(tenant_id: UUID) -> str:
    return f"erasures/{tenant_id.hex}"


async def note(work: Work, erasure: Erasure) -> None:
    """Write an erasure down outside; a second time changes nothing."""
    outside: Checkpoints = work.services[Checkpoints]
    stated = orjson.dumps(
        {
            "erasure": erasure.id.hex,
            "person": f"{erasure.subject_tag}:{erasure.subject_id.hex}",
            "reason": erasure.reason,
            "tenant": work.tenant_id.hex,
        },
        option=orjson.OPT_SORT_KEYS,
    )
    await outside.keep(f"{_folder(work.tenant_id)}/{erasure.id.hex}.json", stated)


async def noted(work: Work) -> list[Noted]:
    """All entries of the work's tenant, oldest first; raises `LedgerForged` for one that nobody here signed."""
    outside: Checkpoints = work.services[Checkpoints]
    public = outside.signer.private.public_key()
    found = []
    async for page in outside.store.list(_folder(work.tenant_id)):
        for path in sorted(str(entry["path"]) for entry in page):
            read = orjson.loads(bytes(await (await outside.store.get_async(path)).bytes_async()))
            try:
                public.verify(base64.b64decode(read["signature"]), read["stated"].encode())
            except InvalidSignature as error:
                raise LedgerForged(path) from error
            stated = orjson.loads(read["stated"])
            if stated["tenant"] != work.tenant_id.hex:
                raise LedgerForged(path)
            tag, _, person = stated["person"].partition(":")
            found.append(Noted(UUID(hex=stated["erasure"]), tag, UUID(hex=person), stated["reason"]))
    return sorted(found, key=lambda one: one.erasure_id)
