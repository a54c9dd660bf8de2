"""Importing organisations: a row for each, in a building, a dwelling or an area that are registered already.

One is known by its unified social credit code; without one, likely by its name in the same place.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from cityloom.core.bulk import insert_text, table_of
from cityloom.core.ids import NEW_ID_SQL
from cityloom.core.text import Text
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry import errors as registered
from cityloom.modules.registry import names
from cityloom.modules.registry.imports import cells, own
from cityloom.modules.registry.imports import columns as c
from cityloom.modules.registry.imports import errors as e
from cityloom.modules.registry.imports import models as m
from cityloom.modules.registry.imports.comparing import MINE, OF_REGISTERED, OPEN, REGISTERED, Comparer
from cityloom.modules.registry.imports.rows import RowChecking, RowTarget
from cityloom.modules.registry.service import checks
from cityloom.modules.registry.service import organisation_columns as _checked

if TYPE_CHECKING:
    from datetime import date, datetime
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.imports.targets import Asked
    from cityloom.modules.registry.imports.rows import Cells

_TABLE: Final = "organisations"
_COLUMNS: Final = (
    "id",
    "sheet",
    "row",
    "name",
    "kind",
    "credit_code",
    "area_code",
    "building_code",
    "unit",
    "dwelling_number",
    "moved_in_on",
    "tokens",
)
_STAGE: Final = insert_text(table_of(m.StagedOrganisation), _COLUMNS, same=("import_id",))
_LOCKS: Final = (
    """SELECT count(*) FROM (SELECT 1 FROM registry_staged_organisations AS s
    JOIN buildings AS x ON x.tenant_id = $1 AND x.code = s.building_code
    WHERE s.tenant_id = $1 AND s.import_id = $2 ORDER BY x.id FOR SHARE OF x) AS locked""",
    """SELECT count(*) FROM (SELECT 1 FROM registry_staged_organisations AS s
    JOIN buildings AS b ON b.tenant_id = $1 AND b.code = s.building_code
    JOIN dwellings AS x ON x.tenant_id = $1 AND x.building_id = b.id AND x.unit = coalesce(s.unit, '')
      AND x.number = s.dwelling_number
    WHERE s.tenant_id = $1 AND s.import_id = $2 ORDER BY x.id FOR SHARE OF x) AS locked""",
)
#: Where each is to be, and which it is among those that are registered: by its code, or else by name and place.
_PLACE: Final = f"""
UPDATE registry_staged_organisations AS s SET
  target_id = coalesce(x.id, l.id, s.id), version = coalesce(x.version, l.version),
  is_likely = x.id IS NULL AND l.id IS NOT NULL, building_id = CASE WHEN me.dwelling_number IS NULL THEN b.id END,
  dwelling_id = d.id,
  place_id = coalesce(x.area_id, l.area_id, CASE WHEN me.dwelling_number IS NULL THEN b.area_id END, d.area_id, a.id),
  place_path = coalesce(
    x.area_path, l.area_path, CASE WHEN me.dwelling_number IS NULL THEN b.area_path END, d.area_path, a.path),
  outcome = CASE WHEN x.id IS NULL AND l.id IS NULL THEN 'NEW' ELSE {
    OF_REGISTERED.format(
        differs="s.name <> coalesce(x.name, l.name) OR s.kind <> coalesce(x.kind, l.kind) "
        "OR (s.credit_code IS NOT NULL AND x.id IS NULL)"
    )
} END
FROM registry_staged_organisations AS me
LEFT JOIN buildings AS b ON b.tenant_id = $1 AND b.code = me.building_code
LEFT JOIN dwellings AS d
  ON d.tenant_id = $1 AND d.building_id = b.id AND d.unit = coalesce(me.unit, '') AND d.number = me.dwelling_number
LEFT JOIN areas AS a ON a.tenant_id = $1 AND a.code = me.area_code AND me.building_code IS NULL AND {OPEN}
LEFT JOIN organisations AS x ON x.tenant_id = $1 AND x.credit_code = me.credit_code
LEFT JOIN LATERAL (
  SELECT o.* FROM organisations AS o
  WHERE o.tenant_id = $1 AND o.name = me.name AND o.ended_on IS NULL
    AND (o.credit_code IS NULL OR me.credit_code IS NULL)
    AND (o.dwelling_id = d.id OR me.dwelling_number IS NULL AND o.building_id = b.id
      OR me.building_code IS NULL AND o.area_id = a.id AND num_nonnulls(o.building_id, o.dwelling_id) = 0)
  ORDER BY o.id LIMIT 1) AS l ON x.id IS NULL
