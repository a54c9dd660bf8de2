"""Live subscriptions in this process: who shares a statement, who is told what, and who is cut off."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import pytest
import pytest_asyncio

from cityloom.core.ids import new_id
from cityloom.core.principal import Scope, subtree
from cityloom.events.catalogue import EventCatalogue
from cityloom.events.cursors import cursor_of
from cityloom.events.sequencer import Sequencer, sequencing
from cityloom.events.signals import Signals
from cityloom.events.stream import Streams
from cityloom.graph.allowance import TooExpensive
from cityloom.graph.compiled import CompiledReads
from cityloom.graph.execution import Request
from cityloom.graph.live.feeds import WAITING_MESSAGES, Feeds, Listener, Told
from cityloom.graph.live.refusals import GoingAway, LiveOnly, TooManySubscriptions, TooSlow
from cityloom.graph.live.websocket import PROTOCOL, Socket
from cityloom.installed import modules
from cityloom.modules.areas.events import AreaCreated
from cityloom.testing.front import Front
from cityloom.testing.rights import StatedRights, principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path
    from uuid import UUID

    from cityloom.core.database import Database
    from cityloom.core.principal import Principal
    from cityloom.testing.clock import ManualClock

FOLLOW = "subscription ($after: String, $types: [String!]) { events(after: $after, types: $types) { position facts } }"
READ = "events.event.read"


@dataclass
class Live:
    """Feeds over the real database, with the statements counted that they send."""

    front: Front
    database: Database
    feeds: Feeds
    statements: Counter[str] = field(default_factory=Counter)
    faults: list[Exception] = field(default_factory=list)

    async def follow(self, caller: Principal, text: str = FOLLOW, **variables: object) -> Listener:
        following = await self.front.executor.follow(caller, Request(text=text, variables=variables))
        return await self.feeds.listen(following, "en")

    async def happen(self, tenant_id: UUID, code: str, path: str | None = None) -> None:
        async with self.front.works.begin(principal(tenant_id)) as work:
            work.emit(AreaCreated(subject_id=new_id(), area_path=path, code=code, name=code, kind="GRID"))


@pytest_asyncio.fixture(loop_scope="session")
async def live(database: Database, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Live]:
    front = Front(database, clock, tmp_path)
    front.services[EventCatalogue] = EventCatalogue.of(modules())
    reads = front.executor._reads
    assert isinstance(reads, CompiledReads)
    counted: Counter[str] = Counter()
    faults: list[Exception] = []

    def fetch_of(cost: int) -> Callable[[str, Sequence[Any]], Awaitable[Sequence[Any]]]:
        async def fetch(sql: str, arguments: Sequence[Any]) -> Sequence[Any]:
            counted[sql] += 1
            if faults:
                raise faults.pop()
            return await reads.fetch_of(cost)(sql, arguments)

        return fetch

    async with Signals(database) as signals, Streams(database) as streams:
        front.services[Signals] = signals
        async with sequencing(front.works), Feeds(streams, fetch_of, front.services) as feeds:
            yield Live(front, database, feeds, counted, faults)


async def _take(listener: Listener, count: int) -> list[Told]:
    found = []
    async with asyncio.timeout(30):
        async for told in listener:
            found.append(told)
            if len(found) == count:
                break
    return found


def _codes(told: list[Told]) -> list[str]:
    return [orjson.loads(one.body)["data"]["events"]["facts"]["code"] for one in told]


async def test_a_thousand_subscribers_cost_one_statement_per_event(live: Live) -> None:
    tenant_id = new_id()
    rights = StatedRights({READ: Scope(areas=(subtree("1."),))})
    # Each is somebody else; what they may see is the same.
    listeners = [await live.follow(principal(tenant_id, rights)) for _ in range(1_000)]
    inboxes = [aiter(listener) for listener in listeners]
    nexts = [asyncio.ensure_future(anext(inbox)) for inbox in inboxes]
    live.statements.clear()
    for number in range(5):
        await live.happen(tenant_id, f"e{number}", "1.2.")
        async with asyncio.timeout(30):
            told = await asyncio.gather(*nexts)
        assert {_codes([one])[0] for one in told} == {f"e{number}"}
        assert len({id(one.body) for one in told}) == 1
        assert live.statements.total() == number + 1
        nexts = [asyncio.ensure_future(anext(inbox)) for inbox in inboxes]
    for step in nexts:
        step.cancel()
    await asyncio.gather(*nexts, return_exceptions=True)


async def test_other_scopes_and_documents_are_told_apart(live: Live) -> None:
    tenant_id = new_id()
    everywhere = await live.follow(principal(tenant_id))
    first = await live.follow(principal(tenant_id, StatedRights({READ: Scope(areas=(subtree("1."),))})))
    third = await live.follow(principal(tenant_id, StatedRights({READ: Scope(areas=(subtree("3."),))})))
    nobody = await live.follow(principal(tenant_id, StatedRights()))
    other = await live.follow(principal(new_id()))
    closed = await live.follow(principal(tenant_id), types=["cases.*"])
    reading = [asyncio.ensure_future(_take(one, count)) for one, count in ((everywhere, 3), (first, 1), (third, 1))]
    silent = [asyncio.ensure_future(_take(one, 1)) for one in (nobody, other, closed)]
    for code, path in (("a", "1.2."), ("b", "3."), ("c", None)):
        await live.happen(tenant_id, code, path)
    assert [_codes(found) for found in await asyncio.gather(*reading)] == [["a", "b", "c"], ["a"], ["b"]]
    assert not any(step.done() for step in silent)
    for listener in (nobody, other, closed):
        listener.end()
    assert await asyncio.gather(*silent) == [[], [], []]


async def test_a_cursor_resumes_without_gap_or_repetition(live: Live) -> None:
    """Behind the cursor first what was missed, in pages, then what comes while that is read, then what is new."""
    caller = principal(new_id())
    async with live.front.works.begin(caller) as work:
        for number in range(450):
            work.emit(AreaCreated(subject_id=new_id(), code=f"e{number}", name="", kind="GRID"))
    await Sequencer(live.front.works).drain(caller.tenant_id)
    listener = await live.follow(caller, after=cursor_of(20))
    reading = asyncio.ensure_future(_take(listener, 440))
    for number in range(450, 460):
        await live.happen(caller.tenant_id, f"e{number}")
    told = await reading
    assert _codes(told) == [f"e{number}" for number in range(20, 460)]
    assert [one.cursor for one in told] == [cursor_of(position) for position in range(21, 461)]


async def test_who_does_not_read_is_cut_off_and_resumes(live: Live) -> None:
    caller = principal(new_id())
    slow, quick = await live.follow(caller), await live.follow(caller)
    taking = asyncio.ensure_future(_take(quick, WAITING_MESSAGES + 201))
    inbox = aiter(slow)
    first = asyncio.ensure_future(anext(inbox))
    await live.happen(caller.tenant_id, "first")
    assert _codes([await first]) == ["first"]
    async with live.front.works.begin(caller) as work:
        for number in range(WAITING_MESSAGES + 200):
            work.emit(AreaCreated(subject_id=new_id(), code=f"e{number}", name="", kind="GRID"))
    assert len(await taking) == WAITING_MESSAGES + 201
    with pytest.raises(TooSlow) as cut:
        await anext(inbox)
    assert cut.value.details == {"cursor": cursor_of(1)}
    again = await live.follow(caller, after=cut.value.details["cursor"])
    assert _codes(await _take(again, 3)) == ["e0", "e1", "e2"]
    again.end()


async def test_changed_rights_count_from_there_on(live: Live) -> None:
    tenant_id = new_id()
    caller = principal(tenant_id, StatedRights({READ: Scope(areas=(subtree("1."),))}))
    listener = await live.follow(caller)
    inbox = aiter(listener)
    step = asyncio.ensure_future(anext(inbox))
    await live.happen(tenant_id, "a", "1.")
    assert _codes([await step]) == ["a"]
    moved = principal(tenant_id, StatedRights({READ: Scope(areas=(subtree("2."),))}))
    await listener.follow(await live.front.executor.follow(moved, Request(text=FOLLOW), is_charged=False))
    step = asyncio.ensure_future(anext(inbox))
    await live.happen(tenant_id, "b", "1.")
    await live.happen(tenant_id, "c", "2.")
    async with asyncio.timeout(20):
        assert _codes([await step]) == ["c"]
    listener.end()


async def test_a_subject_that_is_gone_is_null(live: Live) -> None:
    document = "subscription { events { position subject { ... on Area { name } } } }"
    caller = principal(new_id())
    listener = await live.follow(caller, document)
    step = asyncio.ensure_future(_take(listener, 1))
    await live.happen(caller.tenant_id, "a")
    ((told,),) = (await step,)
    assert orjson.loads(told.body) == {"data": {"events": {"position": 1, "subject": None}}}


async def test_a_database_that_is_away_for_a_moment_costs_nobody_an_event(live: Live) -> None:
    caller = principal(new_id())
    listener = await live.follow(caller)
    inbox = aiter(listener)
    step = asyncio.ensure_future(anext(inbox))
    await live.happen(caller.tenant_id, "a")
    async with asyncio.timeout(20):
        assert _codes([await step]) == ["a"]
        step = asyncio.ensure_future(anext(inbox))
        live.faults += [asyncpg.ConnectionDoesNotExistError("gone"), OSError("away")]
        await live.happen(caller.tenant_id, "b")
        assert _codes([await step]) == ["b"]
    assert not live.faults
    listener.end()


class _Client:
    """The other end of a websocket, by the messages of ASGI."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.said.put_nowait({"type": "websocket.connect"})

    def say(self, **message: object) -> None:
        self.said.put_nowait({"type": "websocket.receive", "text": orjson.dumps(message).decode()})

    async def hear(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads((await self.heard.get())["text"])
        return found

    async def speak(self, socket: Socket) -> None:
        scope = {"type": "websocket", "subprotocols": [PROTOCOL]}
        await socket.run(scope, self.said.get, self.heard.put)  # type: ignore[arg-type] # queues are what messages come from and go to


async def test_who_may_see_something_else_is_told_that_from_then_on(live: Live) -> None:
    """The socket asks twice a second who its caller is; nobody has to come again."""
    tenant_id = new_id()
    callers = [principal(tenant_id, StatedRights({READ: Scope(areas=(subtree(f"{area}."),))})) for area in (1, 2)]
    asked = asyncio.Condition()
    times = 0

    async def renew(_payload: object) -> Principal:
        nonlocal times
        async with asked:
            times += 1
            asked.notify_all()
        return callers[0]

    client = _Client()
    async with asyncio.timeout(30):
        speaking = asyncio.create_task(client.speak(Socket(live.front.executor, live.feeds, renew)))
        assert (await client.heard.get())["type"] == "websocket.accept"
        client.say(type="connection_init")
        assert await client.hear() == {"type": "connection_ack"}
        client.say(type="subscribe", id="1", payload={"query": FOLLOW})
        client.say(type="subscribe", id="2", payload={"query": "{ __typename }"})
        assert [(await client.hear())["id"] for _ in range(2)] == ["2", "2"]
        await live.happen(tenant_id, "a", "1.")
        assert (await client.hear())["payload"]["data"]["events"]["facts"]["code"] == "a"
        del callers[0]
        before = times
        async with asked:
            # Asked again after it was answered otherwise: by then it has been taken note of.
            await asked.wait_for(lambda: times >= before + 2)
        await live.happen(tenant_id, "b", "1.")
        await live.happen(tenant_id, "c", "2.")
        assert (await client.hear())["payload"]["data"]["events"]["facts"]["code"] == "c"
        client.said.put_nowait({"type": "websocket.disconnect"})
        await speaking
    assert client.heard.empty()


async def test_a_server_that_is_stopped_lets_go(live: Live) -> None:
    """What is open is told and closed, what is new is refused: the server waits for its connections."""
    caller = principal(new_id())

    async def renew(_payload: object) -> Principal:
        return caller

    client = _Client()
    async with asyncio.timeout(30), Feeds(live.feeds.growth, live.feeds.fetch_of, live.front.services) as feeds:
        speaking = asyncio.create_task(client.speak(Socket(live.front.executor, feeds, renew)))
        assert (await client.heard.get())["type"] == "websocket.accept"
        client.say(type="connection_init")
        assert await client.hear() == {"type": "connection_ack"}
        client.say(type="subscribe", id="1", payload={"query": FOLLOW})
        client.say(type="subscribe", id="2", payload={"query": "{ __typename }"})
        assert [(await client.hear())["id"] for _ in range(2)] == ["2", "2"]
        feeds.close()
        told = await client.hear()
        assert (told["id"], told["type"]) == ("1", "error")
        assert told["payload"][0]["extensions"]["reason"] == "GOING_AWAY"
        assert (await client.heard.get())["code"] == 1001
        await speaking
        with pytest.raises(GoingAway):
            await feeds.listen(await live.front.executor.follow(caller, Request(text=FOLLOW)), "en")


async def test_there_is_an_end_to_how_many(live: Live) -> None:
    caller = principal(new_id())
    async with Feeds(live.feeds.growth, live.feeds.fetch_of, live.front.services, most=1) as feeds:
        following = await live.front.executor.follow(caller, Request(text=FOLLOW))
        listener = await feeds.listen(following, "en")
        with pytest.raises(TooManySubscriptions):
            await feeds.listen(following, "en")
        step = asyncio.ensure_future(_take(listener, 1))
        await asyncio.sleep(0)
    with pytest.raises(GoingAway):
        await step
    assert len(feeds) == 0


async def test_there_is_an_end_to_how_many_one_caller_has(live: Live) -> None:
    caller = principal(new_id())
    async with Feeds(live.feeds.growth, live.feeds.fetch_of, live.front.services, most_each=1) as feeds:
        following = await live.front.executor.follow(caller, Request(text=FOLLOW))
        first = await feeds.listen(following, "en")
        with pytest.raises(TooManySubscriptions):
            await feeds.listen(following, "en")
        other = await live.front.executor.follow(principal(caller.tenant_id), Request(text=FOLLOW))
        await feeds.listen(other, "en")
        first.end()
        await feeds.listen(following, "en")
        assert len(feeds) == 2


async def test_one_message_may_cost_what_one_query_may(live: Live) -> None:
    deep = "nodes { dwellings(first: 100) { nodes { households(first: 100) { nodes { id } } } } }"
    document = f"subscription {{ events {{ subject {{ ... on Area {{ buildings(first: 100) {{ {deep} }} }} }} }} }}"
    with pytest.raises(TooExpensive):
        await live.follow(principal(new_id()), document)


async def test_a_socket_that_says_nothing_is_closed(live: Live) -> None:
    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said = iter([{"type": "websocket.connect"}])

    async def receive() -> dict[str, Any]:
        for message in said:
            return message
        forever: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        return await forever

    async def nobody(_payload: object) -> Principal:
        raise AssertionError

    async with asyncio.timeout(20):
        socket = Socket(live.front.executor, live.feeds, nobody, init_seconds=0.01)
        await socket.run({"type": "websocket", "subprotocols": [PROTOCOL]}, receive, sent.put)  # type: ignore[arg-type] # a queue is what messages are sent to
    assert [sent.get_nowait()["type"], sent.get_nowait()["code"]] == ["websocket.accept", 4408]


async def test_a_subscription_is_not_answered_by_plain_http(live: Live) -> None:
    answer = await live.front.ask(principal(new_id()), FOLLOW)
    assert answer["errors"][0]["extensions"]["reason"] == "LIVE_ONLY"
    assert "event-stream" in (LiveOnly.__doc__ or "")


@pytest.mark.parametrize(
    "document",
    [
        "subscription { events { position } again: events { position } }",
        "subscription { __typename }",
        "subscription { events { nothing } }",
        "query { events { nodes { position } } } subscription { events { position } }",
    ],
)
async def test_what_is_no_subscription_is_refused(live: Live, document: str) -> None:
    with pytest.raises(Exception) as refused:  # noqa: PT011 - errors of documents and refusals
        await live.follow(principal(new_id()), document)
    outcome = live.front.executor.outcome_of(refused.value, "en")
    assert not outcome.has_begun
    assert orjson.loads(outcome.body)["errors"][0]["extensions"]["code"] != "INTERNAL"
