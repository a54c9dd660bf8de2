"""Moving a case along its workflow, and what else is done with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, func, select

from cityloom.core.principal import PrincipalKind
from cityloom.modules.cases import clocks as ck
from cityloom.modules.cases import events
from cityloom.modules.cases import models as m
from cityloom.modules.cases.errors import (
    REFUSALS,
    CaseClosed,
    DeadlineWrong,
    GuardFailed,
    NeedMissing,
    NotByTheResolver,
    ReopenWindowOver,
    SatisfactionWrong,
    TooFarAway,
    TransitionAmbiguous,
    TransitionNotOpen,
)
from cityloom.modules.cases.flow import JUDGING, Transition
from cityloom.modules.cases.service import record
from cityloom.modules.cases.service.due import settle
from cityloom.modules.cases.service.flows import calendar_of, flow_of
from cityloom.modules.cases.service.people import demand_one_of
from cityloom.modules.cases.service.photos import attach
from cityloom.modules.grid import service as grid

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from cityloom.core.events import Event
    from cityloom.core.work import Work
    from cityloom.modules.cases.flow import State, Workflow

HANDLE, COMMENT = "cases.case.handle", "cases.case.comment"
SUPERVISE, VISIT = "cases.case.supervise", "cases.case.visit"
_EARTH_METRES = 6_371_008.8
_LONGEST_DEADLINE = timedelta(days=366)
_BEST = 5
#: Verbs that put the case into somebody's hands.
_GIVING = frozenset({"DISPATCH", "WHISTLE", "TRANSFER", "ESCALATE"})


@dataclass(frozen=True, slots=True)
class Handler:
    """A department or a person that is called in beside the leading one."""

    department_id: UUID | None = None
    assignee_id: UUID | None = None
    instruction: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What comes with a step; `position` is longitude and latitude in WGS-84 degrees."""

    comment: str | None = None
    department_id: UUID | None = None
    assignee_id: UUID | None = None
    handlers: tuple[Handler, ...] = ()
    photos: tuple[tuple[str, UUID | None], ...] = ()
    position: tuple[float, float] | None = None
    satisfaction: int | None = None


NOTHING = Given()


async def act(
    work: Work,
    case_id: UUID | None,
    *,
    verb: str | None = None,
    transition: str | None = None,
    version: int | None = None,
    given: Given = NOTHING,
) -> m.CaseStep:
    """Carry out one transition of the case's workflow, by its verb or its code.

    Of several callers at once exactly one wins. Refuses what `record.reach` refuses, `TransitionNotOpen`,
    `TransitionAmbiguous`, `NotYours`, `NotByTheResolver`, `GuardFailed`, `NeedMissing`, `TooFarAway`,
    `ReopenWindowOver`, and unknown departments and accounts (`NotFound`).
    """
    case, standing = await record.reach_for_step(work, case_id, HANDLE, version=version)
    flow = await flow_of(work, case.workflow_id)
    chosen = choose(flow, case.state, verb, transition)
    _demand_another(work, case, chosen)
    await demand_one_of(work, case, chosen.who, standing.scope, standing.roles)
    await _guard(work, case, flow, chosen)
    own = tuple(
        need for verb_, _, need in (text.partition(":") for text in standing.needs) if verb_ == chosen.verb.lower()
    )
    _demand_needs(case, (*chosen.needs, *own), given, owner=standing.owner)
    calendar = await calendar_of(work)
    await settle(work, case, flow, calendar)
    before = record.shown(case)
    source, target = case.state, flow.state(chosen.to or case.state)
    _apply(work, case, chosen, given, owner=standing.owner, matter=standing.matter)
    if chosen.to is not None:
        _enter(work, case, target)
        limit = standing.limits.get(target.code, target.limit)
        clocks = record.clocks_of(case)
        entries = ck.entering(clocks, flow, target, limit, work.now(), calendar)
        record.write_ledger(work, case, flow, entries, calendar, clocks=clocks)
    record.touch(work, case)
    step = record.add_step(
        work,
        case,
        chosen.verb,
        from_state=source,
        transition=chosen.code,
        department_id=given.department_id,
        assignee_id=given.assignee_id,
        comment=_text(given.comment),
        satisfaction=given.satisfaction,
        longitude=given.position[0] if given.position else None,
        latitude=given.position[1] if given.position else None,
    )
    work.refusing(REFUSALS)
    await attach(work, case, step, given.photos)
    if not case.is_open and flow.state(source).is_terminal is False:
        await _score(work, case, flow.code)
    if before["state"] != case.state or before["light"] != case.light:
        record.show(work, case, target)
    _tell(work, case, chosen, before, given)
    return step


