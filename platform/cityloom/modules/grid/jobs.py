"""What the grid has done for it every day."""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import or_, select, true

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.modules.areas.models import Area
from cityloom.modules.grid.models import TrackBatch, WorkerPosition
from cityloom.modules.grid.service import evaluate_days, forget_tracks

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select

    from cityloom.core.work import Work


async def evaluate_yesterday(work: Work) -> int:
    """Hold yesterday of everybody who patrols against the city's daily rule; nobody has to ask for it."""
    tops = (await work.session.scalars(select(Area.id).where(Area.parent_id.is_(None)))).all()
    for area_id in tops:
        await evaluate_days(work, area_id)
    return len(tops)


def _has_tracks(city: ColumnElement[UUID], now: datetime) -> Select[bool]:
    has_batches = select(true()).where(TrackBatch.tenant_id == city)
    is_past = select(true()).where(WorkerPosition.tenant_id == city, WorkerPosition.visible_until <= now)
    return select(true()).where(or_(has_batches.limit(1).scalar_subquery(), is_past.limit(1).scalar_subquery()))


JOBS = (
    Job("grid.days", Text("巡查日考核", "Evaluate patrol days"), timedelta(days=1), evaluate_yesterday, at=time(1, 30)),
    Job(
        "grid.tracks",
        Text("清理过期轨迹", "Forget old tracks"),
        timedelta(days=1),
        forget_tracks,
        at=time(3, 10),
        waiting=_has_tracks,
    ),
)
