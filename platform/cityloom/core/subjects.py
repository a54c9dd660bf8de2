"""People whose data are stored (个人信息主体): which tables they are, and what each slice holds of them.

A table of people derives from `Person`. Whoever holds something of them says so in the manifest (`Module.holdings`), so
that export and erasure know of it; a test walks all columns that name a person and demands it. What is kept of rows
that were read (files, results, bodies) is found by no column: whoever keeps it notes of which rows it tells (`Copies`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import ForeignKeyConstraint, Index, text

from cityloom.core.database import Base

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
    from uuid import UUID

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.orm import Mapped

    from cityloom.core.text import Text
    from cityloom.core.work import Work

    #: Ends, in the work's transaction, what stands on the consent of a person, locked, to the purpose with this id.
    ConsentEnds = Callable[[Work, "Person", UUID], Awaitable[None]]

_ERASURES = "hashtextextended('cityloom.erasures:' || :tenant, 0)"
_KEEPING = text(f"SELECT pg_advisory_xact_lock_shared({_ERASURES})")
_ERASING = text(f"SELECT pg_advisory_xact_lock({_ERASURES})")


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


class ProtectedRows:
    """Rows about people of a kind that are told for a stated purpose only, as a protected field is: one name for all.

    A slice that has such rows derives from this; `tag` is the kind's, `permission` is needed besides that to unmask.
    """

    name: ClassVar[str]
    tag: ClassVar[str]
    permission: ClassVar[str]

    @classmethod
    async def told(cls, work: Work, person: Person) -> str | None:
        """What the rows say of a person, as one text; None where there are none."""
        raise NotImplementedError


def protected_rows(tag: str) -> dict[str, type[ProtectedRows]]:
    """The protected rows about this kind of people, by name."""
    return {one.name: one for one in ProtectedRows.__subclasses__() if one.tag == tag}


def people() -> dict[str, type[Person]]:
    """The tables of people of this installation, by the tag of their ids."""
    found = (mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, Person))
    return {model.__person__.tag: model for model in found}


def protected_names() -> frozenset[str]:
    """What purposes can be registered for: every protected field of people, and their protected rows."""
    fields = (one.name for model in people().values() for one in model.__person__.fields)
    return frozenset((*fields, *(name for tag in people() for name in protected_rows(tag))))


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
    things of several kinds of people, `tag_column` tells which. Where more is needed to find the rows than that column,
    `rows` says which are the person's. `cleared` gives a value, or a function of the row's id, for each column that is
    cleared. `hidden` columns are not told in the person's export, and `reason` is.
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
    rows: Callable[[Table, Person], ColumnElement[bool]] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Copies:
    """What a slice keeps of rows that were read: files, results, bodies.

    `withdraw(work, ids)` takes back whatever tells of one of the rows with these ids, which were destroyed, and answers
    how many; `name` is what the certificate of the erasure calls them.
    """

    name: str
    title: Text
    withdraw: Callable[[Work, Collection[UUID]], Awaitable[int]]


def contents_of(table: str) -> tuple[ForeignKeyConstraint, Index]:
    """The `__table_args__` of a table that says of which rows a thing in another table tells.

    Its `id` is the thing's, its `row_id` a row that somebody's erasure can destroy.
    """
    thing = ForeignKeyConstraint(["tenant_id", "id"], [f"{table}.tenant_id", f"{table}.id"], ondelete="CASCADE")
    return thing, Index(None, "tenant_id", "row_id")


def erasable_tables(holdings: Iterable[Holding]) -> frozenset[str]:
    """The tables of which rows are destroyed when somebody is erased."""
    return frozenset(one.table for one in holdings if one.fate is not Fate.KEEP)


async def hold_off_erasures(work: Work) -> None:
    """Let nobody be erased from here to the end of the work: whoever is next finds what is kept by then."""
    await work.session.execute(_KEEPING, {"tenant": str(work.tenant_id)})


async def begin_erasure(work: Work) -> None:
    """Wait for those who are about to keep what they have read; until the end of the work nobody else begins."""
    await work.session.execute(_ERASING, {"tenant": str(work.tenant_id)})
