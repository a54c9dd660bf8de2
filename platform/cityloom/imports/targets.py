"""What modules state so that rows can be imported into them, and how headers are matched with their columns."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from cityloom.imports.errors import (
    ColumnMissing,
    ColumnTwice,
    ColumnUnknown,
    HeaderUnknown,
    NoColumnKnown,
    TargetUnknown,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from cityloom.core.errors import Refusal
    from cityloom.core.module import Module
    from cityloom.core.text import Text
    from cityloom.core.work import Work

_BESIDE = re.compile(r"[\s_\-*::()()\[\]【】/、.·]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a target.

    `synonyms` are further headers that stand for it. Each of `needs` is a choice of columns, one of which a sheet must
    have that has this one. `is_own`: the city has it of its own, so that a header may stand for several such columns,
    or for one of the platform's: then it stands for none of the city's.
    """

    name: str
    title: Text
    synonyms: tuple[str, ...] = ()
    needs: tuple[tuple[str, ...], ...] = ()
    is_own: bool = False

    @property
    def words(self) -> set[str]:
        """The headers that stand for it, as they are compared."""
        return {normal(word) for word in (self.name, self.title.zh, self.title.en, *self.synonyms)}


class Row(NamedTuple):
    """One row: its sheet's position, its number there as people count, its cells by column, blank ones left out."""

    sheet: int
    number: int
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, or worth knowing, about a row; the refusal never holds what stands in the cell."""

    sheet: int
    row: int
    column: str | None
    refusal: Refusal
    is_error: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """An import as a target sees it."""

    import_id: UUID
    rule: str
    skips_refused: bool = False


@dataclass(slots=True)
class Counts:
    """What would come, or has come, of the rows; `things` are how many of each kind are `new` and `changed`."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    refused: int = 0
    things: list[dict[str, Any]] = field(default_factory=list)


class Checking(Protocol):
    """Rows of one import on their way into the staging tables; what it remembers only saves work."""

    def read(self, rows: Sequence[Row]) -> Any:  # noqa: ANN401 - the target's own
        """Take rows apart and check what can be checked without the database. Runs in a thread."""
        ...

    async def look_up(self, work: Work, read: Any) -> Any:  # noqa: ANN401 - the target's own
        """What the database has for these rows."""
        ...

    def seal(self, read: Any, known: Any) -> tuple[Any, list[Finding]]:  # noqa: ANN401 - the target's own
        """Rows as they are staged, protected values sealed, and what was found. Runs in a thread."""
        ...

    async def stage(self, work: Work, sealed: Any) -> None:  # noqa: ANN401 - the target's own
        """Write them into the staging tables."""
        ...


class Target(Protocol):
    """What a module lets be imported. Works are the importer's own: their rights and their wall hold."""

    name: str
    module: str
    title: Text
    description: Text
    #: Without one of these nothing could come of an import.
    permissions: tuple[str, ...]

    async def columns(self, work: Work) -> tuple[Column, ...]:
        """The columns that there are for the caller, the city's own among them."""
        ...

    async def begin(self, work: Work, asked: Asked) -> Checking:
        """Begin to check, or go on."""
        ...

    async def is_staged(self, work: Work, import_id: UUID) -> bool:
        """Whether anything of an import is staged: a crash of the database may have emptied the staging tables."""
        ...

    async def resolve(self, work: Work, asked: Asked, *, locks: bool) -> Counts:
        """Compare what is staged with itself and with the database, and note findings (`findings.note`).

        With `locks` what is relied upon stays as it is until the work ends. Raises `Outdated` where rows would be
        looked up otherwise now than when they were staged.
        """
        ...

    async def publish(self, work: Work, asked: Asked) -> None:
        """Make what was resolved visible; raises `Outdated` where something has changed meanwhile."""
        ...

    async def discard(self, work: Work, import_id: UUID) -> None:
        """Empty the staging tables of an import."""
        ...


class Outdated(Exception):
    """What was checked does not hold any more: check again."""


