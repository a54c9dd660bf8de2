"""Likely duplicates by the city's own metres and hours, and samples of return visits with what they say."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.modules.cases.service.sampling import wilson
from cityloom.modules.cases.settings import CasesSettings
from cityloom.testing.cases import Office
from cityloom.testing.front import anonymous

if TYPE_CHECKING:
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.front import Front

AT = {"longitude": 120.05, "latitude": 30.05}
#: About fifty metres further east.
BESIDE = {"longitude": 120.05052, "latitude": 30.05}
LIKE = "query ($id: ID!) { caseLikelyDuplicates(caseId: $id) { id } }"
BEFORE = "query ($m: ID!, $x: Float!, $y: Float!) { caseDuplicates(matterId: $m, longitude: $x, latitude: $y) { id } }"


async def alike(office: Office, who: str, case: str) -> set[str]:
    found = await office.front.data(office.who[who], LIKE, {"id": case})
    return {one["id"] for one in found["caseLikelyDuplicates"]}


async def known(office: Office, who: str, where: dict[str, float]) -> set[str]:
    values = {"m": office.matter(), "x": where["longitude"], "y": where["latitude"]}
    return {one["id"] for one in (await office.front.data(office.who[who], BEFORE, values))["caseDuplicates"]}


async def test_the_citys_metres_and_hours_say_what_is_alike(office: Office, clock: ManualClock) -> None:
    services = office.front.services
    first = await office.report(position=AT)
    clock.advance(hours=5)
    second = await office.report(position=BESIDE)
    assert await alike(office, "worker", first) == {second}
    assert await alike(office, "worker", second) == {first}
    assert await known(office, "worker", AT) == {first, second}
    for settings, found in (
        (CasesSettings(duplicate_metres=40), (set(), {first})),
        (CasesSettings(duplicate_metres=60), ({second}, {first, second})),
        (CasesSettings(duplicate_hours=4), (set(), {second})),
        (CasesSettings(duplicate_hours=5), ({second}, {first, second})),
    ):
        services[CasesSettings] = settings
        assert (await alike(office, "worker", first), await known(office, "worker", AT)) == found, settings
    # What is closed, or of another matter, is not offered; nor what the caller cannot see.
    services[CasesSettings] = CasesSettings()
    async with office.front.works.begin(office.tree.administrator) as work:
        office.matters["other"] = await office.add_matter(work, "0199", workflow="whistle")
    await office.report(position=AT, matterId=office.matter("other"))
    assert await alike(office, "worker", first) == {second}
    assert await alike(office, "neighbour", first) == set()
    assert await known(office, "neighbour", AT) == set()


async def test_without_a_position_the_area_counts(office: Office) -> None:
    first, second = await office.report(), await office.report("resident")
    await office.report("neighbour", at="s2c1g1")
    assert await alike(office, "worker", first) == {second}
    merge = "mutation ($input: CaseMergeInput!) { caseMerge(input: $input) { __typename } }"
    await office.front.data(office.who["worker"], merge, {"input": {"id": second, "intoId": first}})
    kept = await office.case(first, "reportCount reports { edges { node { reporter { id } } } }")
    assert kept["reportCount"] == 2
    reporters = {edge["node"]["reporter"]["id"] for edge in kept["reports"]["edges"]}
    assert reporters == {office.account("grid"), office.account("resident")}
    assert await alike(office, "worker", first) == set()


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # R: binom::binom.confint(x, n, methods = "wilson")
    [(0, 10, 0.0, 0.2775328), (9, 10, 0.5958500, 0.9821238), (10, 10, 0.7224672, 1.0), (81, 263, 0.2552672, 0.3662115)],
)
def test_wilsons_interval_is_that_of_the_books(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)


@given(trials=st.integers(1, 5_000), data=st.data())
def test_the_interval_holds_the_share_and_narrows(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1
    wide = wilson(successes * 4, trials * 4)
    assert wide[1] - wide[0] <= high - low + 1e-12


RESULT = (
    "query ($since: DateTime!, $until: DateTime!, $size: Int!) { caseSampleResult(since: $since, until: $until,"
    ' seed: "march", size: $size) { closed drawn visited satisfied share low high }'
    ' caseSample(since: $since, until: $until, seed: "march", size: $size) { id } }'
)
VISIT = (
    "mutation ($input: CaseVisitReturnInput!) { caseVisitReturn(input: $input) { __typename"
    " ... on Refusal { reason } } }"
)


async def test_a_sample_is_drawn_visited_and_says_how_sure_it_is(
    office: Office, front: Front, alder: AreaTree, clock: ManualClock
) -> None:
    for _ in range(6):
        case = await office.report()
        for verb, who in (("dispatch", "worker"), ("accept", "urban"), ("resolve", "urban"), ("verify", "worker")):
            more = {"departmentId": office.department("urban")} if verb == "dispatch" else {}
            await office.step(who, verb, case, **more)
        assert (await office.step("worker", "close", case))["toState"] == "closed"
    values = {
        "since": (clock.now() - timedelta(hours=1)).isoformat(),
        "until": (clock.now() + timedelta(hours=1)).isoformat(),
        "size": 4,
    }

    async def result(who: Any) -> dict[str, Any]:
        found: dict[str, Any] = await front.data(who, RESULT, values)
        return found

    first = await result(office.who["lead"])
    empty = {"closed": 6, "drawn": 4, "visited": 0, "satisfied": 0, "share": None, "low": None, "high": None}
    assert first["caseSampleResult"] == empty
    for at, case in enumerate(first["caseSample"]):
        await front.data(office.who["worker"], VISIT, {"input": {"id": case["id"], "satisfaction": 5 if at else 2}})
    after = await result(office.who["lead"])
    assert after["caseSample"] == first["caseSample"]
    told = after["caseSampleResult"]
    assert (told["visited"], told["satisfied"], told["share"]) == (4, 3, 0.75)
    assert (told["low"], told["high"]) == pytest.approx(wilson(3, 4))
    assert (await result(alder.administrator))["caseSampleResult"] == told
    assert (await result(office.who["neighbour"]))["caseSampleResult"] == empty | {"closed": 0, "drawn": 0}
    answer = await front.ask(anonymous(alder.tenant_id), RESULT, values)
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
