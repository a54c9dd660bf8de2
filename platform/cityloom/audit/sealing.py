"""Sealing: entries get their places in the chain."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import orjson
from sqlalchemy import func, insert, select, true

from cityloom.audit.models import AuditRecord, AuditSeal
from cityloom.core.ids import new_id

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select

    from cityloom.core.work import Work

#: Entries that one transaction seals.
BATCH: Final = 1_000
#: How much later than an entry sealed already another may be committed that was recorded before it: entries are
#: recorded at the end of a transaction, and machines' clocks differ. One that is older is not sealed: it was put in.
LATENESS: Final = timedelta(minutes=10)
FIRST: Final = bytes(32)
_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)


def canonical(record: AuditRecord) -> bytes:
    """The text that is sealed: JSON with sorted keys, without spaces, in UTF-8; ids in hexadecimal, times in UTC."""
    return orjson.dumps(
        {
            "account": record.account_id and record.account_id.hex,
            "action": record.action,
            "actor": record.actor_kind,
            "after": record.after_hash,
            "before": record.before_hash,
            "changed": record.changed_fields,
            "client": record.client_id and record.client_id.hex,
            "id": record.id.hex,
            "object": f"{record.object_tag}:{record.object_id.hex}",
            "purpose": record.purpose,
            "recorded_at": f"{record.recorded_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            "tenant": record.tenant_id.hex,
            "trace": record.trace_id,
        },
        option=orjson.OPT_SORT_KEYS,
    )


def is_unsealed(city: ColumnElement[UUID], _now: datetime) -> Select[bool]:
    """Whether a city has entries that `seal` would seal."""
    last = select(AuditSeal.latest_at).where(AuditSeal.tenant_id == city).order_by(AuditSeal.position.desc()).limit(1)
    oldest = func.coalesce(last.scalar_subquery() - LATENESS, _BEGINNING)
    is_sealed = select(AuditSeal.id).where(AuditSeal.tenant_id == city, AuditSeal.record_id == AuditRecord.id).exists()
    return select(true()).where(AuditRecord.tenant_id == city, AuditRecord.recorded_at >= oldest, ~is_sealed)


async def seal(work: Work) -> int:
    """Seal what was recorded since the last time, at most a batch; how many entries that was.

    One process at a time does it (`core.module.Job`); if two did, the second would fail on the position.
    """
    last = await work.session.scalar(select(AuditSeal).order_by(AuditSeal.position.desc()).limit(1))
    position, value, latest = (last.position, last.hash, last.latest_at) if last else (0, FIRST, _BEGINNING)
    is_sealed = select(AuditSeal.id).where(AuditSeal.record_id == AuditRecord.id).exists()
    query = (
        select(AuditRecord)
        .where(AuditRecord.recorded_at >= latest - LATENESS, ~is_sealed)
        .order_by(AuditRecord.recorded_at, AuditRecord.id)
        .limit(BATCH)
    )
    rows = []
    for record in await work.session.scalars(query):
        position += 1
        value = hashlib.sha256(value + canonical(record)).digest()
        latest = max(latest, record.recorded_at)
        rows.append(
            {
                "tenant_id": work.tenant_id,
                "id": new_id(),
                "position": position,
                "record_id": record.id,
                "hash": value,
                "latest_at": latest,
                "sealed_at": work.now(),
            }
        )
    if rows:
        await work.session.execute(insert(AuditSeal), rows)
    return len(rows)
