"""The matter catalogue: what each entry inherits, and how matters are proposed and admitted (准入)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cityloom.access.models import Department
from cityloom.core.constraints import refusing
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.modules.cases import events
from cityloom.modules.cases import models as m
from cityloom.modules.cases.errors import REFUSALS, ApprovedByProposer, MatterDecided, absent
from cityloom.modules.cases.service.intake import CALLERS
from cityloom.modules.cases.service.record import checked_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from cityloom.core.work import Work

PROPOSE, APPROVE = "cases.matter.propose", "cases.matter.approve"
#: Entries that are part of the tree; proposals are not yet.
_ADMITTED = frozenset({"ADMITTED", "WITHDRAWN"})
#: What an entry takes from the one above it where it says nothing itself.
INHERITED = ("workflow", "department", "priority", "reporters", "anonymous", "limits", "needs")
_USUAL: dict[str, Any] = {
    "workflow": None,
    "department": None,
    "priority": "NORMAL",
    "reporters": list(CALLERS),
    "anonymous": None,
    "limits": {},
    "needs": [],
}


def settled(stated: Mapping[str, Any], above: Mapping[str, Any] | None) -> dict[str, Any]:
    """What holds for an entry: what it states itself, else what holds above it; limits are joined state by state."""
    found = {name: stated.get(name) for name in INHERITED}
    base = above or _USUAL
    for name in INHERITED:
        if found[name] is None:
            found[name] = base[name]
    found["limits"] = {**(base["limits"] or {}), **(stated.get("limits") or {})}
    return found


async def settle_all(work: Work) -> None:
    """Work out again what every matter inherits: the catalogue is small, and this is the one place that knows how."""
    rows = list(await work.session.scalars(select(m.Matter).execution_options(populate_existing=True)))
    departments: dict[str, UUID] = {
        row[0]: row[1] for row in await work.session.execute(select(Department.code, Department.id))
    }
    known: dict[UUID | None, dict[str, Any] | None] = {None: None}
    depths: dict[UUID | None, int] = {None: -1}
    parents = {row.parent_id for row in rows if row.admission in _ADMITTED}
    for row in _top_down(rows):
        found = known[row.id] = settled(row.stated, known.get(row.parent_id))
        depths[row.id] = row.depth = depths[row.parent_id] + 1
        row.workflow_code, row.priority = found["workflow"], found["priority"]
        row.department_id = departments.get(found["department"] or "")
        row.reporters, row.limits, row.needs = found["reporters"], found["limits"], found["needs"]
        row.allows_anonymous = bool(found["anonymous"])
        row.is_reportable = row.id not in parents and row.workflow_code is not None
    async with refusing(work, REFUSALS):
        pass


def _top_down(rows: Iterable[m.Matter]) -> Iterable[m.Matter]:
    below: dict[UUID | None, list[m.Matter]] = {}
    for row in rows:
        below.setdefault(row.parent_id, []).append(row)
    todo = list(below.get(None, []))
    while todo:
        row = todo.pop()
        yield row
        todo += below.get(row.id, [])


def blank(work: Work, code: str, **values: Any) -> m.Matter:  # noqa: ANN401 - columns
    """A new entry; what it inherits is worked out by `settle_all`."""
    return m.Matter(
        id=new_id(),
        code=code,
        depth=0,
        priority="NORMAL",
        reporters=[],
        limits={},
        needs=[],
        allows_anonymous=False,
        is_reportable=False,
        version=1,
        changed_at=work.now(),
        **values,
    )


async def propose(
    work: Work,
    *,
    code: str,
    name_zh: str,
    name_en: str,
    parent_id: UUID | None = None,
    department_code: str | None = None,
    priority: str | None = None,
) -> m.Matter:
    """Ask for a matter to be admitted below another one, whose workflow it takes. It cannot be reported before that.

    Refuses (`Forbidden`, `NotFound`, `MatterCodeTaken`, `TextWrong`).
    """
    work.authorise(PROPOSE)
    parent = await work.session.scalar(select(m.Matter).where(m.Matter.id == parent_id))
    if parent is None:
        raise absent("matter", ("parentId",))
    stated = {"department": department_code, "priority": priority}
    matter = blank(
        work,
        checked_text(code, "code", 40),
        parent_id=parent.id,
        name_zh=checked_text(name_zh, "nameZh", 100),
        name_en=checked_text(name_en, "nameEn", 200),
        admission="PROPOSED",
        stated={key: value for key, value in stated.items() if value is not None},
        is_from_pack=False,
        proposed_by_id=work.principal.account_id,
    )
    async with refusing(work, REFUSALS):
        work.session.add(matter)
    # A proposal does not make its parent a class yet: what can be reported today still can.
    _note(work, PROPOSE, matter)
    return matter


async def decide(work: Work, matter_id: UUID | None, *, is_admitted: bool) -> m.Matter:
    """Admit or refuse a proposed matter; never by who proposed it.

    Refuses (`Forbidden`, `NotFound`, `MatterDecided`, `ApprovedByProposer`).
    """
    work.authorise(APPROVE, area_path="")
    matter = await work.session.scalar(
        select(m.Matter).where(m.Matter.id == matter_id).with_for_update().execution_options(populate_existing=True)
    )
    if matter is None:
        raise absent("matter")
    if matter.admission != "PROPOSED":
        raise MatterDecided(path=("id",))
    if matter.proposed_by_id is not None and matter.proposed_by_id == work.principal.account_id:
        raise ApprovedByProposer(path=("id",))
    matter.admission = "ADMITTED" if is_admitted else "REFUSED"
    matter.approved_by_id = work.principal.account_id
    matter.version += 1
    matter.changed_at = work.now()
    await work.session.flush()
    await settle_all(work)
    _note(work, APPROVE, matter)
    return matter


def _note(work: Work, action: str, matter: m.Matter) -> None:
    work.emit(events.MatterChanged(subject_id=matter.id, code=matter.code, admission=matter.admission))
    after = {"code": matter.code, "admission": matter.admission}
    work.audit(AuditEntry(action=action, object_tag="matr", object_id=matter.id, after=after))
