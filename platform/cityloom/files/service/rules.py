"""Who may upload now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from cityloom.files import models as m
from cityloom.files.errors import TooManyFresh
from cityloom.files.settings import settings_of

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

UPLOAD = "files.file.upload"


async def demand_upload(work: Work) -> None:
    """Refuse (`Forbidden`, `TooManyFresh`) a caller who may not upload now, before their bytes are read."""
    work.authorise(UPLOAD)
    if work.principal.account_id is not None:
        await demand_few_fresh(work, work.principal.account_id)


async def demand_few_fresh(work: Work, account_id: UUID) -> None:
    """Refuse (`TooManyFresh`) an account with as many unused uploads as the city allows."""
    most = (await settings_of(work)).fresh_most
    fresh = select(m.StoredFile.id).where(m.StoredFile.uploader_id == account_id, m.StoredFile.expires_at > work.now())
    found = await work.session.scalar(select(func.count()).select_from(fresh.limit(most).subquery())) or 0
    if found >= most:
        raise TooManyFresh(limit=most)
