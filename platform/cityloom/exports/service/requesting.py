"""Asking for an export, and taking it back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cityloom.core.errors import Forbidden
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.exports import events
from cityloom.exports import models as m
from cityloom.exports.errors import ExportOver, PurposeMissing, TooManyRows
from cityloom.exports.permissions import READ, REQUEST
from cityloom.exports.service import rows
from cityloom.exports.settings import settings_of
from cityloom.graph.wholes import Wholes

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.text import Locale
    from cityloom.core.work import Work
    from cityloom.graph.compiler import Whole

LEAST, MOST = 4, 500
_ENDED: Final = frozenset({"READY", "REJECTED", "CANCELLED", "FAILED", "EXPIRED", "WITHDRAWN"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants as a file. `headings` is the language of column names."""

    document: str
    purpose: str
    format: str = "CSV"
    variables: dict[str, Any] = field(default_factory=dict)
    headings: Locale = "zh"
    has_bom: bool = True


async def request_export(work: Work, asked: Asked) -> m.Export:
    """An export that is queued, or waits for a second person.

    That is needed where it could tell of more things than the city's limit, nested lists counted, or tells protected
    fields in full; what was counted is then the most that is delivered. Refuses (`Forbidden`, `PurposeMissing`,
    `TooManyRows`, and what `Wholes.whole` refuses).
    """
    account_id = rows.asker(work, REQUEST)
    purpose = asked.purpose.strip()
    if not LEAST <= len(purpose) <= MOST:
        raise PurposeMissing(path=("purpose",), least=LEAST, most=MOST)
    wholes: Wholes = work.services[Wholes]
    whole = await wholes.whole(work.principal, asked.document, asked.variables)
    demand_readable(whole)
    settings = await settings_of(work)
    counted = await whole.count(await work.connection(), context=work.services)
    if counted > settings.most_rows:
        raise TooManyRows(path=("document",), rows=counted, limit=settings.most_rows)
    reasons = [
        *(["ROWS"] if counted * whole.most > settings.approval_rows else []),
        *(["PROTECTED_FIELDS"] if whole.full else []),
    ]
    now, export_id = work.now(), new_id(int(work.now().timestamp() * 1000))
    export = m.Export(
        id=export_id,
        requester_id=account_id,
        client_id=work.principal.client_id,
        purpose=purpose,
        document=asked.document,
        document_hash=hashlib.sha256(asked.document.encode()).hexdigest(),
        variables=await rows.sealed_variables(work, export_id, asked.variables),
        root=whole.field,
        format=asked.format,
        headings=asked.headings,
        has_bom=asked.has_bom,
        state="PENDING",
        approval_reasons=reasons,
        protected_fields=list(whole.full),
        counted_rows=counted,
        row_bound=counted if reasons else settings.approval_rows // whole.most,
        watermark=await rows.watermark_of(work, export_id),
        requested_at=now,
        expires_at=now + timedelta(hours=settings.approval_hours) if reasons else None,
    )
    work.session.add(export)
    await work.session.flush()
    if not reasons:
        await rows.queue(work, export)
    work.emit(
        events.ExportRequested(
            subject_id=export.id,
            requester_id=account_id,
            root=export.root,
            format=export.format,
            counted_rows=counted,
            needs_approval=bool(reasons),
        )
    )
    after = {"document_sha256": export.document_hash, "rows": counted, "reasons": reasons, "format": export.format}
    work.audit(AuditEntry(action=REQUEST, object_tag=rows.TAG, object_id=export.id, purpose=purpose, after=after))
    return export


def demand_readable(whole: Whole) -> None:
    """Refuse (`Forbidden`) a list of which the caller may read nothing: it would be empty."""
    if whole.lacking is not None:
        raise Forbidden(permission=whole.lacking)


async def cancel_export(work: Work, export_id: UUID | None) -> m.Export:
    """Take an export back that is not ready yet; a worker that is at it stops. Refuses (`NotFound`, `ExportOver`)."""
    export = await rows.find_export(work, export_id, READ)
    if export.requester_id != work.principal.account_id:
        work.authorise("exports.export.approve")
    if export.state in _ENDED:
        raise ExportOver(state=export.state)
    before = {"state": export.state}
    await rows.forget_run(work, export)
    await rows.forget_contents(work, export)
    export.state, export.finished_at, export.expires_at = "CANCELLED", work.now(), None
    work.emit(events.ExportCancelled(subject_id=export.id))
    work.audit(
        AuditEntry(
            action="exports.export.cancel",
            object_tag=rows.TAG,
            object_id=export.id,
            before=before,
            after={"state": export.state},
        )
    )
    return export
