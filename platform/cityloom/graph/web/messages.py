"""What HTTP requests may look like, and why one is not answered."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import ClientDisconnect

from cityloom.core.errors import InvalidInput, Refusal, RefusalCode
from cityloom.graph.execution import Request
from cityloom.graph.limits import LimitExceeded, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope

RESPONSE: Final = "application/graphql-response+json"
LEGACY: Final = "application/json"


class UnsupportedMediaType(Refusal):
    """The body has to be `Content-Type: application/json` in UTF-8, uncompressed."""

    zh = "请求体须为 UTF-8 编码、未压缩的 Content-Type: application/json。"


class NotAcceptable(Refusal):
    """The answer can be `application/graphql-response+json` or `application/json`; `Accept` admits neither."""

    zh = "只能返回 application/graphql-response+json 或 application/json,而 Accept 均不接受。"


class MethodNotAllowed(Refusal):
    """Only POST, and GET for queries, are answered here."""

    zh = "此处只接受 POST,以及用于查询的 GET。"


class CredentialNeededForGet(Refusal):
    """GET needs a credential in the header `Authorization`: a browser never adds that on its own."""

    code = RefusalCode.UNAUTHENTICATED
    zh = "GET 请求须在 Authorization 请求头中携带凭证。"


#: Where a refusal has a status of its own; the others are 400, or 200 for `Accept: application/json` (§6.4.1).
STATUS: Final[dict[type[Refusal], int]] = {
    UnsupportedMediaType: 415,
    NotAcceptable: 406,
    MethodNotAllowed: 405,
}
STATUS_OF_CODE: Final[dict[RefusalCode, int]] = {
    RefusalCode.UNAUTHENTICATED: 401,
    RefusalCode.FORBIDDEN: 403,
    RefusalCode.TENANT_SUSPENDED: 403,
    RefusalCode.RATE_LIMITED: 429,
    RefusalCode.UNAVAILABLE: 503,
    RefusalCode.TIMED_OUT: 504,
}


@lru_cache(maxsize=256)
def chosen_type(accept: str | None) -> str:
    """The media type to answer with, by the header `Accept`; refuses (`NotAcceptable`) where it admits none of ours."""
    if not accept:
        return LEGACY
    best: tuple[float, int, str] | None = None
    for item in accept.split(",")[:32]:
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        ours = media if media in {RESPONSE, LEGACY} else LEGACY if media in {"*/*", "application/*"} else None
        # An exact name beats a wildcard of the same weight.
        rank = (quality, int(media == ours), ours or "")
        if ours is not None and quality > 0 and (best is None or rank[:2] > best[:2]):
            best = rank
    if best is None:
        raise NotAcceptable
    return best[2]


async def read_body(receive: Receive, stated: str | None, limits: Limits) -> bytes:
    """The whole body; refuses (`LimitExceeded`) as soon as it is too large, before it is all there.

    `stated` is the header Content-Length. Raises `ClientDisconnect` where the client goes away.
    """
    allowed = limits.body_bytes
    if stated and stated.isascii() and stated.isdigit() and int(stated[:20]) > allowed:
        raise LimitExceeded("body_bytes", allowed, int(stated[:15]))
    body, size = b"", 0
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body = message.get("body", b"")
        size += len(body)
        if size > allowed:
            raise LimitExceeded("body_bytes", allowed, size)
        if not message.get("more_body"):
            return b"".join([*chunks, body]) if chunks else body
        chunks.append(body)


def with_credential(scope: Scope, payload: Mapping[str, object]) -> Scope:
    """A websocket's request with the credential of `connection_init` among its headers.

    Browsers cannot set headers of a websocket. A credential in both places is two, and refused as such.
    """
    given = [
        (name.lower().encode(), value.encode())
        for name, value in payload.items()
        if name.lower() in {"authorization", "x-api-key"} and isinstance(value, str) and value.isascii()
    ]
    return {**scope, "headers": [*scope["headers"], *given]} if given else scope


@lru_cache(maxsize=256)
def check_content_type(stated: str | None, encoding: str | None) -> None:
    """Refuse (`UnsupportedMediaType`) what is not JSON in UTF-8: a form could be sent by any page (CSRF)."""
    media, *parameters = (part.strip().lower() for part in (stated or "").split(";"))
    charsets = {part.removeprefix("charset=").strip('"') for part in parameters if part.startswith("charset=")}
    if media != LEGACY or not charsets <= {"utf-8", "utf8"} or (encoding or "identity").lower() != "identity":
        raise UnsupportedMediaType


def parse_body(body: bytes, limits: Limits, *, source: str | None, wants_cost: bool) -> list[Request] | Request:
    """The request, or the requests of a batch; refuses (`InvalidInput`, `LimitExceeded`) and names what is wrong."""
    if not body.strip():
        raise InvalidInput("请求体为空:需要 JSON 对象。", "The body is empty: a JSON object with `query` is needed.")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"请求体不是有效的 UTF-8 JSON:{error}", f"The body is no JSON in UTF-8: {error}") from None
    if isinstance(found, list):
        if len(found) > limits.batch or limits.batch <= 1:
            raise LimitExceeded("batch", limits.batch, len(found))
        return [parse_request(item, source=source, wants_cost=wants_cost) for item in found]
    return parse_request(found, source=source, wants_cost=wants_cost)


def parse_query_string(parameters: Mapping[str, str], *, source: str | None, wants_cost: bool) -> Request:
    """The request in the parameters of a GET."""
    found: dict[str, Any] = {
        name: parameters[name] for name in ("query", "documentId", "operationName") if name in parameters
    }
    for name in ("variables", "extensions"):
        if parameters.get(name):
            try:
                found[name] = orjson.loads(parameters[name])
            except orjson.JSONDecodeError as error:
                raise InvalidInput(
                    f"参数 {name} 不是有效的 JSON:{error}", f"The parameter {name} is no JSON: {error}", path=(name,)
                ) from None
    return parse_request(found, source=source, wants_cost=wants_cost, queries_only=True)


def parse_request(found: object, *, source: str | None, wants_cost: bool, queries_only: bool = False) -> Request:
    """The parameters of one request; refuses (`InvalidInput`) one that has another type than the specification says."""
    if not isinstance(found, dict):
        raise InvalidInput("请求须为 JSON 对象。", "A request is a JSON object with `query` or `documentId`.")
    text = _parameter(found, "query", str)
    document_id = _parameter(found, "documentId", str)
    operation_name = _parameter(found, "operationName", str)
    variables = _parameter(found, "variables", dict)
    extensions = _parameter(found, "extensions", dict) or {}
    persisted = extensions.get("persistedQuery")
    if document_id is None and text is None and isinstance(persisted, dict):
        # What Apollo's clients send for a registered document.
        document_id = f"sha256:{persisted.get('sha256Hash')}"
    if (text is None) == (document_id is None):
        raise InvalidInput(
            "请求须有 query 或 documentId 之一。", "A request has either `query` or `documentId`.", path=("query",)
        )
    return Request(
        text=text,
        document_id=document_id,
        operation_name=operation_name or None,
        variables=variables or {},
        wants_cost=wants_cost or extensions.get("cost") is True,
        queries_only=queries_only,
        source=source,
    )


_NAMES: Final[dict[object, tuple[str, str]]] = {str: ("a string", "字符串"), dict: ("an object", "对象")}


def _parameter(found: dict[str, Any], name: str, kind: type[Any]) -> Any:  # noqa: ANN401 - of the kind that was asked for
    value = found.get(name)
    if value is not None and not isinstance(value, kind):
        en, zh = _NAMES[kind]
        raise InvalidInput(f"参数 {name} 须为{zh}。", f"The parameter `{name}` has to be {en}.", path=(name,))
    return value
