"""Imports over HTTP: `POST /imports/{target}` takes a file, `GET /imports/{id}/report.csv` tells what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from cityloom.access.authentication import NO_TENANT
from cityloom.core.errors import Unauthenticated
from cityloom.core.ids import decode_id, encode_id
from cityloom.core.principal import PrincipalKind
from cityloom.core.text import negotiate
from cityloom.files.endpoint import body_of, failed, json_answer
from cityloom.imports import models as m
from cityloom.imports import service
from cityloom.imports.errors import absent
from cityloom.imports.permissions import READ
from cityloom.imports.report import written
from cityloom.imports.service.uploads import TAG

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from cityloom.access.authentication import Authenticator
    from cityloom.core.principal import Principal
    from cityloom.core.text import Locale
    from cityloom.graph.context import Begin


@dataclass(frozen=True, slots=True)
class ImportsEndpoint:
    """The routes of imports; `authenticate` says who asks, `write` and `read` open units of work."""

    authenticate: Authenticator
    write: Begin
    read: Begin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        locale = negotiate(request.headers.get("accept-language"))
        try:
            response = await self._answer(request, locale)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the edge: whatever is no refusal is masked and logged
            response = failed(error, locale)
        await response(scope, receive, send)

    async def _answer(self, request: Request, locale: Locale) -> Response:
        principal = await self.authenticate(request)
        if principal.kind is PrincipalKind.ANONYMOUS or principal.tenant_id == NO_TENANT:
            raise Unauthenticated
        if request.method == "POST":
            return await self._upload(request, principal)
        return await self._report(principal, request.path_params["id"], locale)

    async def _upload(self, request: Request, principal: Principal) -> Response:
        async with self.write(principal) as work:
            target, keys, settings = await service.demand_upload(work, request.path_params["target"])
        async with (
            body_of(request, settings.most_bytes) as body,
            service.receive(body, keys, settings.most_rows) as received,
            self.write(principal) as work,
        ):
            row = await service.upload(work, target, received)
        return json_answer(self._told(principal, row), 201)

    def _told(self, principal: Principal, row: m.Import) -> dict[str, Any]:
        sheets = []
        for sheet in row.sheets:
            headers = zip(sheet["headers"], sheet["columns"], strict=True)
            columns = [{"header": header, "column": column} for header, column in headers]
            sheets.append({"name": sheet["name"], "rows": sheet["rows"], "columns": columns})
        return {
            "id": encode_id(TAG, principal.tenant_id, row.id),
            "target": row.target,
            "format": row.format,
            "encoding": row.encoding,
            "byteSize": row.byte_size,
            "sha256": row.sha256,
            "sheets": sheets,
            "expiresAt": row.expires_at.isoformat() if row.expires_at else None,
        }

    async def _report(self, principal: Principal, text: str, locale: Locale) -> Response:
        import_id = decode_id(text, principal.tenant_id, TAG)
        async with self.read(principal) as work:
            scope = work.authorise(READ)
            query = select(m.Import).where(m.Import.id == import_id)
            if not scope.everywhere:
                query = query.where(m.Import.account_id == principal.account_id)
            row = await work.session.scalar(query)
        if row is None:
            raise absent()
        headers = {
            "content-disposition": 'attachment; filename="report.csv"',
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        return StreamingResponse(written(self.read, principal, row, locale), 200, headers, media_type="text/csv")


def imports_routes(endpoint: ASGIApp) -> list[Route]:
    """`/imports` and all below it."""
    return [
        Route("/imports/{target}", endpoint, methods=["POST"]),
        Route("/imports/{id}/report.csv", endpoint, methods=["GET"]),
    ]
