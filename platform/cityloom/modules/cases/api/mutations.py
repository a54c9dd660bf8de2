"""The mutations of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import strawberry
from pydantic import ValidationError
from sqlalchemy import select

from cityloom.core.errors import InvalidInput
from cityloom.core.ids import decode_id
from cityloom.core.work import Work
from cityloom.graph import bound as b
from cityloom.graph.given import word
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.modules.areas.api.inputs import position_of
from cityloom.modules.areas.models import Area
from cityloom.modules.cases import flow, service
from cityloom.modules.cases import models as m
from cityloom.modules.cases.api import inputs as i
from cityloom.modules.cases.api.shapes import CaseStep, CaseTask, CaseTracking, Matter, Workflow
from cityloom.modules.cases.service import catalogue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_MOST_HANDLERS = 20
#: No row has this id.
_NOBODY = UUID(int=0)


def _id(work: Work, value: str, tag: str, *path: str) -> UUID | None:
    return decode_id(value, work.tenant_id, tag, path=path or ("id",))


def _named(work: Work, value: str | None, tag: str, *path: str) -> UUID | None:
    """An optional id; another tenant's stands for one that nothing has, and is refused where such a one is."""
    return None if value is None else _id(work, value, tag, *path) or _NOBODY


def _handlers(work: Work, given: list[i.CaseHandlerInput]) -> tuple[service.Handler, ...]:
    if len(given) > _MOST_HANDLERS:
        raise InvalidInput(
            f"最多可同时派给 {_MOST_HANDLERS} 个协办。", f"At most {_MOST_HANDLERS} handlers.", path=("handlers",)
        )
    found = tuple(
        service.Handler(
            _named(work, one.department_id, "dept", "handlers"),
            _named(work, one.assignee_id, "acct", "handlers"),
            one.instruction,
        )
        for one in given
    )
    if any(one.department_id is None and one.assignee_id is None for one in found):
        raise InvalidInput(
            "每个协办须给出 departmentId 或 assigneeId。",
            "Each handler needs a departmentId or an assigneeId.",
            path=("handlers",),
        )
    return found


def _given(work: Work, values: Any) -> service.Given:  # noqa: ANN401 - any input of a step
    position = getattr(values, "position", None)
    return service.Given(
        comment=values.comment,
        department_id=_named(work, getattr(values, "department_id", None), "dept", "departmentId"),
        assignee_id=_named(work, getattr(values, "assignee_id", None), "acct", "assigneeId"),
        handlers=_handlers(work, getattr(values, "handlers", [])),
        position=None if position is None else position_of(position),
        satisfaction=getattr(values, "satisfaction", None),
        photos=tuple((word(one.purpose), _id(work, one.file_id, "file", "photos")) for one in values.photos),
    )


def _step(verb: str, shape: type[i.CaseStepInput]) -> Callable[..., Awaitable[m.CaseStep]]:
    """The resolver of one verb."""

    async def carry_out(work: Work, input: Any) -> m.CaseStep:  # noqa: A002, ANN401 - the argument's name in GraphQL; see below
        return await service.act(
            work,
            _id(work, input.id, "case"),
            verb=verb,
            transition=input.transition,
            version=input.version,
            given=_given(work, input),
        )

    named = strawberry.input(
        type(f"Case{verb.capitalize()}Input", (shape,), {"__annotations__": {}, "__doc__": shape.__doc__}),
        description=f"A step of a case: see `case{verb.capitalize()}`.",
    )
    carry_out.__annotations__ = {"work": Work, "input": named, "return": m.CaseStep}
    return carry_out


async def _act(work: Work, input: i.CaseActInput) -> m.CaseStep:  # noqa: A002 - the argument's name in GraphQL
    return await service.act(
        work,
        _id(work, input.id, "case"),
        transition=input.transition,
        version=input.version,
        given=_given(work, input),
    )


async def _report(work: Work, input: i.CaseReportInput) -> m.CaseTracking:  # noqa: A002 - the argument's name in GraphQL
    reported = service.Reported(
        matter_id=_id(work, input.matter_id, "matr", "matterId"),
        description=input.description,
        area_id=None if input.area_id is None else _id(work, input.area_id, "area", "areaId"),
        has_area=input.area_id is not None,
        position=None if input.position is None else position_of(input.position),
        address=input.address,
        source=word(input.source),
        priority=None if input.priority is None else word(input.priority),
        phone=input.phone,
        external_reference=input.external_reference,
        is_anonymous=input.is_anonymous,
        photos=tuple(_id(work, one, "file", "photos") for one in input.photos),
    )
    return await service.report(work, reported)


