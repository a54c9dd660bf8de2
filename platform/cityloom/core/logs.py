"""Structured logs: JSON lines for machines, colours for people, never a person's number or a credential."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TextIO

import orjson
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from structlog.typing import EventDict, Processor, WrappedLogger

_HIDDEN = "***"

#: What is hidden wherever it stands, with what takes its place.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<=://)([^\s:/?#@]*):[^\s/?#@]+@"), rf"\1:{_HIDDEN}@"),
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1 {_HIDDEN}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), _HIDDEN),
    (re.compile(r"\b(cl|cs)_[A-Za-z0-9_-]{12,}"), rf"\1_{_HIDDEN}"),
    (re.compile(r"\bwhs(?:ec|k)_[A-Za-z0-9+/=_-]{8,}"), _HIDDEN),
    # Identity numbers (GB 11643-1999), valid or not: the ones with a typing error are people's too.
    (re.compile(r"(?<![0-9A-Za-z])\d{17}[0-9Xx](?![0-9A-Za-z])"), _HIDDEN),
    # Mobile numbers, with or without +86 and separators.
    (re.compile(r"(?<![0-9A-Za-z])(?<!\d\.)(?:\+?86[ -]?)?1[3-9]\d([ -]?)\d{4}\1\d{4}(?![0-9A-Za-z])"), _HIDDEN),
)
_SECRET_KEYS = re.compile(
    r"password|passwd|secret|authorization|cookie|credential|private_key|(?:^|_)token$", re.IGNORECASE
)
_TELLING = re.compile(r"\d{7}|://|eyJ|c[ls]_|whs|bearer|basic|\d{3}[ -]\d{4}", re.IGNORECASE)
_SMALLEST_NUMBER = 10**10


def redact(text: str) -> str:
    """The text without identity numbers, mobile numbers, bearer tokens, keys and passwords in addresses."""
    if not _TELLING.search(text):
        return text
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def redact_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The structlog processor that applies `redact` to every value, however deep, and hides what a key calls secret."""
    for key, value in event.items():
        event[key] = _redacted(key, value)
    return event


def setup(*, form: Literal["json", "console"] = "json", level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send all logging of the process, structlog's and the standard library's, through one redacting pipeline.

    Writes to standard error unless given a stream. May be called again; the last call holds.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    console = structlog.dev.ConsoleRenderer(colors=form == "console" and (stream or sys.stderr).isatty())
    render: Processor = structlog.processors.JSONRenderer(serializer=_json) if form == "json" else console
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # Before redacting: what an exception says is text like any other.
            structlog.processors.format_exc_info,
            redact_event,
            render,
        ],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [each for each in root.handlers if getattr(each, "is_cityloom", False)]:
        root.removeHandler(old)
    handler.is_cityloom = True  # type: ignore[attr-defined] # how the next call knows it
    root.addHandler(handler)
    root.setLevel(level.upper())
    # Every statement and every request at these levels would be noise, and statements carry parameters.
    for name in ("sqlalchemy.engine", "httpx", "httpcore", "casbin"):
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; give it the module's `__name__`."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return bound


@contextmanager
def context(**facts: str | int | None) -> Iterator[None]:
    """Add facts, such as `trace_id`, `tenant` (its slug) and `request_id`, to everything logged inside."""
    tokens = structlog.contextvars.bind_contextvars(**facts)
    try:
        yield
    finally:
        structlog.contextvars.reset_contextvars(**tokens)


def _json(event: EventDict, **_: Callable[[Any], Any]) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _redacted(key: str, value: Any) -> Any:  # noqa: ANN401 - a log event holds anything
    if value and _SECRET_KEYS.search(key):
        return _HIDDEN
    match value:
        case bool() | None | float():
            return value
        case str():
            return redact(value)
        case int():
            return value if abs(value) < _SMALLEST_NUMBER or redact(str(value)) == str(value) else _HIDDEN
        case Mapping() | MutableMapping():
            return {redact(str(name)): _redacted(str(name), inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted("", inner) for inner in value]
        case _:
            # Objects are written by their text, which may hold anything too.
            return redact(str(value))