WHERE {MINE} AND me.tenant_id = $1 AND me.import_id = $2 AND me.id = s.id
"""  # noqa: S608 - constants of ours
#: See `RowTarget.repeated`. The second: both are the same that is registered.
_REPEATED: Final = (
    ("credit_code", e.StatedTwice(), "o.credit_code = s.credit_code"),
    (c.ORGANISATION, e.LikelySameOrganisation(), "o.target_id = s.target_id"),
    (
        c.ORGANISATION,
        e.LikelySameOrganisation(),
        (
            "o.name = s.name AND (o.credit_code IS NULL OR s.credit_code IS NULL) AND "
            "(o.building_code, o.unit, o.dwelling_number) IS NOT DISTINCT FROM "
            "(s.building_code, s.unit, s.dwelling_number) "
            "AND (s.building_code IS NOT NULL OR o.area_code IS NOT DISTINCT FROM s.area_code)"
        ),
    ),
)
_OF_PLACE = "EXISTS (SELECT 1 FROM {table} AS x WHERE x.tenant_id = $1 AND x.id = s.{column} AND {which})"
_UNSEEN = (
    "NOT EXISTS (SELECT 1 FROM unnest($8::text[], $9::text[]) AS r (low, high) "
    'WHERE x.area_path COLLATE "C" >= r.low COLLATE "C" AND x.area_path COLLATE "C" < r.high COLLATE "C")'
)
_ELSEWHERE = (
    "EXISTS (SELECT 1 FROM organisations AS x WHERE x.tenant_id = $1 AND x.id = s.target_id AND CASE "
    "WHEN s.building_code IS NOT NULL "
    "THEN (x.building_id, x.dwelling_id) IS DISTINCT FROM (s.building_id, s.dwelling_id) "
    "WHEN s.area_code IS NOT NULL THEN NOT EXISTS (SELECT 1 FROM areas AS a "
    "WHERE a.tenant_id = $1 AND a.code = s.area_code AND a.id = x.area_id) ELSE false END)"
)
_NEW: Final = """
INSERT INTO organisations (tenant_id, id, area_id, area_path, name, kind, credit_code, building_id, dwelling_id,
  version, created_at, changed_at)
SELECT $1, s.target_id, s.place_id, s.place_path, s.name, coalesce(s.kind, 'OTHER'), s.credit_code, s.building_id,
  s.dwelling_id, 1, $3, $3
FROM registry_staged_organisations AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'NEW' ORDER BY s.sheet, s.row
"""
_CHANGED: Final = """
UPDATE organisations AS x SET name = s.name, kind = coalesce(s.kind, x.kind),
  credit_code = coalesce(s.credit_code, x.credit_code), version = x.version + 1, changed_at = $3
FROM registry_staged_organisations AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'CHANGED'
  AND x.tenant_id = $1 AND x.id = s.target_id AND x.version = s.version
"""
_FORMER_TOKENS: Final = """
DELETE FROM organisation_name_tokens AS x USING registry_staged_organisations AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'CHANGED' AND x.tenant_id = $1 AND x.id = s.target_id
"""
_TOKENS: Final = """
INSERT INTO organisation_name_tokens (tenant_id, id, token)
SELECT $1, s.target_id, t.token
FROM registry_staged_organisations AS s, string_to_table(s.tokens, E'\\n') AS t (token)
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome IN ('NEW', 'CHANGED')
"""
#: Since the day that is stated, or else the day of the import, $4.
_STAYS: Final = f"""
INSERT INTO organisation_stays
  (tenant_id, id, area_id, area_path, organisation_id, building_id, dwelling_id, from_on, recorded_at)
SELECT $1, {NEW_ID_SQL}, s.place_id, s.place_path, s.target_id, s.building_id, s.dwelling_id,
  coalesce(s.moved_in_on, $4), $3
