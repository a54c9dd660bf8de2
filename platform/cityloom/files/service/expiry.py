"""Uploads that nothing used in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.core.events import AuditEntry
from cityloom.files import events
from cityloom.files import models as m
from cityloom.files.store import FileStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from cityloom.core.work import Work


async def expire(work: Work, *, most: int = 100) -> int:
    """Delete at most so many uploads whose time is over, bytes first; answers how many. Repeat while it is `most`.

    Safe to run from several processes at once, and again after it was interrupted.
    """
    files = (
        await work.session.scalars(
            select(m.StoredFile)
            .where(m.StoredFile.expires_at <= work.now())
            .order_by(m.StoredFile.expires_at)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
    ).all()
    await _remove(work, files)
    return len(files)


async def discard(work: Work, file_ids: list[UUID]) -> None:
    """Delete uploads whose bytes could not be kept."""
    files = await work.session.scalars(select(m.StoredFile).where(m.StoredFile.id.in_(file_ids)).with_for_update())
    await _remove(work, files.all())


async def _remove(work: Work, files: Sequence[m.StoredFile]) -> None:
    store: FileStore = work.services[FileStore]
    for file in files:
        await store.delete(work.tenant_id, file.id)
        await work.session.delete(file)
        work.emit(events.FileExpired(subject_id=file.id))
        work.audit(AuditEntry(action="files.file.expire", object_tag="file", object_id=file.id))
    await work.session.flush()
