"""One case from report to closure, through GraphQL: lights, limits, history, events and audit."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.audit.models import AuditRecord
from cityloom.events.models import OutboxRecord

if TYPE_CHECKING:
    from cityloom.core.work import Works
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.cases import Office
    from cityloom.testing.clock import ManualClock

# 2 March 2026 is a Monday; the tests' clock begins at 09:00 in China.
WALK: tuple[tuple[str, str, str, str, dict[str, str]], ...] = (
    ("worker", "dispatch", "whistled", "BLUE", {"departmentId": "urban"}),
    ("urban", "accept", "handling", "BLUE", {}),
    ("urban", "resolve", "resolved", "YELLOW", {"comment": "done"}),
    ("colleague", "verify", "verified", "YELLOW", {}),
    ("worker", "close", "closed", "GREEN", {}),
)


async def test_the_four_lights(office: Office, alder: AreaTree, works: Works, clock: ManualClock) -> None:
    case = await office.report()
    found = await office.case(case)
    due = (clock.now() + timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    assert found == {"state": "found", "light": "RED", "isOpen": True, "dueAt": due, "isOverdue": False, "level": 0}
    for number, (who, verb, state, light, more) in enumerate(WALK, 2):
        clock.advance(minutes=5)
        given = {key: office.department(value) if key == "departmentId" else value for key, value in more.items()}
        step = await office.step(who, verb, case, **given)
        assert (step["__typename"], step.get("number")) == ("CaseStep", number), step
        now = await office.case(case)
        assert (now["state"], now["light"]) == (state, light)
    assert now["isOpen"] is False
    assert now["dueAt"] is None
    told = await office.case(
        case,
        "responseSeconds closureSeconds steps(first: 20) { edges { node { verb toState } } }"
        " clockEntries(first: 50) { edges { node { kind clock state } } }",
    )
    assert (told["responseSeconds"], told["closureSeconds"]) == (600, 1500)
    verbs = [edge["node"]["verb"] for edge in told["steps"]["edges"]]
    assert verbs == ["REPORT", "DISPATCH", "ACCEPT", "RESOLVE", "VERIFY", "CLOSE"]
    kinds = [edge["node"]["kind"] for edge in told["clockEntries"]["edges"]]
    assert kinds == ["START", "DEADLINE", *["STOP", "START", "DEADLINE"] * 3, "STOP"]
    async with works.begin(alder.administrator) as work:
        types = [
            row.type
            for row in await work.session.scalars(select(OutboxRecord).order_by(OutboxRecord.id))
            if row.type.startswith("cases.case")
        ]
        actions = [
            row.action for row in await work.session.scalars(select(AuditRecord)) if row.action.startswith("cases.case")
        ]
    past = ("reported", "dispatched", "accepted", "resolved", "verified", "closed")
    assert sorted(types) == sorted(f"cases.case.{word}.v1" for word in past)
    assert sorted(actions) == sorted(
        f"cases.case.{verb}" for verb in ("report", "dispatch", "accept", "resolve", "verify", "close")
    )


async def test_working_days_are_the_calendars(office: Office, clock: ManualClock) -> None:
    """Three working days of 7.5 h from Friday 09:00 are over on Wednesday 09:00, with the weekend between."""
    clock.advance(days=4)
    case = await office.report()
    await office.step("worker", "dispatch", case, departmentId=office.department("urban"))
    await office.step("urban", "accept", case)
    assert (await office.case(case))["dueAt"] == "2026-03-11T01:00:00.000000Z"