FROM registry_staged_organisations AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'NEW' AND num_nonnulls(s.building_id, s.dwelling_id) = 1
"""  # noqa: S608 - constants of ours


async def _refuse_places(comparer: Comparer) -> None:
    """Of each that is new: where it is to be, and whether the caller may put it there."""
    new = "s.outcome = 'NEW' AND"
    unknown = e.PremisesUnknown()
    await comparer.refuse(
        _TABLE,
        "s.building_code IS NOT NULL AND s.dwelling_number IS NULL AND s.building_id IS NULL",
        c.BUILDING,
        unknown,
    )
    await comparer.refuse(_TABLE, "s.dwelling_number IS NOT NULL AND s.dwelling_id IS NULL", c.DWELLING, unknown)
    for table, column, named in (("buildings", "building_id", c.BUILDING), ("dwellings", "dwelling_id", c.DWELLING)):
        unseen = _OF_PLACE.format(table=table, column=column, which=_UNSEEN)
        seen = comparer.ranges(f"registry.{table.removesuffix('s')}.read")
        await comparer.refuse(_TABLE, f"{new} {unseen}", named, unknown, *seen)
    ended = _OF_PLACE.format(table="dwellings", column="dwelling_id", which="x.ended_on IS NOT NULL")
    await comparer.refuse(_TABLE, f"{new} {ended}", c.DWELLING, registered.DwellingEnded())
    nowhere = f"{new} s.building_code IS NULL AND s.area_code IS NULL"
    await comparer.refuse(_TABLE, nowhere, c.AREA, registered.PlaceMissing())
    await comparer.refuse(_TABLE, f"{new} s.place_id IS NULL", c.AREA, e.AreaUnknown())
    await comparer.refuse_outside(_TABLE, "organisation", c.ORGANISATION)


async def _refuse_others(comparer: Comparer) -> None:
    """Of each that is registered: whether it is the caller's to see, still there, and where the row says."""
    taken, rule = registered.CreditCodeTaken(), comparer.asked.rule
    await comparer.refuse_hidden(_TABLE, "registry.organisation.read", "credit_code", taken)
    if rule == "REFUSE":
        await comparer.refuse(_TABLE, f"{REGISTERED} AND NOT s.is_likely", "credit_code", taken)
        await comparer.refuse(_TABLE, f"{REGISTERED} AND s.is_likely", c.ORGANISATION, e.LikelySameOrganisation())
    ended = _OF_PLACE.format(table=_TABLE, column="target_id", which="x.ended_on IS NOT NULL")
    await comparer.refuse(_TABLE, f"{REGISTERED} AND {ended}", c.ORGANISATION, registered.OrganisationEnded())
    await comparer.refuse(_TABLE, f"{REGISTERED} AND {_ELSEWHERE}", c.BUILDING, e.LiesElsewhere())
    likely = f"{REGISTERED} AND s.is_likely"
    await comparer.note(_TABLE, likely, c.ORGANISATION, e.LikelySameOrganisation(), is_error=False)


def _taken(today: date, row: Cells, _row_id: UUID) -> tuple[Any, ...] | None:
    """See `rows.Take`; nothing of an organisation is sealed."""
    row.demand(c.ORGANISATION, "organisation", "单位")
    if c.DWELLING in row.values:
        row.demand(c.BUILDING, "building", "楼栋")
    name = row.value(c.ORGANISATION, lambda cell: _checked({"name": cell})["name"])
    kind = row.value("organisation_kind", partial(cells.word, "organisation_kind"))
    code = row.value("credit_code", cells.credit_code)
    since = row.value("moved_in_on", lambda cell: checks.past_day(today, cells.day(cell), "moved_in_on"))
    if row.errors:
        return None
    place = row.get(c.AREA), row.get(c.BUILDING), row.get("unit") or "", row.get(c.DWELLING)
    return (name, kind, code, *place, since, "\n".join(names.tokens(name)))


class OrganisationTarget(RowTarget):
    """Organisations."""

    name = "organisations"
    title = Text("单位登记", "Organisations")
    description = Text(
        "企业、商户、机构、社会组织:每行一家,所在楼栋、房屋或网格须已登记。",
        "Companies, shops, institutions and associations: a row for each, in places that are registered.",
    )
    permissions = ("registry.organisation.create",)
    thing, table, stage, naming = "ORGANISATION", _TABLE, m.StagedOrganisation, c.ORGANISATION
    known = c.OF_ORGANISATION
    repeated = _REPEATED
    new, changed = _NEW, _CHANGED

    async def begin(self, work: Work, asked: Asked) -> RowChecking:
        """Begin to check, or go on."""
        fields = await own.own_fields(work, (self.thing,))
        return RowChecking(asked, _STAGE, fields, partial(_taken, civil_day(work.now())))

    async def place(self, comparer: Comparer, *, locks: bool) -> None:
        """Where each is to be, and which it is: by its code, or else likely by name and place."""
        for sql in _LOCKS if locks else ():
            await comparer.execute(sql)
        await comparer.execute(_PLACE, comparer.asked.rule, civil_day(comparer.work.now()))

    async def refuse(self, comparer: Comparer) -> None:
        """What cannot be there, or is not the caller's to record or change."""
        await _refuse_places(comparer)
        await _refuse_others(comparer)

    async def publish_beside(self, comparer: Comparer, now: datetime) -> None:
        """Parts of their names, and since when they have their premises."""
        for sql in (_FORMER_TOKENS, _TOKENS):
            await comparer.execute(sql)
        await comparer.execute(_STAYS, now, civil_day(now))


ORGANISATIONS = OrganisationTarget()
