"""Every type of event that the installed modules may emit, described for integrators."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, Self, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from cityloom.core.errors import Refusal, RefusalCode
from cityloom.core.events import Event
from cityloom.core.text import Text
from cityloom.events.service import camel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cityloom.core.module import Module

#: `module.thing.happened.v1`; the number goes up when the meaning changes, and the old type is emitted on beside it.
NAME: Final = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*){1,3}\.v[1-9][0-9]*\Z")
_SEGMENT = re.compile(r"[a-z0-9_]+\Z")
_OWN: Final = frozenset({"subject_id", "area_path", "fields"})


class EventPatternUnknown(Refusal):
    """{pattern!r} matches no type of event: `cases.case.closed.v1`, `cases.*`, `*.*.created.v1` or `**` would."""

    code = RefusalCode.INVALID_INPUT
    zh = "{pattern!r} 不匹配任何事件类型:可以写 cases.case.closed.v1、cases.*、*.*.created.v1 或 **。"


class UndescribedEvent(TypeError):
    """An event class is not fit to be published; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event. `facts` is a JSON Schema (2020-12) of `data.facts`."""

    name: str
    module: str
    subject_tag: str
    description: Text
    facts: Mapping[str, Any]
    cls: type[Event]


class EventCatalogue:
    """The types of events by name, sorted."""

    def __init__(self, found: Iterable[EventType]) -> None:
        self._types = {one.name: one for one in sorted(found, key=lambda one: one.name)}

    @classmethod
    def of(cls, modules: Iterable[Module]) -> Self:
        """What these modules emit; raises `UndescribedEvent` where a class is not fit to be published."""
        return cls(_described(made, module.name) for module in modules for made in module.events)

    def __iter__(self) -> Iterator[EventType]:
        return iter(self._types.values())

    def __len__(self) -> int:
        return len(self._types)

    def get(self, name: str) -> EventType | None:
        """The type of this very name."""
        return self._types.get(name)

    def matching(self, *patterns: str, modules: frozenset[str] | None = None) -> tuple[str, ...]:
        """Names that match any of the patterns, sorted; refuses (`EventPatternUnknown`) a pattern without a match.

        `*` stands for one segment, `**` for any number, and `*` at the end for all the rest.
        """
        found: set[str] = set()
        for pattern in patterns:
            fits = matcher(pattern)
            matched = {name for name in self._types if fits is not None and fits.match(name)}
            if not matched:
                raise EventPatternUnknown(pattern=pattern[:100])
            found |= matched
        return tuple(
            name for name in self._types if name in found and (modules is None or self._types[name].module in modules)
        )


@cache
def matcher(pattern: str) -> re.Pattern[str] | None:
    """The regular expression of a pattern with wildcards; None where it is no pattern."""
    *front, last = pattern.split(".")
    written = []
    for segment in (*front, "**" if last == "*" else last):
        if segment == "**":
            written.append(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*")
        elif segment == "*":
            written.append("[a-z0-9_]+")
        elif _SEGMENT.match(segment):
            written.append(segment)
        else:
            return None
    return re.compile(r"\.".join(written) + r"\Z")


def _described(cls: type[Event], module: str) -> EventType:
    name = getattr(cls, "type", "")
    where = f"{cls.__module__}.{cls.__qualname__}"
    if not NAME.match(name) or not name.startswith(f"{module}."):
        raise UndescribedEvent(f"{where}: the type is `{module}.<thing>.<happened>.v<n>`, not {name!r}")
    own = cls.__dict__.get("__doc__")
    zh = cls.__dict__.get("zh")
    if not own or own.startswith(f"{cls.__name__}(") or not isinstance(zh, str):
        raise UndescribedEvent(f"{where}: needs a docstring and `zh`, its description in Chinese")
    description = Text(zh, inspect.cleandoc(own).split("\n\n")[0].replace("\n", " "))
    return EventType(name, module, cls.subject_tag, description, _facts(cls, where), cls)


def _facts(cls: type[Event], where: str) -> dict[str, Any]:
    # Events import what they are annotated with for type checking only.
    hints = get_type_hints(
        cls, localns={"UUID": UUID, "datetime": datetime, "date": date, "Literal": Literal, "Mapping": Mapping}
    )
    properties: dict[str, Any] = {}
    for field in fields(cls):
        if field.name not in _OWN:
            properties[camel(field.name)] = _schema(
                hints[field.name], cls.nodes.get(field.name), f"{where}.{field.name}"
            )
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _schema(hint: Any, tag: str | None, where: str) -> dict[str, Any]:  # noqa: ANN401 - an annotation; one arm per kind
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        kinds = [_schema(one, tag, where) for one in get_args(hint)]
        return {"anyOf": kinds}
    if origin is tuple:
        return {"type": "array", "items": _schema(get_args(hint)[0], tag, where)}
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if hint is UUID:
        if tag is None:
            raise UndescribedEvent(f'{where}: name the type of the row in `nodes`, or "" where it is no node')
        if not tag:
            return {"type": "string", "format": "uuid"}
        return {"type": "string", "pattern": f"^{tag}_[0-9a-f]{{8}}_[0-9a-f]{{32}}$", "description": "A global id."}
    plain = {
        bool: {"type": "boolean"},
        int: {"type": "integer"},
        float: {"type": "number"},
        str: {"type": "string"},
        type(None): {"type": "null"},
        date: {"type": "string", "format": "date"},
        datetime: {"type": "string", "format": "date-time"},
    }
    found = plain.get(hint)
    if found is None:
        raise UndescribedEvent(f"{where}: a fact is an id, a text, a number, a boolean or a list of them, not {hint!r}")
    return found
