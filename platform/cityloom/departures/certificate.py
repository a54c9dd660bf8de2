"""The certificate of a departure: what was handed over and what was deleted, signed, and kept outside as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from cityloom.audit.checkpoints import Checkpoints
from cityloom.departures.erasing import KEPT

if TYPE_CHECKING:
    from datetime import datetime

    from cityloom.core.work import Works
    from cityloom.departures.models import TenantDeparture

FORMAT: Final = "cityloom-certificate/1"


def certificate_of(
    works: Works, departure: TenantDeparture, *, checkpoint: str | None, question: str, gone_at: datetime
) -> bytes:
    """The text that is signed: JSON with sorted keys. `checkpoint` is the SHA-256 of the last of the audit log."""
    outside: Checkpoints = works.services[Checkpoints]
    counts = departure.counts or {}
    stated: dict[str, Any] = {
        "format": FORMAT,
        "tenant": {"id": str(departure.tenant_id), "slug": departure.slug},
        "departure": str(departure.id),
        "key": outside.signer.public,
        "asked": {"by": departure.asked_by, "at": departure.asked_at, "reason": departure.reason},
        "handed_over": {
            "manifest_sha256": departure.manifest_hash,
            "exported_at": departure.exported_at,
            "confirmed_by": departure.confirmed_by,
            "confirmed_at": departure.confirmed_at,
            "last_checkpoint_sha256": checkpoint,
        },
        "keys_destroyed_at": departure.keys_destroyed_at,
        "rows_deleted": {"at": departure.rows_deleted_at, "total": sum(counts.values()), "by_table": counts},
        "files_deleted": {
            "at": departure.files_deleted_at,
            "objects": departure.object_count,
            "bytes": departure.object_bytes,
        },
        "verified": {"at": gone_at, "rows_left": 0, "objects_left": 0, "by": question},
        "kept": {
            "tables": sorted(KEPT),
            "audit_checkpoints": "signed hashes, outside of the database: they name nobody",
        },
    }
    return orjson.dumps(stated, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)


async def keep_outside(works: Works, departure: TenantDeparture, text: bytes) -> tuple[str, str]:
    """Sign a certificate and keep it beside the checkpoints; text and signature (base64) of the one that counts."""
    outside: Checkpoints = works.services[Checkpoints]
    place = f"departures/{departure.tenant_id.hex}/{departure.id.hex}.json"
    found = orjson.loads(await outside.keep(place, text))
    return found["stated"], found["signature"]
