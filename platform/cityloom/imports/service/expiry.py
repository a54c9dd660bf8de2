"""Files that nobody has imported in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.imports import models as m
from cityloom.imports.service.ending import end, forget_file

if TYPE_CHECKING:
    from cityloom.core.work import Work

BATCH = 20


async def expire(work: Work) -> int:
    """End imports whose time is over, some at a time; answers how many. What a worker is at is left alone.

    Of one that is completed already, only what is left of its file is deleted: its worker died before it could.
    """
    rows = (
        await work.session.scalars(
            select(m.Import)
            .where(m.Import.expires_at <= work.now(), m.Import.state.not_in(m.WORKED_ON))
            .order_by(m.Import.expires_at)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
    ).all()
    for row in rows:
        if row.state in m.ENDED:
            await forget_file(work, row)
        else:
            await end(work, row, "CANCELLED", failure="EXPIRED")
    return len(rows)
