"""Patrols through GraphQL: tracks, positions of those on shift, the rule of two hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from cityloom.core.ids import encode_id
from cityloom.events.models import OutboxRecord
from cityloom.modules.grid import models as m
from cityloom.modules.grid import service
from cityloom.modules.grid.geometry import METRES_PER_DEGREE
from cityloom.modules.grid.service.patrols import LARGEST_BATCH
from cityloom.modules.grid.settings import GridSettings
from cityloom.testing.front import anonymous
from cityloom.testing.probes import mutation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cityloom.core.principal import Principal
    from cityloom.core.work import Works
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.front import Front
    from cityloom.testing.grid import Roster
    from cityloom.testing.probes import Probe

START = mutation("patrolStart", "Patrol", "id kind patrolledOn worker { name }")
APPEND = mutation(
    "patrolTrackAppend",
    "Patrol",
    "id version pointCount flaggedCount lengthM durationS activeS pauseS cellM cellCount visitedCellCount",
)
STOP = mutation("patrolStop", "Patrol", "id stoppedAt lengthM durationS activeS pauseS")
EVALUATE = mutation("patrolDaysEvaluate", "Area", "id")
METRE = 1 / METRES_PER_DEGREE
POSITIONS = "{ workerPositions { nodes { worker { name } longitude latitude recordedAt } } }"


def points(begins: datetime, *, count: int, every: float = 10, metres: float = 12, at: int = 0) -> list[dict[str, Any]]:
    """Somebody walks up and down in the grid: `count` points, every so many seconds, so many metres apart."""
    found = []
    for n in range(at, at + count):
        leg, along = divmod(n, 30)
        north = along if leg % 2 == 0 else 30 - along
        found.append(
            {
                "at": (begins + timedelta(seconds=n * every)).isoformat(),
                "longitude": 129.5005 + leg * metres * METRE,
                "latitude": 42.9005 + north * metres * METRE,
                "accuracyM": 8.0,
            }
        )
    return found


class Handset:
    """What a worker's handset sends."""

    def __init__(self, probe: Probe, caller: Principal, area: str) -> None:
        self.probe, self.caller, self.area, self.patrol = probe, caller, area, ""

    async def start(self, kind: str = "ROUTINE") -> str:
        found = await self.probe.done(self.caller, START, {"input": {"areaId": self.area, "kind": kind}})
        self.patrol = found["id"]
        return self.patrol

    async def send(self, key: str, given: Iterable[dict[str, Any]]) -> dict[str, Any]:
        values = {"id": self.patrol, "clientKey": key, "points": list(given)}
        return await self.probe.done(self.caller, APPEND, {"input": values})

    async def stop(self) -> dict[str, Any]:
        return await self.probe.done(self.caller, STOP, {"input": {"id": self.patrol}})


@pytest.fixture
def handset(probe: Probe, alder: AreaTree, roster: Roster) -> Handset:
    return Handset(probe, roster.principal("worker", at="s1c1g1"), alder.global_id("s1c1g1"))


async def on_shift(works: Works, roster: Roster, hours: float = 8) -> m.Shift:
    """The worker has a shift that began now, and is checked in."""
    async with works.begin(roster.tree.administrator) as work:
        shift = await service.plan_shift(
            work,
            account_id=roster.accounts["worker"],
            area_id=roster.tree.id("s1c1g1"),
            starts_at=work.now(),
            ends_at=work.now() + timedelta(hours=hours),
        )
    async with works.begin(roster.principal("worker")) as work:
        return await service.check_in(work, shift.id, (129.502, 42.902))


