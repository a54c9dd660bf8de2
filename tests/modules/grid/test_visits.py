"""Visits with their forms and changes, and daily reports."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from cityloom.core import questions as forms
from cityloom.core.errors import Refusal
from cityloom.core.ids import encode_id, new_id
from cityloom.modules.grid import models as m
from cityloom.modules.grid.holdings import RETENTIONS
from cityloom.modules.registry import service as registry
from cityloom.privacy import service as privacy
from cityloom.testing.front import anonymous
from cityloom.testing.probes import mutation

if TYPE_CHECKING:
    from cityloom.core.work import Works
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.front import Front
    from cityloom.testing.grid import Roster
    from cityloom.testing.probes import Probe

RECORD = mutation(
    "visitRecord",
    "Visit",
    "id outcome answers form { code edition } dwelling { number } household { number } area { name } patrol { id }"
    " changes { subjectVersion note subject { __typename ... on Resident { name } } }",
)
SUBMIT = mutation("dailyReportSubmit", "DailyReport", "id version day visitCount changeCount patrolledS")
ACKNOWLEDGE = mutation("dailyReportAcknowledge", "DailyReport", "id acknowledgedAt remark")
START = mutation("patrolStart", "Patrol")
QUESTIONS = (
    forms.Question("people", "在家人数", "People at home", forms.NUMBER, is_required=True),
    forms.Question("gas", "燃气是否安全", "Is the gas safe", forms.YES_NO),
    forms.Question("needs", "需要", "Needs", forms.CHOICES, choices=("送餐", "就医", "维修")),
    forms.Question("note", "备注", "Note"),
    forms.Question("last", "上次走访", "Last visit", forms.DAY),
    forms.Question("mood", "状态", "Mood", forms.CHOICE, choices=("好", "差")),
)


@pytest.fixture
async def home(works: Works, alder: AreaTree, roster: Roster) -> dict[str, str]:
    """A dwelling with a household and a resident in the first grid, a dwelling in another street, and a form."""
    del roster
    found: dict[str, Any] = {}
    async with works.begin(alder.administrator) as work:
        for name, grid in (("", "s1c1g1"), ("other_", "s1c1g1"), ("far_", "s2c1g1")):
            building = await registry.create_building(work, area_id=alder.id(grid), code=f"B{name}{grid}", name="楼")
            dwelling = await registry.create_dwelling(work, building_id=building.id, number="101", use="OWNED")
            household = await registry.create_household(work, number=f"H{name}{grid}", dwelling_id=dwelling.id)
            resident = await registry.create_resident(work, household_id=household.id, name="王小明")
            for key, tag, row in (
                ("dwelling", "dwel", dwelling),
                ("household", "hshd", household),
                ("resident", "resd", resident),
            ):
                found[name + key] = encode_id(tag, alder.tenant_id, row.id)
        work.session.add(
            m.VisitForm(
                code="door",
                edition=1,
                title_zh="敲门行动",
                title_en="Canvass",
                questions=[question.stored() for question in QUESTIONS],
                is_current=True,
                created_at=work.now(),
            )
        )
    return found


async def test_a_visit_with_answers_and_changes(
    probe: Probe, front: Front, alder: AreaTree, roster: Roster, home: dict[str, str]
) -> None:
    worker = roster.principal("worker", at="s1c1g1")
    patrol = await probe.done(worker, START, {"input": {"areaId": alder.global_id("s1c1g1")}})
    given_ = {
        "householdId": home["household"],
        "outcome": "MET",
        "form": "door",
        "answers": {
            "people": 3,
            "gas": True,
            "needs": ["就医"],
            "note": "老人独居",
            "last": "2026-02-01",
            "mood": "好",
        },
        "changes": [{"id": home["resident"], "note": "换了电话"}, {"id": home["dwelling"]}],
    }
    found = await probe.done(worker, RECORD, {"input": given_})
    assert found["answers"] == given_["answers"]
    assert found["form"] == {"code": "door", "edition": 1}
    assert (found["dwelling"]["number"], found["household"]["number"]) == ("101", "Hs1c1g1")
    assert found["patrol"]["id"] == patrol["id"]
    assert [one["subject"]["__typename"] for one in found["changes"]] == ["Resident", "Dwelling"]
    assert found["changes"][0]["note"] == "换了电话"
    text = "query ($id: ID!) { visit(id: $id) { id } visits { totalCount } }"
    assert (await front.data(roster.principal("lead", at="s1c1g2"), text, {"id": found["id"]})) == {
        "visit": None,
        "visits": {"totalCount": 0},
    }


async def test_where_nobody_was_since_a_day(
    probe: Probe, front: Front, alder: AreaTree, roster: Roster, home: dict[str, str], clock: ManualClock
) -> None:
    worker = roster.principal("worker", at="s1c1g1")
    await probe.done(worker, RECORD, {"input": {"householdId": home["household"], "outcome": "MET"}})
    document = """query ($day: DateTime!) {
      dwellings(where: {not: {visits: {visitedAt: {gte: $day}}}}) { nodes { id visits { totalCount } } }
      households(where: {visits: {visitedAt: {gte: $day}, outcome: {eq: MET}}}) { nodes { id } }
    }"""

    async def asked(since: datetime) -> tuple[set[str], set[str]]:
        found = await front.data(alder.administrator, document, {"day": since.isoformat()})
        return {one["id"] for one in found["dwellings"]["nodes"]}, {one["id"] for one in found["households"]["nodes"]}

    unseen, met = await asked(clock.now() - timedelta(days=1))
    assert (home["dwelling"] in unseen, home["far_dwelling"] in unseen) == (False, True)
    assert met == {home["household"]}
    unseen, met = await asked(clock.now() + timedelta(seconds=1))
    assert {home["dwelling"], home["far_dwelling"]} <= unseen
    assert not met


async def test_what_was_answered_is_forgotten_when_it_was_kept_long_enough(
    probe: Probe, works: Works, clock: ManualClock, alder: AreaTree, roster: Roster, home: dict[str, str]
) -> None:
    given_ = {"householdId": home["household"], "outcome": "MET", "form": "door", "answers": {"people": 3}}
    changes = [{"id": home["resident"], "note": "换了电话"}]
    await probe.done(roster.principal("worker", at="s1c1g1"), RECORD, {"input": {**given_, "changes": changes}})
    (kind,) = RETENTIONS
    before = clock.now()
    clock.advance(days=1)
    async with works.begin(alder.administrator) as work:
        assert (await kind.count(work, before), await kind.count(work, clock.now())) == (0, 1)
        assert await kind.let_go(work, clock.now(), 10) == 1
    async with works.begin(alder.administrator) as work:
        visit = (await work.session.scalars(select(m.Visit))).one()
        change = (await work.session.scalars(select(m.VisitChange))).one()
        assert (visit.outcome, visit.answers, visit.note, change.note) == ("MET", {}, None, None)
        assert await kind.count(work, clock.now()) == 0


async def test_visits_by_four_callers(
    probe: Probe, alder: AreaTree, birch: AreaTree, roster: Roster, home: dict[str, str]
) -> None:
    given_ = {"dwellingId": home["dwelling"], "outcome": "NOBODY_HOME"}
    for caller in (anonymous(alder.tenant_id), alder.someone("grid.visit.read", "registry.dwelling.read")):
        assert (await probe.refused(caller, RECORD, {"input": given_}))[0] == "FORBIDDEN"
    for caller in (roster.principal("worker", at="s2"), birch.administrator):
        assert (await probe.refused(caller, RECORD, {"input": given_}))[0] == "NOT_FOUND"
    far = {**given_, "dwellingId": home["far_dwelling"]}
    assert (await probe.refused(roster.principal("worker"), RECORD, {"input": far}))[1] == "NOT_POSTED_HERE"
    await probe.done(roster.principal("worker", at="s1c1g1"), RECORD, {"input": given_})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dwellingId": None, "householdId": None}, "VISIT_NOWHERE"),
        ({"householdId": "other_household"}, "VISIT_NOWHERE"),
        ({"householdId": "far_household"}, "NOT_FOUND"),
        ({"form": "nothing"}, "NOT_FOUND"),
        ({"answers": {"people": 1}}, "ANSWERS_WRONG"),
        ({"form": "door"}, "ANSWERS_WRONG"),
        ({"form": "door", "answers": {"people": "three"}}, "ANSWERS_WRONG"),
        ({"form": "door", "answers": [1]}, "ANSWERS_WRONG"),
        ({"visitedAt": "2026-03-02T01:00:01Z"}, "MOMENT_WRONG"),
        ({"visitedAt": "2026-02-27T00:59:59Z"}, "MOMENT_WRONG"),
        ({"changes": [{"id": "resident"}, {"id": "resident"}]}, "CHANGES_TOO_MANY"),
        ({"changes": [{"id": "far_resident"}]}, "NOT_FOUND"),
    ],
)
async def test_visits_that_cannot_be(
    probe: Probe, roster: Roster, home: dict[str, str], change: dict[str, Any], reason: str
) -> None:
    given_ = {"dwellingId": home["dwelling"], "outcome": "MET", **change}
    for key in ("householdId",):
        if given_.get(key) in home:
            given_[key] = home[given_[key]]
    given_["changes"] = [{"id": home[one["id"]]} for one in given_.get("changes", [])]
    refused = await probe.refused(roster.principal("worker", at="s1"), RECORD, {"input": given_})
    assert refused[1] == reason


async def test_a_visit_of_a_handset_is_recorded_once(
    probe: Probe, roster: Roster, home: dict[str, str], clock: ManualClock
) -> None:
    worker = roster.principal("worker", at="s1c1g1")
    client_id = new_id(int(clock.now().timestamp() * 1000))
    given_ = {"clientId": str(client_id), "dwellingId": home["dwelling"], "outcome": "MET"}
    made = await probe.done(worker, RECORD, {"input": given_})
    assert made["id"].endswith(client_id.hex)
    before = await probe.front.footprint(probe.tenant_id)
    again = await probe.front.data(worker, RECORD, {"input": given_})
    assert again["visitRecord"]["id"] == made["id"]
    assert await probe.front.footprint(probe.tenant_id) == before
    for wrong in ("nonsense", str(new_id(0))):
        refused = await probe.refused(worker, RECORD, {"input": {**given_, "clientId": wrong}})
        assert refused == ("INVALID_INPUT", "CLIENT_ID_WRONG")


async def test_an_erasure_reaches_what_was_written_at_their_door(
    probe: Probe, works: Works, roster: Roster, home: dict[str, str], alder: AreaTree
) -> None:
    said = {"outcome": "MET", "form": "door", "answers": {"people": 2, "note": "独居"}, "note": "王小明腿脚不便"}
    there, same_door, elsewhere = (
        {**said, "householdId": home["household"]},
        {**said, "dwellingId": home["dwelling"]},
        {**said, "householdId": home["other_household"]},
    )
    worker = roster.principal("worker", at="s1c1g1")
    ids = [(await probe.done(worker, RECORD, {"input": given_}))["id"] for given_ in (there, same_door, elsewhere)]
    async with works.begin(alder.administrator) as work:
        erasure = await privacy.erase(work, home["resident"], reason="申请 2026-9")
        assert erasure.counts["visits"] == 2
    async with works.begin(alder.administrator) as work:
        rows = {row.id: row for row in await work.session.scalars(select(m.Visit))}
        found = [rows[UUID(one[-32:])] for one in ids]
    assert [(row.note, row.answers) for row in found[:2]] == [(None, {}), (None, {})]
    # That somebody knocked, when and with what outcome stays; so does what was said at another door.
    assert [row.outcome for row in found] == ["MET"] * 3
    assert (found[2].note, found[2].answers["people"]) == (said["note"], 2)


values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.lists(st.sampled_from(["送餐", "就医", "好", ""]), max_size=3)
)


@given(st.dictionaries(st.sampled_from([q.code for q in QUESTIONS] + ["other"]), values), st.booleans())
def test_whatever_is_answered_is_refused_or_fits(answers: dict[str, Any], is_met: bool) -> None:  # noqa: FBT001 - drawn
    try:
        found = forms.checked_answers(QUESTIONS, answers, is_complete=is_met)
    except Refusal:
        return
    assert "other" not in answers
    assert not is_met or "people" in found
    assert all(answers[code] == value for code, value in found.items())
    assert forms.checked_answers(QUESTIONS, found, is_complete=is_met) == found


async def test_a_report_of_the_day(
    probe: Probe, alder: AreaTree, birch: AreaTree, roster: Roster, home: dict[str, str], clock: ManualClock
) -> None:
    worker = roster.principal("worker", at="s1c1g1")
    visit = {"dwellingId": home["dwelling"], "outcome": "MET", "changes": [{"id": home["resident"]}]}
    await probe.done(worker, RECORD, {"input": visit})
    given_ = {"areaId": alder.global_id("s1c1g1"), "text": "一切正常"}
    for caller in (
        anonymous(alder.tenant_id),
        alder.someone("grid.report.read"),
        roster.principal("worker", at="s2"),
    ):
        assert (await probe.refused(caller, SUBMIT, {"input": given_}))[0] == "FORBIDDEN"
    assert (await probe.refused(birch.administrator, SUBMIT, {"input": given_}))[0] == "NOT_FOUND"
    for wrong, reason in (
        ({"text": " "}, "TEXT_TOO_LONG"),
        ({"day": "2026-02-27"}, "DAY_WRONG"),
        ({"day": "2026-03-03"}, "DAY_WRONG"),
    ):
        assert (await probe.refused(worker, SUBMIT, {"input": {**given_, **wrong}}))[1] == reason
    found = await probe.done(worker, SUBMIT, {"input": given_})
    assert (found["day"], found["visitCount"], found["changeCount"]) == ("2026-03-02", 1, 1)
    clock.advance(minutes=5)
    again = await probe.done(worker, SUBMIT, {"input": {**given_, "text": "更正"}})
    assert (again["id"], again["version"]) == (found["id"], 2)
    read = {"id": found["id"], "remark": "已阅"}
    may = ("grid.report.acknowledge", "grid.report.read")
    for caller, code in (
        (anonymous(alder.tenant_id), "FORBIDDEN"),
        (worker, "FORBIDDEN"),
        (alder.someone(*may, at="s2"), "NOT_FOUND"),
        (birch.administrator, "NOT_FOUND"),
    ):
        assert (await probe.refused(caller, ACKNOWLEDGE, {"input": read}))[0] == code
    lead = roster.principal("lead", "grid.report.acknowledge", at="s1c1g1")
    assert (await probe.done(lead, ACKNOWLEDGE, {"input": read}))["remark"] == "已阅"
    assert (await probe.refused(lead, ACKNOWLEDGE, {"input": read}))[1] == "REPORT_ACKNOWLEDGED"
    assert (await probe.refused(worker, SUBMIT, {"input": given_}))[1] == "REPORT_ACKNOWLEDGED"
    clock.advance(days=1)
    await probe.done(worker, SUBMIT, {"input": given_})
