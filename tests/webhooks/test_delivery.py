"""What happens reaches its receivers: once each, in order, numbered and linked, and again until it is accepted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from cityloom.core.ids import encode_id, new_id
from cityloom.testing.webhooks import EVENT
from cityloom.webhooks import signing
from cityloom.webhooks.dispatch import Dispatcher
from cityloom.webhooks.schedule import LONGEST

if TYPE_CHECKING:
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.webhooks import PostOffice, Received, Receiver
    from cityloom.webhooks.sender import Sender


def subjects(found: list[Received]) -> list[str]:
    """What the bodies are about, in the order in which they arrived."""
    return [orjson.loads(one.body)["data"]["subject"] for one in found]


def numbers(found: list[Received]) -> list[int]:
    """The sequence numbers, in the order in which they arrived."""
    return [int(one.headers["webhook-sequence"]) for one in found]


async def test_an_event_reaches_its_endpoint_signed_numbered_and_linked(office: PostOffice, receiver: Receiver) -> None:
    made = await office.endpoint(receiver.url)
    await office.happen(None)
    await office.settle()
    (found,) = receiver.received
    body = orjson.loads(found.body)
    assert body["type"] == EVENT
    assert found.headers["webhook-sequence"] == "1"
    start = signing.genesis(made["id"])
    assert found.headers["webhook-previous-hash"] == start.hex()
    assert found.id == signing.chained_id(1, signing.link(start, 1, found.body))
    (row,) = await office.deliveries()
    assert (row["state"], row["tries"], bytes(row["body"])) == ("DELIVERED", 1, found.body)
    (attempt,) = await office.attempts()
    assert (attempt["outcome"], attempt["status"]) == ("DELIVERED", 204)


async def test_a_receiver_can_prove_that_nothing_is_missing_altered_or_moved(
    office: PostOffice, receiver: Receiver
) -> None:
    made = await office.endpoint(receiver.url)
    await office.happen(*[None] * 30)
    await office.settle()
    await office.happen(*[None] * 5)
    await office.settle()
    chain = signing.genesis(made["id"])
    for number, found in enumerate(sorted(receiver.received, key=lambda one: int(one.headers["webhook-sequence"])), 1):
        assert found.headers["webhook-previous-hash"] == chain.hex()
        chain = signing.link(chain, number, found.body)
        assert found.id == signing.chained_id(number, chain)
    assert len(receiver.received) == 35


async def test_a_failed_delivery_is_repeated_with_the_same_bytes_and_id(
    office: PostOffice, receiver: Receiver, clock: ManualClock
) -> None:
    await office.endpoint(receiver.url)
    receiver.answers = [500, 400, 302]
    await office.happen(None)
    await office.settle()
    for _ in range(3):
        await office.deliver()
        clock.advance(minutes=3)
        await office.deliver()
    assert len(receiver.received) == 4
    assert len({(one.id, one.body) for one in receiver.received}) == 1
    outcomes = [row["outcome"] for row in await office.attempts()]
    assert outcomes == ["REFUSED", "REFUSED", "REDIRECTED", "DELIVERED"]
    (row,) = await office.deliveries()
    assert (row["state"], row["tries"]) == ("DELIVERED", 4)


async def test_one_stuck_subject_does_not_hold_up_the_others(
    office: PostOffice, receiver: Receiver, clock: ManualClock
) -> None:
    await office.endpoint(receiver.url)
    stuck = new_id()
    await office.happen(stuck)
    receiver.answers = [500]
    await office.settle()
    await office.happen(stuck, None, stuck, None)
    await office.settle()
    assert numbers(receiver.received[1:]) in ([3, 5], [5, 3])
    clock.advance(seconds=7)
    await office.deliver()
    assert numbers(receiver.received[3:]) == [1, 2, 4]
    about = encode_id("shft", office.city.id, stuck)
    assert subjects(receiver.received[3:]) == [about] * 3


async def test_an_endpoint_may_have_one_order_for_everything(
    office: PostOffice, receiver: Receiver, clock: ManualClock
) -> None:
    await office.endpoint(receiver.url, ordering="PER_ENDPOINT")
    receiver.answers = [204, 500]
    await office.happen(*[None] * 5)
    await office.settle()
    assert numbers(receiver.received) == [1, 2]
    clock.advance(seconds=7)
    await office.deliver()
    assert numbers(receiver.received) == [1, 2, 2, 3, 4, 5]


async def test_after_eight_days_it_is_kept_told_and_the_next_one_is_tried(
    office: PostOffice, receiver: Receiver, clock: ManualClock
) -> None:
    made = await office.endpoint(receiver.url)
    subject = new_id()
    receiver.answers = [500] * 40
    await office.happen(subject, subject)
    await office.collect()
    began = clock.now()
    while (await office.deliveries())[0]["state"] == "DUE":
        await office.deliver()
        clock.advance(hours=2)
    first, second = await office.deliveries()
    assert first["state"] == "EXHAUSTED"
    assert LONGEST <= first["finished_at"] - began <= LONGEST + timedelta(hours=3)
    assert (first["tries"], second["tries"]) == (len(receiver.received), 0)
    assert second["state"] == "DUE"
    told = await office.rows("SELECT type, facts::text AS facts FROM outbox WHERE tenant_id = $1 ORDER BY id")
    assert ("webhooks.endpoint.deliveries_exhausted.v1", {"count": 1, "firstSequence": 1}) in [
        (row["type"], orjson.loads(row["facts"])) for row in told
    ]
    receiver.answers.clear()
    await office.ask("webhookEndpointReplay", "WebhookEndpoint", id=made["id"], onlyMissing=True)
    clock.advance(hours=1)
    await office.deliver()
    assert numbers(receiver.received[-2:]) == [1, 2]
    assert {row["state"] for row in await office.deliveries()} == {"DELIVERED"}


async def test_gone_pauses_and_the_endpoint_goes_on_collecting(office: PostOffice, receiver: Receiver) -> None:
    made = await office.endpoint(receiver.url)
    receiver.answers = [410]
    await office.happen(None)
    await office.settle()
    await office.happen(None, None)
    await office.settle()
    assert len(receiver.received) == 1
    (row,) = await office.rows("SELECT state, pause_reason FROM webhook_endpoints WHERE tenant_id = $1")
    assert (row["state"], row["pause_reason"]) == ("PAUSED", "GONE")
    await office.ask("webhookEndpointResume", "WebhookEndpoint", id=made["id"])
    await office.deliver()
    assert sorted(numbers(receiver.received)) == [1, 1, 2, 3]


async def test_retry_after_is_obeyed_and_throttles_the_whole_endpoint(
    office: PostOffice, receiver: Receiver, clock: ManualClock
) -> None:
    await office.endpoint(receiver.url, rateLimit=1)
    receiver.answers = [web.Response(status=429, headers={"retry-after": "600"})]
    await office.happen(None, None)
    await office.settle()
    clock.advance(minutes=9)
    await office.settle()
    assert len(receiver.received) == 1
    clock.advance(minutes=2)
    await office.settle()
    clock.advance(seconds=2)
    await office.settle()
    assert len(receiver.received) == 3


async def test_an_endpoint_that_fails_is_tried_one_at_a_time_and_comes_back(
    office: PostOffice, receiver: Receiver, clock: ManualClock
) -> None:
    await office.endpoint(receiver.url)
    receiver.answers = [500] * 20
    await office.happen(*[None] * 20)
    await office.settle()
    before = len(receiver.received)
    clock.advance(hours=1)
    receiver.answers = [500]
    await office.deliver()
    assert len(receiver.received) == before + 1
    told = await office.rows("SELECT type FROM outbox WHERE tenant_id = $1")
    assert "webhooks.endpoint.failing.v1" in [row["type"] for row in told]
    clock.advance(hours=1)
    await office.deliver()
    assert {row["state"] for row in await office.deliveries()} == {"DELIVERED"}


async def test_a_rate_limit_holds_in_every_second(office: PostOffice, receiver: Receiver, clock: ManualClock) -> None:
    await office.endpoint(receiver.url, rateLimit=20)
    await office.happen(*[None] * 60)
    await office.collect()
    sent = []
    for _ in range(40):
        await office.deliver()
        sent.append(len(receiver.received))
        clock.advance(milliseconds=50)
    assert max(later - earlier for earlier, later in zip(sent, sent[20:], strict=False)) <= 22
    assert sent[-1] >= 38


async def test_what_a_killed_worker_had_claimed_is_sent_again_under_the_same_id(
    office: PostOffice, receiver: Receiver, clock: ManualClock, sender: Sender
) -> None:
    await office.endpoint(receiver.url)
    released = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    receiver.answers = [hang]
    await office.happen(None)
    await office.collect()
    other = Dispatcher(office.front.works, sender)
    assert await other.round()
    await receiver.wait_for(1)
    await office.deliver()
    assert len(receiver.received) == 1
    clock.advance(seconds=other.lease.total_seconds() + 1)
    await office.deliver()
    assert len(receiver.received) == 2
    assert len({one.id for one in receiver.received}) == 1
    released.set()
    await other.idle()
    (row,) = await office.deliveries()
    assert (row["state"], row["tries"]) == ("DELIVERED", 1)


async def test_two_workers_send_each_delivery_once(office: PostOffice, receiver: Receiver, sender: Sender) -> None:
    await office.endpoint(receiver.url)
    await office.happen(*[None] * 200)
    await office.collect()
    others = [Dispatcher(office.front.works, sender) for _ in range(2)]

    async def work(dispatcher: Dispatcher) -> None:
        while await dispatcher.round():
            await dispatcher.idle()

    while any(row["state"] != "DELIVERED" for row in await office.deliveries()):
        await asyncio.gather(*map(work, others))
    assert sorted(numbers(receiver.received)) == list(range(1, 201))


async def test_patterns_facts_and_changed_fields_choose_what_is_sent(office: PostOffice, receiver: Receiver) -> None:
    for events, conditions in (
        (["grid.*.cancelled.v1"], None),
        (["cases.*"], None),
        (["**"], {"facts": [{"name": "accountId", "eq": None}]}),
        (["grid.*"], {"changed": ["status"]}),
    ):
        await office.endpoint(receiver.url, events=events, filter=conditions)
        await office.collect()
    await office.happen(None)
    await office.collect()
    about = [row["event_type"] for row in await office.deliveries()]
    # The third one is told of the fourth's creation: whose facts have no account.
    assert sorted(about) == [EVENT, "webhooks.endpoint.changed.v1"]


async def test_the_owners_rights_decide_at_the_moment_of_the_delivery(office: PostOffice, receiver: Receiver) -> None:
    await office.endpoint(receiver.url)
    await office.happen(None)
    await office.collect()
    async with office.city.work() as work:
        from cityloom.access import models as access
        from cityloom.access.changes import begin_change

        await begin_change(work)
        account = await work.session.get_one(access.Account, (office.city.id, office.city.accounts["integrator"]))
        account.is_active = False
    await office.happen(None)
    await office.collect()
    assert len(await office.deliveries()) == 1


async def test_custom_headers_arrive_and_are_stored_sealed(office: PostOffice, receiver: Receiver) -> None:
    await office.endpoint(receiver.url, headers=[{"name": "X-Token", "value": "s3cret value"}])
    await office.happen(None)
    await office.settle()
    assert receiver.received[0].headers["x-token"] == "s3cret value"
    (row,) = await office.rows("SELECT * FROM webhook_endpoints WHERE tenant_id = $1")
    assert b"s3cret" not in b"".join(value for value in row.values() if isinstance(value, bytes))


async def test_a_document_shapes_the_body_as_its_owner_may_see_it(office: PostOffice, receiver: Receiver) -> None:
    account = encode_id("acct", office.city.id, office.city.accounts["integrator"])
    document = "query ($event: ID!) { event(id: $event) { id type } }"
    await office.endpoint(receiver.url, document=document)
    await office.happen(None)
    await office.settle()
    data = orjson.loads(receiver.received[0].body)["data"]
    assert data["selection"] == {"event": {"id": data["id"], "type": EVENT}}
    assert data["actor"]["id"] == account
