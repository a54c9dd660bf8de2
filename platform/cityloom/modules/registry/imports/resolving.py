"""All staged rows together: what each link is in the registry, and what stands against it.

Set-based, holders first, so that each link finds what it lies in beside it. Locks are taken in the same order as by
the services (`service.chain`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from cityloom.core.database import beyond_wall
from cityloom.imports.targets import Counts, Outdated
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry import errors as registered
from cityloom.modules.registry.imports import columns as c
from cityloom.modules.registry.imports import errors as e
from cityloom.modules.registry.imports import own
from cityloom.modules.registry.imports.comparing import MINE, OF_REGISTERED, OPEN, REGISTERED, Comparer, add

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cityloom.core.work import Work
    from cityloom.imports.targets import Asked

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
    OF_REGISTERED.format(
        differs="s.name <> x.name OR (s.address IS NOT NULL AND s.address IS DISTINCT FROM x.address) "
        "OR (s.storeys IS NOT NULL AND s.storeys IS DISTINCT FROM x.storeys) "
        "OR (s.longitude IS NOT NULL AND (s.longitude, s.latitude) IS DISTINCT FROM (x.longitude, x.latitude))"
    )
} END
FROM registry_staged_buildings AS me
LEFT JOIN buildings AS x ON x.tenant_id = $1 AND x.code = me.code
LEFT JOIN areas AS a ON a.tenant_id = $1 AND a.code = me.area_code AND {OPEN}
WHERE {MINE} AND me.tenant_id = $1 AND me.import_id = $2 AND me.id = s.id
"""  # noqa: S608 - constants of ours
_DWELLINGS = f"""
UPDATE registry_staged_dwellings AS s SET
  target_id = coalesce(x.id, s.id), version = x.version, holder_id = b.target_id,
  place_id = b.place_id, place_path = b.place_path,
  outcome = CASE WHEN b.id IS NULL OR b.outcome = 'REFUSED' THEN 'REFUSED' WHEN x.id IS NULL THEN 'NEW' ELSE {
    OF_REGISTERED.format(
        differs="s.use <> x.use OR (s.floor IS NOT NULL AND s.floor IS DISTINCT FROM x.floor) "
        "OR (s.size_dm2 IS NOT NULL AND s.size_dm2 IS DISTINCT FROM x.size_dm2)"
    )
} END
FROM registry_staged_dwellings AS me
LEFT JOIN registry_staged_buildings AS b ON b.tenant_id = $1 AND b.import_id = $2 AND b.code = me.building_code
LEFT JOIN dwellings AS x
  ON x.tenant_id = $1 AND x.building_id = b.target_id AND x.unit = me.unit AND x.number = me.number
WHERE {MINE} AND me.tenant_id = $1 AND me.import_id = $2 AND me.id = s.id
"""  # noqa: S608 - constants of ours
_HOUSEHOLDS = f"""
UPDATE registry_staged_households AS s SET
  target_id = coalesce(x.id, s.id), version = x.version, holder_id = d.target_id,
  place_id = coalesce(x.area_id, d.place_id, a.id), place_path = coalesce(x.area_path, d.place_path, a.path),
  outcome = CASE
    WHEN me.dwelling_number IS NOT NULL AND (d.id IS NULL OR d.outcome = 'REFUSED') THEN 'REFUSED'
    WHEN x.id IS NULL THEN 'NEW' ELSE {OF_REGISTERED.format(differs="s.kind <> x.kind")} END
FROM registry_staged_households AS me
LEFT JOIN registry_staged_dwellings AS d ON d.tenant_id = $1 AND d.import_id = $2
  AND d.building_code = me.building_code AND d.unit = me.unit AND d.number = me.dwelling_number
LEFT JOIN households AS x ON x.tenant_id = $1 AND x.number = me.number
LEFT JOIN areas AS a ON a.tenant_id = $1 AND a.code = me.area_code AND {OPEN}
WHERE {MINE} AND me.tenant_id = $1 AND me.import_id = $2 AND me.id = s.id
"""  # noqa: S608 - constants of ours
_ELSEWHERE = {
    "buildings": "s.area_code IS NOT NULL AND NOT EXISTS (SELECT 1 FROM areas AS a "
    "WHERE a.tenant_id = $1 AND a.code = s.area_code AND a.id = s.place_id)",
    "households": "s.dwelling_number IS NOT NULL AND EXISTS (SELECT 1 FROM households AS x "
    "WHERE x.tenant_id = $1 AND x.id = s.target_id AND x.dwelling_id IS DISTINCT FROM s.holder_id)",
}
_HAS_ENDED = (
    "EXISTS (SELECT 1 FROM {table} AS x WHERE x.tenant_id = $1 AND x.id = s.target_id AND x.ended_on IS NOT NULL)"
)
_UNREFUSE = f"UPDATE registry_staged_residents AS s SET is_refused = false WHERE {MINE} AND s.is_refused"  # noqa: S608 - constants of ours
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
    f"SELECT outcome, true AS is_end, count(*) AS n FROM registry_staged_residents AS s WHERE {MINE} "  # noqa: S608 - constants of ours
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
        fields = await own.own_fields(work, own.THINGS)
        await own.demand_known(work, asked, fields)
        resolver = _Resolver(work, asked, fields)
        await resolver.buildings(locks=locks)
        await resolver.dwellings(locks=locks)
        await resolver.households(locks=locks)
        await resolver.residents()
        return await resolver.counts()


