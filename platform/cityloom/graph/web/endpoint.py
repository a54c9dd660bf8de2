"""The endpoint: an ASGI application that answers one surface."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

import orjson
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from cityloom.core import telemetry
from cityloom.core.errors import Refusal, RefusalCode
from cityloom.core.text import negotiate
from cityloom.graph import errors as shown
from cityloom.graph.limits import LimitExceeded
from cityloom.graph.web import messages as m

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from cityloom.core.principal import Principal
    from cityloom.core.text import Locale
    from cityloom.graph.execution import GraphExecutor, Outcome, Request

COST_HEADER = "cityloom-cost"


class Authenticator(Protocol):
    """Makes a principal from a request's credential alone."""

    async def __call__(self, request: HttpRequest, /) -> Principal:
        """The caller; `ANONYMOUS` without a credential. Refuses (`Unauthenticated`) a credential that is not valid."""
        ...


class GraphEndpoint:
    """GraphQL over HTTP for one surface.

    `executor` carries out, `authenticate` says who asks. GET is answered for queries, and only with an `Authorization`
    header (ops/decisions: GET for queries). Nothing here is ever stored by caches.
    """

    def __init__(self, executor: GraphExecutor, authenticate: Authenticator) -> None:
        self.executor = executor
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = HttpRequest(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _respond(self, request: HttpRequest) -> Response:
        accept_language = request.headers.get("accept-language")
        locale = negotiate(accept_language)
        media = m.LEGACY
        try:
            media = m.chosen_type(request.headers.get("accept"))
            if request.method not in {"GET", "POST"}:
                raise m.MethodNotAllowed  # noqa: TRY301 - one place turns refusals into answers
            if request.method == "GET" and "authorization" not in request.headers:
                raise m.CredentialNeededForGet  # noqa: TRY301 - as above
            if request.method == "POST":
                m.check_content_type(request.headers)
            principal = await self._authenticate(request)
            if accept_language is None:
                locale = principal.locale
            elif locale != principal.locale:
                principal = dataclasses.replace(principal, locale=locale)
            asked = await self._parse(request)
            return await self._answer(request, principal, asked, media)
        except Refusal as refusal:
            return _refused(refusal, locale, media)
        except Exception as error:  # noqa: BLE001 - the edge: whatever is no refusal is masked and logged
            known = shown.refusal_of(error)
            if known is not None:
                return _refused(known, locale, media)
            body = orjson.dumps({"errors": [shown.masked(error, locale, telemetry.trace_id())]})
            return _response(body, 500, media)

    async def _parse(self, request: HttpRequest) -> list[Request] | Request:
        if request.method == "GET":
            return m.parse_query_string(request.query_params)
        return m.parse_body(await m.read_body(request, self.executor.limits), self.executor.limits)

    async def _answer(
        self, request: HttpRequest, principal: Principal, asked: list[Request] | Request, media: str
    ) -> Response:
        wants_cost = request.headers.get(COST_HEADER, "").lower() in {"1", "true"}
        source = request.client.host if request.client else None
        batch = asked if isinstance(asked, list) else [asked]
        outcomes = []
        for one in batch:
            wanted = dataclasses.replace(one, wants_cost=one.wants_cost or wants_cost, source=source)
            outcomes.append(await self.executor.execute(principal, wanted, principal.locale))
        if isinstance(asked, list):
            return _response(b"[" + b",".join(outcome.body for outcome in outcomes) + b"]", 200, media)
        return _of_outcome(outcomes[0], request.method, media)


def _of_outcome(outcome: Outcome, method: str, media: str) -> Response:
    if outcome.has_begun:
        return _response(outcome.body, 200, media)
    refusal = outcome.refusal
    status = 200 if media == m.LEGACY else 400
    if refusal is not None:
        status = m.STATUS_OF_CODE.get(refusal.code, status)
        if method == "GET" and refusal.reason == "QUERIES_ONLY":
            status = 405
    return _response(outcome.body, status, media, refusal)


def _refused(refusal: Refusal, locale: Locale, media: str) -> Response:
    status = m.STATUS.get(type(refusal)) or m.STATUS_OF_CODE.get(refusal.code, 400)
    if isinstance(refusal, LimitExceeded) and refusal.details["limit"] == "body_bytes":
        status = 413
    return _response(orjson.dumps({"errors": [shown.refused(refusal, locale)]}, default=str), status, media, refusal)


def _response(body: bytes, status: int, media: str, refusal: Refusal | None = None) -> Response:
    headers = {
        "content-type": f"{media}; charset=utf-8",
        "cache-control": "no-store",
        "vary": "Accept, Accept-Language, Authorization",
        "x-content-type-options": "nosniff",
    }
    if status == 401:  # noqa: PLR2004 - RFC 9110 §15.5.2: with 401 goes a challenge
        headers["www-authenticate"] = "Bearer"
    elif status == 405:  # noqa: PLR2004 - RFC 9110 §15.5.6: with 405 go the methods
        headers["allow"] = "GET, POST"
    if refusal is not None and refusal.code is RefusalCode.RATE_LIMITED:
        headers["retry-after"] = str(refusal.details.get("retryAfterSeconds", 1))
    return Response(body, status, headers)
