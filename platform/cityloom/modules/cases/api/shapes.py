"""The GraphQL types of cases."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import aliased

from cityloom.access.api.shapes import Account, Department
from cityloom.files.api import File
from cityloom.graph import bound as b
from cityloom.modules.areas.api.shapes import Area, end_of
from cityloom.modules.cases import models as m
from cityloom.modules.cases.api.words import (
    CaseClockKind,
    CaseClockName,
    CasePhotoPurpose,
    CasePriority,
    CaseSource,
    CaseTaskState,
    CaseVerb,
    Light,
    MatterAdmission,
)
from cityloom.modules.cases.flow import VERBS
from cityloom.modules.registry.api.shapes import Resident

if TYPE_CHECKING:
    from cityloom.modules.areas.models import Area as AreaModel

#: What a tracking code tells of: reports and moves, not what is said among those who handle it.
_TOLD = ("REPORT", *VERBS, "MERGE")
_VERSION = "Counts changes: send it with a change, which is then refused if somebody was faster."


@b.bound(
    m.WorkflowState,
    module="cases",
    read="cases.workflow.read",
    orderings={"POSITION": (m.WorkflowState.position,)},
)
class WorkflowState:
    """Where a case can stand in a version of a workflow."""

    code: str = b.column(m.WorkflowState.code, "The state's code within the workflow.", filters=b.EXACT)
    name_zh: str = b.column(m.WorkflowState.name_zh, "The state's name in Chinese.")
    name_en: str = b.column(m.WorkflowState.name_en, "The state's name in English.")
    light: Light = b.column(m.WorkflowState.light, "The colour that cases in it are shown in.", filters=b.EXACT)
    is_terminal: bool = b.column(m.WorkflowState.is_terminal, "Whether cases end in it.", filters=b.EXACT)


@b.bound(
    m.WorkflowVersion,
    tag="wkfl",
    module="cases",
    read="cases.workflow.read",
    orderings={"CODE": (m.WorkflowVersion.code, m.WorkflowVersion.version)},
    name="Workflow",
)
class Workflow(b.Node):
    """One version of a workflow: through which states a case goes, who moves it, and how long each state may take.

    A version never changes; a case stays on the version that it began with.
    """

    code: str = b.column(m.WorkflowVersion.code, "The workflow's code, the same in all versions.", filters=b.TEXT)
    revision: int = b.column(m.WorkflowVersion.version, "Which version it is, from 1.", filters=b.RANGE)
    title_zh: str = b.column(m.WorkflowVersion.title_zh, "What it is called in Chinese.")
    title_en: str = b.column(m.WorkflowVersion.title_en, "What it is called in English.")
    is_current: bool = b.column(
        m.WorkflowVersion.is_current, "Whether new cases go through this version.", filters=b.EXACT
    )
    published_at: datetime = b.column(m.WorkflowVersion.published_at, "When it was published.", filters=b.RANGE)
    states: list[WorkflowState] = b.many(m.WorkflowState.workflow_id, "Its states, in order.", limit=40)
    definition: b.JSON = b.column(
        m.WorkflowVersion.definition,
        "The whole of it as in a city's pack: `states`, `transitions` with `from_states`, `to`, `verb`, `who`, `needs`"
        " and `guards`, `escalation`. Offer a user the transitions whose `from_states` hold the case's state.",
    )
    open_case_count: int = b.expression(
        lambda flow: (
            select(func.count())
            .select_from(m.Case)
            .where(m.Case.workflow_id == flow.id, m.Case.is_open)
            .scalar_subquery()
        ),
        "How many open cases that the caller can see are on this version.",
    )


@b.bound(
    m.Matter,
    tag="matr",
    module="cases",
    read="cases.matter.read",
    orderings={"CODE": (m.Matter.code,), "NAME": (m.Matter.name_zh,)},
)
class Matter(b.Node):
    """A matter (事项): a class of the catalogue, or an item that can be reported."""

    code: str = b.column(m.Matter.code, "The matter's code, unique in the city.", filters=b.TEXT)
    name_zh: str = b.column(m.Matter.name_zh, "What it is called in Chinese.", filters=b.TEXT)
    name_en: str = b.column(m.Matter.name_en, "What it is called in English.")
    depth: int = b.column(m.Matter.depth, "How many classes it lies in: 0 for the top.", filters=b.RANGE)
    parent: Matter | None = b.one(m.Matter.parent_id, "The class that it lies in; null for the top.")
    children: b.Connection[Matter] = b.connection(m.Matter.parent_id, "What lies directly in it.")
    workflow_code: str | None = b.column(
        m.Matter.workflow_code, "The code of the workflow that its cases go through, its own or inherited."
    )
    workflow: Workflow | None = b.one(
        lambda matter, flow: (flow.code == matter.workflow_code) & flow.is_current,
        "The version of the workflow that a case reported now would go through.",
        filterable=False,
    )
    department: Department | None = b.one(m.Matter.department_id, "The department that owns it.")
    priority: CasePriority = b.column(m.Matter.priority, "How urgent its cases are by themselves.", filters=b.EXACT)
    reporters: b.JSON = b.column(m.Matter.reporters, "Who may report it: a list of `staff`, `resident`, `system`.")
    allows_anonymous: bool = b.column(m.Matter.allows_anonymous, "Whether it is taken without a name.", filters=b.EXACT)
    limits: b.JSON = b.column(
        m.Matter.limits, "Limits of its own, by state: `30m` minutes, `2h` hours, `3d` days, `2wh` and `3wd` of work."
    )
    needs: b.JSON = b.column(
        m.Matter.needs, "What must come with a step beyond what its workflow wants, for example `resolve:photo_after`."
    )
    is_reportable: bool = b.column(
        m.Matter.is_reportable, "Whether cases of it can be reported: items can, classes cannot.", filters=b.EXACT
    )
    admission: MatterAdmission = b.column(m.Matter.admission, "Whether it is on the access list.", filters=b.EXACT)
    source: str | None = b.column(m.Matter.source, "Where it comes from, for example a national standard.")
    valid_from: date | None = b.column(m.Matter.valid_from, "The first day on which it can be reported.")
    valid_until: date | None = b.column(m.Matter.valid_until, "The first day on which it can no longer be reported.")
    version: int = b.column(m.Matter.version, _VERSION)


@b.bound(m.CasePhoto, module="cases", read="cases.case.read", orderings={"ADDED": (m.CasePhoto.id,)})
class CasePhoto:
    """A photo or video of a case, and what it shows."""

    purpose: CasePhotoPurpose = b.column(m.CasePhoto.purpose, "What it shows.", filters=b.EXACT)
    added_at: datetime = b.column(m.CasePhoto.added_at, "When it was added.")
    file: File | None = b.one(m.CasePhoto.file_id, "The file; null for who may not see files.")
    step: CaseStep | None = b.one(m.CasePhoto.step_id, "The step that it came with.")


@b.bound(m.CaseStep, module="cases", read="cases.case.read", orderings={"NUMBER": (m.CaseStep.number,)})
class CaseStep:
    """One line of a case's history: what somebody did with it. Every change of a case answers the step that it was."""

    number: int = b.column(m.CaseStep.number, "Counts the steps of a case, from 1.", filters=b.RANGE)
    verb: CaseVerb = b.column(m.CaseStep.verb, "What was done.", filters=b.EXACT)
    transition: str | None = b.column(m.CaseStep.transition, "The workflow's transition; null where it was none.")
    from_state: str | None = b.column(m.CaseStep.from_state, "The state before; null for the report.")
    to_state: str = b.column(m.CaseStep.to_state, "The state after.")
    actor: Account | None = b.one(m.CaseStep.actor_id, "Who did it; null for the platform and anonymous reporters.")
    department: Department | None = b.one(m.CaseStep.department_id, "The department that it was given to.")
    assignee: Account | None = b.one(m.CaseStep.assignee_id, "Whom it was given to.")
    comment: str | None = b.column(m.CaseStep.comment, "What was said.")
    satisfaction: int | None = b.column(m.CaseStep.satisfaction, "How satisfied the reporter is, 1 to 5.")
    longitude: float | None = b.column(m.CaseStep.longitude, "Where the actor was, degrees east, WGS-84.")
    latitude: float | None = b.column(m.CaseStep.latitude, "Where the actor was, degrees north, WGS-84.")
    happened_at: datetime = b.column(m.CaseStep.happened_at, "When it was done.", filters=b.RANGE)
    photos: list[CasePhoto] = b.many(m.CasePhoto.step_id, "Photos and videos that came with it.", limit=20)
    case: Case | None = b.one(
        m.CaseStep.case_id, "The case; null where the step put it out of the caller's sight, as a transfer may."
    )


