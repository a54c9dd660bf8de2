"""Getting an export's file: each time a sensitive read, by a link of some minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cityloom.core.events import AuditEntry
from cityloom.exports import events
from cityloom.exports import models as m
from cityloom.exports.errors import ExportNotReady, ExportWithdrawn, NotYourExport, RightsNarrowed
from cityloom.exports.permissions import READ
from cityloom.exports.service import rows
from cityloom.files.service import open_link, signed_links

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

#: The place of links to exports.
PLACE = "exports"


async def download_export(work: Work, export_id: UUID | None) -> tuple[m.Export, str]:
    """The export, and a path under the platform's address that gives its file to anybody for some minutes.

    Refuses (`Forbidden`, `NotFound`, `NotYourExport`, `ExportWithdrawn`, `ExportNotReady`, `RightsNarrowed`).
    """
    export = await rows.find_export(work, export_id, READ)
    if export.requester_id != rows.asker(work, READ):
        raise NotYourExport
    if export.state == "WITHDRAWN":
        raise ExportWithdrawn
    if not is_there(work, export):
        raise ExportNotReady(state=export.state)
    if not rows.still_hold(work.rights, export.rights or {"scopes": {}, "fields": []}):
        raise RightsNarrowed
    (link,) = await signed_links(work.services, [(work.tenant_id, export.id)], place=PLACE)
    work.emit(events.ExportDownloaded(subject_id=export.id, account_id=export.requester_id))
    work.audit(
        AuditEntry(
            action="exports.export.download",
            object_tag=rows.TAG,
            object_id=export.id,
            purpose=export.purpose,
            after={"sha256": export.sha256},
        )
    )
    return export, link


def is_there(work: Work, export: m.Export) -> bool:
    """Whether there is a file, and its time is not over."""
    return export.state == "READY" and export.expires_at is not None and export.expires_at > work.now()


async def open_file(services: dict[type, Any], link: str) -> tuple[UUID, UUID] | None:
    """Tenant and export that a link leads to; None for one that nobody signed, or that has ended."""
    found = await open_link(services, link, place=PLACE)
    return None if found is None else (found.tenant_id, found.file_id)


async def note_fetch(work: Work, export_id: UUID) -> m.Export | None:
    """Note, as the platform itself, that a file is fetched by its link; None where it is there no more."""
    export = await work.session.scalar(select(m.Export).where(m.Export.id == export_id).with_for_update())
    if export is None or not is_there(work, export):
        return None
    export.download_count += 1
    after = {"sha256": export.sha256, "download_count": export.download_count}
    work.audit(
        AuditEntry(
            action="exports.export.fetch", object_tag=rows.TAG, object_id=export.id, purpose=export.purpose, after=after
        )
    )
    return export
