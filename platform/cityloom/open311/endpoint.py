"""`/open311/{city}/v2/…`: the six methods of GeoReport v2, and updates as FixMyStreet has them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qsl

import orjson
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route

from cityloom.access.authentication import credential_of
from cityloom.core.errors import Refusal, RefusalCode, Unauthenticated
from cityloom.core.ids import encode_id
from cityloom.core.principal import EVERYWHERE, FieldAccess, Principal, PrincipalKind, Scope
from cityloom.core.text import negotiate
from cityloom.files import service as files
from cityloom.graph import errors as shown
from cityloom.graph.execution import Request as Operation
from cityloom.open311 import documents as d
from cityloom.open311.rendering import GeoReportError, answer, error
from cityloom.tenancy.errors import TenantNotFound

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as Asgi

    from cityloom.access.authentication import Authenticator
    from cityloom.core.clock import Clock
    from cityloom.core.text import Locale
    from cityloom.graph.context import Begin
    from cityloom.graph.execution import GraphExecutor
    from cityloom.open311.settings import Open311Settings
    from cityloom.tenancy.directory import TenantConfig, TenantDirectory

#: "90 days or the first 1,000 requests, whichever is smaller", says the specification.
MOST, SPAN = 1_000, timedelta(days=90)
_PAGE = 100
#: When what the discovery says was changed last.
CHANGESET = "2026-11-22T00:00:00Z"
_FIELDS = 64 * 1024
_STATES = frozenset({"ONBOARDING", "ACTIVE", "SUSPENDED"})
_PUBLIC = frozenset(
    {"cases.case.read", "cases.matter.read", "cases.workflow.read", "areas.area.read", "access.department.read"}
)
_STATUS = {
    RefusalCode.UNAUTHENTICATED: 403,
    RefusalCode.FORBIDDEN: 403,
    RefusalCode.TENANT_SUSPENDED: 403,
    RefusalCode.NOT_FOUND: 404,
    RefusalCode.RATE_LIMITED: 429,
    RefusalCode.UNAVAILABLE: 503,
    RefusalCode.TIMED_OUT: 504,
}


class PublicRights:
    """What everybody may read through this facade, which itself shows only part of it; nothing may be changed."""

    version = 0
    fingerprint = "open311"
    wall = EVERYWHERE

    def scope(self, permission: str) -> Scope | None:
        """The whole city, for reading cases, matters and what they name."""
        return Scope(everywhere=True) if permission in _PUBLIC else None

    def field(self, permission: str) -> FieldAccess:
        """Nothing that is protected."""
        del permission
        return FieldAccess.ABSENT


@dataclass(frozen=True, slots=True)
class _Call:
    """One call: whose city, who asks, in which language and form, with which parameters."""

    request: Request
    config: TenantConfig
    settings: Open311Settings
    principal: Principal
    locale: Locale
    form: str
    given: Mapping[str, str]
    now: datetime

    @property
    def is_public(self) -> bool:
        return self.principal.kind is PrincipalKind.ANONYMOUS

    def demand_list(self) -> None:
        """Lists are for keys, unless the city shows them to everybody."""
        if self.is_public and not self.settings.is_public:
            raise GeoReportError(403, _said(self.locale, "请提供 api_key。", "An api_key is needed."))


@dataclass(frozen=True, slots=True)
class Open311Endpoint:
    """The facade over the tenant API; `begin` opens units of work, for photos that come with a request."""

    api: GraphExecutor
    directory: TenantDirectory
    authenticate: Authenticator
    begin: Begin
    clock: Clock

    async def __call__(self, scope: Asgi, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        locale = negotiate(request.headers.get("accept-language"))
        place, form = _form(request)
        try:
            response = await self._answer(request, place, form, locale)
        except ClientDisconnect:
            return
        except GeoReportError as wrong:
            response = error(wrong.status, wrong.description, form)
        except Exception as bug:  # noqa: BLE001 - the edge: whatever is no refusal is masked and logged
            refusal = shown.refusal_of(bug)
            if refusal is None:
                response = error(500, str(shown.masked(bug, locale)["message"]), form)
            else:
                response = error(_STATUS.get(refusal.code, 400), refusal.message(locale), form)
        await response(scope, receive, send)

    async def _answer(self, request: Request, place: str, form: str, locale: Locale) -> Response:
        config = await self._city(request.path_params["city"])
        method, _, name = place.partition("/")
        if request.method == "POST":
            if place != "requests":
                raise _nothing(locale)
            return await self._create(request, config, form, locale)
        call = await self._call(request, config, form, locale, dict(request.query_params))
        match (method, bool(name)):
            case ("discovery", False):
                return answer("discovery", _discovery(call), form)
            case ("services", False):
                return answer("services", await self._services(call), form)
            case ("services", True):
                return answer("service_definition", await self._service(call, name), form)
            case ("requests", False):
                return answer("requests", await self._requests(call), form)
            case ("requests", True):
                return answer("requests", [await self._request(call, name)], form)
            case ("tokens", True):
                found = await self._request(call, name)
                token = {"service_request_id": found["service_request_id"], "token": name}
                return answer("requests", [token], form)
            case ("servicerequestupdates", False):
                return answer("updates", await self._updates(call), form)
        raise _nothing(locale)

    async def _city(self, slug: str) -> TenantConfig:
        try:
            config = await self.directory.by_slug(slug)
        except TenantNotFound:
            raise GeoReportError(404, "没有该城市 · There is no such city.") from None
        if config.state not in _STATES or "open311" not in config.modules:
            # As absent: who switched what on is nobody's business.
            raise GeoReportError(404, "没有该城市 · There is no such city.")
        return config

    async def _call(
        self, request: Request, config: TenantConfig, form: str, locale: Locale, given: Mapping[str, str]
    ) -> _Call:
        if given.get("jurisdiction_id", config.slug) != config.slug:
            raise GeoReportError(404, _said(locale, "没有该 jurisdiction_id。", "There is no such jurisdiction_id."))
        principal = Principal(config.id, PrincipalKind.ANONYMOUS, PublicRights(), locale=locale)
        key = given.get("api_key") or credential_of(request)
        if key:
            try:
                principal = replace(await self.authenticate.principal(key), locale=locale)
            except Unauthenticated:
                raise GeoReportError(403, _said(locale, "api_key 无效。", "The api_key is not valid.")) from None
            if principal.tenant_id != config.id:
                raise GeoReportError(403, _said(locale, "api_key 无效。", "The api_key is not valid."))
        return _Call(request, config, config.settings("open311"), principal, locale, form, given, self.clock.now())

    async def _ask(self, call: _Call, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        client = call.request.client
        operation = Operation(text=document, variables=variables, source=client.host if client else None)
        outcome = await self.api.execute(call.principal, operation, call.locale)
        found = orjson.loads(outcome.body)
        if "errors" in found and not found.get("data"):
            first = found["errors"][0]
            code = first.get("extensions", {}).get("code", "")
            raise GeoReportError(_STATUS.get(code, 500 if code == shown.INTERNAL else 400), str(first["message"]))
        data: dict[str, Any] = found["data"]
        return data

    async def _all(self, call: _Call, field: str, document: str, variables: dict[str, Any], most: int) -> list[Any]:
        found: list[Any] = []
        after = None
        while len(found) < most:
            page = (await self._ask(call, document, {**variables, "after": after}))[field]
            found += [edge["node"] for edge in page["edges"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        return found[:most]

    async def _matters(self, call: _Call, **where: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - filters
        only = {"isReportable": {"eq": True}, "admission": {"eq": "ADMITTED"}, **where}
        return await self._all(call, "matters", d.MATTERS, {"where": only}, MOST)

    async def _services(self, call: _Call) -> list[dict[str, Any]]:
        call.demand_list()
        return [d.service(matter, call.locale) for matter in await self._matters(call)]

    async def _service(self, call: _Call, code: str) -> dict[str, Any]:
        call.demand_list()
        if not await self._matters(call, code={"eq": code}):
            raise GeoReportError(404, _said(call.locale, "没有该 service_code。", "There is no such service_code."))
        return {"service_code": code, "attributes": []}

    async def _requests(self, call: _Call) -> list[dict[str, Any]]:
        ids = _words(call.given.get("service_request_id"))
        if not ids:
            call.demand_list()
        if len(ids) > _PAGE:
            raise GeoReportError(400, _said(call.locale, "最多 100 个编号。", "At most 100 service_request_id."))
        found = await self._cases(call, _where(call, ids), MOST)
        return _paged(call, found)

    async def _request(self, call: _Call, code: str) -> dict[str, Any]:
        found = await self._cases(call, {"trackingCode": {"eq": _code(code)}}, 1)
        if not found:
            raise _nothing(call.locale)
        return found[0]

    async def _cases(self, call: _Call, where: dict[str, Any], most: int) -> list[dict[str, Any]]:
        document = d.CASES_PUBLIC if call.is_public else d.CASES_KEYED
        variables = {"where": where, "first": min(most, _PAGE)}
        rows = await self._all(call, "cases", document, variables, most)
        return [d.request(row, call.locale, call.settings, is_public=call.is_public) for row in rows]

    async def _updates(self, call: _Call) -> list[dict[str, Any]]:
        ids = _words(call.given.get("service_request_id"))
        if len(ids) != 1:
            raise GeoReportError(400, _said(call.locale, "请给出 service_request_id。", "Send one service_request_id."))
        data = await self._ask(call, d.STEPS, {"where": {"trackingCode": {"eq": _code(ids[0])}}})
        edges = data["cases"]["edges"]
        return d.updates(edges[0]["node"], call.locale) if edges else []

    async def _create(self, request: Request, config: TenantConfig, form: str, locale: Locale) -> Response:
        async with _Posted(request) as (given, media):
            call = await self._call(request, config, form, locale, given)
            if call.is_public:
                raise GeoReportError(403, _said(locale, "请提供 api_key。", "An api_key is needed."))
            made = await self._ask(call, d.REPORT, {"input": await self._input(call, media)})
        told = made["caseReport"]
        if told["__typename"] == "Refusal":
            raise GeoReportError(_STATUS.get(told["code"], 400), told["message"])
        created = {"service_request_id": told["trackingCode"], "service_notice": None, "account_id": None}
        return answer("requests", [created], form, status=201)

    async def _input(self, call: _Call, media: BinaryIO | None) -> dict[str, Any]:
        given, locale = call.given, call.locale
        code = given.get("service_code", "")
        if not code:
            raise GeoReportError(400, _said(locale, "缺少 service_code。", "The service_code is missing."))
        matters = await self._matters(call, code={"eq": code})
        if not matters:
            raise GeoReportError(404, _said(locale, "没有该 service_code。", "There is no such service_code."))
        name, text = given.get("service_name") or matters[0]["nameZh"], given.get("description", "").strip()
        found: dict[str, Any] = {"matterId": matters[0]["id"], "description": text or name, "source": "SYSTEM"}
        if given.get("lat") or given.get("long"):
            found["position"] = {
                "longitude": _number(given.get("long"), "long", locale),
                "latitude": _number(given.get("lat"), "lat", locale),
            }
        if given.get("address_id"):
            area = (await self._ask(call, d.AREA, {"code": given["address_id"]}))["areaByCode"]
            if area is None:
                raise GeoReportError(400, _said(locale, "没有该 address_id。", "There is no such address_id."))
            found["areaId"] = area["id"]
        if not found.keys() & {"position", "areaId"}:
            said = _said(locale, "请给出 lat 与 long,或 address_id。", "Send lat and long, or an address_id.")
            raise GeoReportError(400, said)
        if given.get("address_string"):
            found["address"] = given["address_string"]
        if given.get("phone"):
            found["phone"] = given["phone"]
        if media is not None:
            found["photos"] = [await self._photo(call, media)]
        return found

    async def _photo(self, call: _Call, media: BinaryIO) -> str:
        limits = {
            name: call.config.limit(name) for name in ("file_image_bytes", "file_video_bytes", "file_image_pixels")
        }
        try:
            async with self.begin(call.principal) as work:
                await files.demand_upload(work)
            received = await files.receive(media, limits)
            made = await files.upload(self.begin, call.principal, received)
        except Refusal as refusal:
            raise GeoReportError(_STATUS.get(refusal.code, 400), refusal.message(call.locale)) from refusal
        return encode_id("file", call.config.id, made.id)


def open311_routes(endpoint: ASGIApp) -> list[Route]:
    """`/open311/{city}/v2/…`."""
    return [Route("/open311/{city}/v2/{place:path}", endpoint, methods=["GET", "POST"])]


class _Posted:
    """The fields of a form, and the file that came with it; closed at the end of the block."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._form: Any = None

    async def __aenter__(self) -> tuple[dict[str, str], BinaryIO | None]:
        kind = self._request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            most = 250_000_000
            stream = _bounded(self._request, most)
            parser = MultiPartParser(self._request.headers, stream, max_files=1, max_fields=100, max_part_size=_FIELDS)
            try:
                self._form = await parser.parse()
            except (MultiPartException, KeyError) as wrong:
                raise GeoReportError(400, "表单无法读取 · The form cannot be read.") from wrong
        else:
            body = b"".join([chunk async for chunk in _bounded(self._request, _FIELDS)])
            return _urlencoded(body), None
        fields = {name: value for name, value in self._form.multi_items() if isinstance(value, str)}
        media = next((value.file for _, value in self._form.multi_items() if isinstance(value, UploadFile)), None)
        return fields, media

    async def __aexit__(self, *_: object) -> None:
        if self._form is not None:
            await self._form.close()


