"""What the grid holds of residents, and how long it keeps what was written at their doors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, func, or_, select, update

from cityloom.core.module import Retention
from cityloom.core.subjects import Fate, Holding
from cityloom.core.text import Text
from cityloom.modules.grid import models as m

if TYPE_CHECKING:
    from datetime import datetime

    from cityloom.core.work import Work

HOLDINGS = (
    Holding(
        table="visit_changes",
        column="resident_id",
        fate=Fate.CLEAR,
        title=Text("走访引起的变更", "What visits led to"),
        reason=Text(
            "作为网格员的工作记录保留,不再指明个人。",
            "Stays as a record of the worker's work, and names nobody any more.",
        ),
        cleared={"note": None},
    ),
)


def _written(before: datetime) -> ColumnElement[bool]:
    """Visits before a moment that still say something."""
    says = or_(m.Visit.note.is_not(None), m.Visit.answers != {})
    return (m.Visit.visited_at < before) & says


async def _count(work: Work, before: datetime) -> int:
    return await work.session.scalar(select(func.count()).select_from(m.Visit).where(_written(before))) or 0


async def _clear(work: Work, before: datetime, most: int) -> int:
    """Visits stay, for scores and coverage are counted by them; what was answered and noted goes."""
    query = select(m.Visit.id).where(_written(before)).order_by(m.Visit.visited_at).limit(most)
    found = (await work.session.scalars(query.with_for_update(skip_locked=True))).all()
    options = {"synchronize_session": False}
    visits = update(m.Visit).where(m.Visit.id.in_(found)).values(note=None, answers={})
    changes = update(m.VisitChange).where(m.VisitChange.visit_id.in_(found)).values(note=None)
    for statement in (visits, changes):
        await work.session.execute(statement.execution_options(**options))
    return len(found)


RETENTIONS = (
    Retention("visits", Text("走访:到期清除问答与备注", "Visits: answers and notes are cleared"), _count, _clear),
)
