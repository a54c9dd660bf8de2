"""`POST /intake/mailbox?matter=…&area=…`: a mail server hands letters over as `message/rfc822`, by an API client's key.

The same letter again answers the same tracking code, so that a server that is not sure may send it again.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

import orjson
from sqlalchemy import select
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from cityloom.core.errors import InvalidInput, Refusal, RefusalCode, Unauthenticated
from cityloom.core.principal import PrincipalKind
from cityloom.core.text import negotiate
from cityloom.files import service as files
from cityloom.graph import errors as shown
from cityloom.modules.areas.models import Area
from cityloom.modules.cases import models as m
from cityloom.modules.cases.errors import absent
from cityloom.modules.cases.letters import Letter, LetterBroken, read_letter
from cityloom.modules.cases.service.intake import Reported, take_in

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from starlette.types import ASGIApp, Receive, Scope, Send

    from cityloom.access.authentication import Authenticator
    from cityloom.core.principal import Principal
    from cityloom.graph.context import Begin

#: What mail servers usually let pass.
MOST_BYTES = 25_000_000
_STATUS = {
    RefusalCode.UNAUTHENTICATED: 401,
    RefusalCode.FORBIDDEN: 403,
    RefusalCode.TENANT_SUSPENDED: 403,
    RefusalCode.NOT_FOUND: 404,
    RefusalCode.LIMIT_EXCEEDED: 413,
    RefusalCode.UNAVAILABLE: 503,
}


class LetterTooLarge(Refusal):
    """A letter has at most {limit} bytes."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "邮件最大 {limit} 字节。"


@dataclass(frozen=True, slots=True)
class MailboxEndpoint:
    """The route of letters; `authenticate` says who asks, `begin` opens units of work, as for GraphQL."""

    authenticate: Authenticator
    begin: Begin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        locale = negotiate(request.headers.get("accept-language"))
        try:
            code = await self._take(request)
            response = _json({"trackingCode": code}, 201)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the edge: whatever is no refusal is masked and logged
            refusal = shown.refusal_of(error)
            if refusal is None:
                response = _json({"errors": [shown.masked(error, locale)]}, 500)
            else:
                response = _json({"errors": [shown.refused(refusal, locale)]}, _STATUS.get(refusal.code, 400))
        await response(scope, receive, send)

    async def _take(self, request: Request) -> str:
        principal = await self.authenticate(request)
        if principal.kind is PrincipalKind.ANONYMOUS:
            raise Unauthenticated
        content = b"".join([chunk async for chunk in _bounded(request)])
        try:
            letter = read_letter(content)
        except LetterBroken:
            raise InvalidInput("请求体不是可读的邮件。", "The body is no letter that can be read.") from None
        async with self.begin(principal) as work:
            known: str | None = await work.session.scalar(
                select(m.CaseReport.tracking_code).where(
                    m.CaseReport.source == "MAILBOX",
                    m.CaseReport.external_reference == letter.reference,
                    m.CaseReport.reporter_id == principal.account_id,
                )
            )
        if known is not None:
            return known
        photos = await self._photos(principal, letter)
        parameters = request.query_params
        async with self.begin(principal) as work:
            matter = await work.session.scalar(select(m.Matter.id).where(m.Matter.code == parameters.get("matter")))
            if matter is None:
                raise absent("matter", ("matter",))
            area = await work.session.scalar(select(Area.id).where(Area.code == parameters.get("area")))
            given = Reported(
                matter_id=matter,
                description=letter.text,
                area_id=area,
                has_area=True,
                source="MAILBOX",
                external_reference=letter.reference,
                photos=photos,
            )
            return (await take_in(work, given)).code

    async def _photos(self, principal: Principal, letter: Letter) -> tuple[UUID, ...]:
        """Photos and videos among what was attached; the rest is left out, as a letter is more than its annexes."""
        found = []
        for content in letter.attachments:
            with tempfile.SpooledTemporaryFile() as file:
                file.write(content)
                try:
                    async with self.begin(principal) as work:
                        await files.demand_upload(work)
                        limits = await files.limits_of(work)
                    received = await files.receive(cast("BinaryIO", file), limits)
                    made = await files.upload(self.begin, principal, received)
                except Refusal as refusal:
                    if refusal.code in {RefusalCode.FORBIDDEN, RefusalCode.UNAVAILABLE}:
                        raise
                    continue
                found.append(made.id)
        return tuple(found)


def mailbox_routes(endpoint: ASGIApp) -> list[Route]:
    """`/intake/mailbox`."""
    return [Route("/intake/mailbox", endpoint, methods=["POST"])]


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MOST_BYTES:
            raise LetterTooLarge(limit=MOST_BYTES)
        yield chunk


def _json(value: object, status: int) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(orjson.dumps(value, default=str), status, headers, media_type="application/json")
