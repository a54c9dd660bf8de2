"""Files of exports over HTTP: `GET /exports/links/{link}`, where a link was given by `exportDownload`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cityloom.core.text import negotiate
from cityloom.exports import service
from cityloom.exports.errors import absent
from cityloom.exports.sealing import unsealed
from cityloom.exports.writing import file_name, media_type
from cityloom.files.store import FileStore
from cityloom.graph import errors as shown
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from cityloom.graph.context import Begin


@dataclass(frozen=True, slots=True)
class ExportsEndpoint:
    """The route of exports; `begin` opens units of work of the platform itself."""

    begin: Begin
    services: dict[type, Any]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: the file, or 404 for whatever leads nowhere."""
        request = Request(scope, receive)
        response = await self._answer(request)
        if response is None:
            locale = negotiate(request.headers.get("accept-language"))
            response = JSONResponse({"errors": [shown.refused(absent(()), locale)]}, 404)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response | None:
        found = await service.open_file(self.services, request.path_params["link"])
        if found is None:
            return None
        tenant_id, export_id = found
        async with self.begin(system_principal(tenant_id)) as work:
            export = await service.note_fetch(work, export_id)
        if export is None:
            return None
        key = await service.file_key_of(self.services, export)
        store: FileStore = self.services[FileStore]
        headers = {
            "content-type": media_type(export.format),
            "content-length": str(export.byte_size),
            "content-disposition": f'attachment; filename="{file_name(export.format, export.watermark)}"',
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; sandbox",
            "digest": f"sha-256={export.sha256}",
        }
        return StreamingResponse(unsealed(key, store), 200, headers)


def exports_routes(endpoint: ASGIApp) -> list[Route]:
    """`/exports/links/{link}`."""
    return [Route("/exports/links/{link}", endpoint, methods=["GET"])]
