"""Scores: by the city's formula, explained, published, appealed against; awards."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from cityloom.core.errors import Refusal
from cityloom.core.ids import encode_id, new_id
from cityloom.modules.grid import formula, service
from cityloom.modules.grid import models as m
from cityloom.modules.registry import service as registry
from cityloom.testing.front import anonymous
from cityloom.testing.probes import mutation

if TYPE_CHECKING:
    from cityloom.core.work import Works
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.front import Front
    from cityloom.testing.grid import Roster
    from cityloom.testing.probes import Probe

FORMULA = mutation("scoreFormulaPublish", "ScoreFormula", "id edition isCurrent terms")
CALCULATE = mutation("scorePeriodCalculate", "ScorePeriod", "id state formula { edition }")
RECALCULATE = mutation("scorePeriodRecalculate", "ScorePeriod", "id formula { edition }")
PUBLISH = mutation("scorePeriodPublish", "ScorePeriod", "id state publishedAt")
APPEAL = mutation("scoreAppealFile", "ScoreAppeal", "id state")
DECIDE = mutation("scoreAppealDecide", "ScoreAppeal", "id state decision score { pointsMilli adjustmentMilli rank }")
GRANT = mutation("awardGrant", "Award", "id citation kind { code } worker { name }")
REVOKE = mutation("awardRevoke", "Award", "id revokedAt revokedReason")
RANKING = """query ($id: ID!) { scorePeriod(id: $id) { scores { nodes {
  id rank pointsMilli worker { name } area { name }
  lines { input valueMilli per perAmount divisor weightMilli capMilli pointsMilli } } } } }"""
TERMS = [
    {"input": "visits", "weightMilli": 2_000, "per": "HOUSEHOLDS", "perAmount": 100},
    {"input": "reports", "weightMilli": 1_500},
    {"input": "cases.closed", "weightMilli": 5_000, "capMilli": 12_000},
]


async def prepare(works: Works, alder: AreaTree, roster: Roster) -> None:
    """Three households in the grid; the worker made a visit and a report, and two cases were closed by the lead."""
    async with works.begin(alder.administrator) as work:
        households = [
            await registry.create_household(work, number=f"H{n}", area_id=alder.id("s1c1g1"), lives_in_dwelling=False)
            for n in range(3)
        ]
        for _ in range(3):
            source = new_id()
            for _again in range(2):
                assert await service.contribute(
                    work,
                    roster.accounts["lead"],
                    alder.id("s1c1g1"),
                    alder.areas["s1c1g1"].path,
                    input="cases.closed",
                    source_id=source,
                )
        assert not await service.contribute(
            work, new_id(), alder.id("s1c1g1"), alder.areas["s1c1g1"].path, input="cases.closed", source_id=new_id()
        )
    async with works.begin(roster.principal("worker")) as work:
        await service.record_visit(
            work, household_id=households[0].id, names_dwelling=False, names_household=True, outcome="MET"
        )
        await service.submit_report(work, area_id=alder.id("s1c1g1"), text="一切正常")


async def score(probe: Probe, alder: AreaTree, roster: Roster, works: Works) -> str:
    """A calculated period of the street: its id."""
    await prepare(works, alder, roster)
    given_ = {"code": "monthly", "titleZh": "月度", "titleEn": "Monthly", "terms": TERMS}
    await probe.done(alder.administrator, FORMULA, {"input": given_})
    period = {
        "areaId": alder.global_id("s1"),
        "formula": "monthly",
        "startsOn": "2026-03-01",
        "endsOn": "2026-04-01",
    }
    found = await probe.done(alder.administrator, CALCULATE, {"input": period})
    assert (found["state"], found["formula"]["edition"]) == ("DRAFT", 1)
    return str(found["id"])


async def test_a_formula_is_published_by_four_callers(probe: Probe, alder: AreaTree, birch: AreaTree) -> None:
    given_ = {"code": "monthly", "titleZh": "月度", "titleEn": "Monthly", "terms": TERMS}
    for caller in (
        anonymous(alder.tenant_id),
        alder.someone("grid.score.read"),
        alder.someone("grid.formula.publish", "grid.score.read", at="s1"),
    ):
        assert (await probe.refused(caller, FORMULA, {"input": given_}))[0] == "FORBIDDEN"
    first = await probe.done(alder.administrator, FORMULA, {"input": given_})
    second = await probe.done(alder.administrator, FORMULA, {"input": {**given_, "terms": TERMS[:1]}})
    assert (first["edition"], second["edition"], second["isCurrent"]) == (1, 2, True)
    assert len(first["terms"]) == 3
    for wrong, reason in (
        ({"terms": []}, "FORMULA_MALFORMED"),
        ({"terms": [TERMS[0], TERMS[0]]}, "FORMULA_MALFORMED"),
        ({"terms": [{"input": "unheard", "weightMilli": 1}]}, "FORMULA_MALFORMED"),
        ({"terms": [{"input": "__import__('os')", "weightMilli": 1}]}, "FORMULA_MALFORMED"),
        ({"terms": [{"input": "visits", "weightMilli": 0}]}, "FORMULA_MALFORMED"),
        ({"code": "A b"}, "FORMULA_CODE_MALFORMED"),
    ):
        assert (await probe.refused(alder.administrator, FORMULA, {"input": {**given_, **wrong}}))[1] == reason
    assert birch.tenant_id != alder.tenant_id


async def test_scores_are_explained_line_by_line(
    probe: Probe, front: Front, works: Works, alder: AreaTree, roster: Roster
) -> None:
    period = await score(probe, alder, roster, works)
    nodes = (await front.data(alder.administrator, RANKING, {"id": period}))["scorePeriod"]["scores"]["nodes"]
    ranking = [(one["rank"], one["worker"]["name"], one["pointsMilli"]) for one in nodes]
    # 1 visit × 2 points ÷ (3 households ÷ 100) = 66.667; 1 report × 1.5; three closed cases are worth 12 at most.
    assert ranking == [(1, "worker", 68_167), (2, "lead", 12_000), (3, "boss", 0)]
    lines = nodes[0]["lines"]
    assert [line["pointsMilli"] for line in lines] == [66_667, 1_500, 0]
    assert lines[0] == {
        "input": "visits",
        "valueMilli": 1_000,
        "per": "HOUSEHOLDS",
        "perAmount": 100,
        "divisor": 3,
        "weightMilli": 2_000,
        "capMilli": None,
        "pointsMilli": 66_667,
    }
    assert nodes[1]["lines"][2]["valueMilli"] == 3_000
    for one in nodes:
        assert sum(line["pointsMilli"] for line in one["lines"]) == one["pointsMilli"]


async def test_calculating_by_four_callers(
    probe: Probe, front: Front, works: Works, alder: AreaTree, birch: AreaTree, roster: Roster
) -> None:
    period = await score(probe, alder, roster, works)
    given_ = {
        "areaId": alder.global_id("s1c1"),
        "formula": "monthly",
        "startsOn": "2026-03-01",
        "endsOn": "2026-04-01",
    }
    may = ("grid.score.calculate", "grid.score.read", "areas.area.read", "grid.post.read")
    for caller in (anonymous(alder.tenant_id), alder.someone(*may[1:]), alder.someone(*may, at="s2")):
        assert (await probe.refused(caller, CALCULATE, {"input": given_}))[0] == "FORBIDDEN"
    assert (await probe.refused(birch.administrator, CALCULATE, {"input": given_}))[0] == "NOT_FOUND"
    for text in (RECALCULATE, PUBLISH):
        for caller, code in (
            (anonymous(alder.tenant_id), "FORBIDDEN"),
            (alder.someone("grid.score.read"), "FORBIDDEN"),
            (alder.someone(*may, at="s2"), "FORBIDDEN"),
            (birch.administrator, "NOT_FOUND"),
        ):
            assert (await probe.refused(caller, text, {"input": {"id": period}}))[0] == code
    lead = alder.someone(*may, at="s1")
    await probe.done(lead, CALCULATE, {"input": given_})
    assert (await probe.refused(lead, CALCULATE, {"input": given_}))[1] == "PERIOD_TAKEN"
    wrong = {**given_, "endsOn": "2026-03-01"}
    assert (await probe.refused(lead, CALCULATE, {"input": wrong}))[1] == "PERIOD_WRONG"
    # Another version of the formula does not touch what was made by the first.
    publish = {"code": "monthly", "titleZh": "月度", "titleEn": "Monthly", "terms": TERMS[:1]}
    await probe.done(alder.administrator, FORMULA, {"input": publish})
    assert (await probe.done(lead, RECALCULATE, {"input": {"id": period}}))["formula"]["edition"] == 1
    assert (await probe.done(lead, PUBLISH, {"input": {"id": period}}))["state"] == "PUBLISHED"
    for text in (RECALCULATE, PUBLISH):
        assert (await probe.refused(lead, text, {"input": {"id": period}}))[1] == "PERIOD_PUBLISHED"
    assert (await front.data(birch.administrator, RANKING, {"id": period}))["scorePeriod"] is None
    seen = (await front.data(roster.principal("lead", at="s1c1g1"), RANKING, {"id": period}))["scorePeriod"]
    # Who sees one grid sees the scores of that grid only.
    assert {one["worker"]["name"] for one in seen["scores"]["nodes"]} == {"worker", "lead"}


async def test_an_appeal_and_its_decision(
    probe: Probe, front: Front, works: Works, alder: AreaTree, birch: AreaTree, roster: Roster
) -> None:
    period = await score(probe, alder, roster, works)
    nodes = (await front.data(alder.administrator, RANKING, {"id": period}))["scorePeriod"]["scores"]["nodes"]
    mine = {"scoreId": next(one["id"] for one in nodes if one["worker"]["name"] == "lead"), "reason": "少算了三件"}
    lead = roster.principal("lead", "grid.score.decide", at="s1c1g1")
    assert (await probe.refused(lead, APPEAL, {"input": mine}))[1] == "PERIOD_NOT_PUBLISHED"
    await probe.done(alder.administrator, PUBLISH, {"input": {"id": period}})
    for caller, code in (
        (anonymous(alder.tenant_id), "FORBIDDEN"),
        (alder.someone("grid.score.read"), "FORBIDDEN"),
        (roster.principal("worker", at="s1c1g1"), "FORBIDDEN"),
        (roster.principal("lead", at="s2"), "NOT_FOUND"),
        (birch.administrator, "NOT_FOUND"),
    ):
        assert (await probe.refused(caller, APPEAL, {"input": mine}))[0] == code
    appeal = await probe.done(lead, APPEAL, {"input": mine})
    assert (await probe.refused(lead, APPEAL, {"input": mine}))[1] == "APPEAL_OPEN"
    decision = {"id": appeal["id"], "isUpheld": True, "decision": "情况属实", "adjustmentMilli": 60_000}
    may = ("grid.score.decide", "grid.score.read")
    for caller, code in (
        (anonymous(alder.tenant_id), "FORBIDDEN"),
        (roster.principal("worker", at="s1c1g1"), "FORBIDDEN"),
        (alder.someone(*may, at="s2"), "NOT_FOUND"),
        (birch.administrator, "NOT_FOUND"),
    ):
        assert (await probe.refused(caller, DECIDE, {"input": decision}))[0] == code
    assert (await probe.refused(lead, DECIDE, {"input": decision}))[1] == "OWN_APPEAL"
    # Ranks are of the whole street: who is responsible for a part of it cannot make them anew.
    part = roster.principal("boss", *may, at="s1c1")
    assert (await probe.refused(part, DECIDE, {"input": decision}))[0] == "FORBIDDEN"
    boss = roster.principal("boss", *may, at="s1")
    for wrong in ({"adjustmentMilli": 0}, {"isUpheld": False}):
        assert (await probe.refused(boss, DECIDE, {"input": {**decision, **wrong}}))[1] == "ADJUSTMENT_WRONG"
    found = await probe.done(boss, DECIDE, {"input": decision})
    assert found["state"] == "UPHELD"
    assert found["score"] == {"pointsMilli": 72_000, "adjustmentMilli": 60_000, "rank": 1}
    assert (await probe.refused(boss, DECIDE, {"input": decision}))[1] == "APPEAL_DECIDED"
    nodes = (await front.data(alder.administrator, RANKING, {"id": period}))["scorePeriod"]["scores"]["nodes"]
    assert [(one["rank"], one["worker"]["name"]) for one in nodes] == [(1, "lead"), (2, "worker"), (3, "boss")]


async def test_the_gold_medal(
    probe: Probe, front: Front, works: Works, alder: AreaTree, birch: AreaTree, roster: Roster
) -> None:
    period = await score(probe, alder, roster, works)
    async with works.begin(alder.administrator) as work:
        work.session.add(
            m.AwardKind(code="GOLD", title_zh="金牌网格员", title_en="Gold medal", places=1, least_points_milli=10_000)
        )
    nodes = (await front.data(alder.administrator, RANKING, {"id": period}))["scorePeriod"]["scores"]["nodes"]
    scores = {one["worker"]["name"]: one["id"] for one in nodes}
    given_ = {"kind": "GOLD", "scoreId": scores["worker"], "citation": "走访到位"}
    assert (await probe.refused(alder.administrator, GRANT, {"input": given_}))[1] == "PERIOD_NOT_PUBLISHED"
    await probe.done(alder.administrator, PUBLISH, {"input": {"id": period}})
    may = ("grid.award.grant", "grid.award.read", "grid.score.read", "grid.post.read")
    for caller, code in (
        (anonymous(alder.tenant_id), "FORBIDDEN"),
        (roster.principal("worker", at="s1c1g1"), "FORBIDDEN"),
        (alder.someone(*may, at="s2"), "NOT_FOUND"),
        (birch.administrator, "NOT_FOUND"),
    ):
        assert (await probe.refused(caller, GRANT, {"input": given_}))[0] == code
    boss = alder.someone(*may, at="s1")
    low = {**given_, "scoreId": scores["boss"]}
    assert (await probe.refused(boss, GRANT, {"input": low}))[1] == "SCORE_TOO_LOW"
    assert (await probe.refused(boss, GRANT, {"input": {**given_, "kind": "SILVER"}}))[0] == "NOT_FOUND"
    award = await probe.done(boss, GRANT, {"input": given_})
    assert (award["kind"]["code"], award["worker"]["name"]) == ("GOLD", "worker")
    assert (await probe.refused(boss, GRANT, {"input": given_}))[1] == "AWARD_GIVEN_ALREADY"
    other = {**given_, "scoreId": scores["lead"]}
    assert (await probe.refused(boss, GRANT, {"input": other}))[1] == "AWARDS_GONE"
    back = {"id": award["id"], "reason": "数据有误"}
    for caller, code in (
        (anonymous(alder.tenant_id), "FORBIDDEN"),
        (roster.principal("worker", at="s1c1g1"), "FORBIDDEN"),
        (alder.someone(*may, at="s2"), "NOT_FOUND"),
        (birch.administrator, "NOT_FOUND"),
    ):
        assert (await probe.refused(caller, REVOKE, {"input": back}))[0] == code
    assert (await probe.done(boss, REVOKE, {"input": back}))["revokedReason"] == "数据有误"
    assert (await probe.refused(boss, REVOKE, {"input": back}))[1] == "AWARD_REVOKED"
    await probe.done(boss, GRANT, {"input": other})


async def test_what_lies_outside_of_the_period_does_not_count(
    probe: Probe, works: Works, alder: AreaTree, roster: Roster, clock: ManualClock
) -> None:
    await score(probe, alder, roster, works)
    clock.advance(days=40)
    async with works.begin(alder.administrator) as work:
        period = await service.calculate_period(
            work, area_id=alder.id("s1"), formula="monthly", starts_on=date(2026, 4, 1), ends_on=date(2026, 5, 1)
        )
        points = await work.session.scalar(select(func.sum(m.Score.points_milli)).where(m.Score.period_id == period.id))
        assert points == 0
        with pytest.raises(Refusal):
            await service.calculate_period(
                work,
                area_id=alder.id("s1"),
                formula="monthly",
                starts_on=date(2026, 4, 1),
                ends_on=date(2026, 4, 1) + timedelta(days=367),
            )
    assert encode_id("sper", alder.tenant_id, period.id)


terms = st.lists(
    st.builds(
        formula.Term,
        input=st.sampled_from(formula.OWN_INPUTS),
        weight_milli=st.integers(-10_000, 10_000).filter(bool),
        per=st.sampled_from(["NONE", "HOUSEHOLDS", "SHIFTS"]),
        per_amount=st.integers(1, 1_000),
        cap_milli=st.none() | st.integers(1, 100_000),
    ),
    min_size=1,
    max_size=7,
    unique_by=lambda term: term.input,
)


@given(
    terms,
    st.dictionaries(st.sampled_from(formula.OWN_INPUTS), st.integers(0, 10**7)),
    st.integers(0, 5_000),
    st.integers(0, 60),
)
def test_a_formula_equals_exact_arithmetic(
    given_: list[formula.Term], inputs: dict[str, int], households: int, shifts: int
) -> None:
    for line in formula.evaluate(given_, inputs, households=households, shifts=shifts):
        term: Any = line.term
        divisor = {"NONE": 1, "HOUSEHOLDS": households, "SHIFTS": shifts}[term.per]
        exact = Fraction(0)
        if divisor:
            exact = Fraction(inputs.get(term.input, 0), 1000) * term.weight_milli * term.per_amount / divisor
        if term.cap_milli is not None:
            exact = max(Fraction(-term.cap_milli), min(Fraction(term.cap_milli), exact))
        assert abs(line.points_milli - exact) <= Fraction(1, 2)
    assert formula.checked_terms([{"input": t.input, "weight_milli": t.weight_milli} for t in given_])
