"""Publishing workflows: checked against themselves, the city's roles and the cases that are open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from cityloom.core.events import AuditEntry
from cityloom.modules.cases import clocks as ck
from cityloom.modules.cases import events
from cityloom.modules.cases import models as m
from cityloom.modules.cases.errors import WorkflowFaulty, WorkflowStillUsed, WorkflowWouldStrand
from cityloom.modules.cases.flow import Fault, Workflow, faults, stranded
from cityloom.modules.cases.service import record
from cityloom.modules.cases.service.flows import calendar_of
from cityloom.modules.cases.service.handling import open_counts
from cityloom.modules.cases.service.people import roles_held

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

PUBLISH = "cases.workflow.publish"


async def rehearse(work: Work, flow: Workflow) -> tuple[list[Fault], dict[str, int], dict[str, int]]:
    """What publishing would meet: faults, open cases by state, and those of them that it would strand.

    Roles that nobody holds are faults. Stranded are cases that could not go on if they were carried over.
    Refuses (`Forbidden`).
    """
    work.authorise(PUBLISH, area_path="")
    found = faults(flow)
    if not found:
        found = await _unheld(work, flow)
    versions = list(await work.session.scalars(select(m.WorkflowVersion.id).where(m.WorkflowVersion.code == flow.code)))
    counts = await open_counts(work, versions)
    return found, counts, {} if faults(flow) else stranded(flow, counts)


async def _unheld(work: Work, flow: Workflow) -> list[Fault]:
    wanted = dict(flow.roles())
    held = await roles_held(work, set(wanted)) if wanted else set()
    return [
        Fault(place, f"没有人担任角色 {role!r}", f"nobody holds the role {role!r}")
        for role, place in wanted.items()
        if role not in held
    ]


async def publish(work: Work, flow: Workflow, *, carries_over: bool = False) -> m.WorkflowVersion:
    """Publish a new version, or answer the current one where nothing differs.

    Open cases stay on their version, unless `carries_over`: then they go on in the new one, in the state of the same
    code. Refuses (`Forbidden`, `WorkflowFaulty`, `WorkflowWouldStrand`).
    """
    found, _, lost = await rehearse(work, flow)
    if found:
        reasons = {"reasons_zh": ";".join(f"{f.place}: {f.zh}" for f in found)}
        reasons["reasons_en"] = "; ".join(f"{f.place}: {f.en}" for f in found)
        raise WorkflowFaulty(path=("definition",), workflow=flow.code, **reasons)
    if carries_over and lost:
        raise WorkflowWouldStrand(path=("carriesOver",), counts=", ".join(f"{s} {n}" for s, n in sorted(lost.items())))
    present = await work.session.scalar(
        select(m.WorkflowVersion)
        .where(m.WorkflowVersion.code == flow.code, m.WorkflowVersion.is_current)
        .with_for_update()
    )
    definition = flow.model_dump(mode="json", exclude_none=True)
    if present is not None and present.definition == definition:
        return present
    last = await work.session.scalar(
        select(func.max(m.WorkflowVersion.version)).where(m.WorkflowVersion.code == flow.code)
    )
    if present is not None:
        present.is_current = False
        await work.session.flush()
    version = m.WorkflowVersion(
        code=flow.code,
        version=(last or 0) + 1,
        title_zh=flow.title.zh,
        title_en=flow.title.en,
        definition=definition,
        is_current=True,
        published_at=work.now(),
        published_by_id=work.principal.account_id,
    )
    work.session.add(version)
    await work.session.flush()
    work.session.add_all(
        m.WorkflowState(
            workflow_id=version.id,
            position=at,
            code=state.code,
            name_zh=state.name.zh,
            name_en=state.name.en,
            light=state.light,
            is_terminal=state.is_terminal,
        )
        for at, state in enumerate(flow.states)
    )
    await work.session.flush()
    if carries_over:
        await _carry_over(work, flow, version.id)
    work.emit(events.WorkflowPublished(subject_id=version.id, code=flow.code, version=version.version))
    after = {"code": flow.code, "version": version.version, "carries_over": carries_over}
    work.audit(AuditEntry(action=PUBLISH, object_tag="wkfl", object_id=version.id, after=after))
    return version


async def _carry_over(work: Work, flow: Workflow, version_id: UUID) -> None:
    """Let open cases go on in the new version: same state, its light; the clock that runs keeps its deadline."""
    older = select(m.WorkflowVersion.id).where(m.WorkflowVersion.code == flow.code, m.WorkflowVersion.id != version_id)
    calendar = await calendar_of(work)
    query = select(m.Case).where(m.Case.is_open, m.Case.workflow_id.in_(older)).with_for_update()
    for case in await work.session.scalars(query.execution_options(populate_existing=True)):
        state = flow.state(case.state)
        case.workflow_id, case.light = version_id, state.light
        record.project(case, ck.restored(case.clocks), flow, calendar)
        record.touch(work, case)
        record.show(work, case, state)
    await work.session.flush()


async def withdraw(work: Work, code: str) -> None:
    """Let no new case go through a workflow; refuses (`WorkflowStillUsed`) while matters or open cases need it."""
    work.authorise(PUBLISH, area_path="")
    versions = list(await work.session.scalars(select(m.WorkflowVersion.id).where(m.WorkflowVersion.code == code)))
    matters = await work.session.scalar(select(func.count()).where(m.Matter.workflow_code == code))
    cases = sum((await open_counts(work, versions)).values())
    if matters or cases:
        raise WorkflowStillUsed(workflow=code, counts=f"matters {matters}, cases {cases}")
    await work.session.execute(update(m.WorkflowVersion).where(m.WorkflowVersion.code == code).values(is_current=False))
    work.audit(AuditEntry(action=PUBLISH, object_tag="tent", object_id=work.tenant_id, after={"withdrawn": code}))