class _Resolver(Comparer):
    def __init__(self, work: Work, asked: Asked, fields: Sequence[own.OwnField]) -> None:
        super().__init__(work, asked)
        self._fields = fields

    async def buildings(self, *, locks: bool) -> None:
        """Their areas, or what is registered under their codes."""
        await self._join(0, "buildings", _BUILDINGS, locks=locks)
        is_new = "s.outcome = 'NEW' AND"
        table = "buildings"
        await self.refuse(table, f"{is_new} (s.name IS NULL OR s.area_code IS NULL)", c.BUILDING, e.BuildingUnknown())
        await self.refuse(table, f"{is_new} s.place_id IS NULL", c.AREA, e.AreaUnknown())
        await self.refuse_outside(table, "building", c.AREA)
        taken = registered.BuildingCodeTaken()
        await self.refuse_hidden(table, "registry.building.read", c.BUILDING, taken)
        await self.refuse(table, f"{REGISTERED} AND {_ELSEWHERE[table]}", c.AREA, e.LiesElsewhere())
        await own.demand_answers(self, table, self._of(table))
        await self._tell(table, c.BUILDING)

    async def dwellings(self, *, locks: bool) -> None:
        """Their buildings, or what is registered in those under their numbers."""
        await self._join(1, "dwellings", _DWELLINGS, locks=locks)
        table = "dwellings"
        await self.note(table, "s.outcome = 'REFUSED'", c.BUILDING, e.HolderRefused(), is_error=True)
        await self.refuse(table, "s.outcome = 'NEW' AND s.use IS NULL", c.DWELLING, e.DwellingUnknown())
        await self.refuse_outside(table, "dwelling", c.DWELLING)
        taken = registered.DwellingNumberTaken()
        await self.refuse_hidden(table, "registry.dwelling.read", c.DWELLING, taken)
        await self.refuse(table, _HAS_ENDED.format(table=table), c.DWELLING, registered.DwellingEnded())
        await own.demand_answers(self, table, self._of(table))
        await self._tell(table, c.DWELLING)

    async def households(self, *, locks: bool) -> None:
        """Their dwellings or areas, or what is registered under their numbers."""
        await self._join(2, "households", _HOUSEHOLDS, locks=locks)
        table = "households"
        await self.note(table, "s.outcome = 'REFUSED'", c.DWELLING, e.HolderRefused(), is_error=True)
        is_placeless = "s.outcome = 'NEW' AND s.dwelling_number IS NULL AND s.area_code IS NULL"
        await self.refuse(table, is_placeless, c.HOUSEHOLD, e.HouseholdUnknown())
        await self.refuse(table, "s.outcome = 'NEW' AND s.place_id IS NULL", c.AREA, e.AreaUnknown())
        await self.refuse_outside(table, "household", c.HOUSEHOLD)
        taken = registered.HouseholdNumberTaken()
        await self.refuse_hidden(table, "registry.household.read", c.HOUSEHOLD, taken)
        await self.refuse(table, _HAS_ENDED.format(table=table), c.HOUSEHOLD, registered.HouseholdEnded())
        await self.refuse(table, f"{REGISTERED} AND {_ELSEWHERE[table]}", c.DWELLING, e.LiesElsewhere())
        await own.demand_answers(self, table, self._of(table))
        await self._tell(table, c.HOUSEHOLD)

    async def residents(self) -> None:
        """Their households, and each other."""
        await self.execute(_UNREFUSE)
        twice = f"s.identity_index IS NOT NULL AND EXISTS ({_EARLIER} AND o.identity_index = s.identity_index)"
        alike = (
            f"EXISTS ({_EARLIER} AND o.likeness = s.likeness "
            "AND (o.identity_index IS NULL OR s.identity_index IS NULL))"
        )
        if self.asked.rule == "SKIP":
            await self.skip("residents", twice, "identity_number", e.StatedTwice())
            await self.skip("residents", alike, c.NAME, e.LikelyDuplicate())
        else:
            await self.refuse("residents", twice, "identity_number", e.StatedTwice())
            if self.asked.rule == "REFUSE":
                await self.refuse("residents", alike, c.NAME, e.LikelyDuplicate())
            else:
                await self.note("residents", alike, c.NAME, e.LikelyDuplicate(), is_error=False)
        await self.refuse("residents", f"NOT {_HELD}", c.HOUSEHOLD, e.HolderRefused())
        permission = "registry.resident.create"
        outside = e.OutsideScope(permission=permission)
        is_outside = f"s.outcome = 'NEW' AND NOT {_PLACED}"
        await self.refuse("residents", is_outside, c.HOUSEHOLD, outside, *self.ranges(permission))
        becomes_head = "s.relationship = 'HEAD' AND s.outcome IN ('NEW', 'CHANGED')"
        earlier_head = (
            f"EXISTS ({_EARLIER} AND o.household_number = s.household_number AND o.relationship = 'HEAD' "
            "AND o.outcome IN ('NEW', 'CHANGED', 'SAME') AND NOT o.is_refused)"
        )
        has_head = registered.HouseholdHasHead()
        await self.refuse("residents", f"{becomes_head} AND {earlier_head}", "relationship", has_head)
        await self.refuse("residents", f"{becomes_head} AND {_OTHER_HEAD}", "relationship", has_head)
        await own.demand_answers(self, "residents", self._of("residents"))

    async def counts(self) -> Counts:
        """What would come of the rows; rows count as what they state last, the others say nothing new."""
        ends: Counter[str] = Counter()
        things: list[dict[str, Any]] = []
        for table, thing in (("buildings", "building"), ("dwellings", "dwelling"), ("households", "household")):
            sql = _COUNT_LINKS.format(table=f"registry_staged_{table}", mine=MINE)
            things.append({"thing": thing} | add(ends, await self.counted(sql)))
        things.append({"thing": "resident"} | add(ends, await self.counted(_COUNT_PEOPLE)))
        return Counts(ends["NEW"], ends["CHANGED"], ends["SAME"], ends["SKIPPED"], things=things)

    async def _join(self, place: int, table: str, sql: str, *, locks: bool) -> None:
        if locks:
            await self.execute(_LOCKS[place])
        # Dwellings lie where their buildings do: nobody asks which areas are open.
        today = (civil_day(self.work.now()),) if OPEN in sql else ()
        await self.execute(sql, self.asked.rule, *today)
        await own.compare(self.work, self.asked, table, self._of(table))

    def _of(self, table: str) -> list[own.OwnField]:
        """The city's own fields of what these rows will be."""
        thing = table.removesuffix("s").upper()
        return [field for field in self._fields if field.row.thing == thing]

    async def _tell(self, table: str, column: str) -> None:
        await self.note(table, "s.is_contradicted", column, e.StatedOtherwise(), is_error=False)
        await self.note(table, "s.outcome = 'SKIPPED'", column, e.AlreadyRegistered(), is_error=False)
        await own.tell_contradicted(self, self._of(table))
