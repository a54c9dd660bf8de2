"""All staged rows together: what each link is in the registry, and what stands against it.

Set-based, holders first, so that each link finds what it lies in beside it. Locks are taken in the same order as by
the services (`service.chain`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from cityloom.core.database import beyond_wall
from cityloom.core.principal import EVERYWHERE
from cityloom.imports import findings
from cityloom.imports.targets import Counts, Outdated
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry import errors as registered
from cityloom.modules.registry.imports import columns as c
from cityloom.modules.registry.imports import errors as e

if TYPE_CHECKING:
    from cityloom.core.errors import Refusal
    from cityloom.core.work import Work
    from cityloom.imports.targets import Asked

_MINE = "s.tenant_id = $1 AND s.import_id = $2"
_COVERED = (
    "EXISTS (SELECT 1 FROM unnest($8::text[], $9::text[]) AS r (low, high) "
    'WHERE s.place_path COLLATE "C" >= r.low COLLATE "C" AND s.place_path COLLATE "C" < r.high COLLATE "C")'
)
#: What is registered: with other values it is changed, or stays, as the rule says.
_OF_REGISTERED = "CASE WHEN {differs} THEN CASE WHEN $3 = 'UPDATE' THEN 'CHANGED' ELSE 'SKIPPED' END ELSE 'SAME' END"
_OPEN = "(a.valid_from IS NULL OR a.valid_from <= $4) AND (a.valid_until IS NULL OR a.valid_until > $4)"

_LOCKS: Final = (
    """SELECT count(*) FROM (SELECT 1 FROM registry_staged_buildings AS s
    JOIN buildings AS x ON x.tenant_id = $1 AND x.code = s.code
    WHERE s.tenant_id = $1 AND s.import_id = $2 ORDER BY x.id FOR SHARE OF x) AS locked""",
    """SELECT count(*) FROM (SELECT 1 FROM registry_staged_dwellings AS s
    JOIN buildings AS b ON b.tenant_id = $1 AND b.code = s.building_code
    JOIN dwellings AS x ON x.tenant_id = $1 AND x.building_id = b.id AND x.unit = s.unit AND x.number = s.number
    WHERE s.tenant_id = $1 AND s.import_id = $2 ORDER BY x.id FOR SHARE OF x) AS locked""",
    """SELECT count(*) FROM (SELECT 1 FROM registry_staged_households AS s
    JOIN households AS x ON x.tenant_id = $1 AND x.number = s.number
    WHERE s.tenant_id = $1 AND s.import_id = $2 ORDER BY x.id FOR SHARE OF x) AS locked""",
)
# What is put into these texts are constants of this file.
_BUILDINGS = f"""
UPDATE registry_staged_buildings AS s SET
  target_id = coalesce(x.id, s.id), version = x.version,
  place_id = coalesce(x.area_id, a.id), place_path = coalesce(x.area_path, a.path),
  outcome = CASE WHEN x.id IS NULL THEN 'NEW' ELSE {
    _OF_REGISTERED.format(
        differs="s.name <> x.name OR (s.address IS NOT NULL AND s.address IS DISTINCT FROM x.address) "
        "OR (s.storeys IS NOT NULL AND s.storeys IS DISTINCT FROM x.storeys) "
        "OR (s.longitude IS NOT NULL AND (s.longitude, s.latitude) IS DISTINCT FROM (x.longitude, x.latitude))"
    )
} END
FROM registry_staged_buildings AS me
LEFT JOIN buildings AS x ON x.tenant_id = $1 AND x.code = me.code
LEFT JOIN areas AS a ON a.tenant_id = $1 AND a.code = me.area_code AND {_OPEN}
WHERE {_MINE} AND me.tenant_id = $1 AND me.import_id = $2 AND me.id = s.id
"""  # noqa: S608 - constants of ours
_DWELLINGS = f"""
UPDATE registry_staged_dwellings AS s SET
  target_id = coalesce(x.id, s.id), version = x.version, holder_id = b.target_id,
  place_id = b.place_id, place_path = b.place_path,
  outcome = CASE WHEN b.id IS NULL OR b.outcome = 'REFUSED' THEN 'REFUSED' WHEN x.id IS NULL THEN 'NEW' ELSE {
    _OF_REGISTERED.format(
        differs="s.use <> x.use OR (s.floor IS NOT NULL AND s.floor IS DISTINCT FROM x.floor) "
        "OR (s.size_dm2 IS NOT NULL AND s.size_dm2 IS DISTINCT FROM x.size_dm2)"
    )
} END
FROM registry_staged_dwellings AS me
LEFT JOIN registry_staged_buildings AS b ON b.tenant_id = $1 AND b.import_id = $2 AND b.code = me.building_code
LEFT JOIN dwellings AS x
  ON x.tenant_id = $1 AND x.building_id = b.target_id AND x.unit = me.unit AND x.number = me.number
