"""Warnings, missed deadlines and escalation on an injected clock: what time does, edits do not undo."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from cityloom.modules.cases import clocks as ck
from cityloom.modules.cases import models as m
from cityloom.modules.cases.business import BusinessCalendar
from cityloom.modules.cases.jobs import run_tenant
from cityloom.modules.cases.permissions import PERMISSIONS
from cityloom.modules.cases.service import run_due
from cityloom.tenancy.system import system_principal
from cityloom.testing.cases import LIGHTS, Office
from cityloom.testing.grid import Roster

if TYPE_CHECKING:
    from cityloom.core.work import Works
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.front import Front

LEDGER = (
    "level isOverdue isOnBoard escalatedTo { id } dueAt"
    " clockEntries(first: 60) { edges { node { kind at mark target } } }"
)


async def ledger(office: Office, case: str) -> list[tuple[str, int | None, str | None]]:
    """Kind, mark and target of every line."""
    found = await office.case(case, LEDGER)
    return [(e["node"]["kind"], e["node"]["mark"], e["node"]["target"]) for e in found["clockEntries"]["edges"]]


async def tick(office: Office, clock: ManualClock, **amount: float) -> int:
    """Let time pass, and the periodic run come."""
    clock.advance(**amount)
    async with office.front.works.begin(system_principal(office.tree.tenant_id)) as work:
        return await run_due(work)


async def test_time_warns_breaches_and_climbs(office: Office, clock: ManualClock) -> None:
    case = await office.report()
    assert await tick(office, clock, minutes=14) == 0
    assert await tick(office, clock, minutes=1) == 1
    assert (await ledger(office, case))[2:] == [("WARN", 50, None)]
    assert await tick(office, clock, minutes=9) == 1
    assert (await ledger(office, case))[3:] == [("WARN", 80, None)]
    assert (await office.case(case, "isOverdue level"))["isOverdue"] is False
    assert await tick(office, clock, minutes=6) == 1
    found = await office.case(case, LEDGER)
    assert (found["isOverdue"], found["level"], found["escalatedTo"]) == (True, 1, {"id": office.account("lead")})
    assert (await ledger(office, case))[4:] == [("BREACH", None, None), ("ESCALATE", 1, "role:street_lead")]
    assert await tick(office, clock, hours=1) == 1
    found = await office.case(case, LEDGER)
    assert (found["level"], found["escalatedTo"]) == (2, {"id": office.account("mayor")})
    assert await tick(office, clock, days=30) == 0
    await office.step("worker", "dispatch", case, departmentId=office.department("urban"))
    found = await office.case(case, LEDGER + " wasLate")
    assert (found["isOverdue"], found["level"], found["escalatedTo"], found["wasLate"]) == (False, 0, None, True)


async def test_a_late_run_writes_what_was_due_when_it_was_due(office: Office, clock: ManualClock) -> None:
    case = await office.report()
    begin = clock.now()
    assert await tick(office, clock, days=2) == 1
    found = await office.case(case, LEDGER)
    moments = [edge["node"]["at"] for edge in found["clockEntries"]["edges"]][2:]
    due = [begin + timedelta(minutes=after) for after in (15, 24, 30, 30, 90)]
    assert moments == [at.strftime("%Y-%m-%dT%H:%M:%S.000000Z") for at in due]
    assert await tick(office, clock, seconds=1) == 0


async def test_a_step_settles_the_clocks_first(office: Office, clock: ManualClock) -> None:
    """However late the periodic run is, a missed deadline is in the ledger before the step that came after it."""
    case = await office.report()
    clock.advance(minutes=45)
    await office.step("worker", "dispatch", case, departmentId=office.department("urban"))
    kinds = [kind for kind, _, _ in await ledger(office, case)]
    assert kinds == ["START", "DEADLINE", "WARN", "WARN", "BREACH", "ESCALATE", "STOP", "START", "DEADLINE"]
    assert (await office.case(case, "wasLate isOverdue")) == {"wasLate": True, "isOverdue": False}


async def test_no_comment_reminder_or_answer_moves_a_deadline(office: Office, front: Front, clock: ManualClock) -> None:
    case = await office.report()
    await office.step("worker", "dispatch", case, departmentId=office.department("urban"))
    before = await office.case(case, LEDGER)
    for name, who in (("Comment", "worker"), ("Remind", "lead")):
        clock.advance(minutes=1)
        document = (
            f"mutation ($input: Case{name}Input!) {{ case{name}(input: $input) {{ __typename"
            " ... on Refusal { reason } } }"
        )
        answer = await front.data(office.who[who], document, {"input": {"id": case, "text": "please"}})
        assert answer[f"case{name}"] == {"__typename": "CaseStep"}
    assert await office.case(case, LEDGER) == before


SUPERVISE = (
    "mutation ($input: CaseSuperviseInput!) { caseSupervise(input: $input) { __typename"
    " ... on CaseStep { verb case { dueAt } } ... on Refusal { reason code path } } }"
)


async def test_a_supervisor_sets_a_deadline_as_an_entry_of_the_ledger(
    office: Office, front: Front, clock: ManualClock
) -> None:
    case = await office.report()
    await tick(office, clock, minutes=40)
    wanted = clock.now() + timedelta(hours=3)
    given: dict[str, Any] = {"id": case, "dueAt": wanted.isoformat(), "text": "by noon"}
    assert (await front.data(office.who["lead"], SUPERVISE, {"input": given}))["caseSupervise"][
        "__typename"
    ] == "CaseStep"
    found = await office.case(case, LEDGER)
    assert (found["isOverdue"], found["level"]) == (False, 0)
    assert found["dueAt"] == wanted.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    past = given | {"dueAt": (clock.now() - timedelta(minutes=1)).isoformat()}
    refused = (await front.data(office.who["worker"], SUPERVISE, {"input": past}))["caseSupervise"]
    assert (refused["reason"], refused["path"]) == ("DEADLINE_WRONG", ["input", "dueAt"])
    assert await tick(office, clock, hours=3) == 1
    assert (await office.case(case, "isOverdue"))["isOverdue"] is True


async def test_a_pause_keeps_what_is_left(office: Office, clock: ManualClock) -> None:
    """Three working days, one hour used, a week on hold: what is left is what was left."""
    case = await office.report()
    await office.step("worker", "dispatch", case, departmentId=office.department("urban"))
    await office.step("urban", "accept", case)
    clock.advance(hours=1)
    await office.step("urban", "hold", case, comment="waiting for a part")
    assert (await office.case(case, "dueAt"))["dueAt"] is None
    clock.advance(days=7)
    assert await tick(office, clock, hours=0) == 0
    await office.step("urban", "resume", case)
    # 21.5 h from Monday 10:00 on: 6 h of that day, 7.5 h on Tuesday and on Wednesday, half an hour on Thursday.
    assert (await office.case(case, "dueAt"))["dueAt"] == "2026-03-12T01:00:00.000000Z"


async def test_nobody_to_go_to_is_the_duty_officer_and_then_the_board(
    alder: AreaTree, birch: AreaTree, front: Front, clock: ManualClock
) -> None:
    ladder = [{"to": "role:grid_worker"}]
    for tree, duty, target in ((alder, "role:duty_officer", "role:duty_officer"), (birch, None, "board")):
        office = await Office.open(tree, front, definition=LIGHTS | {"escalation": ladder, "duty": duty})
        case = await office.report("neighbour", at="s2c1g1")
        await tick(office, clock, minutes=30)
        found = await office.case(case, LEDGER)
        assert (await ledger(office, case))[-1] == ("ESCALATE", 1, target)
        assert found["isOnBoard"] is (target == "board")
        assert (found["escalatedTo"] is None) is (target == "board")


async def test_several_runs_at_once_write_each_line_once(
    office: Office, clock: ManualClock, works: Works, alder: AreaTree
) -> None:
    cases = [await office.report() for _ in range(4)]
    clock.advance(hours=3)
    await asyncio.gather(*(run_tenant(works, alder.tenant_id) for _ in range(4)))
    for case in cases:
        kinds = [kind for kind, _, _ in await ledger(office, case)]
        assert kinds == ["START", "DEADLINE", "WARN", "WARN", "BREACH", "ESCALATE", "ESCALATE"]


async def test_the_row_is_the_sum_of_the_ledger(
    office: Office, clock: ManualClock, works: Works, alder: AreaTree
) -> None:
    case = await office.report()
    await tick(office, clock, minutes=20)
    await office.step("worker", "dispatch", case, departmentId=office.department("urban"))
    await office.step("urban", "accept", case)
    await tick(office, clock, hours=20)
    await office.step("urban", "hold", case, comment="x")
    clock.advance(days=1)
    await office.step("urban", "resume", case)
    async with works.begin(alder.administrator) as work:
        row = (await work.session.scalars(select(m.Case))).one()
        lines = await work.session.scalars(select(m.CaseClockEntry).order_by(m.CaseClockEntry.number))
        entries = [
            ck.Entry(
                line.kind,  # type: ignore[arg-type] # the table's check says so
                line.clock,  # type: ignore[arg-type] # the same
                line.at,
                line.state,
                None if line.limit_ms is None else timedelta(milliseconds=line.limit_ms),
                line.is_working,
                line.due_at,
                line.mark,
            )
            for line in lines
        ]
        assert ck.restored(row.clocks) == ck.fold(entries, BusinessCalendar())
        assert await work.session.scalar(select(func.count()).select_from(m.CaseClockEntry)) == row.entry_count


async def test_posts_act_and_are_escalated_to(alder: AreaTree, front: Front, clock: ManualClock) -> None:
    """A transition and a rung for a post, and the nearest lead as duty officer where the workflow names none."""
    roster = await Roster.of(alder)
    await roster.hold("li", "GRID_LEAD", "s1c1g1")
    await roster.hold("zhao", "LEAD", "s2")
    transitions = [t | ({"who": ["post:GRID_LEAD"]} if t["code"] == "dispatch" else {}) for t in LIGHTS["transitions"]]
    change = {"transitions": transitions, "escalation": [{"to": "post:GRID_LEAD"}], "duty": None}
    office = await Office.open(alder, front, definition=LIGHTS | change)
    case, elsewhere = await office.report(), await office.report("neighbour", at="s2c1g1")
    given = {"departmentId": office.department("urban")}
    assert (await office.step("worker", "dispatch", case, **given))["reason"] == "NOT_YOURS"
    await tick(office, clock, minutes=30)
    found = await office.case(case, LEDGER)
    assert (await ledger(office, case))[-1] == ("ESCALATE", 1, "post:GRID_LEAD")
    assert found["escalatedTo"] == {"id": roster.account_id("li")}
    assert (await ledger(office, elsewhere))[-1] == ("ESCALATE", 1, "duty")
    assert (await office.case(elsewhere, LEDGER))["escalatedTo"] == {"id": roster.account_id("zhao")}
    li = roster.principal("li", *(p.name for p in PERMISSIONS if ".phone." not in p.name), at="s1c1g1")
    assert (await office.step(li, "dispatch", case, **given))["__typename"] == "CaseStep"