async def _intake(work: Work, input: i.CaseIntakeInput) -> m.CaseTracking:  # noqa: A002 - the argument's name in GraphQL
    matter = await work.session.scalar(select(m.Matter.id).where(m.Matter.code == input.matter_code))
    area = None
    if input.area_code is not None:
        area = await work.session.scalar(select(Area.id).where(Area.code == input.area_code))
    reported = service.Reported(
        matter_id=matter,
        description=input.description,
        area_id=area,
        has_area=input.area_code is not None,
        position=None if input.position is None else position_of(input.position),
        address=input.address,
        source=word(input.source),
        priority=None if input.priority is None else word(input.priority),
        phone=input.phone,
        external_reference=input.external_reference,
        photos=tuple(_id(work, one, "file", "photos") for one in input.photos),
    )
    return await service.take_in(work, reported)


async def _comment(work: Work, input: i.CaseCommentInput) -> m.CaseStep:  # noqa: A002 - the argument's name in GraphQL
    return await service.comment(work, _id(work, input.id, "case"), input.text)


async def _remind(work: Work, input: i.CaseRemindInput) -> m.CaseStep:  # noqa: A002 - the argument's name in GraphQL
    return await service.remind(work, _id(work, input.id, "case"), input.text)


async def _supervise(work: Work, input: i.CaseSuperviseInput) -> m.CaseStep:  # noqa: A002 - the argument's name in GraphQL
    return await service.supervise(
        work, _id(work, input.id, "case"), due_at=input.due_at, text=input.text, version=input.version
    )


async def _merge(work: Work, input: i.CaseMergeInput) -> m.CaseStep:  # noqa: A002 - the argument's name in GraphQL
    into = _id(work, input.into_id, "case", "intoId")
    return await service.merge(work, _id(work, input.id, "case"), into, text=input.text, version=input.version)


async def _visit(work: Work, input: i.CaseVisitReturnInput) -> m.CaseStep:  # noqa: A002 - the argument's name in GraphQL
    return await service.visit(
        work, _id(work, input.id, "case"), satisfaction=input.satisfaction, text=input.text, version=input.version
    )


async def _answer(work: Work, input: i.CaseTaskAnswerInput) -> m.CaseTask:  # noqa: A002 - the argument's name in GraphQL
    return await service.answer(
        work, _id(work, input.id, "ctsk"), word(input.answer), text=input.text, version=input.version
    )


async def _propose(work: Work, input: i.MatterProposeInput) -> m.Matter:  # noqa: A002 - the argument's name in GraphQL
    return await catalogue.propose(
        work,
        code=input.code,
        name_zh=input.name_zh,
        name_en=input.name_en,
        parent_id=_id(work, input.parent_id, "matr", "parentId"),
        department_code=input.department_code,
        priority=None if input.priority is None else word(input.priority),
    )


async def _decide(work: Work, input: i.MatterDecideInput) -> m.Matter:  # noqa: A002 - the argument's name in GraphQL
    return await catalogue.decide(work, _id(work, input.id, "matr"), is_admitted=input.is_admitted)


def _definition(given: object) -> flow.Workflow:
    try:
        return flow.Workflow.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(
            f"流程定义有误:{place}:{first['msg']}",
            f"The definition is wrong: {place}: {first['msg']}",
            path=("definition",),
            place=place,
        ) from error


async def _publish(work: Work, input: i.WorkflowPublishInput) -> m.WorkflowVersion:  # noqa: A002 - the argument's name in GraphQL
    return await service.publish(work, _definition(input.definition), carries_over=input.carries_over)


@b.output_type(description="A fault of a workflow, and where it is.")
class WorkflowFault:
    """See `flow.Fault`."""

    place: str = strawberry.field(description="The key in the definition, for example `states.2.code`.")
    zh: str = strawberry.field(description="What is wrong, in Chinese.")
    en: str = strawberry.field(description="What is wrong, in English.")


@b.output_type(description="Open cases in one state of a workflow, in all of its versions.")
class WorkflowStateCount:
    """One line of the dry run over the open cases."""

    state: str = strawberry.field(description="The state's code.")
    open_cases: int = strawberry.field(description="How many open cases stand in it.")
    is_stranded: bool = strawberry.field(
        description="Whether they could not go on if they were carried over: no such state, or no way out of it."
    )


