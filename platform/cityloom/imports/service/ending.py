"""Imports that are over: nothing of their files is kept, what was found stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete

from cityloom.core.events import AuditEntry
from cityloom.imports import events
from cityloom.imports import models as m
from cityloom.imports.service.uploads import TAG
from cityloom.imports.targets import Targets

if TYPE_CHECKING:
    from cityloom.core.work import Work


async def end(work: Work, row: m.Import, state: str, *, failure: str | None = None) -> None:
    """Let an import be over without having changed anything."""
    await forget_file(work, row)
    row.state, row.failure, row.ended_at = state, failure, work.now()
    work.emit(events.ImportEnded(subject_id=row.id, target=row.target, state=state))
    after = {"state": state, "failure": failure, "sha256": row.sha256}
    work.audit(AuditEntry(action="imports.import.end", object_tag=TAG, object_id=row.id, after=after))
    await work.session.flush()


async def forget_file(work: Work, row: m.Import) -> None:
    """Delete the chunks of a file and what was staged of it."""
    targets: Targets = work.services[Targets]
    if row.target in targets.by_name:
        await targets.by_name[row.target].discard(work, row.id)
    await work.session.execute(delete(m.ImportChunk).where(m.ImportChunk.import_id == row.id))
    row.claim = row.claimed_until = row.expires_at = None