@b.bound(m.CaseClockEntry, module="cases", read="cases.case.read", orderings={"NUMBER": (m.CaseClockEntry.number,)})
class CaseClockEntry:
    """One line of the ledger of a case's clocks; lights, deadlines and escalation follow from these lines alone."""

    number: int = b.column(m.CaseClockEntry.number, "Counts the lines of a case, from 1.", filters=b.RANGE)
    kind: CaseClockKind = b.column(m.CaseClockEntry.kind, "What happened to the clock.", filters=b.EXACT)
    clock: CaseClockName = b.column(m.CaseClockEntry.clock, "Which of the case's clocks.", filters=b.EXACT)
    at: datetime = b.column(m.CaseClockEntry.at, "The moment at which it holds.", filters=b.RANGE)
    recorded_at: datetime = b.column(m.CaseClockEntry.recorded_at, "When it was written, which may be later.")
    state: str | None = b.column(m.CaseClockEntry.state, "The state that the clock is for.")
    limit_ms: b.BigInt | None = b.column(m.CaseClockEntry.limit_ms, "How long the clock may run, in milliseconds.")
    is_working: bool = b.column(m.CaseClockEntry.is_working, "Whether only working time counts.")
    due_at: datetime | None = b.column(m.CaseClockEntry.due_at, "The deadline, for lines that set one.")
    mark: int | None = b.column(
        m.CaseClockEntry.mark, "The percentage of a warning; the rung of an escalation, from 1."
    )
    target: str | None = b.column(
        m.CaseClockEntry.target, "Whom an escalation led to: a role, a post, the duty officer, or `board`."
    )


