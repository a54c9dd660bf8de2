"""Writing TOML in the one canonical form of packs."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
#: An array or inline table longer than this is written with one element to a line, where TOML allows it.
LINE = 110


def key(name: str) -> str:
    """A key, quoted where it must be."""
    return name if _BARE.match(name) else string(name)


def string(value: str) -> str:
    """A basic string in double quotation marks."""
    return '"' + "".join(_SHORT.get(c, f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c) for c in value) + '"'  # noqa: PLR2004 - control characters


def value(given: Any, *, breaks: bool = True) -> str:  # noqa: ANN401 - any JSON-like value
    """A value in one line; a long array at the top level takes a line per element."""
    match given:
        case bool():
            return "true" if given else "false"
        case int() | float():
            return repr(given)
        case str():
            return string(given)
        case datetime() | date() | time():
            return given.isoformat()
        case list() | tuple():
            items = [value(item, breaks=False) for item in given]
            line = f"[{', '.join(items)}]"
            if breaks and len(line) > LINE:
                return "[\n" + "".join(f"  {item},\n" for item in items) + "]"
            return line
        case dict():
            if not given:
                return "{}"
            pairs = [f"{key(name)} = {value(item, breaks=False)}" for name, item in given.items() if item is not None]
            return "{ " + ", ".join(pairs) + " }"
        case _:
            message = f"no TOML value: {given!r}"
            raise TypeError(message)


def pairs(table: Mapping[str, Any]) -> str:
    """`key = value` lines; None is left out, for TOML has no null."""
    return "".join(f"{key(name)} = {value(item)}\n" for name, item in table.items() if item is not None)


def document(table: Mapping[str, Any]) -> str:
    """A document: single values first, then sub-tables and lists of tables, each below its header, in their order."""
    return _body((), table).lstrip("\n")


def _body(path: tuple[str, ...], table: Mapping[str, Any]) -> str:
    def is_list(item: object) -> bool:
        return isinstance(item, (list, tuple)) and bool(item) and all(isinstance(part, dict) for part in item)

    def is_table(item: object) -> bool:
        return isinstance(item, dict) and not _is_inline(item)

    text = pairs({name: item for name, item in table.items() if not is_list(item) and not is_table(item)})
    for name, item in table.items():
        header = ".".join(key(part) for part in (*path, name))
        if is_table(item):
            body = _body((*path, name), item)
            own = any(not is_list(part) and not is_table(part) for part in item.values()) or not item
            text += (f"\n[{header}]\n" if own else "") + body
        elif is_list(item):
            for element in item:
                text += f"\n[[{header}]]\n" + _body((*path, name), element)
    return text


def _is_inline(table: Mapping[str, Any]) -> bool:
    """Texts in two languages stand in one line."""
    return set(table) == {"zh", "en"}