def choose(flow: Workflow, state: str, verb: str | None, code: str | None) -> Transition:
    """The one transition that is meant; refuses (`TransitionNotOpen`, `TransitionAmbiguous`)."""
    options = flow.options(state)
    meant = [one for one in options if (verb is None or one.verb == verb) and (code is None or one.code == code)]
    if not meant:
        known = ", ".join(one.code for one in options) or "–"
        raise TransitionNotOpen(path=("transition",) if code else ("id",), state=state, known=known)
    if len(meant) > 1:
        raise TransitionAmbiguous(path=("transition",), known=", ".join(one.code for one in meant))
    return meant[0]


def _demand_another(work: Work, case: m.Case, transition: Transition) -> None:
    account = work.principal.account_id
    is_resolver = account is not None and account == case.resolved_by_id
    if is_resolver and (transition.verb in JUDGING or "not_resolver" in transition.guards):
        raise NotByTheResolver(path=("id",))


async def _guard(work: Work, case: m.Case, flow: Workflow, transition: Transition) -> None:
    account = work.principal.account_id
    if "not_reporter" in transition.guards and account is not None and account == case.reporter_id:
        raise GuardFailed(path=("id",), guard="not_reporter")
    if "not_overdue" in transition.guards and case.breached_at is not None:
        raise GuardFailed(path=("id",), guard="not_overdue")
    for guard, waiting in (("all_responded", ("OPEN",)), ("all_done", ("OPEN", "RESPONDED"))):
        if guard in transition.guards:
            found = await work.session.scalar(
                select(exists().where(m.CaseTask.case_id == case.id, m.CaseTask.state.in_(waiting)))
            )
            if found:
                raise GuardFailed(path=("id",), guard=guard)
    if transition.verb == "REOPEN" and (
        case.closed_at is None
        or case.merged_into_id is not None
        or work.now() > case.closed_at + timedelta(days=flow.reopen_days)
    ):
        raise ReopenWindowOver(path=("id",), days=flow.reopen_days)


def _demand_needs(case: m.Case, needs: tuple[str, ...], given: Given, *, owner: UUID | None) -> None:
    kinds = {kind for kind, _ in given.photos}
    present = {
        "comment": bool(given.comment and given.comment.strip()),
        "assignee": given.assignee_id is not None,
        "department": (given.department_id or owner) is not None or any(h.department_id for h in given.handlers),
        "photo_before": "BEFORE" in kinds,
        "photo_after": "AFTER" in kinds,
        "satisfaction": given.satisfaction is not None,
    }
    if given.satisfaction is not None and not 1 <= given.satisfaction <= _BEST:
        raise SatisfactionWrong(path=("satisfaction",))
    for need in needs:
        kind, _, metres = need.partition(":")
        if kind != "near":
            if not present[kind]:
                raise NeedMissing(path=(_INPUT[kind],), need=kind)
            continue
        if case.longitude is None or case.latitude is None:
            continue
        if given.position is None:
            raise NeedMissing(path=("position",), need="position")
        found = distance((case.longitude, case.latitude), given.position)
        if found > int(metres):
            raise TooFarAway(path=("position",), metres=int(metres), found=round(found))


_INPUT = {
    "comment": "comment",
    "assignee": "assigneeId",
    "department": "departmentId",
    "photo_before": "photos",
    "photo_after": "photos",
    "satisfaction": "satisfaction",
}


def distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Metres between two positions on a sphere of the earth's mean radius (haversine)."""
    (x1, y1), (x2, y2) = ((math.radians(x), math.radians(y)) for x, y in (one, other))
    chord = math.sin((y2 - y1) / 2) ** 2 + math.cos(y1) * math.cos(y2) * math.sin((x2 - x1) / 2) ** 2
    return 2 * _EARTH_METRES * math.asin(min(1.0, math.sqrt(chord)))