@b.bound(m.CaseReport, module="cases", read="cases.report.read", orderings={"REPORTED": (m.CaseReport.id,)})
class CaseReport:
    """One report of a case; a case that duplicates were merged into has several."""

    source: CaseSource = b.column(m.CaseReport.source, "How it came in.", filters=b.EXACT)
    external_reference: str | None = b.column(
        m.CaseReport.external_reference, "The number that the source itself gave it."
    )
    description: str = b.column(m.CaseReport.description, "What was reported.")
    reporter: Account | None = b.one(m.CaseReport.reporter_id, "Who reported it; null where that is not known.")
    phone: str | None = b.masked(
        m.CaseReport.phone_masked,
        field="cases.report.phone",
        description="The reporter's telephone number with all but the last four digits hidden.",
    )
    reported_at: datetime = b.column(m.CaseReport.reported_at, "When it came in.", filters=b.RANGE)


@b.bound(
    m.CaseTask,
    tag="ctsk",
    module="cases",
    read="cases.task.read",
    scope=b.ScopeRule(area=m.CaseTask.area_path, department=m.CaseTask.department_id, owner=m.CaseTask.assignee_id),
    orderings={"CALLED": (m.CaseTask.id,)},
)
class CaseTask(b.Node):
    """A co-handler's part in a case (协办): a department or a person who was called in and has to respond."""

    state: CaseTaskState = b.column(m.CaseTask.state, "How far they are.", filters=b.EXACT)
    department: Department | None = b.one(m.CaseTask.department_id, "The department that was called in.")
    assignee: Account | None = b.one(m.CaseTask.assignee_id, "The person who was called in.")
    is_lead: bool = b.column(m.CaseTask.is_lead, "Whether they lead (牵头).", filters=b.EXACT)
    instruction: str | None = b.column(m.CaseTask.instruction, "What they are asked to do.")
    summary: str = b.column(m.CaseTask.summary, "What the case is about, for who cannot see the case itself.")
    address: str | None = b.column(m.CaseTask.address, "Where it is, in words.")
    longitude: float | None = b.column(m.CaseTask.longitude, "Where it is, degrees east, WGS-84.")
    latitude: float | None = b.column(m.CaseTask.latitude, "Where it is, degrees north, WGS-84.")
    answer: str | None = b.column(m.CaseTask.answer, "What they said.")
    called_at: datetime = b.column(m.CaseTask.called_at, "When they were called in.")
    responded_at: datetime | None = b.column(m.CaseTask.responded_at, "When they answered first.")
    done_at: datetime | None = b.column(m.CaseTask.done_at, "When they were done.")
    area: Area | None = b.one(m.CaseTask.area_id, "The area that the case lies in.")
    case: Case | None = b.one(m.CaseTask.case_id, "The case; null where the caller sees the task alone.")
    version: int = b.column(m.CaseTask.version, _VERSION)


