"""The second person's decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.core.events import AuditEntry
from cityloom.exports import events
from cityloom.exports.errors import BoundWrong, ExportNotPending, OwnExport
from cityloom.exports.permissions import APPROVE
from cityloom.exports.service import rows

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.exports import models as m


async def approve_export(
    work: Work, export_id: UUID | None, *, note: str | None = None, row_bound: int | None = None
) -> m.Export:
    """Let an export run, for at most the rows that were counted, or fewer.

    Refuses (`Forbidden`, `NotFound`, `OwnExport`, `ExportNotPending`, `BoundWrong`).
    """
    export = await _pending(work, export_id)
    if row_bound is not None:
        if not 1 <= row_bound <= export.counted_rows:
            raise BoundWrong(path=("row_bound",), counted=export.counted_rows)
        export.row_bound = row_bound
    decider = _decide(work, export, note)
    export.expires_at = None
    await rows.queue(work, export)
    work.emit(events.ExportApproved(subject_id=export.id, decider_id=decider, row_bound=export.row_bound))
    _audit(work, export, APPROVE)
    return export


async def reject_export(work: Work, export_id: UUID | None, *, note: str) -> m.Export:
    """Refuse an export. Refuses (`Forbidden`, `NotFound`, `OwnExport`, `ExportNotPending`)."""
    export = await _pending(work, export_id)
    decider = _decide(work, export, note)
    export.state, export.finished_at, export.expires_at = "REJECTED", work.now(), None
    work.emit(events.ExportRejected(subject_id=export.id, decider_id=decider))
    _audit(work, export, "exports.export.reject")
    return export


async def _pending(work: Work, export_id: UUID | None) -> m.Export:
    export = await rows.find_export(work, export_id, APPROVE)
    if export.requester_id == rows.asker(work, APPROVE):
        raise OwnExport
    if export.state != "PENDING" or (export.expires_at is not None and export.expires_at <= work.now()):
        raise ExportNotPending(state="EXPIRED" if export.state == "PENDING" else export.state)
    return export


def _decide(work: Work, export: m.Export, note: str | None) -> UUID:
    export.decider_id = decider = rows.asker(work, APPROVE)
    export.decided_at, export.decision_note = work.now(), note
    return decider


def _audit(work: Work, export: m.Export, action: str) -> None:
    after = {"state": export.state, "row_bound": export.row_bound, "document_sha256": export.document_hash}
    entry = AuditEntry(
        action=action,
        object_tag=rows.TAG,
        object_id=export.id,
        purpose=export.purpose,
        before={"state": "PENDING"},
        after=after,
    )
    work.audit(entry)