def _apply(work: Work, case: m.Case, transition: Transition, given: Given, *, owner: UUID | None, matter: str) -> None:
    """What a verb does to the case beside moving it; it goes to the matter's own department where none is named."""
    now, account = work.now(), work.principal.account_id
    match transition.verb:
        case verb if verb in _GIVING:
            is_named = given.department_id is not None or given.assignee_id is not None or bool(given.handlers)
            department = given.department_id if is_named else owner
            if department is not None:
                case.department_id, case.assignee_id = department, None
            if given.assignee_id is not None:
                case.assignee_id = given.assignee_id
            is_lead_first = verb == "WHISTLE" and department is None and given.assignee_id is None
            call_in(work, case, given.handlers, matter, is_lead_first=is_lead_first)
        case "ACCEPT":
            case.assignee_id = given.assignee_id or account
            if case.accepted_at is None:
                case.accepted_at = now
                case.response_seconds = int((now - case.reported_at).total_seconds())
        case "RETURN":
            case.assignee_id = None
        case "RESOLVE":
            case.resolved_by_id, case.resolved_at = account, now
        case "REJECT":
            case.resolved_at = None
        case "REOPEN":
            case.reopen_count += 1
            case.resolved_at = None
        case _:
            case.assignee_id = given.assignee_id or case.assignee_id
    if given.satisfaction is not None:
        case.satisfaction = given.satisfaction


def call_in(work: Work, case: m.Case, handlers: tuple[Handler, ...], matter: str, *, is_lead_first: bool) -> None:
    """Give co-handlers their tasks; the first one leads where nobody else was named."""
    for at, handler in enumerate(handlers):
        is_lead = is_lead_first and at == 0
        if is_lead:
            case.department_id, case.assignee_id = handler.department_id, handler.assignee_id
        work.add(
            m.CaseTask(
                case_id=case.id,
                area_id=case.area_id,
                area_path=case.area_path,
                department_id=handler.department_id,
                assignee_id=handler.assignee_id,
                is_lead=is_lead,
                instruction=_text(handler.instruction),
                summary=f"{matter}:{case.description[:200]}",
                address=case.address,
                longitude=case.longitude,
                latitude=case.latitude,
                called_at=work.now(),
                changed_at=work.now(),
            )
        )


def _enter(work: Work, case: m.Case, target: State) -> None:
    """State, light and closure of the case; clocks come from the ledger."""
    now = work.now()
    case.state, case.light = target.code, target.light
    if target.is_terminal and case.is_open:
        case.is_open, case.closed_at = False, now
        case.closure_seconds = int((now - case.reported_at).total_seconds())
    elif not target.is_terminal and not case.is_open:
        case.is_open, case.closed_at, case.closure_seconds = True, None, None


def _text(value: str | None) -> str | None:
    return record.checked_text(value, "comment") if value is not None and value.strip() else None


async def _score(work: Work, case: m.Case, workflow: str) -> None:
    """A case that was closed counts for who resolved it, where the city's formulas say so (`modules.grid`).

    So do the points that it was given, by workflow: `cases.task_order.points` scores task orders and nothing else.
    """
    if case.resolved_by_id is None:
        return
    for word, counts in (("cases.closed", True), ("cases.in_time", not case.was_late)):
        if counts and not await grid.contribute(
            work, case.resolved_by_id, case.area_id, case.area_path, input=word, source_id=case.id
        ):
            return
    if case.satisfaction is not None:
        await grid.contribute(
            work,
            case.resolved_by_id,
            case.area_id,
            case.area_path,
            input=f"cases.{workflow}.points",
            source_id=case.id,
            amount=case.satisfaction,
        )


def _tell(work: Work, case: m.Case, transition: Transition, before: dict[str, Any], given: Given) -> None:
    work.emit(
        events.BY_VERB[transition.verb](
            subject_id=case.id,
            area_path=case.area_path,
            step=case.step_count,
            transition=transition.code,
            former_state=before["state"],
            state=case.state,
            former_light=before["light"],
            light=case.light,
            department_id=given.department_id,
            assignee_id=case.assignee_id,
        )
    )
    record.audit(work, f"cases.case.{transition.verb.lower()}", case, before, record.shown(case))