async def test_a_patrol_from_start_to_stop(handset: Handset, front: Front, clock: ManualClock) -> None:
    begins = clock.now()
    await handset.start()
    clock.advance(minutes=10)
    found = await handset.send("1", points(begins, count=60))
    assert (found["pointCount"], found["flaggedCount"]) == (60, 0)
    assert found["lengthM"] == pytest.approx(59 * 12, abs=40)
    assert found["durationS"] == found["activeS"] == 590
    assert found["cellM"] == 50
    assert found["cellCount"] == pytest.approx(74, abs=10)
    assert 6 <= found["visitedCellCount"] <= 16
    clock.advance(minutes=10)
    stopped = await handset.stop()
    # Ten minutes without a point are no patrol.
    assert (stopped["durationS"], stopped["activeS"], stopped["pauseS"]) == (1200, 590, 610)
    # A batch that was under way arrives late, and before the one that came first.
    late = await handset.send("2", points(begins, count=60, at=60))
    assert late["pointCount"] == 120
    assert late["activeS"] == 1200
    text = "query ($id: ID!) { patrol(id: $id) { track { nodes { clientKey pointCount points } } } }"
    assert (await front.data(handset.caller, text, {"id": handset.patrol}))["patrol"]["track"]["nodes"] == []


async def test_starting_by_four_callers(
    probe: Probe, alder: AreaTree, birch: AreaTree, roster: Roster, handset: Handset
) -> None:
    given_ = {"areaId": alder.global_id("s1c1g1")}
    for caller in (
        anonymous(alder.tenant_id),
        alder.someone("grid.patrol.read"),
        roster.principal("worker", at="s2"),
    ):
        assert (await probe.refused(caller, START, {"input": given_}))[0] == "FORBIDDEN"
    assert (await probe.refused(birch.administrator, START, {"input": given_}))[0] == "NOT_FOUND"
    elsewhere = {"areaId": alder.global_id("s2c1g1")}
    assert (await probe.refused(roster.principal("worker"), START, {"input": elsewhere}))[1] == "NOT_POSTED_HERE"
    await handset.start()
    assert (await probe.refused(handset.caller, START, {"input": given_}))[1] == "PATROL_UNDER_WAY"


async def test_track_and_stop_by_others(
    probe: Probe, alder: AreaTree, birch: AreaTree, roster: Roster, handset: Handset, clock: ManualClock
) -> None:
    patrol = await handset.start()
    append = {"id": patrol, "clientKey": "k", "points": points(clock.now(), count=2)}
    for text, given_ in ((APPEND, append), (STOP, {"id": patrol})):
        for caller, code in (
            (anonymous(alder.tenant_id), "FORBIDDEN"),
            (alder.someone("grid.patrol.read"), "FORBIDDEN"),
            (roster.principal("lead", at="s1c1g1"), "FORBIDDEN"),
            (roster.principal("worker", at="s2"), "NOT_FOUND"),
            (birch.administrator, "NOT_FOUND"),
        ):
            assert (await probe.refused(caller, text, {"input": given_}))[0] == code
    await handset.stop()
    assert (await probe.refused(handset.caller, STOP, {"input": {"id": patrol}}))[1] == "PATROL_STOPPED"


async def test_a_batch_sent_again_changes_nothing(
    probe: Probe, front: Front, handset: Handset, clock: ManualClock
) -> None:
    begins = clock.now()
    await handset.start()
    clock.advance(minutes=5)
    first = await handset.send("same", points(begins, count=20))
    before = await front.footprint(probe.tenant_id)
    values = {"id": handset.patrol, "clientKey": "same", "points": points(begins, count=20)}
    again = await front.data(handset.caller, APPEND, {"input": values})
    assert again["patrolTrackAppend"] == first
    assert await front.footprint(probe.tenant_id) == before
    other = {**values, "points": points(begins, count=21)}
    assert (await probe.refused(handset.caller, APPEND, {"input": other}))[1] == "TRACK_KEY_REUSED"


