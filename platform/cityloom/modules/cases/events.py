"""What happens to cases. No event carries a text that somebody wrote, a name or a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cityloom.core.events import Event
from cityloom.tenancy.events import TENANT_TAG

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReported(Event):
    """Somebody reported something: there is a new case."""

    type: ClassVar[str] = "cases.case.reported.v1"
    subject_tag: ClassVar[str] = "case"

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseWhistled(CaseStepped):
    """Departments were called in."""

    type: ClassVar[str] = "cases.case.whistled.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAccepted(CaseStepped):
    """Whom a case was given to has accepted it."""

    type: ClassVar[str] = "cases.case.accepted.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReturned(CaseStepped):
    """A case was given back, with a reason."""

    type: ClassVar[str] = "cases.case.returned.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTransferred(CaseStepped):
    """A case was given to somebody else."""

    type: ClassVar[str] = "cases.case.transferred.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseHeld(CaseStepped):
    """A case was put on hold; its clocks stand still."""

    type: ClassVar[str] = "cases.case.held.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResumed(CaseStepped):
    """A case goes on; its clocks run again."""

    type: ClassVar[str] = "cases.case.resumed.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEscalated(CaseStepped):
    """A case was taken up to a higher place."""

    type: ClassVar[str] = "cases.case.escalated.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResolved(CaseStepped):
    """A case is said to be resolved."""

    type: ClassVar[str] = "cases.case.resolved.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseVerified(CaseStepped):
    """Somebody else found that a case is resolved."""

    type: ClassVar[str] = "cases.case.verified.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRejected(CaseStepped):
    """Somebody else found that a case is not resolved."""

    type: ClassVar[str] = "cases.case.rejected.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseClosed(CaseStepped):
    """A case was closed."""

    type: ClassVar[str] = "cases.case.closed.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReopened(CaseStepped):
    """A closed case is open again."""

    type: ClassVar[str] = "cases.case.reopened.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCancelled(CaseStepped):
    """A case was closed without being handled."""

    type: ClassVar[str] = "cases.case.cancelled.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseArchived(CaseStepped):
    """A closed case was archived."""

    type: ClassVar[str] = "cases.case.archived.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCommented(Event):
    """Somebody commented on a case."""

    type: ClassVar[str] = "cases.case.commented.v1"
    subject_tag: ClassVar[str] = "case"

    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSupervised(Event):
    """A supervisor set the deadline of a case."""

    type: ClassVar[str] = "cases.case.supervised.v1"
    subject_tag: ClassVar[str] = "case"

    due_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReminded(Event):
    """Who handles a case was reminded of it."""

    type: ClassVar[str] = "cases.case.reminded.v1"
    subject_tag: ClassVar[str] = "case"

    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseMerged(Event):
    """A case was a duplicate: its reports went to another one."""

    type: ClassVar[str] = "cases.case.merged.v1"
    subject_tag: ClassVar[str] = "case"

    into_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseVisited(Event):
    """Somebody asked how satisfied the reporter is."""

    type: ClassVar[str] = "cases.case.visited.v1"
    subject_tag: ClassVar[str] = "case"

    satisfaction: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseWarned(Event):
    """Part of the time for a case is used up."""

    type: ClassVar[str] = "cases.case.warned.v1"
    subject_tag: ClassVar[str] = "case"

    clock: str
    percent: int
    due_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOverdue(Event):
    """A case has missed a deadline."""

    type: ClassVar[str] = "cases.case.overdue.v1"
    subject_tag: ClassVar[str] = "case"

    clock: str
    state: str
    due_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRaised(Event):
    """An overdue case went one rung up its ladder."""

    type: ClassVar[str] = "cases.case.raised.v1"
    subject_tag: ClassVar[str] = "case"

    rung: int
    target: str
    account_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAnswered(Event):
    """A co-handler of a case has answered."""

    type: ClassVar[str] = "cases.case.task_answered.v1"
    subject_tag: ClassVar[str] = "case"

    task_id: UUID
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowPublished(Event):
    """There is a new version of a workflow; new cases go through it."""

    type: ClassVar[str] = "cases.workflow.published.v1"
    subject_tag: ClassVar[str] = "wkfl"

    code: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MatterChanged(Event):
    """A matter was proposed, admitted, refused or withdrawn."""

    type: ClassVar[str] = "cases.matter.changed.v1"
    subject_tag: ClassVar[str] = "matr"

    code: str
    admission: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueWritten(Event):
    """The city's pack was applied to its workflows, matters and business days."""

    type: ClassVar[str] = "cases.catalogue.written.v1"
    subject_tag: ClassVar[str] = TENANT_TAG

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
