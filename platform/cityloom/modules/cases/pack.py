"""Cases in a tenant pack: `workflows/<code>.toml`, `matters.csv`, `business_days.csv`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import delete, select

from cityloom.access.pack import DEPARTMENTS, MEMBERSHIPS
from cityloom.core.constraints import refusing
from cityloom.core.events import AuditEntry
from cityloom.modules.cases import models as m
from cityloom.modules.cases.errors import MatterStillUsed
from cityloom.modules.cases.events import CatalogueWritten
from cityloom.modules.cases.flow import VERBS, Workflow, faults
from cityloom.modules.cases.service import catalogue
from cityloom.modules.cases.service.flows import forget_calendar
from cityloom.modules.cases.service.workflows import publish, withdraw
from cityloom.tenancy.packs import CsvTable, PackPart, PackRow, TomlFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.tenancy.packs import Difference, Differences, Entry, Pack, Problems
    from cityloom.tenancy.packs.parts import Rows

_LIMIT = r"[a-z][a-z0-9_]*=[1-9][0-9]{0,4}(?:m|h|d|wm|wh|wd)"
_VERB = "|".join(verb.lower() for verb in VERBS)
_NEED = rf"(?:{_VERB}):(?:comment|assignee|photo_before|photo_after|near:[1-9][0-9]{{0,4}})"


class MatterRow(PackRow):
    """One matter. Empty cells are inherited from the parent.

    `reporters`: words from staff, resident, system; `limits`: `state=limit` joined by `;`; `needs`: `verb:need` too.
    """

    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
    parent: str | None = None
    name_zh: Annotated[str, Field(min_length=1, max_length=100)]
    name_en: Annotated[str, Field(min_length=1, max_length=200)]
    workflow: str | None = None
    department: str | None = None
    priority: Literal["LOW", "NORMAL", "HIGH", "URGENT"] | None = None
    reporters: Annotated[str, Field(pattern=r"^(staff|resident|system)( (staff|resident|system))*$")] | None = None
    anonymous: bool | None = None
    limits: Annotated[str, Field(pattern=rf"^{_LIMIT}(?:;{_LIMIT})*$")] | None = None
    needs: Annotated[str, Field(pattern=rf"^{_NEED}(?:;{_NEED})*$")] | None = None
    source: Annotated[str, Field(max_length=100)] | None = None
    valid_from: date | None = None
    valid_to: date | None = None

    def stated(self) -> dict[str, Any]:
        """What it says of itself, as `catalogue.settled` reads it; the row's own texts are kept for the export."""
        found: dict[str, Any] = {
            "workflow": self.workflow,
            "department": self.department,
            "priority": self.priority,
            "anonymous": self.anonymous,
            "reporters": self.reporters.split() if self.reporters else None,
            "limits": dict(pair.split("=") for pair in self.limits.split(";")) if self.limits else None,
            "needs": self.needs.split(";") if self.needs else None,
        }
        texts = {"reporters": self.reporters, "limits": self.limits, "needs": self.needs}
        return {key: value for key, value in found.items() if value is not None} | {
            "texts": {key: value for key, value in texts.items() if value is not None}
        }


class BusinessDayRow(PackRow):
    """A day on which the city works, or does not, whatever the state's calendar says."""

    day: date
    is_workday: bool
    name: Annotated[str, Field(max_length=60)] | None = None


WORKFLOWS = TomlFolder("workflows", Workflow, key=("code",))
MATTERS = CsvTable("matters.csv", MatterRow, key=("code",))
BUSINESS_DAYS = CsvTable("business_days.csv", BusinessDayRow, key=("day",))