async def test_uploads_are_bounded_and_checked(probe: Probe, handset: Handset, clock: ManualClock) -> None:
    await handset.start()
    one = points(clock.now(), count=1)[0]
    for wrong, reason in (
        ([], "TRACK_TOO_LONG"),
        ([one] * (LARGEST_BATCH + 1), "TRACK_TOO_LONG"),
        ([{**one, "latitude": 91.0}], "POINT_MALFORMED"),
        ([{**one, "accuracyM": -1.0}], "POINT_MALFORMED"),
    ):
        values = {"id": handset.patrol, "clientKey": "k", "points": wrong}
        assert (await probe.refused(handset.caller, APPEND, {"input": values}))[1] == reason
    await handset.stop()
    clock.advance(hours=48, minutes=1)
    values = {"id": handset.patrol, "clientKey": "k", "points": [one]}
    assert (await probe.refused(handset.caller, APPEND, {"input": values}))[1] == "TRACK_TOO_LATE"


async def test_nothing_is_kept_from_outside_of_the_patrol(
    works: Works, alder: AreaTree, handset: Handset, clock: ManualClock
) -> None:
    begins = clock.now()
    await handset.start()
    clock.advance(minutes=5)
    early = points(begins - timedelta(hours=1), count=5)
    future = points(begins + timedelta(hours=1), count=5)
    found = await handset.send("k", [*early, *points(begins, count=10), *future])
    assert found["pointCount"] == 10
    async with works.begin(alder.administrator) as work:
        batch = await work.session.scalar(select(m.TrackBatch))
        assert batch is not None
        assert (batch.point_count, batch.ignored_count, len(batch.points)) == (10, 10, 10)


async def test_jumps_are_flagged_and_kept(front: Front, handset: Handset, alder: AreaTree, clock: ManualClock) -> None:
    begins = clock.now()
    await handset.start()
    clock.advance(minutes=5)
    given_ = points(begins, count=20)
    given_[10] = {**given_[10], "latitude": 43.9}
    found = await handset.send("k", given_)
    assert (found["pointCount"], found["flaggedCount"]) == (20, 1)
    text = "query ($id: ID!) { patrol(id: $id) { track { nodes { points } } } }"
    track = (await front.data(alder.administrator, text, {"id": handset.patrol}))["patrol"]["track"]["nodes"]
    assert len(track[0]["points"]) == 20
    assert track[0]["points"][10][2] == 43.9


async def test_only_who_is_on_shift_is_seen(
    front: Front, works: Works, alder: AreaTree, birch: AreaTree, roster: Roster, handset: Handset, clock: ManualClock
) -> None:
    # What is seen follows the database's clock: positions are shown until the shift ends.
    clock.set(datetime.now(UTC).replace(microsecond=0))
    watcher = alder.someone("grid.position.read", "grid.post.read", at="s1")
    begins = clock.now()
    await handset.start()
    clock.advance(minutes=2)
    await handset.send("off duty", points(begins, count=5))
    assert (await front.data(watcher, POSITIONS))["workerPositions"]["nodes"] == []
    shift = await on_shift(works, roster)
    clock.advance(minutes=2)
    await handset.send("on duty", points(begins, count=4, at=20))
    (seen,) = (await front.data(watcher, POSITIONS))["workerPositions"]["nodes"]
    assert seen["worker"]["name"] == "worker"
    last = points(begins, count=4, at=20)[-1]
    assert seen["latitude"] == pytest.approx(last["latitude"], abs=1e-6)
    for caller in (
        alder.someone("grid.position.read", at="s2"),
        roster.principal("lead", at="s1c1g1"),
        birch.administrator,
    ):
        answer = await front.ask(caller, POSITIONS)
        assert (answer["data"] or {}).get("workerPositions", {}).get("nodes", []) == []
    async with works.begin(roster.principal("worker")) as work:
        await service.check_out(work, shift.id, (129.502, 42.902))
    assert (await front.data(watcher, POSITIONS))["workerPositions"]["nodes"] == []
    async with works.begin(alder.administrator) as work:
        assert await work.session.scalar(select(func.count()).select_from(m.WorkerPosition)) == 0
        patrol = await work.session.scalar(select(m.Patrol))
        assert patrol is not None
        assert patrol.stopped_at is not None


