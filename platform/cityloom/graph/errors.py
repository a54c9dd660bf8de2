"""Errors as clients see them: refusals in their language, bugs masked, nothing said twice."""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import sqlalchemy.exc
from graphql import GraphQLError, GraphQLSyntaxError
from graphql.validation.validate import ValidationAbortedError

from cityloom.core import logs, telemetry
from cityloom.core.errors import Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cityloom.core.text import Locale

_log = logs.logger(__name__)

#: Codes of errors that are about the document and not about the thing asked for; beside `RefusalCode`.
PARSE_FAILED: Final = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED: Final = "GRAPHQL_VALIDATION_FAILED"
INTERNAL: Final = "INTERNAL"

_LEAD_IN: Final = {
    PARSE_FAILED: "查询文档语法错误:",
    VALIDATION_FAILED: "查询文档无效:",
    RefusalCode.INVALID_INPUT: "输入无效:",
}


class TimedOut(Refusal):
    """It took longer than {seconds} seconds and was stopped; nothing was changed."""

    code = RefusalCode.TIMED_OUT
    zh = "处理超过 {seconds} 秒,已停止;没有任何更改。"


class StatementTimedOut(Refusal):
    """The database took too long and was stopped; nothing was changed. Ask for smaller pages or fewer fields."""

    code = RefusalCode.TIMED_OUT
    zh = "数据库处理时间过长,已停止;没有任何更改。请减小分页或减少字段。"


class StoreUnavailable(Refusal):
    """The database does not answer at present; nothing was changed. Repeat in a few seconds."""

    code = RefusalCode.UNAVAILABLE
    zh = "数据库暂时无法响应;没有任何更改。请几秒后重试。"


class DocumentInvalid(Exception):
    """A document does not fit the contract: `errors` says where."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        self.errors = errors
        super().__init__(f"{len(errors)} errors")


_UNAVAILABLE = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.SerializationError,
    sqlalchemy.exc.TimeoutError,
)


def refusal_of(error: BaseException | None) -> Refusal | None:
    """The refusal that an exception is or stands for; None for a bug."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        # SQLAlchemy's dialect wraps the driver's exception once more and keeps it as the cause.
        return refusal_of(error.orig.__cause__ or error.orig if error.orig is not None else None)
    if isinstance(error, asyncpg.QueryCanceledError):
        return StatementTimedOut()
    if isinstance(error, _UNAVAILABLE):
        return StoreUnavailable()
    return None


def refused(refusal: Refusal, locale: Locale, *, path: list[str | int] | None = None) -> dict[str, Any]:
    """A refusal as a GraphQL error in the caller's language."""
    extensions: dict[str, Any] = {"code": str(refusal.code), "reason": refusal.reason}
    if refusal.details:
        extensions["details"] = refusal.details
    if refusal.path:
        extensions["inputPath"] = list(refusal.path)
    shown: dict[str, Any] = {"message": refusal.message(locale)}
    if path is not None:
        shown["path"] = path
    shown["extensions"] = extensions
    return shown


def masked(error: BaseException, locale: Locale, *, path: list[str | int] | None = None) -> dict[str, Any]:
    """A bug as a GraphQL error: its text goes to the log, once, and the trace id to the caller."""
    if isinstance(error, CancelledError):
        raise error
    trace_id = telemetry.trace_id()
    _log.error("bug at the GraphQL edge", trace_id=trace_id, path=path, exc_info=error)
    message = (
        f"服务器内部错误,请将跟踪号 {trace_id} 告知管理员。"
        if locale == "zh"
        else f"Something went wrong on our side. Tell an administrator the trace id {trace_id}."
    )
    shown: dict[str, Any] = {"message": message}
    if path is not None:
        shown["path"] = path
    shown["extensions"] = {"code": INTERNAL, "traceId": trace_id}
    return shown


def _of_document(error: GraphQLError, locale: Locale, code: str) -> dict[str, Any]:
    shown = dict(error.formatted)
    extensions = dict(error.extensions or {})
    texts = extensions.pop("texts", None)
    if texts is not None:
        shown["message"] = texts[locale]
    elif locale == "zh":
        shown["message"] = _LEAD_IN.get(code, "") + error.message
    shown["extensions"] = {"code": code, **extensions}
    return shown


def of_document(errors: Iterable[GraphQLError], locale: Locale) -> list[dict[str, Any]]:
    """Errors of parsing and validation, with a code and in the caller's language as far as the text is ours."""
    shown = []
    for error in errors:
        if isinstance(error, GraphQLSyntaxError):
            shown.append(_of_document(error, locale, PARSE_FAILED))
        elif isinstance(error, ValidationAbortedError):
            shown.append(_of_document(error, locale, RefusalCode.LIMIT_EXCEEDED))
        else:
            shown.append(_of_document(error, locale, VALIDATION_FAILED))
    return shown


def of_variables(errors: Iterable[GraphQLError], locale: Locale) -> list[dict[str, Any]]:
    """Errors of an operation that cannot begin: its name or its variables are not right."""
    shown = []
    for error in errors:
        refusal = refusal_of(error.original_error)
        shown.append(refused(refusal, locale) if refusal else _of_document(error, locale, RefusalCode.INVALID_INPUT))
    return shown


def of_execution(errors: Iterable[GraphQLError], locale: Locale) -> list[dict[str, Any]]:
    """Errors of fields: refusals as they are, everything that is not ours to say masked."""
    shown = []
    for error in errors:
        original = error.original_error
        path = list(error.path) if error.path is not None else None
        refusal = refusal_of(original)
        if refusal is not None:
            item = refused(refusal, locale, path=path)
            if error.locations:
                item["locations"] = [location.formatted for location in error.locations]
            shown.append(item)
        elif original is None or isinstance(original, GraphQLError):
            shown.append(_of_document(error, locale, RefusalCode.INVALID_INPUT))
        else:
            shown.append(masked(original, locale, path=path))
    return shown