def _urlencoded(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except (UnicodeDecodeError, ValueError) as wrong:
        raise GeoReportError(400, "表单无法读取 · The form cannot be read.") from wrong


async def _bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise GeoReportError(413, "请求过大 · The request is too large.")
        yield chunk


def _form(request: Request) -> tuple[str, str]:
    """The place without its ending, and `json` or `xml`: by the ending, else by `Accept`."""
    place = request.path_params["place"].strip("/")
    stem, dot, ending = place.rpartition(".")
    if dot and ending in {"json", "xml"}:
        return stem, ending
    return place, "xml" if "xml" in request.headers.get("accept", "").partition(",")[0] else "json"


def _where(call: _Call, ids: list[str]) -> dict[str, Any]:
    given, locale = call.given, call.locale
    if ids:
        # Named ones override all else, says the specification.
        return {"trackingCode": {"in": [_code(one) for one in ids]}}
    where: dict[str, Any] = {}
    end = _moment(given.get("end_date"), "end_date", locale)
    start = _moment(given.get("start_date"), "start_date", locale)
    if start is None:
        start = (end or call.now) - SPAN
    end = min(end or start + SPAN, start + SPAN)
    where["reportedAt"] = {"gte": start.isoformat(), "lte": end.isoformat()}
    codes = _words(given.get("service_code"))
    if codes:
        where["matter"] = {"code": {"in": codes}}
    statuses = set(_words(given.get("status")))
    if not statuses <= {"open", "closed"}:
        raise GeoReportError(400, _said(locale, "status 为 open 或 closed。", "The status is open or closed."))
    if len(statuses) == 1:
        where["isOpen"] = {"eq": statuses == {"open"}}
    return where


def _paged(call: _Call, found: list[Any]) -> list[Any]:
    """A page of what the specification allows in all: `page_size` and `page`, as its extensions call them."""
    sizes = []
    for name, usual in (("page_size", MOST), ("page", 1)):
        text = call.given.get(name, str(usual))
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST):
            raise GeoReportError(400, f"{name}: 1–{MOST}")
        sizes.append(int(text))
    size, page = sizes
    return found[(page - 1) * size : page * size]


