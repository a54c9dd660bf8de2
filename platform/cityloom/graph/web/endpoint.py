"""The endpoint: an ASGI application that answers one surface."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

import orjson
from starlette.requests import ClientDisconnect, HTTPConnection, Request

from cityloom.core.errors import Refusal, RefusalCode
from cityloom.core.text import negotiate
from cityloom.graph import errors as shown
from cityloom.graph.limits import LimitExceeded
from cityloom.graph.live.sse import EventStream, accepts_stream
from cityloom.graph.live.websocket import Socket
from cityloom.graph.web import messages as m

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from cityloom.core.principal import Principal
    from cityloom.core.text import Locale
    from cityloom.graph.execution import GraphExecutor, Outcome
    from cityloom.graph.execution import Request as GraphRequest
    from cityloom.graph.live.feeds import Feeds

COST_HEADER: Final = "cityloom-cost"
_language = lru_cache(maxsize=256)(negotiate)


class Authenticator(Protocol):
    """Makes a principal from a request's credential alone."""

    async def __call__(self, request: HTTPConnection, /) -> Principal:
        """The caller; `ANONYMOUS` without a credential. Refuses (`Unauthenticated`) a credential that is not valid."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back: JSON of a media type, with a status and, for some, headers of its own."""

    body: bytes
    status: int
    media: str
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send) -> None:
        """Send it; nothing here is ever stored by caches."""
        headers = [
            (b"content-type", self.media.encode() + b"; charset=utf-8"),
            (b"content-length", str(len(self.body)).encode()),
            (b"cache-control", b"no-store"),
            (b"vary", b"Accept, Accept-Language, Authorization"),
            (b"x-content-type-options", b"nosniff"),
            *self.headers,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class GraphEndpoint:
    """GraphQL over HTTP for one surface.

    `executor` carries out, `authenticate` says who asks. GET is answered for queries, and only with an `Authorization`
    header (ops/decisions/0007). With `feeds`, subscriptions are answered by websocket and by server-sent events.
    """

    def __init__(self, executor: GraphExecutor, authenticate: Authenticator, feeds: Feeds | None = None) -> None:
        self.executor = executor
        self._authenticate = authenticate
        self._feeds = feeds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, or speak to one websocket."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        try:
            reply = await self._reply(Request(scope, receive), receive, send)
        except ClientDisconnect:
            return
        if reply is not None:
            await reply.send(send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._feeds is None:
            await send({"type": "websocket.close", "code": 4404, "reason": "Not found"})
            return

        async def renew(payload: dict[str, object]) -> Principal:
            return await self._authenticate(HTTPConnection(m.with_credential(scope, payload)))

        await Socket(self.executor, self._feeds, renew).run(scope, receive, send)

    async def _reply(self, request: Request, receive: Receive, send: Send) -> Reply | None:
        # Read once: Starlette's mapping walks all headers at every look.
        headers = {name: value.decode("latin-1") for name, value in request.scope["headers"]}
        accept_language = headers.get(b"accept-language")
        locale = _language(accept_language)
        media = m.LEGACY
        try:
            streams = self._feeds is not None and accepts_stream(headers.get(b"accept"))
            media = m.LEGACY if streams else m.chosen_type(headers.get(b"accept"))
            _check_method(request.method, headers)
            principal = await self._authenticate(request)
            if accept_language is None:
                locale = principal.locale
            elif locale != principal.locale:
                principal = dataclasses.replace(principal, locale=locale)
            if streams:
                return await self._stream(request, receive, send, headers, principal)
            return await self._answer(request, receive, headers, principal, media)
        except Refusal as refusal:
            return _refused(refusal, locale, media)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - the edge: whatever is no refusal is masked and logged
            known = shown.refusal_of(error)
            if known is not None:
                return _refused(known, locale, media)
            return Reply(orjson.dumps({"errors": [shown.masked(error, locale)]}), 500, media)

    async def _answer(
        self, request: Request, receive: Receive, headers: dict[bytes, str], principal: Principal, media: str
    ) -> Reply:
        asked = await self._asked(request, receive, headers)
        if isinstance(asked, list):
            outcomes = [await self.executor.execute(principal, one, principal.locale) for one in asked]
            return Reply(b"[" + b",".join(outcome.body for outcome in outcomes) + b"]", 200, media)
        return _of_outcome(await self.executor.execute(principal, asked, principal.locale), request.method, media)

    async def _asked(
        self, request: Request, receive: Receive, headers: dict[bytes, str]
    ) -> GraphRequest | list[GraphRequest]:
        client = request.scope.get("client")
        source = client[0] if client else None
        wants_cost = headers.get(COST_HEADER.encode(), "").lower() in {"1", "true"}
        if request.method == "GET":
            return m.parse_query_string(request.query_params, source=source, wants_cost=wants_cost)
        limits = self.executor.limits
        body = await m.read_body(receive, headers.get(b"content-length"), limits)
        return m.parse_body(body, limits, source=source, wants_cost=wants_cost)

    async def _stream(
        self, request: Request, receive: Receive, send: Send, headers: dict[bytes, str], principal: Principal
    ) -> Reply | None:
        """As server-sent events; what cannot begin is refused as a plain answer."""
        if self._feeds is None:
            raise AssertionError
        asked = await self._asked(request, receive, headers)
        if isinstance(asked, list):
            raise LimitExceeded("batch", 1, len(asked))
        stream = EventStream(self.executor, self._feeds, send, receive)
        try:
            if not await self.executor.is_subscription(principal, asked):
                outcome = await self.executor.execute(principal, asked, principal.locale)
                if not outcome.has_begun:
                    return _of_outcome(outcome, request.method, m.RESPONSE)
                await stream.answer(outcome.body)
                return None
            # A subscription changes nothing, so GET may ask for it.
            following = await self.executor.follow(principal, asked)
            last = headers.get(b"last-event-id")
            after = following.binding.start(last) if last else None
            listener = await self._feeds.listen(following, principal.locale, after=after)
        except Exception as error:  # noqa: BLE001 - the edge: whatever is no refusal is masked and logged
            return _of_outcome(self.executor.outcome_of(error, principal.locale), request.method, m.RESPONSE)
        await stream.follow(principal, asked, listener, lambda: self._again(request, principal.locale))
        return None

    async def _again(self, request: Request, locale: Locale) -> Principal:
        """Who asks, once more: a credential may end while its answer goes on."""
        return dataclasses.replace(await self._authenticate(request), locale=locale)


def _check_method(method: str, headers: dict[bytes, str]) -> None:
    if method == "POST":
        m.check_content_type(headers.get(b"content-type"), headers.get(b"content-encoding"))
    elif method != "GET":
        raise m.MethodNotAllowed
    elif b"authorization" not in headers:
        raise m.CredentialNeededForGet


def _of_outcome(outcome: Outcome, method: str, media: str) -> Reply:
    if outcome.has_begun:
        return Reply(outcome.body, 200, media)
    refusal = outcome.refusal
    status = 200 if media == m.LEGACY else 400
    if refusal is not None:
        status = m.STATUS_OF_CODE.get(refusal.code, status)
        if method == "GET" and refusal.reason == "QUERIES_ONLY":
            status = 405
    return Reply(outcome.body, status, media, _extra(status, refusal))


def _refused(refusal: Refusal, locale: Locale, media: str) -> Reply:
    status = m.STATUS.get(type(refusal)) or m.STATUS_OF_CODE.get(refusal.code, 400)
    if isinstance(refusal, LimitExceeded) and refusal.details["limit"] == "body_bytes":
        status = 413
    body = orjson.dumps({"errors": [shown.refused(refusal, locale)]}, default=str)
    return Reply(body, status, media, _extra(status, refusal))


def _extra(status: int, refusal: Refusal | None) -> tuple[tuple[bytes, bytes], ...]:
    if status == 401:  # noqa: PLR2004 - RFC 9110 §15.5.2: with 401 goes a challenge
        return ((b"www-authenticate", b"Bearer"),)
    if status == 405:  # noqa: PLR2004 - RFC 9110 §15.5.6: with 405 go the methods
        return ((b"allow", b"GET, POST"),)
    if refusal is not None and refusal.code is RefusalCode.RATE_LIMITED:
        return ((b"retry-after", str(refusal.details.get("retryAfterSeconds", 1)).encode()),)
    return ()
