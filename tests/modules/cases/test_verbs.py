"""Every mutation of cases by who may and who may not: a refusal changes nothing, what is done leaves its traces."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from cityloom.core.ids import decode_id, encode_id, new_id
from cityloom.modules.cases import models as m
from cityloom.modules.cases.api.mutations import CasesMutation
from cityloom.testing.cases import LIGHTS, Office
from cityloom.testing.front import anonymous
from cityloom.testing.probes import Probe, mutation

if TYPE_CHECKING:
    from cityloom.core.principal import Principal
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.front import Front

#: Verbs of a workflow in which the community worker may do all of them, and where each leads.
VERBS: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(
        (
            "DISPATCH",
            "WHISTLE",
            "ACCEPT",
            "RETURN",
            "TRANSFER",
            "HOLD",
            "RESUME",
            "ESCALATE",
            "RESOLVE",
            "VERIFY",
            "REJECT",
        ),
        ("open", None),
    ),
    "CLOSE": ("open", "closed"),
    "CANCEL": ("open", "closed"),
    "REOPEN": ("closed", "open"),
    "ARCHIVE": ("closed", None),
    "ACT": ("open", None),
}
EVERYTHING: dict[str, Any] = {
    "code": "everything",
    "title": {"zh": "全部", "en": "Everything"},
    "initial": "open",
    "states": [
        {"code": "open", "name": {"zh": "开", "en": "Open"}, "light": "RED", "limit": "1h"},
        {"code": "closed", "name": {"zh": "关", "en": "Closed"}, "light": "GREEN", "is_terminal": True},
    ],
    "transitions": [
        {
            "code": verb.lower(),
            "verb": verb,
            "name": {"zh": verb, "en": verb},
            "from_states": [source],
            "who": ["role:community_worker"],
            **({"to": target} if target else {}),
        }
        for verb, (source, target) in VERBS.items()
    ],
}
#: Mutations that are tested by their own tests and not by the table of this file.
ELSEWHERE = {
    "case_report",
    "case_intake",
    "matter_propose",
    "matter_decide",
    "workflow_publish",
    "workflow_rehearse",
    "case_task_answer",
}


@pytest.fixture
async def busy(alder: AreaTree, front: Front) -> Office:
    """An office with the workflow of all verbs."""
    return await Office.open(alder, front, definition=EVERYTHING)


async def other_citys(birch: AreaTree, front: Front) -> Principal:
    """The holder of the same role in another city."""
    return (await Office.open(birch, front, definition=EVERYTHING)).who["worker"]


async def test_four_callers_of_every_verb_of_a_workflow(busy: Office, birch: AreaTree, front: Front) -> None:
    tenant, probe, stranger = busy.tree.tenant_id, Probe(front, busy.tree.tenant_id), await other_citys(birch, front)
    reader = await busy.hire("reader", "community_worker", at="s1c1", permissions=("cases.case.read",))
    for verb, (source, target) in VERBS.items():
        case = await busy.report()
        if source == "closed":
            assert (await busy.step("worker", "close", case))["toState"] == "closed"
        text = mutation("caseAct" if verb == "ACT" else f"case{verb.capitalize()}", "CaseStep", "verb toState")
        given = {"id": case, "comment": "why", **({"transition": "act"} if verb == "ACT" else {})}
        if verb in {"DISPATCH", "WHISTLE", "TRANSFER", "ESCALATE"}:
            given["departmentId"] = busy.department("urban")
        values = {"input": given}
        assert (await probe.refused(anonymous(tenant), text, values))[0] == "FORBIDDEN", verb
        assert await probe.refused(busy.who["grid"], text, values) == ("FORBIDDEN", "NOT_YOURS"), verb
        assert await probe.refused(busy.who["neighbour"], text, values) == ("NOT_FOUND", "NOT_FOUND"), verb
        assert await probe.refused(reader, text, values) == ("FORBIDDEN", "FORBIDDEN"), verb
        absent = {"input": given | {"id": encode_id("case", birch.tenant_id, new_id())}}
        assert await probe.refused(stranger, text, values) == await probe.refused(stranger, text, absent), verb
        wrong = {"input": given | {"id": encode_id("case", tenant, new_id())}}
        assert (await probe.refused(busy.who["worker"], text, wrong))[0] == "NOT_FOUND", verb
        assert (await probe.refused(busy.who["colleague"], text, {"input": given | {"version": 99}}))[0] == "STALE", (
            verb
        )
        done = await probe.done(busy.who["colleague"], text, values)
        assert (done["verb"], done["toState"]) == (verb, target or source)


#: What besides workflows is done with a case: mutation, what it needs besides the id, and whether the case is closed.
OTHERS: dict[str, tuple[dict[str, Any], bool]] = {
    "caseComment": ({"text": "seen"}, False),
    "caseRemind": ({"text": "please"}, False),
    "caseSupervise": ({"text": "today", "dueAt": "tomorrow"}, False),
    "caseMerge": ({"intoId": "another"}, False),
    "caseVisitReturn": ({"satisfaction": 4}, True),
}


async def test_four_callers_of_what_else_is_done(
    busy: Office, birch: AreaTree, front: Front, clock: ManualClock
) -> None:
    tenant, probe, stranger = busy.tree.tenant_id, Probe(front, busy.tree.tenant_id), await other_citys(birch, front)
    reader = await busy.hire("reader", "community_worker", at="s1c1", permissions=("cases.case.read",))
    for name, (stated, is_closed) in OTHERS.items():
        case, more = await busy.report(), dict(stated)
        if "dueAt" in more:
            more["dueAt"] = (clock.now() + timedelta(hours=9)).isoformat()
        if "intoId" in more:
            more["intoId"] = await busy.report()
        if is_closed:
            await busy.step("worker", "close", case)
        text, values = mutation(name, "CaseStep", "verb"), {"input": {"id": case, **more}}
        assert (await probe.refused(anonymous(tenant), text, values))[0] == "FORBIDDEN", name
        assert await probe.refused(reader, text, values) == ("FORBIDDEN", "FORBIDDEN"), name
        assert await probe.refused(busy.who["neighbour"], text, values) == ("NOT_FOUND", "NOT_FOUND"), name
        gone = {key: encode_id("case", birch.tenant_id, new_id()) for key in ("id", "intoId") if key in values["input"]}
        absent = {"input": values["input"] | gone}
        assert await probe.refused(stranger, text, values) == await probe.refused(stranger, text, absent), name
        assert (await probe.done(busy.who["worker"], text, values))["verb"]


async def test_four_callers_of_a_co_handlers_answer(busy: Office, birch: AreaTree, front: Front) -> None:
    case = await busy.report()
    handlers = [{"departmentId": busy.department("water")}]
    await busy.step("worker", "whistle", case, departmentId=busy.department("urban"), handlers=handlers)
    tasks = "{ caseTasks { edges { node { id } } } }"
    task = (await front.data(busy.who["water"], tasks))["caseTasks"]["edges"][0]["node"]["id"]
    probe, text = Probe(front, busy.tree.tenant_id), mutation("caseTaskAnswer", "CaseTask", "state")
    values = {"input": {"id": task, "answer": "DONE", "text": "done"}}
    assert (await probe.refused(anonymous(busy.tree.tenant_id), text, values))[0] == "FORBIDDEN"
    assert (await probe.refused(busy.who["neighbour"], text, values))[0] == "NOT_FOUND"
    assert (await probe.refused(busy.who["urban"], text, values))[0] == "NOT_FOUND"
    # Who sees the case, and was not called in.
    assert await probe.refused(busy.who["worker"], text, values) == ("FORBIDDEN", "NOT_YOURS")
    assert (await probe.refused(await other_citys(birch, front), text, values))[0] == "NOT_FOUND"
    assert (await probe.done(busy.who["water"], text, values))["state"] == "DONE"


async def test_four_callers_of_the_catalogue_and_of_workflows(busy: Office, birch: AreaTree, front: Front) -> None:
    tenant, everywhere = busy.tree.tenant_id, busy.tree.administrator
    probe = Probe(front, tenant)
    stranger = await other_citys(birch, front)
    propose = mutation("matterPropose", "Matter")
    values: dict[str, Any] = {"input": {"parentId": busy.matter(), "code": "NEW", "nameZh": "新", "nameEn": "new"}}
    reader = await busy.hire("reader", "community_worker", at="s1c1", permissions=("cases.matter.read",))
    assert (await probe.refused(anonymous(tenant), propose, values))[0] == "FORBIDDEN"
    assert (await probe.refused(reader, propose, values))[0] == "FORBIDDEN"
    assert (await probe.refused(stranger, propose, values))[0] == "NOT_FOUND"
    made = (await probe.done(busy.who["worker"], propose, values))["id"]
    decide, values = mutation("matterDecide", "Matter"), {"input": {"id": made, "isAdmitted": True}}
    assert (await probe.refused(anonymous(tenant), decide, values))[0] == "FORBIDDEN"
    # Whose scope is an area decides nothing for the whole city.
    assert (await probe.refused(busy.who["worker"], decide, values))[0] == "FORBIDDEN"
    assert (await probe.refused(birch.administrator, decide, values))[0] == "NOT_FOUND"
    await probe.done(everywhere, decide, values)
    definition = LIGHTS | {"duty": None}
    for name, type_, selection in (
        ("workflowRehearse", "WorkflowRehearsal", "faults { place }"),
        ("workflowPublish", "Workflow", "id"),
    ):
        text, values = mutation(name, type_, selection), {"input": {"definition": definition}}
        assert (await probe.refused(anonymous(tenant), text, values))[0] == "FORBIDDEN"
        assert (await probe.refused(busy.who["worker"], text, values))[0] == "FORBIDDEN"
        assert (await probe.refused(stranger, text, values))[0] == "FORBIDDEN"
        found = (await front.data(everywhere, text, values))[name]
        assert found["__typename"] == type_, found


def test_no_mutation_of_cases_is_forgotten() -> None:
    names = {field.python_name for field in CasesMutation.__strawberry_definition__.fields}  # type: ignore[attr-defined] # set by Strawberry
    tested = {f"case_{verb.lower()}" for verb in VERBS}
    tested |= {"".join(f"_{c.lower()}" if c.isupper() else c for c in name) for name in OTHERS}
    assert names == tested | ELSEWHERE


async def test_points_score_who_resolved_a_task_order(alder: AreaTree, front: Front) -> None:
    """共驻共建: a community posts, a first secretary accepts and does it, the community gives points for it."""
    from cityloom.modules.grid import models as grid
    from cityloom.testing.grid import Roster

    roster = await Roster.of(alder)
    await roster.hold("secretary", "LEAD", "s1c1")
    who = {"ACCEPT": ["post:LEAD"], "RESOLVE": ["assignee"], "CLOSE": ["role:community_worker"]}
    flow = EVERYTHING | {
        "code": "task_order",
        "transitions": [t | ({"who": who[t["verb"]]} if t["verb"] in who else {}) for t in EVERYTHING["transitions"]],
    }
    office = await Office.open(alder, front, definition=flow)
    rights = tuple(name for name in ("cases.case.read", "cases.case.handle"))
    secretary = roster.principal("secretary", *rights, at="s1c1")
    case = await office.report("worker")
    assert (await office.step("colleague", "accept", case))["reason"] == "NOT_YOURS"
    assert (await office.step(secretary, "accept", case))["__typename"] == "CaseStep"
    assert (await office.step(secretary, "resolve", case, comment="done"))["__typename"] == "CaseStep"
    assert (await office.step("worker", "close", case, satisfaction=5))["toState"] == "closed"
    case_id = decode_id(case, alder.tenant_id, "case")
    async with front.works.begin(alder.administrator) as work:
        rows = (
            await work.session.scalars(
                select(grid.ScoreContribution).where(grid.ScoreContribution.source_id == case_id)
            )
        ).all()
        assert await work.session.scalar(select(m.Case.satisfaction).where(m.Case.id == case_id)) == 5
    assert {(row.input, row.amount_milli) for row in rows} == {
        ("cases.closed", 1000),
        ("cases.in_time", 1000),
        ("cases.task_order.points", 5000),
    }
    assert {row.account_id for row in rows} == {secretary.account_id}