async def test_who_forgets_to_check_out_is_not_seen_after_the_shift(
    front: Front, works: Works, alder: AreaTree, roster: Roster, handset: Handset, clock: ManualClock
) -> None:
    clock.set(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2))
    await on_shift(works, roster, hours=1)
    begins = clock.now()
    await handset.start()
    clock.advance(minutes=1)
    await handset.send("k", points(begins, count=5))
    async with works.begin(alder.administrator) as work:
        assert await work.session.scalar(select(func.count()).select_from(m.WorkerPosition)) == 1
    assert (await front.data(alder.administrator, POSITIONS))["workerPositions"]["nodes"] == []
    clock.advance(hours=2)
    async with works.begin(alder.administrator) as work:
        await service.forget_tracks(work)
        assert await work.session.scalar(select(func.count()).select_from(m.WorkerPosition)) == 0


async def test_tracks_are_forgotten_and_figures_stay(
    front: Front, works: Works, alder: AreaTree, handset: Handset, clock: ManualClock
) -> None:
    begins = clock.now()
    await handset.start()
    clock.advance(minutes=10)
    found = await handset.send("k", points(begins, count=60))
    await handset.stop()
    for days, left in ((179, 1), (2, 0)):
        clock.advance(days=days)
        async with works.begin(alder.administrator) as work:
            await service.forget_tracks(work)
            assert await work.session.scalar(select(func.count()).select_from(m.TrackBatch)) == left
    text = "query ($id: ID!) { patrol(id: $id) { lengthM } }"
    assert (await front.data(alder.administrator, text, {"id": handset.patrol}))["patrol"]["lengthM"] == found[
        "lengthM"
    ]


async def walk(handset: Handset, clock: ManualClock, minutes: int) -> None:
    """A patrol of so many minutes, walked without a pause, handed in every half an hour."""
    begins, sent = clock.now(), 0
    await handset.start()
    while sent < minutes:
        part = min(30, minutes - sent)
        clock.advance(minutes=part)
        await handset.send(f"{begins}{sent}", points(begins, count=part * 6 + 1, at=sent * 6))
        sent += part
    await handset.stop()


async def test_the_rule_of_two_hours(
    probe: Probe,
    front: Front,
    works: Works,
    alder: AreaTree,
    birch: AreaTree,
    roster: Roster,
    handset: Handset,
    clock: ManualClock,
) -> None:
    # 08:00 in China on a Monday.
    clock.set(datetime(2026, 3, 2, 0, 0, tzinfo=UTC))
    await roster.hold("idle", "GRID_WORKER", "s1c1g1")
    await walk(handset, clock, 70)
    clock.advance(hours=3)
    await walk(handset, clock, 49)
    day = {"areaId": alder.global_id("s1"), "day": "2026-03-02"}
    may = ("grid.patrol.evaluate", "grid.patrol.read", "areas.area.read")
    for caller in (anonymous(alder.tenant_id), alder.someone(*may[1:]), alder.someone(*may, at="s2")):
        assert (await probe.refused(caller, EVALUATE, {"input": day}))[0] == "FORBIDDEN"
    assert (await probe.refused(birch.administrator, EVALUATE, {"input": day}))[0] == "NOT_FOUND"
    tomorrow = {**day, "day": "2026-03-03"}
    assert (await probe.refused(alder.administrator, EVALUATE, {"input": tomorrow}))[1] == "DAY_WRONG"
    lead = alder.someone(*may, "grid.post.read", at="s1")
    await probe.done(lead, EVALUATE, {"input": day})
    text = """{ patrolDays { nodes { worker { name } result requiredMinutes patrolledS patrolCount } }
                patrolDayStats(by: [RESULT]) { keys count } }"""
    found = await front.data(lead, text)
    days = {one["worker"]["name"]: one for one in found["patrolDays"]["nodes"]}
    # Leads need not patrol; a minute is missing to the worker.
    assert set(days) == {"worker", "idle"}
    assert days["worker"]["patrolledS"] == 119 * 60
    assert (days["worker"]["result"], days["worker"]["patrolCount"]) == ("MISSED", 2)
    assert days["idle"]["result"] == "MISSED"
    clock.advance(hours=1)
    await walk(handset, clock, 1)
    await probe.done(lead, EVALUATE, {"input": day})
    found = await front.data(lead, text)
    days = {one["worker"]["name"]: one["result"] for one in found["patrolDays"]["nodes"]}
    assert days == {"worker": "MET", "idle": "MISSED"}
    assert {tuple(one["keys"]): one["count"] for one in found["patrolDayStats"]} == {("MET",): 1, ("MISSED",): 1}
    async with works.begin(alder.administrator) as work:
        told = await work.session.scalar(
            select(func.count()).where(OutboxRecord.type == "grid.patrol_day.evaluated.v1")
        )
        assert told == 3
    # Nobody of another street sees it.
    assert (await front.data(alder.someone(*may, at="s2"), text))["patrolDays"]["nodes"] == []


