"""What a service says has happened; written to the outbox in the transaction that made it true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact, past tense. Subclasses add facts as fields: ids and changed values, never sensitive ones.

    `type` is versioned (`registry.resident.moved.v1`); `subject_tag` is the type tag of the subject's global id.
    """

    type: ClassVar[str]
    subject_tag: ClassVar[str]

    subject_id: UUID
    area_path: str | None = None

    def facts(self) -> dict[str, Any]:
        """The event's own fields, for its payload."""
        return {
            name: getattr(self, name)
            for cls in type(self).__mro__[:-1]
            for name in getattr(cls, "__slots__", ())
            if name not in {"subject_id", "area_path"}
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change or one sensitive read, for the audit log."""

    action: str
    object_tag: str
    object_id: UUID
    purpose: str | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