@b.bound(
    m.Case,
    tag="case",
    module="cases",
    read="cases.case.read",
    scope=b.ScopeRule(area=m.Case.area_path, department=m.Case.department_id, owner=m.Case.reporter_id),
    orderings={
        "REPORTED": (m.Case.id,),
        "DUE": (m.Case.due_at,),
        "CLOSED": (m.Case.closed_at,),
    },
)
class Case(b.Node):
    """A case (事件): one reported matter on its way to closure."""

    tracking_code: str = b.column(
        m.Case.tracking_code, "What its reporter follows it by: see `caseTracking`.", filters=b.EXACT
    )
    matter: Matter | None = b.one(m.Case.matter_id, "What kind of thing it is.")
    workflow: Workflow | None = b.one(m.Case.workflow_id, "The version of the workflow that it goes through.")
    state: str = b.column(m.Case.state, "The code of the state that it is in.", filters=b.EXACT)
    state_detail: WorkflowState | None = b.one(
        lambda case, state: (state.workflow_id == case.workflow_id) & (state.code == case.state),
        "The state that it is in.",
        filterable=False,
    )
    light: Light = b.column(m.Case.light, "Its colour on boards.", filters=b.EXACT)
    is_open: bool = b.column(m.Case.is_open, "Whether it is not closed yet.", filters=b.EXACT)
    priority: CasePriority = b.column(m.Case.priority, "How urgent it is.", filters=b.EXACT)
    source: CaseSource = b.column(m.Case.source, "How it came in first.", filters=b.EXACT)
    description: str = b.column(m.Case.description, "What was reported.")
    address: str | None = b.column(m.Case.address, "Where it is, in words.")
    longitude: float | None = b.column(m.Case.longitude, "Where it is, degrees east, WGS-84.", filters=b.RANGE)
    latitude: float | None = b.column(m.Case.latitude, "Where it is, degrees north, WGS-84.", filters=b.RANGE)
    area: Area | None = b.one(m.Case.area_id, "The area that it lies in: the grid, where its boundary is known.")
    department: Department | None = b.one(m.Case.department_id, "The department that has it in hand.")
    assignee: Account | None = b.one(m.Case.assignee_id, "Who has it in hand.")
    reporter: Account | None = b.one(m.Case.reporter_id, "Who reported it; null for anonymous reports.")
    resolved_by: Account | None = b.one(m.Case.resolved_by_id, "Who said that it is resolved; may not verify it.")
    escalated_to: Account | None = b.one(m.Case.escalated_to_id, "Whom it went up to while it is overdue.")
    merged_into: Case | None = b.one(m.Case.merged_into_id, "The case that it was a duplicate of.")
    is_on_board: bool = b.column(
        m.Case.is_on_board, "Whether it went up to the whole city's board: nobody nearer was found.", filters=b.EXACT
    )
    is_overdue: bool = b.expression(lambda case: case.breached_at.is_not(None), "Whether it has missed a deadline.")
    overdue_since: datetime | None = b.column(m.Case.breached_at, "The deadline that it missed.", filters=b.RANGE)
    was_late: bool = b.column(m.Case.was_late, "Whether it ever missed a deadline.", filters=b.EXACT)
    level: int = b.column(m.Case.level, "How many rungs up the ladder it went; 0 while it is in time.", filters=b.RANGE)
    due_at: datetime | None = b.column(
        m.Case.due_at, "Its next deadline; null while no clock runs. A comment never moves it.", filters=b.RANGE
    )
    reported_at: datetime = b.column(m.Case.reported_at, "When it was reported first.", filters=b.RANGE)
    accepted_at: datetime | None = b.column(m.Case.accepted_at, "When it was accepted first.", filters=b.RANGE)
    resolved_at: datetime | None = b.column(m.Case.resolved_at, "When it was said to be resolved.", filters=b.RANGE)
    closed_at: datetime | None = b.column(m.Case.closed_at, "When it was closed.", filters=b.RANGE)
    response_seconds: b.BigInt | None = b.column(
        m.Case.response_seconds, "How long it took until somebody accepted it, in seconds of the calendar."
    )
    closure_seconds: b.BigInt | None = b.column(
        m.Case.closure_seconds, "How long it took until it was closed, in seconds of the calendar."
    )
    satisfaction: int | None = b.column(m.Case.satisfaction, "How satisfied the reporter is, 1 to 5.", filters=b.RANGE)
    reopen_count: int = b.column(m.Case.reopen_count, "How often it was opened again.", filters=b.RANGE)
    report_count: int = b.column(m.Case.report_count, "How many reported it, merged duplicates included.")
    steps: b.Connection[CaseStep] = b.connection(m.CaseStep.case_id, "Its history, oldest first.")
    clock_entries: b.Connection[CaseClockEntry] = b.connection(m.CaseClockEntry.case_id, "The ledger of its clocks.")
    tasks: b.Connection[CaseTask] = b.connection(m.CaseTask.case_id, "Who was called in beside its handler.")
    photos: b.Connection[CasePhoto] = b.connection(m.CasePhoto.case_id, "Photos and videos of it, oldest first.")
    reports: b.Connection[CaseReport] = b.connection(m.CaseReport.case_id, "Everybody's reports of it.")
    version: int = b.column(m.Case.version, _VERSION)
    changed_at: datetime = b.column(m.Case.changed_at, "When it was last changed.")


