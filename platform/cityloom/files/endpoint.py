"""Files over HTTP: `POST /files`, `GET /files/{id}`, `GET /files/{id}/thumbnail`, `GET /files/links/{link}`."""

from __future__ import annotations

import re
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from uuid import UUID

import orjson
from obstore.exceptions import BaseError
from sqlalchemy import select
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from cityloom.access.authentication import NO_TENANT, credential_of
from cityloom.core.errors import RefusalCode, Unauthenticated
from cityloom.core.ids import decode_id, encode_id
from cityloom.core.principal import PrincipalKind
from cityloom.core.text import negotiate
from cityloom.files import models as m
from cityloom.files import service
from cityloom.files.errors import FileEmpty, FilesUnavailable, FileTooLarge, FormWrong, RangeWrong, absent
from cityloom.files.store import FileStore
from cityloom.graph import errors as shown
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from cityloom.access.authentication import Authenticator
    from cityloom.core.principal import Principal
    from cityloom.core.text import Locale
    from cityloom.graph.context import Begin

#: Up to this an upload is held in memory; beyond, in a temporary file.
_SPOOL = 1024 * 1024
#: What a multipart form may hold beside its file.
_FORM = 64 * 1024
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})\Z")
_STATUS = {
    RefusalCode.UNAUTHENTICATED: 401,
    RefusalCode.FORBIDDEN: 403,
    RefusalCode.TENANT_SUSPENDED: 403,
    RefusalCode.NOT_FOUND: 404,
    RefusalCode.LIMIT_EXCEEDED: 413,
    RefusalCode.RATE_LIMITED: 429,
    RefusalCode.UNAVAILABLE: 503,
}
#: A browser that opens a file as a page runs nothing in it and fetches nothing for it.
_SAFE = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
    "accept-ranges": "bytes",
}


@dataclass(frozen=True, slots=True)
class FilesEndpoint:
    """The routes of files; `authenticate` says who asks, `write` and `read` open units of work.

    A suspended city's files can be read, and none can be added.
    """

    authenticate: Authenticator
    write: Begin
    read: Begin
    services: dict[type, Any]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        locale = negotiate(request.headers.get("accept-language"))
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the edge: whatever is no refusal is masked and logged
            response = failed(error, locale)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        place = request.path_params.get("place", "")
        if request.method == "POST":
            return await self._upload(request)
        if place.startswith("links/"):
            link = await service.open_link(self.services, place.removeprefix("links/"))
            if link is None:
                raise absent(())
            async with self.read(system_principal(link.tenant_id)) as work:
                file = await work.session.scalar(select(m.StoredFile).where(m.StoredFile.id == link.file_id))
            return await self._show(request, file, link.variant)
        text, _, variant = place.partition("/")
        if variant not in {"", "thumbnail"}:
            raise absent(())
        principal = await self.authenticate(request)
        file = None if principal.tenant_id == NO_TENANT else await self._seen(principal, text)
        return await self._show(request, file, variant)

    async def _seen(self, principal: Principal, text: str) -> m.StoredFile | None:
        """The file, if the caller may see it: the rule of the type `File`, asked by the same compiler."""
        file_id = decode_id(text, principal.tenant_id, "file")
        async with self.read(principal) as work:
            return await service.visible(work, file_id)

    async def _upload(self, request: Request) -> Response:
        credential = credential_of(request)
        tenant_id = service.tenant_of_ticket(credential) if credential else None
        ticket = credential if tenant_id is not None else None
        if tenant_id is not None:
            principal = await self._platform_of(tenant_id)
        else:
            principal = await self.authenticate(request)
        if principal.kind is PrincipalKind.ANONYMOUS:
            raise Unauthenticated
        async with self.write(principal) as work:
            if ticket is None:
                await service.demand_upload(work)
            limits = await service.limits_of(work)
        most = max(limits["file_image_bytes"], limits["file_video_bytes"])
        async with body_of(request, most) as body:
            received = await service.receive(body, limits)
            file = await service.upload(self.write, principal, received, ticket=ticket)
        return _created(principal, file)

    async def _platform_of(self, tenant_id: UUID) -> Principal:
        await service.demand_open(self.services, tenant_id)
        return system_principal(tenant_id)

    async def _show(self, request: Request, file: m.StoredFile | None, variant: str) -> Response:
        if file is None or (variant and not file.has_thumbnail):
            raise absent(())
        store: FileStore = self.services[FileStore]
        try:
            size = await store.size(file.tenant_id, file.id, variant=variant)
        except FileNotFoundError:
            raise absent(()) from None
        except (OSError, BaseError) as error:
            raise FilesUnavailable from error
        mark = f'"{file.sha256[:32]}{variant[:1]}"'
        headers = _SAFE | {
            "etag": mark,
            "cache-control": "private, max-age=300",
            "content-type": "image/jpeg" if variant else file.media_type,
        }
        if request.headers.get("if-none-match") == mark:
            return Response(status_code=304, headers=headers)
        start, end, status = _range(request.headers.get("range"), size)
        if status == 206:  # noqa: PLR2004 - RFC 9110 §15.3.7
            headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
        headers["content-length"] = str(end - start)
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        content = store.read(file.tenant_id, file.id, variant=variant, start=start, end=end)
        return StreamingResponse(content, status, headers)


