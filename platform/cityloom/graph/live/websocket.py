"""Websockets: the protocol graphql-transport-ws.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. The credential comes with the request's headers or, as
browsers cannot set these, in the payload of `connection_init`: `{"authorization": "Bearer …"}`.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import orjson

from cityloom.core import logs
from cityloom.core.errors import Refusal
from cityloom.graph import errors as shown
from cityloom.graph.limits import LimitExceeded
from cityloom.graph.live.refusals import TooManySubscriptions
from cityloom.graph.web.messages import parse_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from cityloom.core.principal import Principal
    from cityloom.graph.execution import GraphExecutor, Outcome, Request
    from cityloom.graph.live.feeds import Feeds, Listener

    #: Who the caller is, by the payload of `connection_init` and the headers; refuses who is nobody.
    Renew = Callable[[dict[str, Any]], Awaitable[Principal]]

PROTOCOL: Final = "graphql-transport-ws"
INIT_SECONDS: Final = 10.0
PING_SECONDS: Final = 25.0
#: How long one message may wait for a client that does not read.
SEND_SECONDS: Final = 20.0
#: Operations of one socket at a time.
OPERATIONS: Final = 100
_ID_CHARACTERS: Final = 200

_log = logs.logger(__name__)


class Closing(Exception):
    """The socket is to be closed with a code and a reason of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Socket:
    """One websocket, from its request to its end."""

    def __init__(
        self, executor: GraphExecutor, feeds: Feeds, renew: Renew, *, init_seconds: float = INIT_SECONDS
    ) -> None:
        self._init_seconds = init_seconds
        self._executor, self._feeds, self._renew = executor, feeds, renew
        self._send: Send
        self._principal: Principal | None = None
        self._payload: dict[str, Any] = {}
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._listeners: dict[str, tuple[Listener, Request]] = {}
        self._source: str | None = None
        self._writing = asyncio.Lock()
        self._closing: asyncio.Future[Closing] = asyncio.get_running_loop().create_future()

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak the protocol until one side ends it."""
        self._send = send
        client = scope.get("client")
        self._source = client[0] if client else None
        if (await receive())["type"] != "websocket.connect":
            return
        speaks = PROTOCOL in scope.get("subprotocols", ())
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL if speaks else None})
        if not speaks:
            await self._close(Closing(4406, "Subprotocol not acceptable"))
            return
        reading = asyncio.create_task(self._read(receive), name="websocket-reading")
        pinging = asyncio.create_task(self._ping(), name="websocket-pings")
        try:
            with self._feeds.guarding(self._guard), self._feeds.leaving(self._leave):
                ends: list[asyncio.Future[Any]] = [reading, self._closing]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, pinging, *self._operations.values()):
                task.cancel()
            await asyncio.gather(reading, pinging, *self._operations.values(), return_exceptions=True)
            if self._closing.done():
                await self._close(self._closing.result())

    def _leave(self) -> None:
        """Close once the operations, which were ended before, have told their clients."""
        operations = list(self._operations.values())
        going = asyncio.gather(*operations, return_exceptions=True)
        going.add_done_callback(lambda _: self._end(Closing(1001, "Going away")))

    def _end(self, closing: Closing) -> None:
        if not self._closing.done():
            self._closing.set_result(closing)

    async def _close(self, closing: Closing) -> None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(SEND_SECONDS):
                await self._send({"type": "websocket.close", "code": closing.code, "reason": closing.reason})

    def _not_initialised(self) -> None:
        if self._principal is None:
            self._end(Closing(4408, "Connection initialisation timeout"))

    async def _read(self, receive: Receive) -> None:
        """Everything that the client says, until it goes."""
        initialised = asyncio.get_running_loop().call_later(self._init_seconds, self._not_initialised)
        try:
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self._heard(_parsed(message, self._executor.limits.body_bytes))
        except Closing as closing:
            self._end(closing)
        except Exception as error:  # noqa: BLE001 - the edge: a bug closes the socket, and is logged
            _log.error("bug at a websocket", exc_info=error)
            self._end(Closing(4500, "Internal server error"))
        finally:
            initialised.cancel()

    async def _heard(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "connection_init"}:
                await self._initialise(message.get("payload"))
            case {"type": "ping"}:
                await self._write({"type": "pong", **({"payload": message["payload"]} if "payload" in message else {})})
            case {"type": "pong"}:
                pass
            case {"type": "subscribe", "id": str(name), "payload": dict(payload)} if 0 < len(name) <= _ID_CHARACTERS:
                if self._principal is None:
                    raise Closing(4401, "Unauthorized")
                if name in self._operations:
                    raise Closing(4409, f"Subscriber for {name} already exists")
                self._operations[name] = asyncio.create_task(self._operate(name, payload), name="websocket-operation")
            case {"type": "complete", "id": str(name)}:
                task = self._operations.pop(name, None)
                if task is not None:
                    task.cancel()
            case _:
                raise Closing(4400, "Invalid message received")

    async def _initialise(self, payload: object) -> None:
        if self._principal is not None:
            raise Closing(4429, "Too many initialisation requests")
        if payload is not None and not isinstance(payload, dict):
            raise Closing(4400, "Invalid message received")
        self._payload = payload or {}
        try:
            self._principal = await self._renew(self._payload)
        except Refusal:
            raise Closing(4403, "Forbidden") from None
        await self._write({"type": "connection_ack"})

    async def _operate(self, name: str, payload: dict[str, Any]) -> None:
        """One operation, to its end."""
        principal = self._principal
        if principal is None:
            raise AssertionError(name)
        locale = principal.locale
        try:
            try:
                if len(self._operations) > OPERATIONS:
                    raise TooManySubscriptions(actual=len(self._operations) - 1, allowed=OPERATIONS)  # noqa: TRY301 - answered like all refusals
                request = parse_request(payload, source=self._source, wants_cost=False)
                if not await self._executor.is_subscription(principal, request):
                    outcome = await self._executor.execute(principal, request, locale)
                    await self._answer(name, outcome)
                    return
                following = await self._executor.follow(principal, request)
                listener = await self._feeds.listen(following, locale)
            except Exception as error:  # noqa: BLE001 - the edge: whatever is no refusal is masked and logged
                await self._answer(name, self._executor.outcome_of(error, locale), is_error=True)
                return
            self._listeners[name] = listener, request
            await self._tell(name, listener)
        finally:
            self._listeners.pop(name, None)
            if self._operations.get(name) is asyncio.current_task():
                del self._operations[name]

    async def _answer(self, name: str, outcome: Outcome, *, is_error: bool = False) -> None:
        if outcome.has_begun and not is_error:
            await self._next(name, outcome.body)
            await self._write({"id": name, "type": "complete"})
        else:
            await self._write({"id": name, "type": "error", "payload": orjson.loads(outcome.body)["errors"]})

    async def _tell(self, name: str, listener: Listener) -> None:
        try:
            async for told in listener:
                await self._next(name, told.body)
        except Refusal as refusal:
            await self._write({"id": name, "type": "error", "payload": [shown.refused(refusal, listener.locale)]})
            return
        finally:
            listener.end()
        await self._write({"id": name, "type": "complete"})

    async def _next(self, name: str, body: bytes) -> None:
        await self._text(b'{"id":' + orjson.dumps(name) + b',"type":"next","payload":' + body + b"}")

    async def _write(self, message: dict[str, Any]) -> None:
        await self._text(orjson.dumps(message, default=str))

    async def _text(self, text: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS), self._writing:
                await self._send({"type": "websocket.send", "text": text.decode()})
        except TimeoutError:
            self._end(Closing(4408, "Client does not read"))
            raise asyncio.CancelledError from None

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            await self._write({"type": "ping"})

    async def _guard(self) -> None:
        """Keep all subscriptions to what their caller may see: called twice a second."""
        if self._principal is None:
            return
        try:
            principal = await self._renew(self._payload)
            await self._feeds.admit(principal)
        except Refusal as refusal:
            for listener, _ in list(self._listeners.values()):
                listener.end(refusal)
            # What ends is told first, then the socket is closed.
            told = [self._operations[name] for name in list(self._listeners) if name in self._operations]
            if told:
                await asyncio.wait(told, timeout=1)
            self._end(Closing(4403, "Forbidden"))
            return
        if principal != self._principal:
            self._principal = principal
            for listener, request in list(self._listeners.values()):
                try:
                    await listener.follow(await self._executor.follow(principal, request, is_charged=False))
                except Refusal as refusal:
                    listener.end(refusal)


def _parsed(message: Any, allowed: int) -> dict[str, Any]:  # noqa: ANN401 - a message of ASGI
    text = message.get("text")
    if text is None:
        raise Closing(4400, "Invalid message received")
    if len(text) > allowed:
        raise Closing(4413, str(LimitExceeded("body_bytes", allowed, len(text))))
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Closing(4400, "Invalid message received") from None
    if not isinstance(found, dict):
        raise Closing(4400, "Invalid message received")
    return found
