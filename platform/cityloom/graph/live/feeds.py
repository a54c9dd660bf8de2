"""Feeds: one for all subscriptions that are answered by the same statement with the same arguments.

What a subscription is answered depends on its plan and on the arguments of its statement, which hold tenant, scope and
variables. Whoever has both in common gets the same messages, so they share one feed and each batch of events costs one
statement, however many they are.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import orjson

from cityloom.core import logs, telemetry
from cityloom.graph import errors as shown
from cityloom.graph.compiler.stream import MESSAGES
from cityloom.graph.decisions import NoDecisions, RequestDecisions
from cityloom.graph.live.refusals import GoingAway, TooManySubscriptions, TooSlow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Mapping
    from uuid import UUID

    from graphql import GraphQLError

    from cityloom.core.errors import Refusal
    from cityloom.core.principal import Principal
    from cityloom.core.text import Locale
    from cityloom.graph.compiler import Following
    from cityloom.graph.compiler.stream import FetchAll, Message
    from cityloom.graph.decisions import Decisions

#: What waits for one subscription at most, in messages and in bytes; who lets more gather is cut off.
WAITING_MESSAGES: Final = 1_000
WAITING_BYTES: Final = 4_000_000
#: Subscriptions of one process, and of one account or API client in it.
MOST: Final = 20_000
MOST_EACH: Final = 2_000
_AGAIN_SECONDS: Final = 0.25
#: How often it is asked whether callers still are who they were.
RENEW_SECONDS: Final = 0.5

_log = logs.logger(__name__)
_opened = telemetry.counter("cityloom.graph.subscriptions.opened", "Subscriptions that were begun.")
_ended = telemetry.counter("cityloom.graph.subscriptions.ended", "Subscriptions that are over, by outcome.")
_statements = telemetry.counter("cityloom.graph.subscriptions.statements", "Statements that answered subscriptions.")
_messages = telemetry.counter("cityloom.graph.subscriptions.messages", "Messages that were handed to subscriptions.")


class Growth(Protocol):
    """How far the streams of tenants have got."""

    async def ready(self) -> None:
        """Wait until `head` knows what there was before."""
        ...

    def head(self, tenant_id: UUID, /) -> int:
        """The last position that is known."""
        ...

    async def wait(self, tenant_id: UUID, after: int, /) -> int:
        """Wait until there is a position after this one, and answer the last."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """One message as it is sent: the answer in JSON, and the cursor behind it.

    `errors` are not in the body yet: each of those who are told the same has decisions of their own in them.
    """

    position: int
    cursor: str
    body: bytes
    errors: tuple[GraphQLError, ...] = ()

    def with_errors(self, errors: list[dict[str, Any]]) -> Told:
        """The message with errors, as clients see them, in its body."""
        body = self.body[:-1] + b',"errors":' + orjson.dumps(errors, default=str) + b"}"
        return replace(self, body=body, errors=())


class Feeds:
    """All subscriptions of one process: `async with Feeds(growth, fetch_of, services)`."""

    def __init__(
        self,
        growth: Growth,
        fetch_of: Callable[[int], FetchAll],
        services: Mapping[type, Any],
        *,
        admit: Callable[[Principal], Awaitable[None]] | None = None,
        decisions: Decisions | None = None,
        most: int = MOST,
        most_each: int = MOST_EACH,
    ) -> None:
        """`fetch_of(cost)` runs statements of that cost; `admit` refuses whose city is not served live at present.

        `decisions` keeps what callers are refused inside of messages, once for each subscription.
        """
        self.growth, self.fetch_of, self.services = growth, fetch_of, services
        self.decisions: Decisions = decisions or NoDecisions()
        self._admit = admit
        self._most, self._most_each = most, most_each
        self._of_callers: Counter[Hashable] = Counter()
        self._feeds: dict[Hashable, _Feed] = {}
        self._listeners: set[Listener] = set()
        self._guards: dict[int, Callable[[], Awaitable[None]]] = {}
        self._leaving: set[Callable[[], None]] = set()
        self._is_closing = False
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sweeper = asyncio.create_task(self._sweep(), name="subscription-guards")
        return self

    def close(self) -> None:
        """End all subscriptions and begin no more: the process is being stopped, and waits for its connections."""
        self._is_closing = True
        for listener in list(self._listeners):
            listener.end(GoingAway())
        for leave in list(self._leaving):
            leave()

    @contextlib.contextmanager
    def leaving(self, leave: Callable[[], None]) -> Iterator[None]:
        """Call `leave` when the process is being stopped."""
        self._leaving.add(leave)
        try:
            yield
        finally:
            self._leaving.discard(leave)

    async def __aexit__(self, *_: object) -> None:
        self.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        for feed in list(self._feeds.values()):
            await feed.close()

    async def admit(self, principal: Principal) -> None:
        """Refuse whose city is not served live at present."""
        if self._admit is not None:
            await self._admit(principal)

    def __len__(self) -> int:
        """How many subscriptions there are."""
        return len(self._listeners)

    async def listen(self, following: Following, locale: Locale, *, after: int | None = None) -> Listener:
        """Begin a subscription: behind `after`, else behind its own cursor, else with what is new from now on.

        Refuses (`TooManySubscriptions`) where the process or the caller has its fill, and what `admit` refuses.
        """
        principal = following.principal
        await self.admit(principal)
        caller = (principal.tenant_id, principal.client_id or principal.account_id)
        for actual, allowed in ((len(self._listeners), self._most), (self._of_callers[caller], self._most_each)):
            if actual >= allowed:
                raise TooManySubscriptions(actual=actual, allowed=allowed)
        await self.growth.ready()
        start = following.after if after is None else after
        if start is None:
            start = self.growth.head(principal.tenant_id)
        listener = Listener(self, caller, locale, start)
        await listener.follow(following)
        if self._is_closing:
            listener.end()
            raise GoingAway
        self._listeners.add(listener)
        self._of_callers[caller] += 1
        _opened.add(1)
        return listener

    def forget(self, listener: Listener, outcome: str) -> None:
        """A subscription is over."""
        if listener in self._listeners:
            self._listeners.discard(listener)
            self._of_callers[listener.caller] -= 1
            if not self._of_callers[listener.caller]:
                del self._of_callers[listener.caller]
            _ended.add(1, {"outcome": outcome})

    @contextlib.contextmanager
    def guarding(self, renew: Callable[[], Awaitable[None]]) -> Iterator[None]:
        """Call `renew` twice a second for as long as the block lasts."""
        self._guards[id(renew)] = renew
        try:
            yield
        finally:
            del self._guards[id(renew)]

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            for renew in list(self._guards.values()):
                try:
                    await renew()
                except Exception as error:  # noqa: BLE001 - one caller's trouble must not end the others' guard
                    _log.warning("graph.subscription_not_renewed", error=type(error).__name__)

    def feed_of(self, following: Following, values: Mapping[str, Any]) -> _Feed:
        """The feed that answers this, made where there is none."""
        key = (id(following.plan), following.key, *map(_fixed, following.argued(values)))
        feed = self._feeds.get(key)
        if feed is None:
            head = self.growth.head(following.principal.tenant_id)
            feed = self._feeds[key] = _Feed(self, key, following, values, head)
        return feed

    def drop(self, feed: _Feed) -> None:
        """Nobody listens to this feed any more."""
        if self._feeds.get(feed.key) is feed:
            del self._feeds[feed.key]


class _Feed:
    """One statement, told to all who listen; it runs while anybody does."""

    def __init__(
        self, feeds: Feeds, key: Hashable, following: Following, values: Mapping[str, Any], position: int
    ) -> None:
        self.key, self.position = key, position
        self._feeds, self._following, self._values = feeds, following, values
        self._members: set[Listener] = set()
        self._running: asyncio.Task[None] | None = None

    def join(self, listener: Listener) -> None:
        """Tell this one as well from now on."""
        self._members.add(listener)
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="subscription-feed")

    def leave(self, listener: Listener) -> None:
        """Tell this one no more."""
        self._members.discard(listener)
        if not self._members:
            self._feeds.drop(self)
            if self._running is not None:
                self._running.cancel()
                self._running = None

    async def close(self) -> None:
        """Stop."""
        self._feeds.drop(self)
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def page(self, after: int, up_to: int) -> list[Told]:
        """The messages between two positions, at most `MESSAGES`."""
        following = self._following
        _statements.add(1)
        found = await following.read(
            self._feeds.fetch_of(following.cost), self._values, after, up_to, context=self._feeds.services
        )
        return [self._told(message) for message in found]

    def _told(self, message: Message) -> Told:
        body = b'{"data":{' + orjson.dumps(self._following.key) + b":" + message.value + b"}}"
        return Told(message.position, self._following.binding.cursor(message.position), body, message.errors)

    async def _run(self) -> None:
        growth, tenant_id = self._feeds.growth, self._following.principal.tenant_id
        while True:
            head = await growth.wait(tenant_id, self.position)
            try:
                page = await self.page(self.position, head)
            except Exception as error:  # noqa: BLE001 - whatever it was, it is tried again or told
                refusal = shown.refusal_of(error)
                if refusal is None:
                    _log.error("bug in a subscription", exc_info=error)
                    for listener in list(self._members):
                        listener.end(GoingAway())
                    return
                # The database is away for a moment: the position is where it was.
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            self.position = page[-1].position if len(page) == MESSAGES else head
            _messages.add(len(page) * len(self._members))
            for listener in list(self._members):
                listener.tell(page, self.position)


class Listener:
    """One subscription: an asynchronous iterator over its messages, in order, nothing missing and nothing twice.

    It ends by `end`: with a refusal, which is raised after the messages that wait, or without.
    """

    def __init__(self, feeds: Feeds, caller: Hashable, locale: Locale, position: int) -> None:
        self.caller, self.locale = caller, locale
        self._feeds = feeds
        self._position = position
        self._feed: _Feed | None = None
        self._is_live = False
        self._waiting: deque[Told] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._is_over = False
        self._why: Refusal | None = None
        self._last = position
        self._cursor: Callable[[int], str] = str
        self._decisions: RequestDecisions

    @property
    def cursor(self) -> str:
        """Where to go on after the last message that was taken."""
        return self._cursor(self._last)

    async def follow(self, following: Following) -> None:
        """Answer by this from here on: at the beginning, and when the caller's rights have changed."""
        self._cursor = following.binding.cursor
        self._decisions = RequestDecisions(self._feeds.decisions, following.principal, following.forbidden)
        feed = self._feeds.feed_of(following, await following.prepared(self._feeds.services))
        if feed is not self._feed:
            self._leave()
            self._feed = feed
            self._news.set()

    def tell(self, page: list[Told], position: int) -> None:
        """Take a batch of a feed; called by it."""
        for told in page:
            if told.position > self._position:
                self._waiting.append(told)
                self._bytes += len(told.body)
        self._position = max(self._position, position)
        if len(self._waiting) > WAITING_MESSAGES or self._bytes > WAITING_BYTES:
            # Not told what waits: where it was cut, it goes on.
            self._waiting.clear()
            self.end(TooSlow(cursor=self.cursor))
        self._news.set()

    def end(self, why: Refusal | None = None) -> None:
        """End it, for a reason or because nobody wants it any more."""
        if not self._is_over:
            self._is_over, self._why = True, why
            self._leave()
            self._feeds.forget(self, "closed" if why is None else why.reason.lower())
            self._news.set()

    def _leave(self) -> None:
        if self._feed is not None:
            self._feed.leave(self)
        self._is_live = False

    async def __aiter__(self) -> AsyncIterator[Told]:
        try:
            while True:
                if self._waiting:
                    told = self._waiting.popleft()
                    self._bytes -= len(told.body)
                    self._last = told.position
                    yield await self._own(told) if told.errors else told
                elif self._is_over:
                    if self._why is not None:
                        raise self._why
                    return
                elif self._is_live or self._feed is None:
                    self._news.clear()
                    await self._news.wait()
                else:
                    await self._catch_up(self._feed)
        finally:
            self.end()

    async def _own(self, told: Told) -> Told:
        """A message with its errors as this caller is told them."""
        errors = await self._decisions.stamped(told.errors)
        return told.with_errors(shown.of_execution(errors, self.locale))

    async def _catch_up(self, feed: _Feed) -> None:
        """Read what the feed has told already, as fast as it is taken; join the feed once there is nothing left."""
        if self._position >= feed.position:
            feed.join(self)
            self._is_live = True
            return
        up_to = feed.position
        page = await feed.page(self._position, up_to)
        if feed is self._feed:
            self.tell(page, page[-1].position if len(page) == MESSAGES else up_to)


def _fixed(value: object) -> Hashable:
    return tuple(value) if isinstance(value, list) else value