def files_routes(endpoint: ASGIApp) -> list[Route]:
    """`/files` and all below it."""
    return [Route("/files", endpoint, methods=["POST"]), Route("/files/{place:path}", endpoint, methods=["GET"])]


@asynccontextmanager
async def body_of(request: Request, most: int) -> AsyncIterator[BinaryIO]:
    """What was sent, as a temporary file: the body itself, or the one file of a form; refuses (`FileTooLarge`)."""
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated[:18]) > most + _FORM:
        raise FileTooLarge(kind="any", limit=most, actual=int(stated[:18]))
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        with tempfile.SpooledTemporaryFile(_SPOOL) as file:
            async for chunk in _bounded(request, most):
                file.write(chunk)
            yield cast("BinaryIO", file)
        return
    parser = MultiPartParser(
        request.headers, _bounded(request, most + _FORM), max_files=1, max_fields=8, max_part_size=_FORM
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise FormWrong from error
    try:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if len(files) != 1:
            raise FileEmpty
        yield files[0].file
    finally:
        await form.close()


async def _bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise FileTooLarge(kind="any", limit=most, actual=size)
        yield chunk


def _range(asked: str | None, size: int) -> tuple[int, int, int]:
    """Start, exclusive end and status of one range of bytes; several are answered with the whole."""
    match = _RANGE.match(asked or "")
    if match is None or not (match[1] or match[2]):
        return 0, size, 200
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(int(match[2]) + 1 if match[2] else size, size)
    if start >= end:
        raise RangeWrong(size=size)
    return start, end, 206


def _created(principal: Principal, file: m.StoredFile) -> Response:
    told = {
        "id": encode_id("file", principal.tenant_id, file.id),
        "kind": file.kind,
        "mediaType": file.media_type,
        "byteSize": file.byte_size,
        "sha256": file.sha256,
        "width": file.width,
        "height": file.height,
        "expiresAt": file.expires_at.isoformat() if file.expires_at else None,
    }
    return json_answer(told, 201)


def failed(error: Exception, locale: Locale) -> Response:
    """A refusal as an answer; anything else is masked and logged."""
    refusal = shown.refusal_of(error)
    if refusal is None:
        return json_answer({"errors": [shown.masked(error, locale)]}, 500)
    status = 416 if isinstance(refusal, RangeWrong) else _STATUS.get(refusal.code, 400)
    return json_answer({"errors": [shown.refused(refusal, locale)]}, status)


def json_answer(value: object, status: int) -> Response:
    """An answer that nobody keeps."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if status == 401:  # noqa: PLR2004 - RFC 9110 §15.5.2: with 401 goes a challenge
        headers["www-authenticate"] = "Bearer"
    return Response(orjson.dumps(value, default=str), status, headers, media_type="application/json")
