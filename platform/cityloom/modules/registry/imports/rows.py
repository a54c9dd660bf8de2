"""Targets of which each row is one thing, in a place or of a holder that is registered: what they have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from sqlalchemy import delete, exists, select

from cityloom.core.bulk import insert_rows, keep_uncounted
from cityloom.core.database import beyond_wall
from cityloom.core.errors import Refusal
from cityloom.core.ids import new_id
from cityloom.imports.targets import Counts, Finding, Outdated
from cityloom.modules.registry.imports import columns as c
from cityloom.modules.registry.imports import errors as e
from cityloom.modules.registry.imports import own
from cityloom.modules.registry.imports.comparing import MINE, Comparer, add

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from cityloom.core.text import Text
    from cityloom.core.work import Work
    from cityloom.imports.targets import Asked, Checking, Column, Row
    from cityloom.modules.registry.imports import models as m

    #: The columns of a row behind its place in the file, of its cells and the id that it will have; None if it has
    #: errors, which are noted with the cells.
    Take = Callable[["Cells", UUID], tuple[Any, ...] | None]

_IN: Final = "s.outcome NOT IN ('REFUSED', 'SKIPPED')"
_EARLIER: Final = (
    "EXISTS (SELECT 1 FROM registry_staged_{table} AS o WHERE o.tenant_id = $1 AND o.import_id = $2 "
    "AND (o.sheet, o.row) < (s.sheet, s.row) AND o.outcome <> 'REFUSED' AND {same})"
)
_COUNT: Final = (
    f"SELECT outcome, true AS is_end, count(*) AS n FROM registry_staged_{{table}} AS s WHERE {MINE} "  # noqa: S608 - constants of ours
    "GROUP BY outcome"
)
_CHANGED: Final = f"SELECT count(*) AS n FROM registry_staged_{{table}} AS s WHERE {MINE} AND s.outcome = 'CHANGED'"  # noqa: S608 - constants of ours


@dataclass(slots=True)
class Read:
    """Things as they are staged, answers to the city's own fields, and what was found."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    answers: own.SaidAnswers = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


class Cells:
    """The cells of one row, each read by its check; what is wrong with them is noted."""

    def __init__(self, row: Row) -> None:
        self.row, self.values, self.get = row, row.values, row.values.get
        self.errors: list[Finding] = []

    def value(self, column: str, check: Callable[[str], Any]) -> Any:  # noqa: ANN401 - a value
        """What a cell says, None where it is blank or wrong."""
        cell = self.get(column)
        if cell is None:
            return None
        try:
            return check(cell)
        except Refusal as refusal:
            self.refuse(column, refusal)
            return None

    def demand(self, column: str, thing: str, thing_zh: str) -> None:
        """Note (`LinkNotNamed`) that a blank cell should say which thing the row is about."""
        if column not in self.values:
            title = f"{c.TITLES[column].zh} ({column})"
            self.refuse(column, e.LinkNotNamed(thing=thing, thing_zh=thing_zh, column=title))

    def refuse(self, column: str, refusal: Refusal) -> None:
        """Note what is wrong with a cell."""
        self.errors.append(Finding(self.row.sheet, self.row.number, column, refusal))


class RowChecking:
    """The rows of one import (`imports.targets.Checking`); all that is sealed of them is sealed as it is read."""

    def __init__(self, asked: Asked, statement: str, fields: Sequence[own.OwnField], take: Take) -> None:
        self._asked, self._statement, self._fields, self._take = asked, statement, fields, take

    def read(self, rows: Sequence[Row]) -> Read:
        """Take rows apart; one with an error is left out."""
        read = Read()
        for row in rows:
            cells, row_id = Cells(row), new_id()
            taken = self._take(cells, row_id)
            answers = {
                one.id: answer for one in self._fields if (answer := cells.value(one.column, one.answer)) is not None
            }
            if taken is None or cells.errors:
                read.findings.extend(cells.errors)
                continue
            read.rows.append((row_id, row.sheet, row.number, *taken))
            for field_id, answer in answers.items():
                read.answers[field_id, f"{row.sheet}:{row.number}"] = own.Said(row.sheet, row.number, answer)
        return read

    async def look_up(self, work: Work, read: Read) -> None:
        """Nothing: all rows are compared with what is registered at once."""

    def seal(self, read: Read, known: None) -> tuple[Read, list[Finding]]:  # noqa: ARG002 - of the protocol
        """Rows as they are staged."""
        return read, read.findings

    async def stage(self, work: Work, sealed: Read) -> None:
        """Write them into the staging tables."""
        await insert_rows(work, self._statement, sealed.rows, self._asked.import_id)
        await own.stage(work, self._asked.import_id, sealed.answers)


