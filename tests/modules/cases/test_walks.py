"""Random walks of real cases through a random workflow, and many different steps at once: the invariants hold."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from cityloom.core.ids import decode_id
from cityloom.modules.cases import clocks as ck
from cityloom.modules.cases import models as m
from cityloom.modules.cases.business import BusinessCalendar
from cityloom.modules.cases.flow import Workflow, faults
from cityloom.modules.cases.service import run_due
from cityloom.tenancy.system import system_principal
from cityloom.testing.cases import Office
from cityloom.testing.files import uploaded
from cityloom.testing.probes import mutation

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.testing.areas import AreaTree
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.front import Front

LIMITS = (None, "1m", "45m", "2h", "1d", "2wh", "1wd")
ACT = mutation("caseAct", "CaseStep", "toState")
COMMENT = mutation("caseComment", "CaseStep", "verb")


def random_workflow(dice: random.Random) -> dict[str, Any]:
    """A sound workflow: states in a line to an end, with random further ways, pauses, limits and rungs."""
    count = dice.randint(3, 6)
    states = []
    for at in range(count):
        is_last, pauses = at == count - 1, 0 < at < count - 1 and dice.random() < 0.3
        limit = None if is_last or pauses else dice.choice(LIMITS)
        states.append(
            {
                "code": f"s{at}",
                "name": {"zh": f"s{at}", "en": f"s{at}"},
                "light": dice.choice(["RED", "BLUE", "YELLOW", "GREEN"]),
                "clock": "PAUSE" if pauses else "RUN",
                "is_terminal": is_last,
                **({"limit": limit} if limit else {}),
            }
        )
    ways = [(at, at + 1) for at in range(count - 1)]
    ways += [(dice.randrange(count - 1), dice.randrange(count)) for _ in range(6)]
    return {
        "code": "random",
        "title": {"zh": "随机", "en": "Random"},
        "initial": "s0",
        "limit": dice.choice(["3h", "1wd"]),
        "states": states,
        "transitions": [
            {
                "code": f"t{n}",
                "verb": "ACT",
                "name": {"zh": "t", "en": "t"},
                "from_states": [f"s{start}"],
                "to": f"s{end}",
                "who": ["role:community_worker"],
            }
            for n, (start, end) in enumerate(ways)
        ],
        "escalation": [{"to": "role:street_lead"}, {"after": "30m", "to": "board"}],
    }


async def check(office: Office, case_id: UUID | None, flow: Workflow) -> m.Case:
    """The row, which is the sum of its ledger, in one state of its workflow, with that state's light."""
    async with office.front.works.begin(system_principal(office.tree.tenant_id)) as work:
        row = (await work.session.scalars(select(m.Case).where(m.Case.id == case_id))).one()
        lines = await work.session.scalars(
            select(m.CaseClockEntry).where(m.CaseClockEntry.case_id == case_id).order_by(m.CaseClockEntry.number)
        )
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
        steps = (
            await work.session.scalars(
                select(m.CaseStep).where(m.CaseStep.case_id == case_id).order_by(m.CaseStep.number)
            )
        ).all()
        tracking = (await work.session.scalars(select(m.CaseTracking).where(m.CaseTracking.case_id == case_id))).one()
    state = flow.state(row.state)
    folded = ck.fold(entries, BusinessCalendar())
    assert ck.restored(row.clocks) == folded
    assert (row.due_at, row.breached_at, row.level) == (folded.due_at, folded.breached_at, folded.level)
    assert len(entries) == row.entry_count
    assert (row.light, row.is_open) == (state.light, not state.is_terminal)
    assert (tracking.light, tracking.is_open, tracking.state_en) == (row.light, row.is_open, state.name.en)
    assert [step.number for step in steps] == list(range(1, row.step_count + 1))
    for before, after in pairwise(steps):
        assert after.from_state == before.to_state
        if after.transition is not None:
            way = flow.named(after.transition)
            assert way is not None
            assert after.from_state in way.from_states
            assert after.to_state == (way.to or after.from_state)
    assert steps[-1].to_state == row.state
    return row