WHERE {_MINE} AND me.tenant_id = $1 AND me.import_id = $2 AND me.id = s.id
"""  # noqa: S608 - constants of ours
_HOUSEHOLDS = f"""
UPDATE registry_staged_households AS s SET
  target_id = coalesce(x.id, s.id), version = x.version, holder_id = d.target_id,
  place_id = coalesce(x.area_id, d.place_id, a.id), place_path = coalesce(x.area_path, d.place_path, a.path),
  outcome = CASE
    WHEN me.dwelling_number IS NOT NULL AND (d.id IS NULL OR d.outcome = 'REFUSED') THEN 'REFUSED'
    WHEN x.id IS NULL THEN 'NEW' ELSE {_OF_REGISTERED.format(differs="s.kind <> x.kind")} END
FROM registry_staged_households AS me
LEFT JOIN registry_staged_dwellings AS d ON d.tenant_id = $1 AND d.import_id = $2
  AND d.building_code = me.building_code AND d.unit = me.unit AND d.number = me.dwelling_number
LEFT JOIN households AS x ON x.tenant_id = $1 AND x.number = me.number
LEFT JOIN areas AS a ON a.tenant_id = $1 AND a.code = me.area_code AND {_OPEN}
WHERE {_MINE} AND me.tenant_id = $1 AND me.import_id = $2 AND me.id = s.id
"""  # noqa: S608 - constants of ours
_ELSEWHERE = {
    "buildings": "s.area_code IS NOT NULL AND NOT EXISTS (SELECT 1 FROM areas AS a "
    "WHERE a.tenant_id = $1 AND a.code = s.area_code AND a.id = s.place_id)",
    "households": "s.dwelling_number IS NOT NULL AND EXISTS (SELECT 1 FROM households AS x "
    "WHERE x.tenant_id = $1 AND x.id = s.target_id AND x.dwelling_id IS DISTINCT FROM s.holder_id)",
}
_REGISTERED = "s.outcome IN ('SAME', 'CHANGED', 'SKIPPED')"
_HAS_ENDED = (
    "EXISTS (SELECT 1 FROM {table} AS x WHERE x.tenant_id = $1 AND x.id = s.target_id AND x.ended_on IS NOT NULL)"
)
_UNREFUSE = f"UPDATE registry_staged_residents AS s SET is_refused = false WHERE {_MINE} AND s.is_refused"  # noqa: S608 - constants of ours
_EARLIER = (
    "SELECT 1 FROM registry_staged_residents AS o WHERE o.tenant_id = $1 AND o.import_id = $2 "
    "AND (o.sheet, o.row) < (s.sheet, s.row)"
)
_HELD = (
    "EXISTS (SELECT 1 FROM registry_staged_households AS h WHERE h.tenant_id = $1 AND h.import_id = $2 "
    "AND h.number = s.household_number AND h.outcome <> 'REFUSED')"
)
_PLACED = (
    "EXISTS (SELECT 1 FROM registry_staged_households AS h JOIN unnest($8::text[], $9::text[]) AS r (low, high) "
    'ON h.place_path COLLATE "C" >= r.low COLLATE "C" AND h.place_path COLLATE "C" < r.high COLLATE "C" '
    "WHERE h.tenant_id = $1 AND h.import_id = $2 AND h.number = s.household_number)"
)
_OTHER_HEAD = """
EXISTS (
  SELECT 1 FROM registry_staged_households AS h
  JOIN residents AS x ON x.tenant_id = $1 AND x.household_id = h.target_id AND x.relationship = 'HEAD'
    AND x.status = 'LIVING'
  WHERE h.tenant_id = $1 AND h.import_id = $2 AND h.number = s.household_number AND h.outcome <> 'NEW'
    AND x.id <> s.target_id AND NOT EXISTS (
      SELECT 1 FROM registry_staged_residents AS o WHERE o.tenant_id = $1 AND o.import_id = $2 AND o.target_id = x.id
        AND o.outcome = 'CHANGED' AND o.relationship <> 'HEAD' AND NOT o.is_refused))
