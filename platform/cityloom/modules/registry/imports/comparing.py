"""Statements over staged rows that note what they find; their conditions are constants of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cityloom.core.principal import EVERYWHERE
from cityloom.imports import findings
from cityloom.modules.registry.imports import errors as e

if TYPE_CHECKING:
    from collections import Counter

    from cityloom.core.errors import Refusal
    from cityloom.core.work import Work
    from cityloom.imports.targets import Asked

MINE: Final = "s.tenant_id = $1 AND s.import_id = $2"
#: The staged row lies in one of the areas `$8` to `$9` (`Comparer.ranges`).
COVERED: Final = (
    "EXISTS (SELECT 1 FROM unnest($8::text[], $9::text[]) AS r (low, high) "
    'WHERE s.place_path COLLATE "C" >= r.low COLLATE "C" AND s.place_path COLLATE "C" < r.high COLLATE "C")'
)
#: What is registered: with other values it is changed, or stays, as the rule says.
OF_REGISTERED: Final = (
    "CASE WHEN {differs} THEN CASE WHEN $3 = 'UPDATE' THEN 'CHANGED' ELSE 'SKIPPED' END ELSE 'SAME' END"
)
REGISTERED: Final = "s.outcome IN ('SAME', 'CHANGED', 'SKIPPED')"
#: An area `a` that is open on the day `$4`.
OPEN: Final = "(a.valid_from IS NULL OR a.valid_from <= $4) AND (a.valid_until IS NULL OR a.valid_until > $4)"
#: How a row is refused, and what says that it was not. Residents keep what was found when they were staged.
_BY_OUTCOME: Final = ("outcome = 'REFUSED'", "s.outcome <> 'REFUSED'")
_REFUSED: Final = {"residents": ("is_refused = true", "NOT s.is_refused")}


class Comparer:
    """Staged rows of one import; `table` is always what they will be rows of."""

    def __init__(self, work: Work, asked: Asked) -> None:
        self.work, self.asked = work, asked

    async def refuse(self, table: str, where: str, column: str, refusal: Refusal, *arguments: object) -> None:
        """Refuse the rows that are as the condition says, from `$8` on about `arguments`."""
        refused, is_not = _REFUSED.get(table, _BY_OUTCOME)
        found = (
            f"UPDATE registry_staged_{table} AS s SET {refused} "  # noqa: S608 - constants of ours
            f"WHERE {MINE} AND {is_not} AND {where} RETURNING s.sheet, s.row"
        )
        await self.note_found(found, column, refusal, *arguments, is_error=True)

    async def skip(self, table: str, where: str, column: str, refusal: Refusal) -> None:
        """Leave these rows out, with a warning."""
        found = (
            f"UPDATE registry_staged_{table} AS s SET outcome = 'SKIPPED' "  # noqa: S608 - constants of ours
            f"WHERE {MINE} AND {where} RETURNING s.sheet, s.row"
        )
        await self.note_found(found, column, refusal, is_error=False)

    async def note(self, table: str, where: str, column: str, refusal: Refusal, *, is_error: bool) -> None:
        """Say something of these rows."""
        found = f"SELECT s.sheet, s.row FROM registry_staged_{table} AS s WHERE {MINE} AND {where}"  # noqa: S608 - constants of ours
        await self.note_found(found, column, refusal, is_error=is_error)

    async def note_found(self, found: str, column: str, refusal: Refusal, *arguments: object, is_error: bool) -> None:
        """Say something of whatever rows a statement answers (`findings.note_found`)."""
        await findings.note_found(
            self.work, self.asked.import_id, found, *arguments, column=column, refusal=refusal, is_error=is_error
        )

    async def refuse_outside(self, table: str, thing: str, column: str) -> None:
        """What is new, or changed, lies where the caller may do that."""
        for outcome, verb in (("NEW", "create"), ("CHANGED", "change")):
            permission = f"registry.{thing}.{verb}"
            where = f"s.outcome = '{outcome}' AND NOT {COVERED}"
            refusal = e.OutsideScope(permission=permission)
            await self.refuse(table, where, column, refusal, *self.ranges(permission))

    async def refuse_hidden(self, table: str, permission: str, column: str, refusal: Refusal) -> None:
        """What is registered where the caller may not see it is taken, as a service would say."""
        await self.refuse(table, f"{REGISTERED} AND NOT {COVERED}", column, refusal, *self.ranges(permission))

    async def execute(self, sql: str, *arguments: object) -> str:
        """Carry out a statement about the rows, from `$3` on about `arguments`; answers its command tag."""
        connection = await self.work.connection()
        done: str = await connection.execute(sql, self.work.tenant_id, self.asked.import_id, *arguments)
        return done

    async def counted(self, sql: str) -> Any:  # noqa: ANN401 - records
        """What a statement about the rows answers."""
        connection = await self.work.connection()
        return await connection.fetch(sql, self.work.tenant_id, self.asked.import_id)

    def ranges(self, permission: str) -> tuple[list[str], list[str]]:
        """The area paths where the caller may do this, as lower and upper ends."""
        scope = self.work.rights.scope(permission)
        ranges: Any = () if scope is None else (EVERYWHERE,) if scope.everywhere else scope.areas
        return [low for low, _ in ranges], [high for _, high in ranges]


def add(ends: Counter[str], rows: Any) -> dict[str, int]:  # noqa: ANN401 - records
    """Count outcomes of rows that end there; what is new and changed of the thing itself."""
    found = {"new": 0, "changed": 0}
    for row in rows:
        if row["is_end"]:
            ends[row["outcome"]] += row["n"]
        if row["outcome"] in {"NEW", "CHANGED"}:
            found[row["outcome"].lower()] += row["n"]
    return found
