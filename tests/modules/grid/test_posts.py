"""Posts: who holds which, in valid time; gaps; whom to call."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from cityloom.core.errors import Refusal
from cityloom.core.ids import encode_id, new_id
from cityloom.events.models import OutboxRecord
from cityloom.modules.areas import restructure
from cityloom.modules.grid import models as m
from cityloom.modules.grid import service
from cityloom.testing.areas import AreaTree
from cityloom.testing.examples import examples
from cityloom.testing.front import anonymous
from cityloom.testing.grid import POSTS, Roster
from cityloom.testing.probes import mutation

if TYPE_CHECKING:
    from cityloom.core.work import Works
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.front import Front
    from cityloom.testing.probes import Probe

ASSIGN = mutation(
    "postAssign", "PostAssignment", "id validFrom validUntil isCurrent worker { name } post { code } area { name }"
)
RELEASE = mutation("postRelease", "PostAssignment", "id validUntil version")
DAY_ZERO = date(2026, 1, 1)


async def test_a_post_is_given_and_seen(probe: Probe, alder: AreaTree, roster: Roster) -> None:
    await roster.account("new")
    given_ = {
        "accountId": roster.account_id("new"),
        "postId": roster.post_id("GRID_LEAD"),
        "areaId": alder.global_id("s1c1g2"),
        "validFrom": "2026-01-05",
    }
    caller = alder.someone("grid.post.assign", "grid.post.read", "areas.area.read", at="s1c1")
    found = await probe.done(caller, ASSIGN, {"input": given_})
    assert found["worker"]["name"] == "new"
    assert found["post"]["code"] == "GRID_LEAD"
    assert found["area"]["name"] == "s1c1g2"
    assert (found["validFrom"], found["validUntil"]) == ("2026-01-05", None)
    async with alder.works.begin(alder.administrator) as work:
        emitted = await work.session.scalar(select(func.count()).where(OutboxRecord.type == "grid.post.assigned.v1"))
        assert emitted == 4


async def test_only_who_may_gives_posts_and_only_there(
    probe: Probe, alder: AreaTree, birch: AreaTree, roster: Roster
) -> None:
    given_ = {
        "accountId": roster.account_id("worker"),
        "postId": roster.post_id("ADVISER"),
        "areaId": alder.global_id("s1c1g1"),
    }
    seen = ("grid.post.read", "areas.area.read")
    for caller in (
        anonymous(alder.tenant_id),
        alder.someone(*seen, at="s1c1g1"),
        alder.someone("grid.post.assign", *seen, at="s2"),
    ):
        assert (await probe.refused(caller, ASSIGN, {"input": given_}))[0] == "FORBIDDEN"
    assert (await probe.refused(birch.administrator, ASSIGN, {"input": given_}))[0] == "NOT_FOUND"
    await probe.done(alder.someone("grid.post.assign", *seen, at="s1c1g1"), ASSIGN, {"input": given_})


async def test_release_by_four_callers(probe: Probe, alder: AreaTree, birch: AreaTree, roster: Roster) -> None:
    given_ = {"id": encode_id("pasg", alder.tenant_id, roster.assignments["lead"]), "validUntil": "2026-03-01"}
    may = ("grid.post.assign", "grid.post.read")
    for caller in (anonymous(alder.tenant_id), alder.someone("grid.post.read"), alder.someone(*may, at="s2")):
        assert (await probe.refused(caller, RELEASE, {"input": given_}))[0] == "FORBIDDEN"
    assert (await probe.refused(birch.administrator, RELEASE, {"input": given_}))[0] == "NOT_FOUND"
    found = await probe.done(alder.someone(*may, at="s1"), RELEASE, {"input": given_})
    assert (found["validUntil"], found["version"]) == ("2026-03-01", 2)
    for wrong in ("2025-12-31", "2026-04-01"):
        refused = await probe.refused(alder.administrator, RELEASE, {"input": {**given_, "validUntil": wrong}})
        assert refused == ("INVALID_INPUT", "PERIOD_WRONG")


@pytest.mark.parametrize(
    ("post", "area", "who", "reason"),
    [
        ("GRID_LEAD", "s1c1g1", "other", "POST_TAKEN"),
        ("GRID_WORKER", "s1c1g1", "worker", "POST_HELD_ALREADY"),
        ("GRID_WORKER", "s1c1", "other", "POST_NOT_FOR_KIND"),
        ("LEAD", "s1c1g1", "other", "POST_NOT_FOR_KIND"),
    ],
)
async def test_what_a_post_does_not_allow(
    probe: Probe, alder: AreaTree, roster: Roster, post: str, area: str, who: str, reason: str
) -> None:
    await roster.account("other")
    given_ = {
        "accountId": roster.account_id(who),
        "postId": roster.post_id(post),
        "areaId": alder.global_id(area),
        "validFrom": "2026-02-01",
    }
    assert (await probe.refused(alder.administrator, ASSIGN, {"input": given_}))[1] == reason


async def test_a_successor_begins_when_the_holder_ends(probe: Probe, alder: AreaTree, roster: Roster) -> None:
    await roster.account("next")
    given_ = {
        "accountId": roster.account_id("next"),
        "postId": roster.post_id("GRID_LEAD"),
        "areaId": alder.global_id("s1c1g1"),
        "validFrom": "2026-04-01",
    }
    release = {"id": encode_id("pasg", alder.tenant_id, roster.assignments["lead"]), "validUntil": "2026-04-01"}
    assert (await probe.refused(alder.administrator, ASSIGN, {"input": given_}))[1] == "POST_TAKEN"
    await probe.done(alder.administrator, RELEASE, {"input": release})
    await probe.done(alder.administrator, ASSIGN, {"input": given_})


@pytest.mark.usefixtures("roster")
async def test_gaps_are_the_grids_without_a_lead(front: Front, alder: AreaTree) -> None:
    text = """query ($post: String, $inside: ID, $on: Date) {
      staffingGaps(post: $post, inside: $inside, on: $on, first: 50) {
        totalCount nodes { name unfilledPosts { code } } } }"""
    found = (await front.data(alder.administrator, text, {"post": "GRID_LEAD"}))["staffingGaps"]
    grids = {name for name in alder.areas if "g" in name}
    assert {one["name"] for one in found["nodes"]} == grids - {"s1c1g1"}
    assert all(
        {post["code"] for post in one["unfilledPosts"]} == {"GRID_LEAD", "GRID_WORKER"} for one in found["nodes"]
    )
    # Somebody who sees one grid only must not take the others' holders for absent.
    narrow = alder.someone("grid.post.read", "areas.area.read", at="s2c1g1")
    seen = (await front.data(narrow, text, {"post": "GRID_LEAD", "inside": alder.global_id("s1c1")}))["staffingGaps"]
    assert {one["name"] for one in seen["nodes"]} == {"s1c1g2"}
    before = (await front.data(alder.administrator, text, {"on": "2025-12-31"}))["staffingGaps"]
    assert before["totalCount"] == len(grids)


async def test_the_other_tenant_sees_nothing(front: Front, birch: AreaTree, roster: Roster) -> None:
    text = """query ($post: ID!, $worker: ID!) { post(id: $post) { code } worker(id: $worker) { name }
      posts { code } workers { totalCount } postAssignments { totalCount } staffingGaps { totalCount } }"""
    ids = {"post": roster.post_id("GRID_LEAD"), "worker": roster.worker_id("lead")}
    found = await front.data(birch.administrator, text, ids)
    assert found == {
        "post": None,
        "worker": None,
        "posts": [],
        "workers": {"totalCount": 0},
        "postAssignments": {"totalCount": 0},
        "staffingGaps": {"totalCount": 0},
    }


periods = st.lists(
    st.tuples(
        st.sampled_from([code for code, *_ in POSTS]),
        st.integers(0, 2),
        st.integers(0, 20),
        st.integers(1, 12) | st.none(),
    ),
    min_size=2,
    max_size=9,
)


@given(wanted=periods)
@examples(10, shares_fixtures=True)
async def test_holders_in_valid_time_equal_a_model(
    works: Works, wanted: list[tuple[str, int, int, int | None]]
) -> None:
    """Every assignment is allowed exactly when on no day there are too many holders, or the same one twice."""
    tree = await AreaTree.plant(works, streets=1, communities=1, grids=1)
    roster = await Roster.of(tree)
    people = [await roster.account(f"p{n}") for n in range(3)]
    most = {code: (1 if is_single else upto) for code, _, _, is_single, _, _, upto in POSTS}
    held: set[tuple[str, int, int]] = set()
    for post, person, start, length in wanted:
        days = range(start, start + length if length else 60)
        fits = all(
            (post, person, day) not in held
            and (most[post] is None or sum((post, p, day) in held for p in range(3)) < most[post])  # type: ignore[operator] # not None
            for day in days
        )
        given_: dict[str, Any] = {
            "account_id": people[person],
            "post_id": roster.posts[post],
            "area_id": tree.id("s1c1g1"),
            "valid_from": DAY_ZERO + timedelta(days=start),
            "valid_until": DAY_ZERO + timedelta(days=start + length) if length else None,
        }
        if fits:
            async with works.begin(tree.administrator) as work:
                await service.assign_post(work, **given_)
            held |= {(post, person, day) for day in days}
        else:
            with pytest.raises(Refusal) as refused:
                async with works.begin(tree.administrator) as work:
                    await service.assign_post(work, **given_)
            assert refused.value.reason in {"POST_TAKEN", "POST_HELD_ALREADY", "POST_FULL"}
    async with works.begin(tree.administrator) as work:
        for day in (0, 5, 19, 31):
            at = datetime(2026, 1, 1, 4, tzinfo=UTC) + timedelta(days=day)
            for code, *_ in POSTS:
                found = await service.post_holders(work, tree.areas["s1c1g1"].path, code, at)
                assert sorted(h.account_id for h in found) == sorted(
                    people[p] for p in range(3) if (code, p, day) in held
                )


async def test_the_ladder_goes_up_and_the_roster_goes_first(
    works: Works, alder: AreaTree, roster: Roster, clock: ManualClock
) -> None:
    grid = alder.areas["s1c1g1"].path
    async with works.begin(alder.administrator) as work:
        rungs = await service.ladder(work, grid)
        assert [[holder.name for holder in rung] for rung in rungs] == [["lead"], ["boss"]]
        assert await service.holds_post(work, roster.accounts["boss"], "LEAD", grid)
        assert not await service.holds_post(work, roster.accounts["boss"], "LEAD", alder.areas["s2"].path)
        assert not await service.holds_post(work, new_id(), "LEAD", grid)
        officer = await service.duty_officer(work, grid)
        assert officer is not None
        assert (officer.name, officer.is_on_roster, officer.post_code) == ("lead", False, "GRID_LEAD")
        assert await service.duty_officer(work, alder.areas["s2c1"].path) is None
        await service.plan_shift(
            work,
            account_id=roster.accounts["worker"],
            area_id=alder.id("s1"),
            starts_at=clock.now() - timedelta(hours=1),
            ends_at=clock.now() + timedelta(hours=1),
            is_duty=True,
        )
        officer = await service.duty_officer(work, grid)
        assert officer is not None
        assert (officer.name, officer.is_on_roster) == ("worker", True)
        later = await service.duty_officer(work, grid, clock.now() + timedelta(hours=1))
        assert later is not None
        assert later.name == "lead"


async def test_grids_with_a_lead_each_can_be_merged(works: Works, alder: AreaTree, roster: Roster) -> None:
    await roster.hold("second", "GRID_LEAD", "s1c1g2")
    async with works.begin(alder.administrator) as work:
        plan = await restructure.plan_merge(work, [alder.id("s1c1g2")], alder.id("s1c1g1"))
        await restructure.apply_merge(work, [alder.id("s1c1g2")], alder.id("s1c1g1"), plan.fingerprint)
    async with works.begin(alder.administrator) as work:
        found = await service.post_holders(work, alder.areas["s1c1g1"].path, "GRID_LEAD")
        assert {holder.name for holder in found} == {"lead", "second"}
    # Two are there already, so nobody becomes the third.
    with pytest.raises(Refusal) as refused:
        await roster.hold("third", "GRID_LEAD", "s1c1g1")
    assert refused.value.reason == "POST_TAKEN"


async def test_assignments_move_with_their_area(works: Works, alder: AreaTree, roster: Roster) -> None:
    async with works.begin(alder.administrator) as work:
        plan = await restructure.plan_move(work, alder.id("s1c1"), alder.id("s2"))
        await restructure.apply_move(work, alder.id("s1c1"), alder.id("s2"), plan.fingerprint)
    async with works.begin(alder.administrator) as work:
        row = await work.session.get_one(m.PostAssignment, (alder.tenant_id, roster.assignments["lead"]))
        assert row.area_path.startswith(alder.areas["s2"].path)