class CasesPart(PackPart):
    """Workflows, matters and business days; written after memberships, because roles must have holders."""

    name = "cases"
    tables = (WORKFLOWS, MATTERS, BUSINESS_DAYS)
    order = 2

    def check(self, pack: Pack, problems: Problems) -> None:
        """Workflows are whole and their roles held; matters name what there is and do not run in circles."""
        held = {entry.row.role for entry in pack.entries(MEMBERSHIPS)}
        flows = {entry.row.code: entry.row for entry in pack.entries(WORKFLOWS)}
        for flow in pack.entries(WORKFLOWS):
            _check_flow(flow, held, problems, is_tenant=pack.tenant is not None)
        for matter in pack.entries(MATTERS):
            _check_matter(matter, pack, flows, problems)

    async def read(self, work: Work) -> Rows:
        """Current workflow versions, matters that came from a pack, and the city's own days."""
        versions = await work.session.scalars(select(m.WorkflowVersion).where(m.WorkflowVersion.is_current))
        flows = [Workflow.model_validate(version.definition) for version in versions]
        rows = (await work.session.scalars(select(m.Matter))).all()
        codes = {row.id: row.code for row in rows}
        matters = [_matter_row(row, codes) for row in rows if row.is_from_pack]
        days = [
            BusinessDayRow(day=row.day, is_workday=row.is_workday, name=row.name)
            for row in await work.session.scalars(select(m.BusinessDay))
        ]
        return {WORKFLOWS: flows, MATTERS: matters, BUSINESS_DAYS: days}

    async def write(self, work: Work, differences: Differences) -> None:
        """Make it so; refuses what open cases or matters still need."""
        flows, matters, days = differences[WORKFLOWS], differences[MATTERS], differences[BUSINESS_DAYS]
        await _write_days(work, days)
        for flow in (*flows.added, *(new for _, new in flows.changed)):
            await publish(work, flow)
        await _write_matters(work, matters)
        for flow in flows.removed:
            await withdraw(work, flow.code)
        tables = tuple(
            name for name, found in zip((t.name for t in self.tables), (flows, matters, days), strict=True) if found
        )
        work.emit(CatalogueWritten(subject_id=work.tenant_id, tables=tables))
        work.audit(
            AuditEntry(
                action="cases.pack.write", object_tag="tent", object_id=work.tenant_id, after={"tables": list(tables)}
            )
        )


def _check_flow(entry: Entry[Workflow], held: set[str], problems: Problems, *, is_tenant: bool) -> None:
    for fault in faults(entry.row):
        problems.add(entry, fault.place, zh=fault.zh, en=fault.en)
    for role, place in entry.row.roles():
        # A base pack has no accounts: the cities that build on it do.
        if is_tenant and role not in held:
            problems.add(
                entry,
                place,
                zh=f"没有人担任角色 {role!r}",
                en=f"nobody holds the role {role!r}",
                hint_zh="请在 memberships.csv 中授予",
                hint_en="give it to somebody in memberships.csv",
            )


def _check_matter(entry: Entry[MatterRow], pack: Pack, flows: dict[str, Workflow], problems: Problems) -> None:
    row = entry.row
    if row.workflow is not None and row.workflow not in flows:
        problems.add(entry, "workflow", zh=f"没有流程 {row.workflow!r}", en=f"there is no workflow {row.workflow!r}")
    if row.department is not None and pack.tenant is not None and pack.find(DEPARTMENTS, row.department) is None:
        problems.add(
            entry, "department", zh=f"没有部门 {row.department!r}", en=f"there is no department {row.department!r}"
        )
    if row.valid_from and row.valid_to and row.valid_to < row.valid_from:
        problems.add(entry, "valid_to", zh="不能早于 valid_from", en="it is not before valid_from")
    chain = _chain(entry, pack, problems)
    if chain is None:
        return
    code = next((one.workflow for one in chain if one.workflow is not None), None)
    flow = flows.get(code or "")
    states = {state.code for state in flow.states if not state.is_terminal} if flow else set()
    for state in (row.stated().get("limits") or {}) if flow else ():
        if state not in states:
            problems.add(
                entry,
                "limits",
                zh=f"流程 {code!r} 没有状态 {state!r}",
                en=f"the workflow {code!r} has no state {state!r}",
            )