@b.output_type(description="What publishing a workflow would meet. Nothing was changed.")
class WorkflowRehearsal:
    """See `service.rehearse`."""

    faults: list[WorkflowFault] = strawberry.field(description="Why it cannot be published; empty where it can.")
    open_cases: list[WorkflowStateCount] = strawberry.field(description="The open cases of its earlier versions.")


async def _rehearse(work: Work, input: i.WorkflowRehearseInput) -> WorkflowRehearsal:  # noqa: A002 - the argument's name in GraphQL
    faults, counts, lost = await service.rehearse(work, _definition(input.definition))
    return WorkflowRehearsal(
        faults=[WorkflowFault(place=fault.place, zh=fault.zh, en=fault.en) for fault in faults],
        open_cases=[
            WorkflowStateCount(state=state, open_cases=count, is_stranded=state in lost)
            for state, count in sorted(counts.items())
        ],
    )


@mutation_root(module="cases")
class CasesMutation:
    """Changes of cases, matters and workflows."""

    case_report: CaseTracking = mutation(
        _report,
        "Report something. Answers the tracking code, and the case itself where you may see it.",
    )
    case_intake: CaseTracking = mutation(
        _intake,
        "Report something from another system (hotline, website, device …), once however often it is sent.",
    )
    case_dispatch: CaseStep = mutation(
        _step("DISPATCH", i.CaseGiveInput), "Give a case to a department, a person, or several at once (派单)."
    )
    case_whistle: CaseStep = mutation(
        _step("WHISTLE", i.CaseGiveInput), "Call departments in (吹哨); each gets a task and has to respond."
    )
    case_accept: CaseStep = mutation(_step("ACCEPT", i.CaseFieldInput), "Accept a case that was given to you (接单).")
    case_return: CaseStep = mutation(_step("RETURN", i.CaseStepInput), "Give a case back, saying why (退回).")
    case_transfer: CaseStep = mutation(_step("TRANSFER", i.CaseGiveInput), "Give a case to somebody else (转办).")
    case_hold: CaseStep = mutation(
        _step("HOLD", i.CaseStepInput), "Put a case on hold (挂起); its clocks stand still until it goes on."
    )
    case_resume: CaseStep = mutation(_step("RESUME", i.CaseStepInput), "Let a case go on (恢复).")
    case_escalate: CaseStep = mutation(_step("ESCALATE", i.CaseGiveInput), "Take a case higher up (上报).")
    case_resolve: CaseStep = mutation(
        _step("RESOLVE", i.CaseFieldInput), "Say that a case is resolved (处置), with the evidence its workflow wants."
    )
    case_verify: CaseStep = mutation(
        _step("VERIFY", i.CaseJudgeInput), "Find a case resolved (验收). Never by who resolved it."
    )
    case_reject: CaseStep = mutation(
        _step("REJECT", i.CaseFieldInput), "Find a case not resolved. Never by who resolved it."
    )
    case_close: CaseStep = mutation(_step("CLOSE", i.CaseJudgeInput), "Close a case (结案、销号).")
    case_reopen: CaseStep = mutation(
        _step("REOPEN", i.CaseStepInput), "Open a closed case again (重开), within the workflow's window."
    )
    case_cancel: CaseStep = mutation(_step("CANCEL", i.CaseStepInput), "Close a case without handling it (作废).")
    case_archive: CaseStep = mutation(_step("ARCHIVE", i.CaseStepInput), "Archive a closed case (归档).")
    case_act: CaseStep = mutation(_act, "Carry out any transition of a case's workflow, by its code.")
    case_comment: CaseStep = mutation(_comment, "Comment on a case. No clock moves.")
    case_remind: CaseStep = mutation(_remind, "Remind whoever has a case in hand (催办). No clock moves.")
    case_supervise: CaseStep = mutation(_supervise, "Set the deadline of a case's present state yourself (限期督办).")
    case_merge: CaseStep = mutation(
        _merge, "Join a duplicate to the case that stays, with all its reports; answers the step of that case."
    )
    case_visit_return: CaseStep = mutation(_visit, "Record a return visit after a case was closed (回访).")
    case_task_answer: CaseTask = mutation(_answer, "Answer a task that you were called in for (报到).")
    matter_propose: Matter = mutation(_propose, "Ask for a matter to be put on the access list (准入申请).")
    matter_decide: Matter = mutation(_decide, "Admit or refuse a proposed matter (准入审批).")
    workflow_publish: Workflow = mutation(
        _publish, "Publish a new version of a workflow; new cases go through it from now on."
    )
    workflow_rehearse: WorkflowRehearsal = mutation(
        _rehearse, "Try a workflow against the city's roles and its open cases; nothing is changed.", changes=False
    )
