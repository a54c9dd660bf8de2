"""Shifts: planned, attended, cancelled; who is called."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from cityloom.core.errors import Refusal
from cityloom.core.ids import encode_id
from cityloom.modules.grid import models as m
from cityloom.modules.grid import service
from cityloom.modules.grid.settings import GridSettings
from cityloom.testing.areas import AreaTree
from cityloom.testing.examples import examples
from cityloom.testing.front import anonymous
from cityloom.testing.grid import Roster
from cityloom.testing.probes import mutation

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Works
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.front import Front
    from cityloom.testing.probes import Probe

PLAN = mutation("shiftPlan", "Shift", "id startsAt isDuty worker { name } area { name }")
CANCEL = mutation("shiftCancel", "Shift", "id cancelledAt")
CHECK_IN = mutation("shiftCheckIn", "Shift", "id checkedInAt checkedInInside checkedInDistanceM")
CHECK_OUT = mutation("shiftCheckOut", "Shift", "id checkedOutAt checkedOutInside checkedOutDistanceM")
INSIDE = {"longitude": 129.502, "latitude": 42.902}
AWAY = {"longitude": 129.502, "latitude": 42.9145}


async def plan(works: Works, roster: Roster, clock: ManualClock, who: str = "worker", **values: Any) -> m.Shift:
    async with works.begin(roster.tree.administrator) as work:
        return await service.plan_shift(
            work,
            account_id=roster.accounts[who],
            **{
                "area_id": roster.tree.id("s1c1g1"),
                "starts_at": clock.now() + timedelta(hours=1),
                "ends_at": clock.now() + timedelta(hours=9),
                **values,
            },
        )


def shift_id(tree: AreaTree, row_id: UUID) -> str:
    return encode_id("shft", tree.tenant_id, row_id)


async def test_planning_by_four_callers(
    probe: Probe, alder: AreaTree, birch: AreaTree, roster: Roster, clock: ManualClock
) -> None:
    given_ = {
        "workerId": roster.worker_id("worker"),
        "areaId": alder.global_id("s1c1g1"),
        "startsAt": clock.now().isoformat(),
        "endsAt": (clock.now() + timedelta(hours=8)).isoformat(),
        "isDuty": True,
        "postId": roster.post_id("GRID_WORKER"),
    }
    may = ("grid.shift.plan", "grid.shift.read", "grid.post.read", "areas.area.read")
    for caller in (anonymous(alder.tenant_id), alder.someone(*may[1:]), alder.someone(*may, at="s2")):
        assert (await probe.refused(caller, PLAN, {"input": given_}))[0] == "FORBIDDEN"
    assert (await probe.refused(birch.administrator, PLAN, {"input": given_}))[0] == "NOT_FOUND"
    foreign = {**given_, "areaId": birch.global_id("s1c1g1")}
    assert (await probe.refused(birch.administrator, PLAN, {"input": foreign}))[0] == "NOT_FOUND"
    found = await probe.done(alder.someone(*may, at="s1c1"), PLAN, {"input": given_})
    assert found["worker"]["name"] == "worker"
    assert found["area"]["name"] == "s1c1g1"
    assert found["isDuty"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"startsAt": "2026-03-02T08:00:00Z", "endsAt": "2026-03-02T16:00:00Z"}, "SHIFT_OVERLAPS"),
        ({"startsAt": "2026-03-05T08:00:00Z", "endsAt": "2026-03-05T08:00:00Z"}, "PERIOD_WRONG"),
        ({"startsAt": "2026-03-05T08:00:00Z", "endsAt": "2026-03-06T08:00:01Z"}, "PERIOD_WRONG"),
        ({"startsAt": "2025-03-05T08:00:00Z", "endsAt": "2025-03-05T10:00:00Z"}, "NOT_POSTED_HERE"),
        ({"areaId": "s2c1g1"}, "NOT_POSTED_HERE"),
    ],
)
async def test_shifts_that_cannot_be(
    probe: Probe, alder: AreaTree, roster: Roster, works: Works, clock: ManualClock, change: dict[str, str], reason: str
) -> None:
    await plan(works, roster, clock)
    given_ = {
        "workerId": roster.worker_id("worker"),
        "areaId": alder.global_id("s1c1g1"),
        "startsAt": "2026-03-05T08:00:00Z",
        "endsAt": "2026-03-05T16:00:00Z",
        **change,
    }
    if "areaId" in change:
        given_["areaId"] = alder.global_id(change["areaId"])
    assert (await probe.refused(alder.administrator, PLAN, {"input": given_}))[1] == reason


async def test_cancelling_by_four_callers_frees_the_time(
    probe: Probe, alder: AreaTree, birch: AreaTree, roster: Roster, works: Works, clock: ManualClock
) -> None:
    shift = await plan(works, roster, clock)
    given_ = {"id": shift_id(alder, shift.id)}
    may = ("grid.shift.plan", "grid.shift.read")
    for caller in (anonymous(alder.tenant_id), alder.someone("grid.shift.read")):
        assert (await probe.refused(caller, CANCEL, {"input": given_}))[0] == "FORBIDDEN"
    for caller in (alder.someone(*may, at="s2"), birch.administrator):
        assert (await probe.refused(caller, CANCEL, {"input": given_}))[0] == "NOT_FOUND"
    assert (await probe.done(alder.someone(*may, at="s1"), CANCEL, {"input": given_}))["cancelledAt"]
    assert (await probe.refused(alder.administrator, CANCEL, {"input": given_}))[1] == "SHIFT_CANCELLED"
    await plan(works, roster, clock)


async def test_checking_in_and_out(
    probe: Probe, alder: AreaTree, birch: AreaTree, roster: Roster, works: Works, clock: ManualClock
) -> None:
    shift = await plan(works, roster, clock)
    worker = roster.principal("worker", at="s1c1g1")
    given_ = {"id": shift_id(alder, shift.id), "position": INSIDE}
    clock.advance(minutes=-1)
    assert (await probe.refused(worker, CHECK_IN, {"input": given_}))[1] == "OUTSIDE_SHIFT"
    clock.advance(minutes=1)
    assert (await probe.refused(worker, CHECK_OUT, {"input": given_}))[1] == "NOT_CHECKED_IN"
    assert (await probe.refused(anonymous(alder.tenant_id), CHECK_IN, {"input": given_}))[0] == "FORBIDDEN"
    assert (await probe.refused(alder.someone("grid.shift.read"), CHECK_IN, {"input": given_}))[0] == "FORBIDDEN"
    assert (await probe.refused(roster.principal("lead"), CHECK_IN, {"input": given_}))[1] == "NOT_YOURS"
    elsewhere = roster.principal("worker", at="s2")
    assert (await probe.refused(elsewhere, CHECK_IN, {"input": given_}))[0] == "NOT_FOUND"
    assert (await probe.refused(birch.administrator, CHECK_IN, {"input": given_}))[0] == "NOT_FOUND"
    found = await probe.done(worker, CHECK_IN, {"input": given_})
    assert (found["checkedInInside"], found["checkedInDistanceM"]) == (True, 0)
    assert (await probe.refused(worker, CHECK_IN, {"input": given_}))[1] == "CHECKED_IN_ALREADY"
    cancel = {"id": given_["id"]}
    assert (await probe.refused(alder.administrator, CANCEL, {"input": cancel}))[1] == "SHIFT_BEGUN"
    clock.advance(hours=2)
    out = {**given_, "position": AWAY}
    found = await probe.done(worker, CHECK_OUT, {"input": out})
    assert found["checkedOutInside"] is False
    assert found["checkedOutDistanceM"] == pytest.approx(1_112, abs=5)
    assert (await probe.refused(worker, CHECK_OUT, {"input": out}))[1] == "NOT_CHECKED_IN"


async def test_a_city_can_ask_to_check_in_on_the_spot(
    front: Front, probe: Probe, alder: AreaTree, roster: Roster, works: Works, clock: ManualClock
) -> None:
    front.services[GridSettings] = GridSettings(check_in_limit_m=200)
    shift = await plan(works, roster, clock)
    given_ = {"id": shift_id(alder, shift.id), "position": AWAY}
    worker = roster.principal("worker", at="s1c1g1")
    assert (await probe.refused(worker, CHECK_IN, {"input": given_}))[1] == "TOO_FAR_AWAY"
    # The same place, as a Chinese map shows it.
    near = {"longitude": 129.508, "latitude": 42.904, "system": "GCJ02"}
    await probe.done(worker, CHECK_IN, {"input": {**given_, "position": near}})


async def test_who_sees_shifts(
    front: Front, alder: AreaTree, birch: AreaTree, roster: Roster, works: Works, clock: ManualClock
) -> None:
    shift = await plan(works, roster, clock)
    text = "query ($id: ID!) { shift(id: $id) { worker { name } } shifts { totalCount } }"
    given_ = {"id": shift_id(alder, shift.id)}
    seen = await front.data(roster.principal("lead", at="s1c1g1"), text, given_)
    assert seen == {"shift": {"worker": {"name": "worker"}}, "shifts": {"totalCount": 1}}
    for caller in (roster.principal("lead", at="s1c1g2"), birch.administrator):
        assert await front.data(caller, text, given_) == {"shift": None, "shifts": {"totalCount": 0}}


async def test_the_duty_roster_of_a_grid_holds_those_above(
    front: Front, alder: AreaTree, roster: Roster, works: Works, clock: ManualClock
) -> None:
    await plan(works, roster, clock, "boss", area_id=alder.id("s1"), is_duty=True)
    await plan(works, roster, clock, "worker")
    text = "query ($area: ID!, $at: DateTime) { dutyShifts(area: $area, at: $at) { worker { name } area { name } } }"
    at = clock.now() + timedelta(hours=2)
    for area, moment, names in (("s1c1g1", at, ["boss"]), ("s2c1g1", at, []), ("s1c1g1", clock.now(), [])):
        given_ = {"area": alder.global_id(area), "at": moment.isoformat()}
        found = (await front.data(alder.administrator, text, given_))["dutyShifts"]
        assert [one["worker"]["name"] for one in found] == names


wanted_shifts = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 40), st.integers(1, 24), st.booleans()), min_size=2, max_size=10
)


@given(wanted=wanted_shifts)
@examples(6, shares_fixtures=True)
async def test_nobody_has_two_shifts_at_once(
    works: Works, clock: ManualClock, wanted: list[tuple[int, int, int, bool]]
) -> None:
    tree = await AreaTree.plant(works, streets=1, communities=1, grids=1)
    roster = await Roster.of(tree)
    for n in range(2):
        await roster.hold(f"p{n}", "FUNCTIONAL_WORKER", "s1c1g1")
    busy: set[tuple[int, int]] = set()
    for person, start, length, is_cancelled in wanted:
        hours = {(person, hour) for hour in range(start, start + length)}
        times = {
            "starts_at": clock.now() + timedelta(hours=start),
            "ends_at": clock.now() + timedelta(hours=start + length),
        }
        if hours & busy:
            with pytest.raises(Refusal) as refused:
                await plan(works, roster, clock, f"p{person}", **times)
            assert refused.value.reason == "SHIFT_OVERLAPS"
            continue
        shift = await plan(works, roster, clock, f"p{person}", **times)
        if is_cancelled:
            async with works.begin(tree.administrator) as work:
                await service.cancel_shift(work, shift.id)
        else:
            busy |= hours
    async with works.begin(tree.administrator) as work:
        kept = await work.session.scalars(select(m.Shift).where(m.Shift.cancelled_at.is_(None)))
        assert sum(round((s.ends_at - s.starts_at).total_seconds() / 3600) for s in kept) == len(busy)