@pytest.mark.parametrize("seed", range(4))
async def test_a_case_walks_at_random_and_the_invariants_hold(
    alder: AreaTree, front: Front, clock: ManualClock, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - a draw
    definition = random_workflow(dice)
    flow = Workflow.model_validate(definition)
    assert faults(flow) == []
    office = await Office.open(alder, front, definition=definition)
    case = await office.report("worker")
    case_id = decode_id(case, alder.tenant_id, "case")
    row = await check(office, case_id, flow)
    for _ in range(10):
        clock.advance(minutes=dice.choice([0, 1, 20, 90, 600]))
        if dice.random() < 0.5:
            async with front.works.begin(system_principal(alder.tenant_id)) as work:
                await run_due(work)
        if not row.is_open:
            break
        before = await check(office, case_id, flow)
        # An edit moves nothing: neither a comment nor a photo.
        await front.data(office.who["worker"], COMMENT, {"input": {"id": case, "text": "seen"}})
        unmoved = await check(office, case_id, flow)
        assert (unmoved.due_at, unmoved.clocks, unmoved.state) == (before.due_at, before.clocks, before.state)
        options = flow.options(unmoved.state)
        wrong = next(one for one in flow.transitions if unmoved.state not in one.from_states)
        refused = await front.data(office.who["worker"], ACT, {"input": {"id": case, "transition": wrong.code}})
        assert refused["caseAct"]["reason"] == "TRANSITION_NOT_OPEN"
        chosen = dice.choice(options)
        photo = {"fileId": await uploaded(front, office.who["worker"]), "purpose": "OTHER"}
        given = {"id": case, "transition": chosen.code, "photos": [photo]}
        done = await front.data(office.who["worker"], ACT, {"input": given})
        assert done["caseAct"]["toState"] == chosen.to
        row = await check(office, case_id, flow)


async def test_of_many_different_steps_at_once_exactly_one_wins(alder: AreaTree, front: Front) -> None:
    ends = [f"e{n}" for n in range(6)]
    state = {"light": "BLUE", "limit": "1h"}
    definition = {
        "code": "fork",
        "title": {"zh": "岔路", "en": "Fork"},
        "initial": "begin",
        "states": [
            *({"code": code, "name": {"zh": code, "en": code}, **state} for code in ("begin", *ends)),
            {"code": "closed", "name": {"zh": "关", "en": "Closed"}, "light": "GREEN", "is_terminal": True},
        ],
        "transitions": [
            {"code": f"{start}_{end}", "verb": "ACT", "name": {"zh": end, "en": end}, "from_states": [start], "to": end}
            | {"who": ["role:community_worker"]}
            for start, end in [("begin", end) for end in ends] + [(end, "closed") for end in ends]
        ],
    }
    office = await Office.open(alder, front, definition=definition)
    flow = Workflow.model_validate(definition)
    for _ in range(3):
        case = await office.report("worker")
        asked = [{"input": {"id": case, "transition": f"begin_{end}"}} for end in ends]
        who = [office.who["worker"], office.who["colleague"]]
        answers = await asyncio.gather(*(front.data(who[at % 2], ACT, given) for at, given in enumerate(asked)))
        found = [answer["caseAct"] for answer in answers]
        won = [one["toState"] for one in found if one["__typename"] == "CaseStep"]
        assert len(won) == 1
        assert {one["reason"] for one in found if one["__typename"] == "Refusal"} == {"TRANSITION_NOT_OPEN"}
        row = await check(office, decode_id(case, alder.tenant_id, "case"), flow)
        assert (row.state, row.step_count) == (won[0], 2)
        async with front.works.begin(system_principal(alder.tenant_id)) as work:
            moved = select(func.count()).select_from(m.CaseStep).where(m.CaseStep.case_id == row.id)
            assert await work.session.scalar(moved) == 2