@b.bound(m.CaseStep, module="cases", read="cases.case.track", orderings={"NUMBER": (m.CaseStep.number,)})
class CaseTrackingStep:
    """What happened to a case, as its tracking code shows it: neither by whom, nor what anybody wrote."""

    verb: CaseVerb = b.column(m.CaseStep.verb, "What was done.")
    happened_at: datetime = b.column(m.CaseStep.happened_at, "When it was done.")


@b.bound(m.CaseTracking, module="cases", read="cases.case.track")
class CaseTracking:
    """What a tracking code (查询码) shows to whoever has it: how far a case is, and nothing that anybody wrote."""

    tracking_code: str = b.column(
        m.CaseTracking.code, "The tracking code: 12 digits and letters, without I, L, O and U."
    )
    state_zh: str = b.column(m.CaseTracking.state_zh, "How far it is, in Chinese.")
    state_en: str = b.column(m.CaseTracking.state_en, "How far it is, in English.")
    light: Light = b.column(m.CaseTracking.light, "Its colour.")
    is_open: bool = b.column(m.CaseTracking.is_open, "Whether it is not closed yet.")
    reported_at: datetime = b.column(m.CaseTracking.reported_at, "When it was reported.")
    changed_at: datetime = b.column(m.CaseTracking.changed_at, "When it moved last.")
    closed_at: datetime | None = b.column(m.CaseTracking.closed_at, "When it was closed.")
    matter: Matter | None = b.one(m.CaseTracking.matter_id, "What kind of thing was reported.")
    history: list[CaseTrackingStep] = b.many(
        lambda tracking, step: (step.case_id == tracking.case_id) & step.verb.in_(_TOLD),
        "What has happened to it, oldest first: each time that it moved.",
        limit=100,
        filterable=False,
    )
    case: Case | None = b.one(m.CaseTracking.case_id, "The case itself, where the caller may see it.")


def _count_in(area: type[AreaModel], *, only: str = "") -> ColumnElement[int]:
    row = aliased(m.Case)
    inside = (row.area_path >= area.path) & (row.area_path < end_of(area.path))
    if only:
        inside &= row.is_open if only == "open" else row.breached_at.is_not(None)
    return select(func.count()).select_from(row).where(inside).scalar_subquery()


def _percentile(area: type[AreaModel], column: str, share: float) -> ColumnElement[int]:
    row = aliased(m.Case)
    inside = (row.area_path >= area.path) & (row.area_path < end_of(area.path))
    found = func.percentile_disc(share).within_group(getattr(row, column))
    return select(found).select_from(row).where(inside, getattr(row, column).is_not(None)).scalar_subquery()


@b.extend(Area, module="cases")
class AreaCases:
    """The cases in an area."""

    case_count: int = b.expression(_count_in, "How many cases in it, at any depth, the caller can see.")
    open_case_count: int = b.expression(lambda area: _count_in(area, only="open"), "How many of them are open.")
    overdue_case_count: int = b.expression(
        lambda area: _count_in(area, only="overdue"), "How many of them are overdue."
    )
    response_seconds_median: b.BigInt | None = b.expression(
        lambda area: _percentile(area, "response_seconds", 0.5),
        "Half of the cases in it were accepted within so many seconds.",
    )
    response_seconds_p90: b.BigInt | None = b.expression(
        lambda area: _percentile(area, "response_seconds", 0.9),
        "Nine in ten of the cases in it were accepted within so many seconds.",
    )
    closure_seconds_median: b.BigInt | None = b.expression(
        lambda area: _percentile(area, "closure_seconds", 0.5),
        "Half of the closed cases in it were closed within so many seconds.",
    )
    closure_seconds_p90: b.BigInt | None = b.expression(
        lambda area: _percentile(area, "closure_seconds", 0.9),
        "Nine in ten of the closed cases in it were closed within so many seconds.",
    )


@b.extend(Resident, module="cases")
class ResidentCases:
    """What a resident has reported."""

    reported_cases: b.Connection[Case] = b.connection(
        lambda resident, case: case.reporter_id == resident.account_id,
        "The cases that they reported with their own account.",
        filterable=False,
    )