def _moment(text: str | None, name: str, locale: Locale) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        said = _said(locale, f"{name} 须为 ISO 8601 时间。", f"{name} is a time in ISO 8601.")
        raise GeoReportError(400, said) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _number(text: str | None, name: str, locale: Locale) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise GeoReportError(400, _said(locale, f"{name} 须为数字。", f"{name} is a number.")) from None


def _code(text: str) -> str:
    return "".join(text.split()).upper()


def _words(text: str | None) -> list[str]:
    return [word for part in (text or "").split(",") if (word := part.strip())]


def _said(locale: Locale, zh: str, en: str) -> str:
    return zh if locale == "zh" else en


def _nothing(locale: Locale) -> GeoReportError:
    return GeoReportError(404, _said(locale, "没有找到。", "There is no such thing."))


def _discovery(call: _Call) -> dict[str, Any]:
    base = str(call.request.url).partition("/discovery")[0]
    return {
        "changeset": CHANGESET,
        "contact": call.settings.contact,
        "key_service": _said(call.locale, "请向本市管理员申请接口密钥。", "Ask the city's administrator for a key."),
        "endpoints": [
            {
                "specification": "http://wiki.open311.org/GeoReport_v2",
                "url": base,
                "changeset": CHANGESET,
                "type": "production" if call.config.state == "ACTIVE" else "test",
                "formats": ["application/json", "text/xml"],
            }
        ],
    }
