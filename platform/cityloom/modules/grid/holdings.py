"""What the grid holds of residents, and how long it keeps what was written at their doors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from cityloom.core.module import Retention
from cityloom.core.subjects import Fate, Holding
from cityloom.core.text import Text
from cityloom.modules.grid import models as m
from cityloom.modules.registry import models as registry
from cityloom.modules.registry.holdings import civil_day_of

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Table

    from cityloom.core.subjects import Person
    from cityloom.core.work import Work


def _at_their_door(visit: Table, person: Person) -> ColumnElement[bool]:
    """Visits that say something, and were to the home of the person while they lived there, or changed them.

    Nobody but the worker knows of whom in a household an answer or a note tells: it may be any who lived there.
    """
    lived = registry.ResidentStay.__table__.alias("lived")
    stood = registry.HouseholdStay.__table__.alias("stood")
    change = m.VisitChange.__table__.alias("change")
    day = civil_day_of(visit.c.visited_at)

    def on_that_day(tie: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a table of ties
        # The day of a move belongs to both homes.
        return and_(
            tie.c.tenant_id == visit.c.tenant_id,
            tie.c.from_on <= day,
            or_(tie.c.until_on.is_(None), tie.c.until_on >= day),
        )

    theirs = and_(lived.c.resident_id == person.id, on_that_day(lived))
    household = select(lived.c.id).where(theirs, lived.c.household_id == visit.c.household_id).exists()
    dwelling = (
        select(lived.c.id)
        .select_from(lived.join(stood, and_(stood.c.household_id == lived.c.household_id, on_that_day(stood))))
        .where(theirs, stood.c.dwelling_id == visit.c.dwelling_id)
        .exists()
    )
    changed = select(change.c.id).where(
        change.c.tenant_id == visit.c.tenant_id, change.c.visit_id == visit.c.id, change.c.resident_id == person.id
    )
    says = or_(visit.c.note.is_not(None), visit.c.answers != {})
    return and_(says, or_(household, and_(visit.c.household_id.is_(None), dwelling), changed.exists()))


HOLDINGS = (
    Holding(
        table="visits",
        column="household_id",
        rows=_at_their_door,
        fate=Fate.CLEAR,
        title=Text("走访的问答与备注", "Answers and notes of visits to their home"),
        reason=Text(
            "作为网格员的工作记录保留走访本身;问答与备注可能涉及同住他人,导出时不含,清除时删除。",
            "The visit stays as a record of the worker's work. Answers and notes may tell of others in the home: they"
            " are left out here, and erased.",
        ),
        cleared={"note": None, "answers": {}},
        hidden=frozenset({"note", "answers"}),
    ),
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
