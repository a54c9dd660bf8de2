"""The export of a person over HTTP: `GET /privacy/people/{id}?purpose=CODE`, as a file of JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from cityloom.access.authentication import NO_TENANT
from cityloom.core.errors import RefusalCode, Unauthenticated
from cityloom.core.text import negotiate
from cityloom.graph import errors as shown
from cityloom.privacy.service import begin_export, export_rows
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from starlette.types import ASGIApp, Receive, Scope, Send

    from cityloom.access.authentication import Authenticator
    from cityloom.core.subjects import Person
    from cityloom.core.text import Locale
    from cityloom.graph.context import Begin

_STATUS = {
    RefusalCode.UNAUTHENTICATED: 401,
    RefusalCode.FORBIDDEN: 403,
    RefusalCode.NOT_FOUND: 404,
    RefusalCode.UNAVAILABLE: 503,
}
_HEADERS = {
    "cache-control": "no-store",
    "content-disposition": 'attachment; filename="person.json"',
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class SubjectExportEndpoint:
    """The route of exports; a suspended city's people can still ask what is stored of them."""

    authenticate: Authenticator
    begin: Begin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Exception as error:  # noqa: BLE001 - the edge: whatever is no refusal is masked and logged
            response = _failed(error, negotiate(request.headers.get("accept-language")))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        principal = await self.authenticate(request)
        if principal.tenant_id == NO_TENANT:
            raise Unauthenticated
        async with self.begin(principal) as work:
            purpose = request.query_params.get("purpose")
            person = await begin_export(work, request.path_params["id"], purpose=purpose)
        # It is written down by now. Everything is read, also what lies where the caller would not see it.
        content = self._content(principal.tenant_id, person)
        return StreamingResponse(content, headers=_HEADERS, media_type="application/json")

    async def _content(self, tenant_id: UUID, person: Person) -> AsyncIterator[bytes]:
        async with self.begin(system_principal(tenant_id)) as work:
            async for piece in export_rows(work, person):
                yield piece


def subject_export_routes(endpoint: ASGIApp) -> list[Route]:
    """`/privacy/people/{id}`."""
    return [Route("/privacy/people/{id}", endpoint, methods=["GET"])]


def _failed(error: Exception, locale: Locale) -> Response:
    refusal = shown.refusal_of(error)
    if refusal is None:
        return _json({"errors": [shown.masked(error, locale)]}, 500)
    return _json({"errors": [shown.refused(refusal, locale)]}, _STATUS.get(refusal.code, 400))


def _json(value: dict[str, Any], status: int) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if status == 401:  # noqa: PLR2004 - RFC 9110 §15.5.2: with 401 goes a challenge
        headers["www-authenticate"] = "Bearer"
    return Response(orjson.dumps(value, default=str), status, headers, media_type="application/json")
