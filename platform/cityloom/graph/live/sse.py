"""Server-sent events: the protocol graphql-sse in its mode of distinct connections, one request for each operation.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md. Every message has its cursor as `id`, so that a client
that comes again with `Last-Event-ID` goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import orjson

from cityloom.core.errors import Refusal
from cityloom.graph import errors as shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Send

    from cityloom.core.principal import Principal
    from cityloom.graph.execution import GraphExecutor, Request
    from cityloom.graph.live.feeds import Feeds, Listener

EVENT_STREAM: Final = "text/event-stream"
KEEP_ALIVE_SECONDS: Final = 15.0
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"vary", b"Accept, Accept-Language, Authorization"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]
_COMPLETE: Final = b"event: complete\ndata:\n\n"


def accepts_stream(accept: str | None) -> bool:
    """Whether a request asks for server-sent events."""
    return accept is not None and any(
        part.split(";")[0].strip().lower() == EVENT_STREAM for part in accept.split(",")[:32]
    )


def next_event(body: bytes, cursor: str | None = None) -> bytes:
    """One message; raw line ends in JSON are only ever white space."""
    head = b"" if cursor is None else b"id: " + cursor.encode() + b"\n"
    return head + b"event: next\ndata: " + body.replace(b"\n", b"") + b"\n\n"


class EventStream:
    """One answer as server-sent events."""

    def __init__(self, executor: GraphExecutor, feeds: Feeds, send: Send, receive: Receive) -> None:
        self._executor, self._feeds = executor, feeds
        self._send, self._receive = send, receive

    async def answer(self, body: bytes) -> None:
        """A query or mutation: its one answer, and the end."""
        await self._begin()
        await self._write(next_event(body) + _COMPLETE)
        await self._finish()

    async def follow(
        self,
        principal: Principal,
        request: Request,
        listener: Listener,
        renew: Callable[[], Awaitable[Principal]],
    ) -> None:
        """A subscription, until it ends or the client goes."""
        guard = _Guard(self._executor, self._feeds, listener, principal, request, renew)
        await self._begin()
        with self._feeds.guarding(guard):
            telling = asyncio.create_task(self._tell(listener), name="sse-subscription")
            leaving = asyncio.create_task(self._gone(), name="sse-client")
            try:
                await asyncio.wait([telling, leaving], return_when=asyncio.FIRST_COMPLETED)
            finally:
                listener.end()
                for task in (telling, leaving):
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task

    async def _tell(self, listener: Listener) -> None:
        messages = aiter(listener)
        while True:
            step = asyncio.ensure_future(anext(messages))
            try:
                while not (await asyncio.wait([step], timeout=KEEP_ALIVE_SECONDS))[0]:
                    await self._write(b":\n\n")
                told = step.result()
            except StopAsyncIteration:
                break
            except Refusal as refusal:
                errors = [shown.refused(refusal, listener.locale)]
                await self._write(next_event(orjson.dumps({"errors": errors}, default=str), listener.cursor))
                break
            finally:
                step.cancel()
            await self._write(next_event(told.body, told.cursor))
        await self._write(_COMPLETE)
        await self._finish()

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _begin(self) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        # Clients and proxies see at once that there is an answer.
        await self._write(b":\n\n")

    async def _write(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def _finish(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class _Guard:
    """Keeps one subscription to what its caller may see: called twice a second."""

    def __init__(
        self,
        executor: GraphExecutor,
        feeds: Feeds,
        listener: Listener,
        principal: Principal,
        request: Request,
        renew: Callable[[], Awaitable[Principal]],
    ) -> None:
        self._executor, self._feeds, self._listener = executor, feeds, listener
        self._request, self._renew = request, renew
        self._principal = principal

    async def __call__(self) -> None:
        """Take note of changed rights; end what is over."""
        try:
            principal = await self._renew()
            await self._feeds.admit(principal)
            if principal != self._principal:
                self._principal = principal
                await self._listener.follow(await self._executor.follow(principal, self._request, is_charged=False))
        except Refusal as refusal:
            self._listener.end(refusal)