async def comment(work: Work, case_id: UUID | None, text: str) -> m.CaseStep:
    """Write something into the case's history; no clock moves. Refuses what `record.reach` refuses and `TextWrong`."""
    case, _ = await record.reach(work, case_id, COMMENT)
    return await _note(
        work,
        case,
        "COMMENT",
        events.CaseCommented(subject_id=case.id, area_path=case.area_path, step=case.step_count + 1),
        comment=record.checked_text(text, "text"),
    )


async def remind(work: Work, case_id: UUID | None, text: str) -> m.CaseStep:
    """Remind (催办) whoever handles an open case; no clock moves. Refuses also `CaseClosed`."""
    case, _ = await record.reach(work, case_id, SUPERVISE)
    if not case.is_open:
        raise CaseClosed(path=("id",))
    told = events.CaseReminded(subject_id=case.id, area_path=case.area_path, step=case.step_count + 1)
    return await _note(work, case, "REMIND", told, comment=record.checked_text(text, "text"))


async def supervise(
    work: Work, case_id: UUID | None, *, due_at: datetime, text: str, version: int | None = None
) -> m.CaseStep:
    """Set the deadline of the case's present state (限期督办): an entry of the ledger, as any deadline.

    Refuses what `record.reach` refuses, `CaseClosed`, `DeadlineWrong`, `TextWrong`; `GuardFailed` while clocks pause.
    """
    case, _ = await record.reach(work, case_id, SUPERVISE, version=version)
    if not case.is_open:
        raise CaseClosed(path=("id",))
    now = work.now()
    if not now < due_at <= now + _LONGEST_DEADLINE:
        raise DeadlineWrong(path=("dueAt",))
    flow, calendar = await flow_of(work, case.workflow_id), await calendar_of(work)
    await settle(work, case, flow, calendar)
    entries = ck.supervised(record.clocks_of(case), case.state, due_at, now)
    if not entries:
        raise GuardFailed(path=("id",), guard="paused")
    before = record.shown(case)
    record.write_ledger(work, case, flow, entries, calendar)
    record.audit(work, "cases.case.supervise", case, before, record.shown(case))
    told = events.CaseSupervised(subject_id=case.id, area_path=case.area_path, due_at=due_at.isoformat())
    return await _note(work, case, "SUPERVISE", told, is_audited=True, comment=record.checked_text(text, "text"))


async def visit(
    work: Work, case_id: UUID | None, *, satisfaction: int, text: str | None = None, version: int | None = None
) -> m.CaseStep:
    """Record a return visit (回访): how satisfied, 1 to 5.

    Refuses what `record.reach` refuses, `SatisfactionWrong`, and `TransitionNotOpen` while the case is open.
    """
    case, _ = await record.reach(work, case_id, VISIT, version=version)
    if case.is_open:
        raise TransitionNotOpen(path=("id",), state=case.state, known="–")
    if not 1 <= satisfaction <= _BEST:
        raise SatisfactionWrong(path=("satisfaction",))
    case.satisfaction = satisfaction
    told = events.CaseVisited(subject_id=case.id, area_path=case.area_path, satisfaction=satisfaction)
    return await _note(work, case, "VISIT", told, comment=_text(text), satisfaction=satisfaction)


async def _note(
    work: Work,
    case: m.Case,
    verb: str,
    told: Event,
    *,
    is_audited: bool = False,
    **values: Any,  # noqa: ANN401 - an event, columns
) -> m.CaseStep:
    before = record.shown(case)
    record.touch(work, case)
    step = record.add_step(work, case, verb, from_state=case.state, **values)
    work.emit(told)
    if not is_audited:
        record.audit(work, f"cases.case.{verb.lower()}", case, before, record.shown(case))
    return step


async def open_counts(work: Work, workflow_ids: list[UUID]) -> dict[str, int]:
    """Open cases of these workflow versions by state."""
    rows = await work.session.execute(
        select(m.Case.state, func.count())
        .where(m.Case.workflow_id.in_(workflow_ids), m.Case.is_open)
        .group_by(m.Case.state)
    )
    return {row[0]: row[1] for row in rows}


def is_system(work: Work) -> bool:
    """Whether the platform itself acts."""
    return work.principal.kind is PrincipalKind.SYSTEM
