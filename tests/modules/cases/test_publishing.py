"""Workflows and matters: what is refused before it can do harm, and what open cases keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cityloom.testing.cases import LIGHTS, REPORT, Office

if TYPE_CHECKING:
    from cityloom.core.principal import Principal
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.front import Front

PUBLISH = (
    "mutation ($input: WorkflowPublishInput!) { workflowPublish(input: $input) { __typename"
    " ... on Workflow { revision isCurrent openCaseCount states { code } } ... on Refusal { code reason message } } }"
)
REHEARSE = (
    "mutation ($input: WorkflowRehearseInput!) { workflowRehearse(input: $input) { ... on WorkflowRehearsal"
    " { faults { place en } openCases { state openCases isStranded } } ... on Refusal { code reason } } }"
)


async def publish(front: Front, who: Principal, definition: dict[str, Any], **more: Any) -> dict[str, Any]:
    found = await front.data(who, PUBLISH, {"input": {"definition": definition, **more}})
    answer: dict[str, Any] = found["workflowPublish"]
    return answer


def without(state: str) -> dict[str, Any]:
    """The workflow without a state and all that leads to or from it, sound otherwise."""
    transitions = [
        t | {"from_states": [s for s in t["from_states"] if s != state]}
        for t in LIGHTS["transitions"]
        if t["to"] != state and t["from_states"] != [state]
    ]
    return LIGHTS | {"states": [s for s in LIGHTS["states"] if s["code"] != state], "transitions": transitions}


async def test_cases_stay_on_the_version_that_they_began_with(office: Office, front: Front, alder: AreaTree) -> None:
    old = await office.report()
    shorter = LIGHTS | {"states": [s | ({"limit": "5m"} if s["code"] == "found" else {}) for s in LIGHTS["states"]]}
    same = await publish(front, alder.administrator, LIGHTS)
    assert (same["revision"], same["openCaseCount"]) == (1, 1)
    made = await publish(front, alder.administrator, shorter)
    assert (made["__typename"], made["revision"], made["isCurrent"], made["openCaseCount"]) == ("Workflow", 2, True, 0)
    new = await office.report()
    revisions = [(await office.case(case, "workflow { revision } dueAt")) for case in (old, new)]
    assert [found["workflow"]["revision"] for found in revisions] == [1, 2]
    assert revisions[0]["dueAt"] == "2026-03-02T01:30:00.000000Z"
    assert revisions[1]["dueAt"] == "2026-03-02T01:05:00.000000Z"
    step = await office.step("worker", "dispatch", old, departmentId=office.department("urban"))
    assert step["toState"] == "whistled"


async def test_what_would_strand_open_cases_is_counted_and_refused(
    office: Office, front: Front, alder: AreaTree
) -> None:
    case = await office.report()
    await office.step("worker", "dispatch", case, departmentId=office.department("urban"))
    await office.step("urban", "accept", case)
    await office.step("urban", "hold", case, comment="x")
    await office.report()
    gone = without("held")
    rehearsed = await front.data(alder.administrator, REHEARSE, {"input": {"definition": gone}})
    assert rehearsed["workflowRehearse"] == {
        "faults": [],
        "openCases": [
            {"state": "found", "openCases": 1, "isStranded": False},
            {"state": "held", "openCases": 1, "isStranded": True},
        ],
    }
    before = await front.footprint(alder.tenant_id)
    refused = await publish(front, alder.administrator, gone, carriesOver=True)
    assert (refused["reason"], refused["message"]) == (
        "WORKFLOW_WOULD_STRAND",
        "The new version would strand open cases: held 1.",
    )
    assert await front.footprint(alder.tenant_id) == before
    await office.step("urban", "resume", case)
    done = await publish(front, alder.administrator, gone, carriesOver=True)
    assert (done["revision"], done["openCaseCount"]) == (2, 2)
    assert (await office.step("urban", "hold", case, comment="x"))["reason"] == "TRANSITION_NOT_OPEN"
    assert (await office.step("urban", "resolve", case))["toState"] == "resolved"


async def test_faulty_workflows_are_refused_and_change_nothing(office: Office, front: Front, alder: AreaTree) -> None:
    before = await front.footprint(alder.tenant_id)
    nobody = LIGHTS | {"escalation": [{"to": "role:astronaut"}]}
    refused = await publish(front, alder.administrator, nobody)
    assert (refused["code"], refused["reason"]) == ("INVALID_PACK", "WORKFLOW_FAULTY")
    assert "nobody holds the role 'astronaut'" in refused["message"]
    island = LIGHTS | {"states": [*LIGHTS["states"], {**LIGHTS["states"][0], "code": "island"}]}
    assert "unreachable" in (await publish(front, alder.administrator, island))["message"]
    assert (await publish(front, alder.administrator, {"code": "x"}))["reason"] == "INVALID_INPUT"
    assert (await publish(front, office.who["worker"], LIGHTS))["code"] == "FORBIDDEN"
    assert await front.footprint(alder.tenant_id) == before


PROPOSE = (
    "mutation ($input: MatterProposeInput!) { matterPropose(input: $input) { __typename"
    " ... on Matter { id admission isReportable } ... on Refusal { code reason } } }"
)
DECIDE = (
    "mutation ($input: MatterDecideInput!) { matterDecide(input: $input) { __typename"
    " ... on Matter { admission isReportable workflowCode priority department { code } }"
    " ... on Refusal { code reason } } }"
)


async def test_a_matter_is_admitted_by_somebody_else_before_it_can_be_reported(
    office: Office, front: Front, alder: AreaTree
) -> None:
    async with front.works.begin(alder.administrator) as work:
        office.matters["class"] = await office.add_matter(work, "03", workflow="whistle", department="water")
    given = {
        "parentId": office.matter("class"),
        "code": "0301",
        "nameZh": "新事项",
        "nameEn": "New",
        "priority": "HIGH",
    }
    proposer = alder.administrator
    proposed = (await front.data(proposer, PROPOSE, {"input": given}))["matterPropose"]
    assert (proposed["admission"], proposed["isReportable"]) == ("PROPOSED", False)
    again = (await front.data(proposer, PROPOSE, {"input": given}))["matterPropose"]
    assert again["reason"] == "MATTER_CODE_TAKEN"
    report = {"matterId": proposed["id"], "areaId": alder.global_id("s1c1g1"), "description": "x"}
    assert (await front.data(office.who["grid"], REPORT, {"input": report}))["caseReport"]["reason"] == (
        "MATTER_NOT_REPORTABLE"
    )
    decision = {"id": proposed["id"], "isAdmitted": True}
    own = (await front.data(proposer, DECIDE, {"input": decision}))["matterDecide"]
    assert own["reason"] == "APPROVED_BY_PROPOSER"
    assert (await front.data(office.who["worker"], DECIDE, {"input": decision}))["matterDecide"]["code"] == "FORBIDDEN"
    other = alder.someone("cases.matter.approve", "cases.matter.read", "access.department.read")
    admitted = (await front.data(other, DECIDE, {"input": decision}))["matterDecide"]
    assert admitted == {
        "__typename": "Matter",
        "admission": "ADMITTED",
        "isReportable": True,
        "workflowCode": "whistle",
        "priority": "HIGH",
        "department": {"code": "water"},
    }
    taken = (await front.data(office.who["grid"], REPORT, {"input": report}))["caseReport"]
    assert taken["__typename"] == "CaseTracking"
    twice = (await front.data(other, DECIDE, {"input": decision}))["matterDecide"]
    assert twice["reason"] == "MATTER_DECIDED"
