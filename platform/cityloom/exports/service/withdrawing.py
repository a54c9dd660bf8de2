"""Taking files back that tell of somebody who was erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from cityloom.core.events import AuditEntry
from cityloom.exports import events
from cityloom.exports import models as m
from cityloom.exports.service import rows

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from cityloom.core.work import Work


async def withdraw(work: Work, row_ids: Collection[UUID]) -> int:
    """Take back every file that tells of one of these rows, which were destroyed; answers how many.

    The file's key is destroyed here, so that nobody opens it any more; its bytes are deleted soon after. What is being
    made at this moment may have read the rows before: it is begun again.
    """
    again = update(m.ExportRun).where(m.ExportRun.claim_id.is_not(None))
    values = {"claim_id": None, "claimed_until": None, "tries": m.ExportRun.tries - 1, "rows_done": 0}
    await work.session.execute(again.values(values).execution_options(synchronize_session=False))
    telling = select(m.ExportContent.id).where(m.ExportContent.row_ids.overlap(list(row_ids)))
    found = await work.session.scalars(
        select(m.Export)
        .where(m.Export.state == "READY", m.Export.id.in_(telling))
        .order_by(m.Export.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    exports = found.all()
    for export in exports:
        before = {"state": export.state}
        export.state, export.file_key, export.expires_at = "WITHDRAWN", None, work.now()
        # Its filters may name the person as well.
        export.variables = await rows.sealed_variables(work, export.id, {})
        await rows.forget_contents(work, export)
        work.emit(events.ExportWithdrawn(subject_id=export.id))
        work.audit(
            AuditEntry(
                action="exports.export.withdraw",
                object_tag=rows.TAG,
                object_id=export.id,
                before=before,
                after={"state": export.state},
            )
        )
    return len(exports)