@dataclass(frozen=True, slots=True)
class Targets:
    """All targets of this installation, by name; in `work.services[Targets]`."""

    by_name: Mapping[str, Target]

    @classmethod
    def of(cls, modules: Iterable[Module]) -> Targets:
        """The targets that the modules state."""
        found: list[Any] = [target for module in modules for target in module.import_targets]
        return cls({target.name: target for target in found})

    def demand(self, name: str) -> Target:
        """One target; refuses (`TargetUnknown`)."""
        if name not in self.by_name:
            raise TargetUnknown(path=("target",), target=name[:80], known=", ".join(self.by_name))
        return self.by_name[name]


@dataclass(frozen=True, slots=True)
class Recognised:
    """What the headers of one sheet stand for: columns by position, without those that stand for nothing."""

    columns: dict[int, str]

    def told(self, sheet: Mapping[str, Any]) -> dict[str, Any]:
        """The sheet with what each of its headers stands for, null where it is for nothing."""
        return {**sheet, "columns": [self.columns.get(at) for at in range(len(sheet["headers"]))]}


def normal(header: str) -> str:
    """A header as it is compared: full-width letters narrowed, lower case, without blanks and brackets."""
    return _BESIDE.sub("", unicodedata.normalize("NFKC", header)).casefold()


def recognise(headers: Sequence[str], known: Sequence[Column], mapping: Mapping[str, str | None]) -> Recognised:
    """Match headers with columns: what the mapping says goes before what is known; null stands for nothing."""
    by_word = _by_word(known)
    stated = {normal(header): column for header, column in mapping.items()}
    columns = {}
    for at, header in enumerate(headers):
        text = normal(header)
        column = stated[text] if text in stated else by_word.get(text)
        if column is not None:
            columns[at] = column
    return Recognised(columns)


def _by_word(known: Sequence[Column]) -> dict[str, str | None]:
    """Columns by the headers that stand for them; None for a header that could stand for several."""
    found: dict[str, str | None] = {}
    for column in known:
        if column.is_own:
            for word in column.words:
                found[word] = None if word in found else column.name
    return found | {word: column.name for column in known if not column.is_own for word in column.words}


def demand_columns(
    sheets: Sequence[Mapping[str, Any]], target: str, known: Sequence[Column], mapping: Mapping[str, str | None]
) -> list[Recognised]:
    """What the headers of all sheets stand for; a sheet in which none is known is left out of the import.

    Refuses (`ColumnUnknown`, `HeaderUnknown`, `NoColumnKnown`, `ColumnTwice`, `ColumnMissing`).
    """
    by_name = {column.name: column for column in known}
    headers = {normal(header) for sheet in sheets for header in sheet["headers"]}
    for header, name in mapping.items():
        if name is not None and name not in by_name:
            raise ColumnUnknown(path=("mapping",), column=name[:80], known=", ".join(by_name))
        if normal(header) not in headers:
            raise HeaderUnknown(path=("mapping",), header=header[:80])
    found = [recognise(sheet["headers"], known, mapping) for sheet in sheets]
    if not any(one.columns for one in found):
        titles = ", ".join(f"{column.title.zh} ({column.name})" for column in known)
        raise NoColumnKnown(path=("mapping",), target=target, known=titles)
    for sheet, one in zip(sheets, found, strict=True):
        _demand_whole(sheet, one, by_name)
    return found


def _demand_whole(sheet: Mapping[str, Any], found: Recognised, by_name: Mapping[str, Column]) -> None:
    present = set(found.columns.values())
    for name in sorted(present):
        positions = [at for at, column in found.columns.items() if column == name]
        if len(positions) > 1:
            headers = ", ".join(sheet["headers"][at] for at in positions)
            raise ColumnTwice(path=("mapping",), sheet=sheet["name"], column=name, headers=headers)
        for choice in by_name[name].needs:
            if not present.intersection(choice):
                needed = ", ".join(f"{by_name[one].title.zh} ({one})" for one in choice)
                raise ColumnMissing(path=("mapping",), sheet=sheet["name"], column=name, needed=needed)