class RowTarget(ABC):
    """Such a target (`imports.targets.Target`), with what its things answer to the city's own fields."""

    module = "registry"
    name: str
    title: Text
    description: Text
    permissions: tuple[str, ...]
    #: What the things are called by the city's own fields, their table, their staging table, and the column naming one.
    thing: ClassVar[str]
    table: ClassVar[str]
    stage: ClassVar[type[m.Staged]]
    naming: ClassVar[str]
    known: ClassVar[tuple[Column, ...]]
    #: What is said of a row that says the same as an earlier one `o`: by which column, and when. A statement for each,
    #: so that it is joined by its first equality.
    repeated: ClassVar[tuple[tuple[str, Refusal, str], ...]]
    #: The statements that write what is new and what is changed; `$3` is the moment.
    new: ClassVar[str]
    changed: ClassVar[str]

    @abstractmethod
    async def begin(self, work: Work, asked: Asked) -> Checking:
        """Begin to check, or go on."""

    @abstractmethod
    async def place(self, comparer: Comparer, *, locks: bool) -> None:
        """Find out which each is among those that are registered, and where it is to be; with locks on that."""

    @abstractmethod
    async def refuse(self, comparer: Comparer) -> None:
        """Refuse what is to be where it cannot be, or is not the caller's to see, record or change."""

    @abstractmethod
    async def publish_beside(self, comparer: Comparer, now: datetime) -> None:
        """Write what goes with things that are new or changed."""

    async def columns(self, work: Work) -> tuple[Column, ...]:
        """The columns that there are for the caller."""
        return (*self.known, *await own.own_columns(work, (self.thing,)))

    async def is_staged(self, work: Work, import_id: UUID) -> bool:
        """Whether anything of an import is staged."""
        return bool(await work.session.scalar(select(exists().where(self.stage.import_id == import_id))))

    async def resolve(self, work: Work, asked: Asked, *, locks: bool) -> Counts:
        """Compare what is staged with itself and with the registry; raises `Outdated`."""
        # What is registered where the caller may not look is still registered: of it, only that is told.
        async with beyond_wall(work.session):
            comparer, fields = Comparer(work, asked), await own.own_fields(work, (self.thing,))
            await own.demand_known(work, asked, fields)
            await self.place(comparer, locks=locks)
            await own.compare(work, asked, self.table, fields)
            await self.refuse(comparer)
            await own.demand_answers(comparer, self.table, fields)
            skipped = "s.outcome = 'SKIPPED'"
            await comparer.note(self.table, skipped, self.naming, e.AlreadyRegistered(), is_error=False)
            leave = comparer.skip if asked.rule == "SKIP" else comparer.refuse
            for column, refusal, same in self.repeated:
                earlier = _EARLIER.format(table=self.table, same=same)
                await leave(self.table, f"{_IN} AND {earlier}", column, refusal)
            ends: Counter[str] = Counter()
            found = add(ends, await comparer.counted(_COUNT.format(table=self.table)))
            things = [{"thing": self.thing.lower()} | found]
            return Counts(ends["NEW"], ends["CHANGED"], ends["SAME"], ends["SKIPPED"], things=things)

    async def publish(self, work: Work, asked: Asked) -> None:
        """Make what was resolved visible; raises `Outdated`."""
        comparer, now = Comparer(work, asked), work.now()
        await keep_uncounted(work, self.table)
        await comparer.execute(self.new, now)
        changed = await comparer.execute(self.changed, now)
        if int(changed.split()[-1]) != (await comparer.counted(_CHANGED.format(table=self.table)))[0]["n"]:
            raise Outdated
        await self.publish_beside(comparer, now)
        await own.publish(work, asked, self.table, await own.own_fields(work, (self.thing,)))

    async def discard(self, work: Work, import_id: UUID) -> None:
        """Empty the staging tables of an import."""
        for model in (self.stage, *own.STAGES):
            await work.session.execute(delete(model).where(model.import_id == import_id))
