"""What a service says has happened; written to the outbox in the transaction that made it true."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

_FORMER = "former_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact, past tense. Subclasses add facts as fields: ids and changed values, never sensitive ones.

    `type` is versioned (`registry.resident.moved.v1`) and never changes its meaning; `subject_tag` is the type tag of
    the subject's global id; the first line of the docstring and `zh` describe the type to integrators. `nodes` says
    of which type the rows are whose ids are facts: `{"dwelling_id": "dwel"}`, or "" where they have no global id.
    """

    type: ClassVar[str]
    subject_tag: ClassVar[str]
    zh: ClassVar[str]
    nodes: ClassVar[Mapping[str, str]] = {}

    subject_id: UUID
    area_path: str | None = None

    def facts(self) -> dict[str, Any]:
        """The event's own fields, for its payload."""
        names = _own_fields(type(self))  # type: ignore[arg-type] # a class has a hash, whatever its objects have
        return {name: getattr(self, name) for name in names}

    def changed_fields(self) -> tuple[str, ...]:
        """Names of the subject's fields that have changed: the fact `fields`, and whatever differs from `former_…`."""
        facts = self.facts()
        told = tuple(facts.get("fields", ()))
        return told + tuple(
            name.removeprefix(_FORMER).removesuffix("_id")
            for name, former in facts.items()
            if name.startswith(_FORMER) and former != facts.get(name.removeprefix(_FORMER))
        )


@cache
def _own_fields(cls: type[Event]) -> tuple[str, ...]:
    return tuple(
        name
        for part in cls.__mro__[:-1]
        for name in getattr(part, "__slots__", ())
        if name not in {"subject_id", "area_path"}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change or one sensitive read, for the audit log."""

    action: str
    object_tag: str
    object_id: UUID
    purpose: str | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


def subject_tags() -> frozenset[str]:
    """The type tags of everything that any imported event is about."""
    found: set[str] = set()
    stack = list(Event.__subclasses__())
    while stack:
        cls = stack.pop()
        stack += cls.__subclasses__()
        found.add(getattr(cls, "subject_tag", ""))
    return frozenset(found - {""})
