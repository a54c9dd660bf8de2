"""Writing the audit log."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from cityloom.audit.models import AuditRecord
from cityloom.core.telemetry import trace_id

if TYPE_CHECKING:
    from cityloom.core.work import Work


def state_hash(state: dict[str, Any] | None) -> str | None:
    """SHA-256 over the canonical JSON of a state (sorted keys), in hexadecimal."""
    if state is None:
        return None
    return hashlib.sha256(orjson.dumps(state, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()


def changed_fields(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[str]:
    """Names of the fields whose value differs, sorted."""
    before, after = before or {}, after or {}
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


async def write_entries(work: Work) -> None:
    """Write the entries of a unit of work; runs before its commit."""
    actor, at = work.principal, work.now()
    for entry in work.audited:
        work.new(
            AuditRecord,
            recorded_at=at,
            actor_kind=actor.kind.value,
            account_id=actor.account_id,
            client_id=actor.client_id,
            action=entry.action,
            object_tag=entry.object_tag,
            object_id=entry.object_id,
            purpose=entry.purpose,
            before_hash=state_hash(entry.before),
            after_hash=state_hash(entry.after),
            changed_fields=changed_fields(entry.before, entry.after),
            trace_id=trace_id(),
        )
