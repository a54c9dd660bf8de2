"""Exports whose time is over, and files that were withdrawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.core.events import AuditEntry
from cityloom.exports import events
from cityloom.exports import models as m
from cityloom.exports.service import rows
from cityloom.files.store import FileStore

if TYPE_CHECKING:
    from cityloom.core.work import Work

BATCH = 100


async def expire(work: Work) -> int:
    """End at most `BATCH` exports that nobody decided on, and delete files whose time is over; answers how many.

    Of what was withdrawn the bytes are deleted: since then they can be opened by nobody.
    """
    store: FileStore = work.services[FileStore]
    found = (
        await work.session.scalars(
            select(m.Export)
            .where(m.Export.state.in_(("PENDING", "READY", "WITHDRAWN")), m.Export.expires_at <= work.now())
            .order_by(m.Export.expires_at)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
    ).all()
    for export in found:
        had_file = export.file_id is not None
        if export.file_id is not None:
            await store.delete(work.tenant_id, export.file_id)
            export.file_id = export.file_key = None
        await rows.forget_contents(work, export)
        if export.state == "WITHDRAWN":
            export.expires_at = None
            continue
        before = {"state": export.state}
        export.state, export.finished_at = "EXPIRED", export.finished_at or work.now()
        work.emit(events.ExportExpired(subject_id=export.id, had_file=had_file))
        work.audit(
            AuditEntry(
                action="exports.export.expire",
                object_tag=rows.TAG,
                object_id=export.id,
                before=before,
                after={"state": export.state},
            )
        )
    return len(found)