async def test_the_rule_is_the_citys(
    front: Front, works: Works, alder: AreaTree, roster: Roster, handset: Handset, clock: ManualClock
) -> None:
    clock.set(datetime(2026, 3, 2, 0, 0, tzinfo=UTC))
    await roster.hold("idle", "GRID_WORKER", "s1c1g1")
    front.services[GridSettings] = GridSettings(daily_patrol_minutes=20, patrol_rule_days="SHIFT_DAYS")
    await on_shift(works, roster)
    await walk(handset, clock, 20)
    for settings, results in (
        (GridSettings(daily_patrol_minutes=20, patrol_rule_days="SHIFT_DAYS"), {"worker": "MET", "idle": "EXEMPT"}),
        (GridSettings(daily_patrol_minutes=21), {"worker": "MISSED", "idle": "MISSED"}),
        (GridSettings(daily_patrol_minutes=0), {"worker": "EXEMPT", "idle": "EXEMPT"}),
        (GridSettings(patrol_weekdays=(2, 3)), {"worker": "EXEMPT", "idle": "EXEMPT"}),
    ):
        front.services[GridSettings] = settings
        async with works.begin(alder.administrator) as work:
            await service.evaluate_days(work, alder.id("city"), datetime(2026, 3, 2, tzinfo=UTC).date())
            days = (
                await work.session.execute(
                    select(m.Worker.name, m.PatrolDay.result)
                    .join(m.PatrolDay, m.PatrolDay.account_id == m.Worker.id)
                    .order_by(m.Worker.name.desc())
                )
            ).all()
            assert [tuple(row) for row in days] == list(results.items())


async def test_a_patrol_that_was_never_stopped_ends_at_its_last_point(
    works: Works, alder: AreaTree, handset: Handset, clock: ManualClock
) -> None:
    clock.set(datetime(2026, 3, 2, 0, 0, tzinfo=UTC))
    begins = clock.now()
    await handset.start()
    clock.advance(minutes=30)
    await handset.send("k", points(begins, count=181))
    clock.advance(days=1)
    async with works.begin(alder.administrator) as work:
        await service.evaluate_days(work, alder.id("city"))
        patrol = await work.session.scalar(select(m.Patrol))
        assert patrol is not None
        assert patrol.stopped_at == begins + timedelta(minutes=30)
        day = await work.session.scalar(select(m.PatrolDay))
        assert day is not None
        assert (day.day.isoformat(), day.patrolled_s, day.result) == ("2026-03-02", 1800, "MISSED")
    assert handset.patrol == encode_id("ptrl", alder.tenant_id, patrol.id)
