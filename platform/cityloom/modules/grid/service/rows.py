"""Reaching, adding and changing rows of the grid: rights, locks, versions, audit entries, refusals."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy import select

from cityloom.core.constraints import refusing
from cityloom.core.errors import Forbidden
from cityloom.core.events import AuditEntry
from cityloom.modules.areas.service import demand_version
from cityloom.modules.areas.tree import place_in
from cityloom.modules.grid import models as m
from cityloom.modules.grid.errors import REFUSALS, NotYours, PlaceMovedMeanwhile, TextTooLong, not_found

if TYPE_CHECKING:
    from cityloom.core.principal import Scope
    from cityloom.core.work import Work
    from cityloom.modules.areas.models import Area

Row = TypeVar(
    "Row",
    m.PostAssignment,
    m.Shift,
    m.Patrol,
    m.PatrolDay,
    m.Visit,
    m.DailyReport,
    m.ScorePeriod,
    m.Score,
    m.ScoreAppeal,
    m.Award,
)
#: Tag of the global id, and the permission by which a row is seen.
KNOWN: dict[type[Any], tuple[str, str]] = {
    m.PostAssignment: ("pasg", "grid.post.read"),
    m.Shift: ("shft", "grid.shift.read"),
    m.Patrol: ("ptrl", "grid.patrol.read"),
    m.PatrolDay: ("pday", "grid.patrol.read"),
    m.Visit: ("visi", "grid.visit.read"),
    m.DailyReport: ("drep", "grid.report.read"),
    m.ScorePeriod: ("sper", "grid.score.read"),
    m.Score: ("scor", "grid.score.read"),
    m.ScoreAppeal: ("sapp", "grid.score.read"),
    m.Award: ("awrd", "grid.award.read"),
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_UNINTERESTING = frozenset({"tenant_id", "id", "version", "created_at", "changed_at", "area_path"})
#: What the audit log names but does not show.
_SECRET = frozenset(
    {
        "answers",
        "checked_in_longitude",
        "checked_in_latitude",
        "checked_out_longitude",
        "checked_out_latitude",
    }
)


async def reach(
    work: Work,
    model: type[Row],
    row_id: UUID | None,
    permission: str,
    *,
    path: tuple[str | int, ...] = ("id",),
    version: int | None = None,
    reads: str | None = None,
) -> Row:
    """One row, locked, for a caller who may do this to it.

    Refuses (`NotFound`) what is absent or may not be seen, (`Forbidden`) what may be seen but not this,
    (`ChangedMeanwhile`) another version. `reads` is the permission of seeing, where it is not the usual one.
    """
    found = await work.session.scalar(
        select(model).where(model.id == row_id).with_for_update().execution_options(populate_existing=True)
    )
    seen = work.rights.scope(reads or KNOWN[model][1])
    is_everybodys = model in {m.PostAssignment, m.ScorePeriod}
    if found is None or seen is None or not (is_everybodys or reaches(work, seen, found)):
        # Whoever may not do this at all is told so, whether or not the thing exists.
        work.authorise(permission)
        raise not_found(model.__tablename__, path)
    if not reaches(work, work.authorise(permission), found):
        raise Forbidden(permission=permission)
    demand_version(version, found.version)
    return found


def reaches(work: Work, scope: Scope, row: Any) -> bool:  # noqa: ANN401 - any row that lies in an area
    """Whether a scope reaches a row: by its area, or because it is the caller's own."""
    account_id = getattr(row, "account_id", None)
    return scope.covers(row.area_path) or (
        scope.own and account_id is not None and account_id == work.principal.account_id
    )


async def place(work: Work, area_id: UUID | None, permission: str, path: tuple[str | int, ...] = ("areaId",)) -> Area:
    """The open area into which the caller puts something; refuses (`AreaNotFound`, `AreaClosed`, `Forbidden`).

    Somebody whose right is over their own things alone may do this in any area: services check that they work there.
    """
    scope = work.authorise(permission)
    area = await place_in(work, area_id, path)
    if not (scope.covers(area.path) or scope.own):
        raise Forbidden(permission=permission)
    return area


def demand_own(work: Work, account_id: UUID) -> None:
    """Refuse (`NotYours`) what only the worker themselves can do."""
    if account_id != work.principal.account_id:
        raise NotYours


def caller(work: Work) -> UUID:
    """The caller's account; refuses (`NotYours`) callers without one."""
    if work.principal.account_id is None:
        raise NotYours
    return work.principal.account_id


async def insert(work: Work, action: str, row: Row) -> None:
    """Add a row; violated constraints become refusals."""
    row.version, row.created_at, row.changed_at = 1, work.now(), work.now()
    async with refusing(work, _refusals(row)):
        work.session.add(row)
    columns = {column.key: getattr(row, column.key) for column in type(row).__mapper__.column_attrs}
    after = {key: value for key, value in columns.items() if value is not None and key not in _UNINTERESTING}
    audit(work, action, row, after=after)


async def write(work: Work, action: str, row: Row, values: dict[str, Any]) -> bool:
    """Change the columns that differ; answers whether any did."""
    changed = {key: value for key, value in values.items() if getattr(row, key) != value}
    if not changed:
        return False
    before = {key: getattr(row, key) for key in changed}
    async with refusing(work, _refusals(row)):
        for key, value in changed.items():
            setattr(row, key, value)
        row.version += 1
        row.changed_at = work.now()
    audit(work, action, row, before=before, after=changed)
    return True


def audit(
    work: Work, action: str, row: Row, *, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None
) -> None:
    """Note a change in the audit log; what people answered and where they were is named, not shown."""
    work.audit(
        AuditEntry(
            action=action,
            object_tag=KNOWN[type(row)][0],
            object_id=row.id,
            before=None if before is None else _shown(before),
            after=None if after is None else _shown(after),
        )
    )


def _shown(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: "●"
        if key in _SECRET
        else value.isoformat()
        if isinstance(value, date | datetime)
        else str(value)
        if isinstance(value, UUID)
        else value
        for key, value in values.items()
    }


def _refusals(row: Row) -> dict[str, Any]:
    return REFUSALS | {f"fk_{row.__tablename__}_tenant_id_area_id_area_path": PlaceMovedMeanwhile}


def checked_text(value: str | None, name: str, limit: int) -> str:
    """A text without blanks around it, lines allowed; refuses (`TextTooLong`)."""
    value = (value or "").strip()
    if not 0 < len(value) <= limit or _CONTROL.search(value):
        raise TextTooLong(path=(name,), limit=limit)
    return value


def checked_optional(value: str | None, name: str, limit: int) -> str | None:
    """A text or none; blank is none."""
    return checked_text(value, name, limit) if value is not None and value.strip() else None
