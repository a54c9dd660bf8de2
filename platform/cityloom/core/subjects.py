"""People whose data are stored (个人信息主体): which tables they are, and what each slice holds of them.

A table of people derives from `Person`. Whoever holds something of them says so in the manifest (`Module.holdings`), so
that export and erasure know of it; a test walks all columns that name a person and demands it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from cityloom.core.database import Base

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from sqlalchemy.orm import Mapped

    from cityloom.core.text import Text


@dataclass(frozen=True, slots=True)
class ProtectedField:
    """A sealed column of people, whose value is shown for a stated purpose only; `name` is its field permission."""

    name: str
    column: str


@dataclass(frozen=True, slots=True)
class PersonKind:
    """A table of people: the tag of their ids, the permission to see that they are there, and their fields."""

    tag: str
    read: str
    fields: tuple[ProtectedField, ...]

    def field(self, name: str) -> ProtectedField | None:
        """The protected field of this name."""
        return next((one for one in self.fields if one.name == name), None)


class Person:
    """A table of people, each in an area, some with an account of their own."""

    __person__: ClassVar[PersonKind]

    if TYPE_CHECKING:
        tenant_id: Mapped[UUID]
        id: Mapped[UUID]
        area_path: Mapped[str]
        account_id: Mapped[UUID | None]


def people() -> dict[str, type[Person]]:
    """The tables of people of this installation, by the tag of their ids."""
    found = (mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, Person))
    return {model.__person__.tag: model for model in found}


def protected_fields() -> dict[str, ProtectedField]:
    """Every protected field of people, by name."""
    return {one.name: one for model in people().values() for one in model.__person__.fields}


class Fate(StrEnum):
    """What becomes of what is held of somebody who is erased."""

    DELETE = "DELETE"
    """The rows are deleted."""
    CLEAR = "CLEAR"
    """The rows stay for what hangs on them; the columns in `cleared` get values that say nothing of the person."""
    KEEP = "KEEP"
    """The rows stay as they are, because a law or the proof of what was done demands it; `reason` says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a slice holds of people in one table.

    `column` names the person: by their id, or by the id of their account where `by_account`; where the table holds
    things of several kinds of people, `tag_column` tells which. `cleared` gives a value, or a function of the row's id,
    for each column that is cleared. `reason` is told to the person in their export.
    """

    table: str
    column: str
    fate: Fate
    title: Text
    reason: Text
    tag: str = "resd"
    tag_column: str | None = None
    by_account: bool = False
    cleared: Mapping[str, Any | Callable[[UUID], Any]] = field(default_factory=dict, hash=False)
    hidden: frozenset[str] = frozenset()