"""
_COUNT_LINKS = "SELECT outcome, is_end, count(*) AS n FROM {table} AS s WHERE {mine} GROUP BY outcome, is_end"
_COUNT_PEOPLE = (
    f"SELECT outcome, true AS is_end, count(*) AS n FROM registry_staged_residents AS s WHERE {_MINE} "  # noqa: S608 - constants of ours
    "AND NOT s.is_refused GROUP BY outcome"
)


#: Rows whose resident is another than when they were staged: registered or changed by somebody else since then.
_OUTDATED = """
SELECT EXISTS (SELECT 1 FROM registry_staged_residents AS s
  JOIN residents AS x ON x.tenant_id = $1 AND x.identity_index = s.identity_index
  WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'NEW')
OR EXISTS (SELECT 1 FROM registry_staged_residents AS s
  LEFT JOIN residents AS x ON x.tenant_id = $1 AND x.id = s.target_id
  WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.version IS NOT NULL AND x.version IS DISTINCT FROM s.version)
"""


async def resolve(work: Work, asked: Asked, *, locks: bool) -> Counts:
    """See `imports.targets.Target.resolve`; raises `Outdated`."""
    # What is registered where the caller may not look is still registered: of it, only that is told.
    async with beyond_wall(work.session):
        connection = await work.connection()
        if await connection.fetchval(_OUTDATED, work.tenant_id, asked.import_id):
            raise Outdated
        resolver = _Resolver(work, asked)
        await resolver.buildings(locks=locks)
        await resolver.dwellings(locks=locks)
        await resolver.households(locks=locks)
        await resolver.residents()
        return await resolver.counts()


class _Resolver:
    def __init__(self, work: Work, asked: Asked) -> None:
        self._work, self._asked = work, asked

    async def buildings(self, *, locks: bool) -> None:
        """Their areas, or what is registered under their codes."""
        await self._join(0, _BUILDINGS, locks=locks)
        is_new = "s.outcome = 'NEW' AND"
        table = "buildings"
        await self._refuse(table, f"{is_new} (s.name IS NULL OR s.area_code IS NULL)", c.BUILDING, e.BuildingUnknown())
        await self._refuse(table, f"{is_new} s.place_id IS NULL", c.AREA, e.AreaUnknown())
        await self._refuse_outside(table, "building", c.AREA)
        taken = registered.BuildingCodeTaken()
        await self._refuse_hidden(table, "registry.building.read", c.BUILDING, taken)
        await self._refuse(table, f"{_REGISTERED} AND {_ELSEWHERE[table]}", c.AREA, e.LiesElsewhere())
        await self._tell(table, c.BUILDING)

    async def dwellings(self, *, locks: bool) -> None:
        """Their buildings, or what is registered in those under their numbers."""
        await self._join(1, _DWELLINGS, locks=locks)
        table = "dwellings"
        await self._note(table, "s.outcome = 'REFUSED'", c.BUILDING, e.HolderRefused(), is_error=True)
        await self._refuse(table, "s.outcome = 'NEW' AND s.use IS NULL", c.DWELLING, e.DwellingUnknown())
        await self._refuse_outside(table, "dwelling", c.DWELLING)
        taken = registered.DwellingNumberTaken()
        await self._refuse_hidden(table, "registry.dwelling.read", c.DWELLING, taken)
        await self._refuse(table, _HAS_ENDED.format(table=table), c.DWELLING, registered.DwellingEnded())
        await self._tell(table, c.DWELLING)

    async def households(self, *, locks: bool) -> None:
        """Their dwellings or areas, or what is registered under their numbers."""
        await self._join(2, _HOUSEHOLDS, locks=locks)
        table = "households"
        await self._note(table, "s.outcome = 'REFUSED'", c.DWELLING, e.HolderRefused(), is_error=True)
        is_placeless = "s.outcome = 'NEW' AND s.dwelling_number IS NULL AND s.area_code IS NULL"
        await self._refuse(table, is_placeless, c.HOUSEHOLD, e.HouseholdUnknown())
        await self._refuse(table, "s.outcome = 'NEW' AND s.place_id IS NULL", c.AREA, e.AreaUnknown())
        await self._refuse_outside(table, "household", c.HOUSEHOLD)
        taken = registered.HouseholdNumberTaken()
        await self._refuse_hidden(table, "registry.household.read", c.HOUSEHOLD, taken)
        await self._refuse(table, _HAS_ENDED.format(table=table), c.HOUSEHOLD, registered.HouseholdEnded())
        await self._refuse(table, f"{_REGISTERED} AND {_ELSEWHERE[table]}", c.DWELLING, e.LiesElsewhere())
        await self._tell(table, c.HOUSEHOLD)

    async def residents(self) -> None:
        """Their households, and each other."""
        connection = await self._work.connection()
        await connection.execute(_UNREFUSE, self._work.tenant_id, self._asked.import_id)
        twice = f"s.identity_index IS NOT NULL AND EXISTS ({_EARLIER} AND o.identity_index = s.identity_index)"
        alike = (
            f"EXISTS ({_EARLIER} AND o.likeness = s.likeness "
            "AND (o.identity_index IS NULL OR s.identity_index IS NULL))"
        )
        if self._asked.rule == "SKIP":
            await self._skip(twice, "identity_number", e.StatedTwice())
            await self._skip(alike, c.NAME, e.LikelyDuplicate())
        else:
            await self._refuse_people(twice, "identity_number", e.StatedTwice())
            if self._asked.rule == "REFUSE":
                await self._refuse_people(alike, c.NAME, e.LikelyDuplicate())
            else:
                await self._note("residents", alike, c.NAME, e.LikelyDuplicate(), is_error=False)
        await self._refuse_people(f"NOT {_HELD}", c.HOUSEHOLD, e.HolderRefused())
        permission = "registry.resident.create"
        outside = e.OutsideScope(permission=permission)
        is_outside = f"s.outcome = 'NEW' AND NOT {_PLACED}"
        await self._refuse_people(is_outside, c.HOUSEHOLD, outside, *self._ranges(permission))
        becomes_head = "s.relationship = 'HEAD' AND s.outcome IN ('NEW', 'CHANGED')"
        earlier_head = (
            f"EXISTS ({_EARLIER} AND o.household_number = s.household_number AND o.relationship = 'HEAD' "
            "AND o.outcome IN ('NEW', 'CHANGED', 'SAME') AND NOT o.is_refused)"
        )
        has_head = registered.HouseholdHasHead()
        await self._refuse_people(f"{becomes_head} AND {earlier_head}", "relationship", has_head)
        await self._refuse_people(f"{becomes_head} AND {_OTHER_HEAD}", "relationship", has_head)

    async def counts(self) -> Counts:
        """What would come of the rows; rows count as what they state last, the others say nothing new."""
        connection = await self._work.connection()
        ends: Counter[str] = Counter()
        things: list[dict[str, Any]] = []
        for table, thing in (("buildings", "building"), ("dwellings", "dwelling"), ("households", "household")):
            sql = _COUNT_LINKS.format(table=f"registry_staged_{table}", mine=_MINE)
            rows = await connection.fetch(sql, self._work.tenant_id, self._asked.import_id)
            things.append({"thing": thing} | _add(ends, rows))
        people = await connection.fetch(_COUNT_PEOPLE, self._work.tenant_id, self._asked.import_id)
        things.append({"thing": "resident"} | _add(ends, people))
        return Counts(ends["NEW"], ends["CHANGED"], ends["SAME"], ends["SKIPPED"], things=things)

    async def _join(self, place: int, sql: str, *, locks: bool) -> None:
        connection = await self._work.connection()
        tenant_id, import_id = self._work.tenant_id, self._asked.import_id
        if locks:
            await connection.execute(_LOCKS[place], tenant_id, import_id)
        # Dwellings lie where their buildings do: nobody asks which areas are open.
        today = (civil_day(self._work.now()),) if _OPEN in sql else ()
        await connection.execute(sql, tenant_id, import_id, self._asked.rule, *today)

    async def _refuse(self, table: str, where: str, column: str, refusal: Refusal, *arguments: object) -> None:
        found = (
            f"UPDATE registry_staged_{table} AS s SET outcome = 'REFUSED' "  # noqa: S608 - constants of ours
            f"WHERE {_MINE} AND s.outcome <> 'REFUSED' AND {where} RETURNING s.sheet, s.row"
        )
        await findings.note_found(self._work, self._asked.import_id, found, *arguments, column=column, refusal=refusal)

    async def _refuse_people(self, where: str, column: str, refusal: Refusal, *arguments: object) -> None:
        found = (
            f"UPDATE registry_staged_residents AS s SET is_refused = true "  # noqa: S608 - constants of ours
            f"WHERE {_MINE} AND NOT s.is_refused AND {where} RETURNING s.sheet, s.row"
        )
        await findings.note_found(self._work, self._asked.import_id, found, *arguments, column=column, refusal=refusal)

    async def _skip(self, where: str, column: str, refusal: Refusal) -> None:
        found = (
            f"UPDATE registry_staged_residents AS s SET outcome = 'SKIPPED' "  # noqa: S608 - constants of ours
            f"WHERE {_MINE} AND {where} RETURNING s.sheet, s.row"
        )
        await findings.note_found(
            self._work, self._asked.import_id, found, column=column, refusal=refusal, is_error=False
        )

    async def _note(self, table: str, where: str, column: str, refusal: Refusal, *, is_error: bool) -> None:
        found = f"SELECT s.sheet, s.row FROM registry_staged_{table} AS s WHERE {_MINE} AND {where}"  # noqa: S608 - constants of ours
        await findings.note_found(
            self._work, self._asked.import_id, found, column=column, refusal=refusal, is_error=is_error
        )

    async def _refuse_outside(self, table: str, thing: str, column: str) -> None:
        """What is new, or changed, lies where the caller may do that."""
        for outcome, verb in (("NEW", "create"), ("CHANGED", "change")):
            permission = f"registry.{thing}.{verb}"
            where = f"s.outcome = '{outcome}' AND NOT {_COVERED}"
            refusal = e.OutsideScope(permission=permission)
            await self._refuse(table, where, column, refusal, *self._ranges(permission))

    async def _refuse_hidden(self, table: str, permission: str, column: str, refusal: Refusal) -> None:
        """What is registered where the caller may not see it is taken, as a service would say."""
        await self._refuse(table, f"{_REGISTERED} AND NOT {_COVERED}", column, refusal, *self._ranges(permission))

    async def _tell(self, table: str, column: str) -> None:
        await self._note(table, "s.is_contradicted", column, e.StatedOtherwise(), is_error=False)
        await self._note(table, "s.outcome = 'SKIPPED'", column, e.AlreadyRegistered(), is_error=False)

    def _ranges(self, permission: str) -> tuple[list[str], list[str]]:
        """The area paths where the caller may do this, as lower and upper ends."""
        scope = self._work.rights.scope(permission)
        ranges: Any = () if scope is None else (EVERYWHERE,) if scope.everywhere else scope.areas
        return [low for low, _ in ranges], [high for _, high in ranges]


def _add(ends: Counter[str], rows: Any) -> dict[str, int]:  # noqa: ANN401 - records
    """Count outcomes of rows that end there; what is new and changed of the thing itself."""
    found = {"new": 0, "changed": 0}
    for row in rows:
        if row["is_end"]:
            ends[row["outcome"]] += row["n"]
        if row["outcome"] in {"NEW", "CHANGED"}:
            found[row["outcome"].lower()] += row["n"]
    return found
