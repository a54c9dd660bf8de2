"""When a delivery is tried again, and who gets the places for requests."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloom.testing.webhooks import PostOffice
from cityloom.webhooks.dispatch import PLACES_AT_FIRST, Dispatcher, allowed, tolerance
from cityloom.webhooks.schedule import BREAKS_AFTER, LONGEST, block, next_try, parse_retry_after, planned

if TYPE_CHECKING:
    from cityloom.testing.access import World
    from cityloom.testing.front import Front
    from cityloom.testing.webhooks import Receiver
    from cityloom.webhooks.sender import Sender

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_the_schedule_is_the_stated_one() -> None:
    hours = [delay.total_seconds() / 3600 for delay in planned()]
    assert [round(delay.total_seconds()) for delay in planned()[:4]] == [5, 35, 155, 755]
    assert all(9.9 < later - earlier < 10.1 for earlier, later in pairwise(hours[7:]))
    assert 7.5 * 24 < hours[-1] <= 8 * 24


@settings(deadline=None)
@given(st.integers(1, 60), st.floats(0, 0.99), st.integers(0, 8 * 86_400 - 1))
def test_the_next_try_is_later_and_never_after_the_eight_days(tries: int, jitter: float, age: int) -> None:
    first = NOW - timedelta(seconds=age)
    found = next_try(tries, first, NOW, jitter=jitter)
    assert found is not None
    assert NOW < found <= first + LONGEST
    assert next_try(tries, NOW - LONGEST, NOW, jitter=jitter) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("120", 120), (" 5 ", 5), ("Mon, 02 Mar 2026 00:02:00 GMT", 120), ("Sun, 01 Mar 2026 00:00:00 GMT", 0)],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: int) -> None:
    assert parse_retry_after(value, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("value", [None, "", "soon", "-1", "1e9", "٣", "9" * 40])
def test_another_retry_after_is_none(value: str | None) -> None:
    assert parse_retry_after(value, NOW) is None


def test_a_receiver_cannot_put_everything_off_for_ever() -> None:
    found = next_try(1, NOW, NOW, retry_after=timedelta(days=400))
    assert found is not None
    assert found <= NOW + timedelta(hours=10)
    until = block(1, NOW, is_throttled=True, retry_after=timedelta(days=400))
    assert until is not None
    assert until <= NOW + timedelta(hours=10)


def test_the_breaker_opens_after_ten_failures_and_ever_longer() -> None:
    assert block(BREAKS_AFTER - 1, NOW, is_throttled=False, retry_after=None) is None
    found = [block(BREAKS_AFTER + more, NOW, is_throttled=False, retry_after=None) for more in range(12)]
    assert found[0] == NOW + timedelta(seconds=5)
    assert found == sorted(one for one in found if one is not None)
    assert found[-1] == NOW + timedelta(minutes=10)


@settings(deadline=None)
@given(st.integers(1, 10_000), st.integers(0, 3_000))
def test_no_second_has_more_than_the_rate_and_a_tenth(rate: int, behind_ms: int) -> None:
    now, rate_at, sent = NOW, NOW - timedelta(milliseconds=behind_ms), 0
    for _ in range(100):
        count = allowed(rate, rate_at, now)
        rate_at = max(rate_at, now) + count * timedelta(seconds=1 / rate)
        sent += count
        now += timedelta(milliseconds=10)
    assert sent <= rate * (1 + tolerance(rate).total_seconds()) + 1


async def test_a_tenant_that_hangs_leaves_places_to_the_others(
    world: World, front: Front, sender: Sender, receiver: Receiver, office: PostOffice
) -> None:
    other = await PostOffice.open(await world.city("birch"), front, sender)
    released = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    dispatcher = Dispatcher(front.works, sender, places=16)
    for _ in range(4):
        await office.endpoint(receiver.url)
    await office.happen(*[None] * 20)
    await office.collect()
    receiver.answers = [hang] * 100
    # Tenants of other tests may be in the way of one round.
    for _ in range(10):
        await dispatcher.round()
    await receiver.wait_for(8)
    assert len(receiver.received) == 8
    receiver.answers.clear()
    await other.endpoint(receiver.url)
    await other.happen(None)
    await other.collect()
    before = len(receiver.received)
    for _ in range(10):
        await dispatcher.round()
    await receiver.wait_for(before + 1)
    released.set()
    await dispatcher.idle()


async def test_an_endpoint_earns_places_by_answering(office: PostOffice, receiver: Receiver, sender: Sender) -> None:
    released = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    dispatcher = Dispatcher(office.front.works, sender)
    await office.endpoint(receiver.url)
    await office.happen(*[None] * 60)
    await office.collect()
    receiver.answers = [hang] * 60
    for _ in range(5):
        await dispatcher.round()
    await receiver.wait_for(PLACES_AT_FIRST)
    assert len(receiver.received) == PLACES_AT_FIRST
    released.set()
    await dispatcher.idle()
    released.clear()
    for _ in range(5):
        await dispatcher.round()
    await receiver.wait_for(PLACES_AT_FIRST * 3)
    assert len(receiver.received) == PLACES_AT_FIRST * 3
    released.set()
    await dispatcher.idle()


async def test_nobodys_turn_waits_for_another_tenants(
    world: World, front: Front, sender: Sender, receiver: Receiver, office: PostOffice
) -> None:
    other = await PostOffice.open(await world.city("birch"), front, sender)
    for one in (office, other):
        await one.endpoint(receiver.url)
        await one.happen(None)
        await one.collect()
    dispatcher = Dispatcher(front.works, sender)
    async with office.city.work() as work:
        held = "SELECT FROM webhook_deliveries WHERE tenant_id = $1 FOR UPDATE"
        await (await work.connection()).execute(held, office.city.id)
        running = asyncio.create_task(dispatcher.run())
        await receiver.wait_for(1)
        assert [row["tries"] for row in await office.deliveries()] == [0]
    try:
        await receiver.wait_for(2)
    finally:
        running.cancel()
        await asyncio.wait([running])
