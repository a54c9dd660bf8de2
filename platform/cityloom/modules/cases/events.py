"""What happens to cases. No event carries a text that somebody wrote, a name or a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cityloom.core.events import Event
from cityloom.tenancy.events import TENANT_TAG

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReported(Event):
    """Somebody reported something: there is a new case."""

    type: ClassVar[str] = "cases.case.reported.v1"
    subject_tag: ClassVar[str] = "case"
    zh: ClassVar[str] = "有人上报:新增事件单。"

    matter: str
    source: str
    state: str
    light: str
    priority: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStepped(Event):
    """Somebody did something with a case that its workflow has no verb of its own for."""

    type: ClassVar[str] = "cases.case.acted.v1"
    subject_tag: ClassVar[str] = "case"
    zh: ClassVar[str] = "对事件单执行了流程中没有专用动词的操作。"
    nodes: ClassVar[Mapping[str, str]] = {"department_id": "dept", "assignee_id": "acct"}

    step: int
    transition: str | None
    former_state: str
    state: str
    former_light: str
    light: str
    department_id: UUID | None = None
    assignee_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDispatched(CaseStepped):
    """A case was given to somebody to handle."""

    type: ClassVar[str] = "cases.case.dispatched.v1"
    zh: ClassVar[str] = "事件单已派遣给处置方。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseWhistled(CaseStepped):
    """Departments were called in."""

    type: ClassVar[str] = "cases.case.whistled.v1"
    zh: ClassVar[str] = "已吹哨召集部门。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAccepted(CaseStepped):
    """Whom a case was given to has accepted it."""

    type: ClassVar[str] = "cases.case.accepted.v1"
    zh: ClassVar[str] = "处置方已接单。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReturned(CaseStepped):
    """A case was given back, with a reason."""

    type: ClassVar[str] = "cases.case.returned.v1"
    zh: ClassVar[str] = "事件单已附理由退回。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTransferred(CaseStepped):
    """A case was given to somebody else."""

    type: ClassVar[str] = "cases.case.transferred.v1"
    zh: ClassVar[str] = "事件单已转办。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseHeld(CaseStepped):
    """A case was put on hold; its clocks stand still."""

    type: ClassVar[str] = "cases.case.held.v1"
    zh: ClassVar[str] = "事件单已挂起,计时暂停。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResumed(CaseStepped):
    """A case goes on; its clocks run again."""

    type: ClassVar[str] = "cases.case.resumed.v1"
    zh: ClassVar[str] = "事件单已恢复,继续计时。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEscalated(CaseStepped):
    """A case was taken up to a higher place."""

    type: ClassVar[str] = "cases.case.escalated.v1"
    zh: ClassVar[str] = "事件单已上报上级。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResolved(CaseStepped):
    """A case is said to be resolved."""

    type: ClassVar[str] = "cases.case.resolved.v1"
    zh: ClassVar[str] = "处置方报告已办结。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseVerified(CaseStepped):
    """Somebody else found that a case is resolved."""

    type: ClassVar[str] = "cases.case.verified.v1"
    zh: ClassVar[str] = "他人核查确认已解决。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRejected(CaseStepped):
    """Somebody else found that a case is not resolved."""

    type: ClassVar[str] = "cases.case.rejected.v1"
    zh: ClassVar[str] = "他人核查认为未解决。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseClosed(CaseStepped):
    """A case was closed."""

    type: ClassVar[str] = "cases.case.closed.v1"
    zh: ClassVar[str] = "事件单已结案。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReopened(CaseStepped):
    """A closed case is open again."""

    type: ClassVar[str] = "cases.case.reopened.v1"
    zh: ClassVar[str] = "已结案的事件单重新打开。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCancelled(CaseStepped):
    """A case was closed without being handled."""

    type: ClassVar[str] = "cases.case.cancelled.v1"
    zh: ClassVar[str] = "事件单未经处置而作废。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseArchived(CaseStepped):
    """A closed case was archived."""

    type: ClassVar[str] = "cases.case.archived.v1"
    zh: ClassVar[str] = "已结案的事件单已归档。"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCommented(Event):
    """Somebody commented on a case."""

    type: ClassVar[str] = "cases.case.commented.v1"
    subject_tag: ClassVar[str] = "case"
    zh: ClassVar[str] = "有人对事件单发表意见。"

    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSupervised(Event):
    """A supervisor set the deadline of a case."""

    type: ClassVar[str] = "cases.case.supervised.v1"
    subject_tag: ClassVar[str] = "case"
    zh: ClassVar[str] = "督办人设定了事件单的期限。"

    due_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReminded(Event):
    """Who handles a case was reminded of it."""

    type: ClassVar[str] = "cases.case.reminded.v1"
    subject_tag: ClassVar[str] = "case"
    zh: ClassVar[str] = "已催办。"

    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseMerged(Event):
    """A case was a duplicate: its reports went to another one."""

    type: ClassVar[str] = "cases.case.merged.v1"
    subject_tag: ClassVar[str] = "case"
    zh: ClassVar[str] = "事件单为重复上报,已并入另一事件单。"
    nodes: ClassVar[Mapping[str, str]] = {"into_id": "case"}

    into_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseVisited(Event):
    """Somebody asked how satisfied the reporter is."""

    type: ClassVar[str] = "cases.case.visited.v1"
    subject_tag: ClassVar[str] = "case"
    zh: ClassVar[str] = "已回访上报人满意度。"

    satisfaction: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseWarned(Event):
    """Part of the time for a case is used up."""

    type: ClassVar[str] = "cases.case.warned.v1"
    subject_tag: ClassVar[str] = "case"
    zh: ClassVar[str] = "事件单的时限已用去一部分。"

    clock: str
    percent: int
    due_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOverdue(Event):
    """A case has missed a deadline."""

    type: ClassVar[str] = "cases.case.overdue.v1"
    subject_tag: ClassVar[str] = "case"
    zh: ClassVar[str] = "事件单已超时。"

    clock: str
    state: str
    due_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRaised(Event):
    """An overdue case went one rung up its ladder."""

    type: ClassVar[str] = "cases.case.raised.v1"
    subject_tag: ClassVar[str] = "case"
    zh: ClassVar[str] = "超时的事件单沿升级链上升一级。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    rung: int
    target: str
    account_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAnswered(Event):
    """A co-handler of a case has answered."""

    type: ClassVar[str] = "cases.case.task_answered.v1"
    subject_tag: ClassVar[str] = "case"
    zh: ClassVar[str] = "协办方已答复。"
    nodes: ClassVar[Mapping[str, str]] = {"task_id": "ctsk"}

    task_id: UUID
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowPublished(Event):
    """There is a new version of a workflow; new cases go through it."""

    type: ClassVar[str] = "cases.workflow.published.v1"
    subject_tag: ClassVar[str] = "wkfl"
    zh: ClassVar[str] = "流程发布了新版本,新事件单按新版本办理。"

    code: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MatterChanged(Event):
    """A matter was proposed, admitted, refused or withdrawn."""

    type: ClassVar[str] = "cases.matter.changed.v1"
    subject_tag: ClassVar[str] = "matr"
    zh: ClassVar[str] = "事项已提出、准入、不予准入或撤回。"

    code: str
    admission: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueWritten(Event):
    """The city's pack was applied to its workflows, matters and business days."""

    type: ClassVar[str] = "cases.catalogue.written.v1"
    subject_tag: ClassVar[str] = TENANT_TAG
    zh: ClassVar[str] = "配置包已应用到该城市的流程、事项与工作日。"

    tables: tuple[str, ...]


#: What a transition's verb is told as.
BY_VERB: dict[str, type[CaseStepped]] = {
    "ACT": CaseStepped,
    "DISPATCH": CaseDispatched,
    "WHISTLE": CaseWhistled,
    "ACCEPT": CaseAccepted,
    "RETURN": CaseReturned,
    "TRANSFER": CaseTransferred,
    "HOLD": CaseHeld,
    "RESUME": CaseResumed,
    "ESCALATE": CaseEscalated,
    "RESOLVE": CaseResolved,
    "VERIFY": CaseVerified,
    "REJECT": CaseRejected,
    "CLOSE": CaseClosed,
    "REOPEN": CaseReopened,
    "CANCEL": CaseCancelled,
    "ARCHIVE": CaseArchived,
}

EVENTS: tuple[type[Event], ...] = (
    CaseReported,
    *BY_VERB.values(),
    CaseCommented,
    CaseSupervised,
    CaseReminded,
    CaseMerged,
    CaseVisited,
    CaseWarned,
    CaseOverdue,
    CaseRaised,
    TaskAnswered,
    WorkflowPublished,
    MatterChanged,
    CatalogueWritten,
)