def _chain(entry: Entry[MatterRow], pack: Pack, problems: Problems) -> list[MatterRow] | None:
    """The row and all above it; None, and a problem, where that leads nowhere."""
    chain, seen, row = [entry.row], {entry.row.code}, entry.row
    while row.parent is not None:
        found = pack.find(MATTERS, row.parent)
        if found is None or row.parent in seen:
            problems.add(
                entry,
                "parent",
                zh=f"没有上级事项 {row.parent!r},或循环隶属",
                en=f"there is no matter {row.parent!r}, or the matters run in a circle",
            )
            return None
        row = found.row
        seen.add(row.code)
        chain.append(row)
    return chain


def _matter_row(row: m.Matter, codes: dict[UUID, str]) -> MatterRow:
    stated, texts = row.stated, row.stated.get("texts", {})
    return MatterRow(
        code=row.code,
        parent=codes[row.parent_id] if row.parent_id else None,
        name_zh=row.name_zh,
        name_en=row.name_en,
        workflow=stated.get("workflow"),
        department=stated.get("department"),
        priority=stated.get("priority"),
        reporters=texts.get("reporters"),
        anonymous=stated.get("anonymous"),
        limits=texts.get("limits"),
        needs=texts.get("needs"),
        source=row.source,
        valid_from=row.valid_from,
        valid_to=row.valid_until,
    )


async def _write_days(work: Work, days: Difference[BusinessDayRow]) -> None:
    if not days:
        return
    gone = [row.day for row in (*days.removed, *(old for old, _ in days.changed))]
    await work.session.execute(delete(m.BusinessDay).where(m.BusinessDay.day.in_(gone)))
    work.session.add_all(
        m.BusinessDay(day=row.day, is_workday=row.is_workday, name=row.name)
        for row in (*days.added, *(new for _, new in days.changed))
    )
    await work.session.flush()
    forget_calendar(work)


async def _write_matters(work: Work, matters: Difference[MatterRow]) -> None:
    if not matters:
        return
    rows = {row.code: row for row in await work.session.scalars(select(m.Matter))}
    wanted = [*matters.added, *(new for _, new in matters.changed)]
    for row in wanted:
        if row.code not in rows:
            rows[row.code] = catalogue.blank(
                work,
                row.code,
                name_zh=row.name_zh,
                name_en=row.name_en,
                admission="ADMITTED",
                stated={},
                is_from_pack=True,
            )
    for row in _parents_first(wanted):
        matter = rows[row.code]
        matter.parent_id = rows[row.parent].id if row.parent else None
        matter.name_zh, matter.name_en, matter.source = row.name_zh, row.name_en, row.source
        matter.valid_from, matter.valid_until = row.valid_from, row.valid_to
        matter.stated, matter.is_from_pack, matter.admission = row.stated(), True, "ADMITTED"
        matter.version += 1
        matter.changed_at = work.now()
        work.session.add(matter)
    await work.session.flush()
    for row in reversed(_parents_first(list(matters.removed))):
        refusals: dict[str, Callable[[], MatterStillUsed]] = {
            name: lambda code=row.code: MatterStillUsed(matter=code)  # type: ignore[misc] # bound per row
            for name in ("fk_cases_tenant_id_matter_id", "fk_matters_tenant_id_parent_id")
        }
        async with refusing(work, refusals):
            await work.session.delete(rows[row.code])
    await catalogue.settle_all(work)


def _parents_first(rows: list[MatterRow]) -> list[MatterRow]:
    """Rows in an order in which each comes after its parent, if that is among them."""
    by_code = {row.code: row for row in rows}

    def depth(row: MatterRow) -> int:
        steps = 0
        while row.parent is not None and row.parent in by_code:
            row, steps = by_code[row.parent], steps + 1
        return steps

    return sorted(rows, key=lambda row: (depth(row), row.code))
