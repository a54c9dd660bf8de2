"""Who may do what with a case, that refusals change nothing, and that of two at once exactly one wins."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cityloom.core.ids import encode_id, new_id
from cityloom.core.principal import Principal, Scope
from cityloom.testing.areas import AreaTree
from cityloom.testing.cases import REPORT, Office
from cityloom.testing.front import anonymous
from cityloom.testing.rights import StatedRights

if TYPE_CHECKING:
    from cityloom.testing.front import Front


async def walk(office: Office, *verbs: str, case: str | None = None) -> str:
    """A case that went this far."""
    case = case or await office.report()
    who = {"dispatch": "worker", "close": "worker", "verify": "colleague", "reject": "colleague", "reopen": "worker"}
    for verb in verbs:
        more: dict[str, Any] = {"departmentId": office.department("urban")} if verb == "dispatch" else {}
        more |= {"comment": "why"} if verb in {"reject", "reopen", "hold", "return"} else {}
        step = await office.step(who.get(verb, "urban"), verb, case, **more)
        assert step["__typename"] == "CaseStep", step
    return case


async def test_nobody_verifies_what_they_resolved(office: Office) -> None:
    case = await walk(office, "dispatch", "accept", "resolve")
    refused = await office.step("urban", "verify", case)
    assert refused["reason"] == "NOT_BY_THE_RESOLVER"
    assert (await office.case(case))["state"] == "resolved"
    assert (await office.step("colleague", "verify", case))["__typename"] == "CaseStep"


async def test_what_is_not_open_from_this_state_is_refused(office: Office, front: Front) -> None:
    case = await walk(office, "dispatch")
    before = await front.footprint(office.tree.tenant_id)
    for who, verb in (("worker", "dispatch"), ("urban", "resolve"), ("worker", "close"), ("worker", "reopen")):
        refused = (
            await office.step(who, verb, case, departmentId=office.department("urban"))
            if verb == "dispatch"
            else (await office.step(who, verb, case))
        )
        assert (refused["code"], refused["reason"]) == ("INVALID_STATE", "TRANSITION_NOT_OPEN"), refused
    refused = await office.step("urban", "return", case)
    assert (refused["reason"], refused["path"]) == ("NEED_MISSING", ["input", "comment"])
    assert await front.footprint(office.tree.tenant_id) == before


async def test_four_callers_of_every_verb(office: Office, front: Front) -> None:
    """Anonymous; the wrong role; the right role elsewhere; and the one who may."""
    steps = (
        ("dispatch", "worker", "grid", "neighbour"),
        ("accept", "urban", "grid", "water"),
        ("hold", "urban", "grid", "water"),
        ("resume", "urban", "grid", "water"),
        ("resolve", "urban", "grid", "water"),
        ("verify", "colleague", "grid", "neighbour"),
        ("close", "worker", "grid", "neighbour"),
        ("reopen", "worker", "lead", "neighbour"),
    )
    case = await office.report()
    for verb, allowed, wrong, elsewhere in steps:
        more: dict[str, Any] = {"departmentId": office.department("urban")} if verb == "dispatch" else {}
        more |= {"comment": "why"} if verb in {"hold", "reopen"} else {}
        before = await front.footprint(office.tree.tenant_id)
        nobody = await office.step(anonymous(office.tree.tenant_id), verb, case, **more)
        assert nobody["code"] == "FORBIDDEN", (verb, nobody)
        other_role = await office.step(wrong, verb, case, **more)
        assert (other_role["code"], other_role["reason"]) == ("FORBIDDEN", "NOT_YOURS"), (verb, other_role)
        other_place = await office.step(elsewhere, verb, case, **more)
        assert other_place["code"] == "NOT_FOUND", (verb, other_place)
        assert await front.footprint(office.tree.tenant_id) == before
        done = await office.step(allowed, verb, case, **more)
        assert done["__typename"] == "CaseStep", (verb, done)


async def test_another_city_sees_nothing_of_a_case(office: Office, birch: AreaTree, front: Front) -> None:
    case = await office.report()
    other = await Office.open(birch, front)
    before = await front.footprint(office.tree.tenant_id)
    absent = encode_id("case", birch.tenant_id, new_id())
    for verb in ("accept", "close", "reopen", "resolve"):
        assert await other.step("worker", verb, case) == await other.step("worker", verb, absent)
    everything = await front.data(
        birch.administrator,
        "query ($id: ID!) { case(id: $id) { id } node(id: $id) { id } cases { totalCount } caseStats { count } }",
        {"id": case},
    )
    assert everything == {"case": None, "node": None, "cases": {"totalCount": 0}, "caseStats": [{"count": 0}]}
    foreign = await other.report()
    step = await other.step("worker", "dispatch", foreign, departmentId=office.department("urban"))
    assert (step["code"], step["path"]) == ("NOT_FOUND", ["input", "departmentId"])
    assert await front.footprint(office.tree.tenant_id) == before


async def test_of_many_at_once_exactly_one_wins(office: Office) -> None:
    case = await walk(office, "dispatch")
    answers = await asyncio.gather(*(office.step("urban", "accept", case) for _ in range(6)))
    won = [answer for answer in answers if answer["__typename"] == "CaseStep"]
    lost = [answer["reason"] for answer in answers if answer["__typename"] != "CaseStep"]
    assert len(won) == 1
    assert lost == ["TRANSITION_NOT_OPEN"] * 5
    steps = await office.case(case, "steps { totalCount } version")
    assert steps["steps"]["totalCount"] == 3


async def test_who_read_an_older_version_is_told(office: Office) -> None:
    case = await walk(office, "dispatch")
    version = (await office.case(case, "version"))["version"]
    stale = await office.step("urban", "accept", case, version=version - 1)
    assert stale["code"] == "STALE"
    assert (await office.step("urban", "accept", case, version=version))["__typename"] == "CaseStep"


async def test_a_transfer_goes_out_of_sight_and_is_answered(office: Office) -> None:
    case = await walk(office, "dispatch", "accept")
    step = await office.step("urban", "transfer", case, departmentId=office.department("water"))
    assert (step["__typename"], step["case"]) == ("CaseStep", None)
    assert (await office.step("urban", "resolve", case))["code"] == "NOT_FOUND"
    assert (await office.step("water", "resolve", case))["__typename"] == "CaseStep"


async def test_generic_act_is_the_same_as_the_verb(office: Office, front: Front) -> None:
    case = await office.report()
    document = (
        "mutation ($input: CaseActInput!) { caseAct(input: $input) { __typename ... on CaseStep { verb toState }"
        " ... on Refusal { reason } } }"
    )
    given = {"id": case, "transition": "dispatch", "departmentId": office.department("urban")}
    answer = await front.data(office.who["worker"], document, {"input": given})
    assert answer["caseAct"] == {"__typename": "CaseStep", "verb": "DISPATCH", "toState": "whistled"}
    given = {"id": case, "transition": "nonsense"}
    assert (await front.data(office.who["worker"], document, {"input": given}))["caseAct"]["reason"] == (
        "TRANSITION_NOT_OPEN"
    )


async def test_a_whistle_calls_several_in_and_each_responds(office: Office, front: Front) -> None:
    case = await office.report()
    handlers = [{"departmentId": office.department("urban")}, {"departmentId": office.department("water")}]
    step = await office.step("worker", "dispatch", case, departmentId=office.department("urban"), handlers=handlers[1:])
    assert step["__typename"] == "CaseStep", step
    mine = "{ caseTasks { edges { node { id state summary department { code } case { id } } } } }"
    found = (await front.data(office.who["water"], mine))["caseTasks"]["edges"]
    assert [edge["node"]["state"] for edge in found] == ["OPEN"]
    assert found[0]["node"]["case"] is None
    answer = (
        "mutation ($input: CaseTaskAnswerInput!) { caseTaskAnswer(input: $input) { __typename"
        " ... on CaseTask { state answer } ... on Refusal { reason code } } }"
    )
    given = {"id": found[0]["node"]["id"], "answer": "RESPONDED", "text": "on our way"}
    assert (await front.data(office.who["urban"], answer, {"input": given}))["caseTaskAnswer"]["code"] == "NOT_FOUND"
    done = (await front.data(office.who["water"], answer, {"input": given}))["caseTaskAnswer"]
    assert done == {"__typename": "CaseTask", "state": "RESPONDED", "answer": "on our way"}
    again = (await front.data(office.who["water"], answer, {"input": given}))["caseTaskAnswer"]
    assert again["reason"] == "TASK_ANSWERED"


async def test_reopening_ends_with_its_window(office: Office, clock: Any) -> None:
    case = await walk(office, "dispatch", "accept", "resolve", "verify", "close")
    clock.advance(days=6)
    await walk(office, "reopen", "dispatch", "accept", "resolve", "verify", "close", case=case)
    assert await office.case(case, "reopenCount isOpen") == {"reopenCount": 1, "isOpen": False}
    clock.advance(days=7, minutes=1)
    assert (await office.step("worker", "reopen", case, comment="again"))["reason"] == "REOPEN_WINDOW_OVER"


async def test_a_resident_sees_their_own_and_follows_by_code(office: Office, front: Front) -> None:
    mine = await office.report("resident", description="rubbish at the gate")
    await office.report("grid")
    listed = await front.data(office.who["resident"], "{ cases { totalCount edges { node { id } } } }")
    assert [edge["node"]["id"] for edge in listed["cases"]["edges"]] == [mine]
    await walk(office, "dispatch", case=mine)
    code = (await office.case(mine, "trackingCode"))["trackingCode"]
    track = (
        "query ($code: String!) { caseTracking(code: $code) { light stateZh isOpen matter { nameZh } case { id } } }"
    )
    typed = f" {code[:6].lower()} {code[6:].lower()}"
    shown = (await front.data(office.who["resident"], track, {"code": typed}))["caseTracking"]
    assert shown == {
        "light": "BLUE",
        "stateZh": "已吹哨",
        "isOpen": True,
        "matter": {"nameZh": "0101"},
        "case": {"id": mine},
    }
    await office.step("urban", "accept", mine)
    commented = (
        "mutation ($input: CaseCommentInput!) { caseComment(input: $input) { __typename ... on CaseStep { verb } } }"
    )
    await front.data(office.who["worker"], commented, {"input": {"id": mine, "text": "not for everybody"}})
    told = "query ($code: String!) { caseTracking(code: $code) { history { verb happenedAt } } }"
    history = (await front.data(office.who["resident"], told, {"code": code}))["caseTracking"]["history"]
    assert [step["verb"] for step in history] == ["REPORT", "DISPATCH", "ACCEPT"]
    follower = replace(office.who["resident"], account_id=new_id())
    assert (await front.data(follower, track, {"code": code}))["caseTracking"]["case"] is None
    assert (await front.data(follower, track, {"code": "0" * 12}))["caseTracking"] is None


async def test_intake_refuses_what_cannot_be_reported(office: Office, alder: AreaTree, front: Front) -> None:
    async with front.works.begin(alder.administrator) as work:
        office.matters["staff only"] = await office.add_matter(work, "0102", workflow="whistle", reporters=["staff"])
        office.matters["class"] = await office.add_matter(work, "02")
    good = {"matterId": office.matter(), "areaId": alder.global_id("s1c1g1"), "description": "x"}

    async def ask(who: str | Principal, **change: Any) -> tuple[str, list[str]]:
        principal = office.who[who] if isinstance(who, str) else who
        given = {key: value for key, value in (good | change).items() if value is not None}
        answer = (await front.data(principal, REPORT, {"input": given}))["caseReport"]
        return answer.get("reason", "taken"), answer.get("path", [])

    before = await front.footprint(alder.tenant_id)
    assert await ask("resident", matterId=office.matter("staff only")) == (
        "REPORTER_NOT_ALLOWED",
        ["input", "matterId"],
    )
    assert await ask("grid", matterId=office.matter("class")) == ("MATTER_NOT_REPORTABLE", ["input", "matterId"])
    assert await ask("grid", matterId=encode_id("matr", alder.tenant_id, new_id())) == (
        "NOT_FOUND",
        ["input", "matterId"],
    )
    assert await ask("grid", areaId=None) == ("PLACE_MISSING", ["input", "position"])
    assert await ask("grid", areaId=None, position={"longitude": 1.0, "latitude": 1.0}) == (
        "PLACE_UNKNOWN",
        ["input", "position"],
    )
    assert await ask("grid", areaId=alder.global_id("s2c1g1")) == ("FORBIDDEN", [])
    assert await ask("grid", description=" ") == ("TEXT_WRONG", ["input", "description"])
    assert await ask("grid", isAnonymous=True) == ("ANONYMOUS_NOT_ALLOWED", ["input", "isAnonymous"])
    assert await ask("grid", phone="12") == ("INVALID_MOBILE_NUMBER", ["input", "phone"])
    assert await ask(anonymous(alder.tenant_id)) == ("FORBIDDEN", [])
    assert await front.footprint(alder.tenant_id) == before
    assert await ask("grid", source="HOTLINE", externalReference="12345-1") == ("taken", [])
    assert (await ask("grid", source="HOTLINE", externalReference="12345-1"))[0] == "REPORTED_ALREADY"


async def test_the_position_decides_the_grid(office: Office, alder: AreaTree, front: Front) -> None:
    ring = [[120.0, 30.0], [120.1, 30.0], [120.1, 30.1], [120.0, 30.1], [120.0, 30.0]]
    document = (
        "mutation ($input: AreaBoundarySetInput!) { areaBoundarySet(input: $input) { __typename"
        " ... on Refusal { message } } }"
    )
    given = {"id": alder.global_id("s1c1g2"), "boundary": {"type": "Polygon", "coordinates": [ring]}}
    assert (await front.data(alder.administrator, document, {"input": given}))["areaBoundarySet"][
        "__typename"
    ] == "Area"
    answer = await front.data(
        office.who["resident"],
        REPORT,
        {
            "input": {
                "matterId": office.matter(),
                "description": "x",
                "position": {"longitude": 120.05, "latitude": 30.05},
            }
        },
    )
    case = answer["caseReport"]["case"]["id"]
    assert (await office.case(case, "area { code }"))["area"] == {"code": "S1C1G2"}
    query = (
        "query ($m: ID!, $x: Float!) { caseDuplicates(matterId: $m, longitude: $x, latitude: 30.05, metres: 100)"
        " { id } }"
    )
    for longitude, found in ((120.0508, [{"id": case}]), (120.06, [])):
        values = {"m": office.matter(), "x": longitude}
        assert (await front.data(office.who["worker"], query, values))["caseDuplicates"] == found


MERGE = (
    "mutation ($input: CaseMergeInput!) { caseMerge(input: $input) { __typename ... on CaseStep { verb case { id } }"
    " ... on Refusal { reason } } }"
)


async def test_duplicates_are_merged_and_no_reporter_is_lost(office: Office, front: Front) -> None:
    first = await office.report("grid", phone="13800001234")
    second = await office.report("resident")
    code = (await office.case(second, "trackingCode"))["trackingCode"]
    merged = await front.data(office.who["worker"], MERGE, {"input": {"id": second, "intoId": first}})
    assert merged["caseMerge"] == {"__typename": "CaseStep", "verb": "MERGE", "case": {"id": first}}
    kept = await office.case(first, "reportCount reports { edges { node { phone reporter { id } } } }")
    assert kept["reportCount"] == 2
    reporters = {edge["node"]["reporter"]["id"] for edge in kept["reports"]["edges"]}
    assert reporters == {office.account("grid"), office.account("resident")}
    assert "138****1234" in {edge["node"]["phone"] for edge in kept["reports"]["edges"]}
    assert await office.case(second, "isOpen mergedInto { id }") == {"isOpen": False, "mergedInto": {"id": first}}
    await walk(office, "dispatch", case=first)
    shown = await front.data(
        office.who["resident"], "query ($c: String!) { caseTracking(code: $c) { light } }", {"c": code}
    )
    assert shown["caseTracking"]["light"] == "BLUE"
    again = await front.data(office.who["worker"], MERGE, {"input": {"id": second, "intoId": first}})
    assert again["caseMerge"]["reason"] == "MERGE_IMPOSSIBLE"
    assert (await office.step("worker", "reopen", second, comment="x"))["__typename"] == "Refusal"


@pytest.mark.parametrize("both", [True, False])
async def test_two_merges_at_once_do_not_wait_for_each_other(office: Office, front: Front, both: bool) -> None:  # noqa: FBT001 - parametrised
    one, two = await office.report(), await office.report()
    pairs = [(one, two), (two, one)] if both else [(one, two), (one, two)]
    answers = await asyncio.gather(
        *(front.data(office.who["worker"], MERGE, {"input": {"id": a, "intoId": b}}) for a, b in pairs)
    )
    kinds = sorted(answer["caseMerge"]["__typename"] for answer in answers)
    assert kinds == ["CaseStep", "Refusal"]


async def test_the_board_counts_within_the_viewers_scope(office: Office, front: Front, alder: AreaTree) -> None:
    await office.report()
    await walk(office, "dispatch", "accept", "resolve", "verify", "close")
    await office.report("neighbour", at="s2c1g1")
    board = (
        "{ byLight: caseStats(by: [LIGHT]) { keys count open } all: caseStats { count closed closureSeconds }"
        " hours: caseStats(by: [HOUR, DAY]) { keys count } }"
    )
    city = await front.data(alder.administrator, board)
    assert sorted((g["keys"][0], g["count"], g["open"]) for g in city["byLight"]) == [("GREEN", 1, 0), ("RED", 2, 2)]
    assert city["all"][0]["count"] == 3
    assert city["hours"] == [{"keys": ["9", "2026-03-02"], "count": 3}]
    street = await front.data(office.who["lead"], board)
    assert street["all"][0]["count"] == 2
    area = await front.data(
        alder.administrator,
        "query ($id: ID!) { area(id: $id) { caseCount openCaseCount overdueCaseCount } }",
        {"id": alder.global_id("s1")},
    )
    assert area["area"] == {"caseCount": 2, "openCaseCount": 1, "overdueCaseCount": 0}
    blind = Principal(
        alder.tenant_id,
        office.who["lead"].kind,
        StatedRights({"areas.area.read": Scope(everywhere=True)}),
        account_id=new_id(),
    )
    answer = await front.ask(blind, "{ cases { totalCount } caseStats { count } }")
    assert answer["data"] == {"cases": {"totalCount": 0}, "caseStats": [{"count": 0}]}


async def test_percentiles_and_a_drawn_sample(office: Office, front: Front, alder: AreaTree, clock: Any) -> None:
    closed = []
    for minutes in (1, 2, 3, 4, 30):
        case = await office.report()
        await walk(office, "dispatch", case=case)
        clock.advance(minutes=minutes)
        closed.append(await walk(office, "accept", "resolve", "verify", "close", case=case))
    await office.report()
    area = await front.data(
        alder.administrator,
        "query ($id: ID!) { area(id: $id) { responseSecondsMedian responseSecondsP90 closureSecondsMedian } }",
        {"id": alder.global_id("s1")},
    )
    assert area["area"] == {"responseSecondsMedian": 180, "responseSecondsP90": 1800, "closureSecondsMedian": 180}
    sample = (
        "query ($since: DateTime!, $until: DateTime!, $seed: String!) {"
        " caseSample(since: $since, until: $until, seed: $seed, size: 3) { id isOpen } }"
    )
    begin, end = clock.now().replace(hour=0), clock.now().replace(hour=23)
    values = {"since": begin.isoformat(), "until": end.isoformat(), "seed": "march"}
    first = (await front.data(office.who["lead"], sample, values))["caseSample"]
    again = (await front.data(office.who["lead"], sample, values))["caseSample"]
    assert first == again
    assert len(first) == 3
    assert {found["id"] for found in first} <= set(closed)
    assert (await front.data(office.who["neighbour"], sample, values))["caseSample"] == []
    draws = [(await front.data(office.who["lead"], sample, values | {"seed": f"{n}"}))["caseSample"] for n in range(4)]
    assert len({tuple(sorted(found["id"] for found in draw)) for draw in draws}) > 1
