"""Staged rows become rows of the registry: one INSERT and one UPDATE for each kind of link, holders first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.core.bulk import keep_uncounted
from cityloom.core.ids import NEW_ID_SQL
from cityloom.imports.targets import Outdated
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry import models as m
from cityloom.modules.registry.imports import own
from cityloom.modules.registry.names import place_tokens
from cityloom.tenancy.limits import demand_room

if TYPE_CHECKING:
    from cityloom.core.work import Work
    from cityloom.imports.targets import Asked

_NEW_LINKS = (
    """
INSERT INTO buildings (tenant_id, id, area_id, area_path, code, name, address, storeys, longitude, latitude,
  version, created_at, changed_at)
SELECT $1, s.target_id, s.place_id, s.place_path, s.code, s.name, s.address, s.storeys, s.longitude, s.latitude,
  1, $3, $3
FROM registry_staged_buildings AS s WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'NEW' ORDER BY s.id
""",
    """
INSERT INTO dwellings (tenant_id, id, area_id, area_path, building_id, unit, number, floor, use, size_dm2,
  version, created_at, changed_at)
SELECT $1, s.target_id, s.place_id, s.place_path, s.holder_id, s.unit, s.number, s.floor, s.use, s.size_dm2, 1, $3, $3
FROM registry_staged_dwellings AS s WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'NEW' ORDER BY s.id
""",
    """
INSERT INTO households (tenant_id, id, area_id, area_path, number, kind, dwelling_id, version, created_at, changed_at)
SELECT $1, s.target_id, s.place_id, s.place_path, s.number, coalesce(s.kind, 'FAMILY'), s.holder_id, 1, $3, $3
FROM registry_staged_households AS s WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'NEW' ORDER BY s.id
""",
)
#: With the table that each counts in.
_CHANGED_LINKS = {
    "buildings": """
UPDATE buildings AS x SET name = coalesce(s.name, x.name), address = coalesce(s.address, x.address),
  storeys = coalesce(s.storeys, x.storeys), longitude = coalesce(s.longitude, x.longitude),
  latitude = coalesce(s.latitude, x.latitude), version = x.version + 1, changed_at = $3
FROM registry_staged_buildings AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'CHANGED'
  AND x.tenant_id = $1 AND x.id = s.target_id AND x.version = s.version
""",
    "dwellings": """
UPDATE dwellings AS x SET use = coalesce(s.use, x.use), floor = coalesce(s.floor, x.floor),
  size_dm2 = coalesce(s.size_dm2, x.size_dm2), version = x.version + 1, changed_at = $3
FROM registry_staged_dwellings AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'CHANGED'
  AND x.tenant_id = $1 AND x.id = s.target_id AND x.version = s.version
""",
    "households": """
UPDATE households AS x SET kind = s.kind, version = x.version + 1, changed_at = $3
FROM registry_staged_households AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'CHANGED'
  AND x.tenant_id = $1 AND x.id = s.target_id AND x.version = s.version
""",
}
_NEW_RESIDENTS = """
INSERT INTO residents (tenant_id, id, area_id, area_path, name, sex, birth_year, birth_on, identity_number,
  identity_masked, identity_index, phone, phone_masked, phone_index, household_id, relationship, status,
  version, created_at, changed_at)
SELECT $1, s.target_id, h.place_id, h.place_path, s.name, s.sex, s.birth_year, s.birth_on, s.identity_number,
  s.identity_masked, s.identity_index, s.phone, s.phone_masked, s.phone_index, h.target_id, s.relationship, 'LIVING',
  1, $3, $3
FROM registry_staged_residents AS s
JOIN registry_staged_households AS h ON h.tenant_id = $1 AND h.import_id = $2 AND h.number = s.household_number
WHERE s.tenant_id = $1 AND s.import_id = $2 AND NOT s.is_refused
  AND s.outcome = 'NEW' ORDER BY s.sheet, s.row
"""
_CHANGED_RESIDENTS = """
UPDATE residents AS x SET name = s.name, sex = s.sex, birth_year = s.birth_year, birth_on = s.birth_on,
  identity_number = s.identity_number, identity_masked = s.identity_masked, identity_index = s.identity_index,
  phone = s.phone, phone_masked = s.phone_masked, phone_index = s.phone_index, relationship = s.relationship,
  version = x.version + 1, changed_at = $3
FROM registry_staged_residents AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND NOT s.is_refused
  AND s.outcome = 'CHANGED' AND (s.relationship = 'HEAD') = $4
  AND x.tenant_id = $1 AND x.id = s.target_id AND x.version = s.version
"""
#: What is tied to what since the day of the import; $4 is the day.
_USAGES = f"""
INSERT INTO dwelling_usages (tenant_id, id, area_id, area_path, dwelling_id, use, from_on, recorded_at)
SELECT $1, {NEW_ID_SQL}, s.place_id, s.place_path, s.target_id, s.use, $4, $3
FROM registry_staged_dwellings AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND (s.outcome = 'NEW' OR s.outcome = 'CHANGED' AND s.use IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM dwelling_usages AS u
    WHERE u.tenant_id = $1 AND u.dwelling_id = s.target_id AND u.until_on IS NULL))
ORDER BY s.id
"""  # noqa: S608 - constants of ours
_CHANGED_USAGE = """
FROM registry_staged_dwellings AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'CHANGED' AND s.use IS NOT NULL
  AND u.tenant_id = $1 AND u.dwelling_id = s.target_id AND u.until_on IS NULL AND u.use <> s.use
"""
#: A use that began on the very day, or is said to begin later, is set right; an earlier one ends.
_FORMER_USAGES = (
    f"UPDATE dwelling_usages AS u SET use = s.use {_CHANGED_USAGE} AND u.from_on >= $3",  # noqa: S608 - constants of ours
    f"UPDATE dwelling_usages AS u SET until_on = $3 {_CHANGED_USAGE} AND u.from_on < $3",  # noqa: S608 - constants of ours
)
_HOUSEHOLD_STAYS = f"""
INSERT INTO household_stays (tenant_id, id, area_id, area_path, household_id, dwelling_id, from_on, recorded_at)
SELECT $1, {NEW_ID_SQL}, s.place_id, s.place_path, s.target_id, s.holder_id, $4, $3
FROM registry_staged_households AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'NEW' AND s.holder_id IS NOT NULL ORDER BY s.id
"""  # noqa: S608 - constants of ours
_RESIDENT_STAYS = f"""
INSERT INTO resident_stays (tenant_id, id, area_id, area_path, resident_id, household_id, from_on, recorded_at)
SELECT $1, {NEW_ID_SQL}, h.place_id, h.place_path, s.target_id, h.target_id, $4, $3
FROM registry_staged_residents AS s
JOIN registry_staged_households AS h ON h.tenant_id = $1 AND h.import_id = $2 AND h.number = s.household_number
WHERE s.tenant_id = $1 AND s.import_id = $2 AND NOT s.is_refused
  AND s.outcome = 'NEW' ORDER BY s.sheet, s.row
"""  # noqa: S608 - constants of ours
_NAMED = """
SELECT x.id, x.name, x.address FROM registry_staged_buildings AS s
JOIN buildings AS x ON x.tenant_id = $1 AND x.id = s.target_id
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome IN ('NEW', 'CHANGED')
"""
_FORMER_PLACE_TOKENS = "DELETE FROM building_tokens WHERE tenant_id = $1 AND id = ANY($2::uuid[])"
_PLACE_TOKENS = """
INSERT INTO building_tokens (tenant_id, id, token)
SELECT $1, t.id, t.token FROM unnest($2::uuid[], $3::text[]) AS t (id, token)
"""
_FORMER_TOKENS = """
DELETE FROM resident_name_tokens AS x USING registry_staged_residents AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND NOT s.is_refused
  AND s.outcome = 'CHANGED' AND s.tokens IS NOT NULL AND x.tenant_id = $1 AND x.id = s.target_id
"""
_TOKENS = """
INSERT INTO resident_name_tokens (tenant_id, id, token)
SELECT $1, s.target_id, t.token
FROM registry_staged_residents AS s, string_to_table(s.tokens, E'\\n') AS t (token)
WHERE s.tenant_id = $1 AND s.import_id = $2 AND NOT s.is_refused
  AND s.outcome IN ('NEW', 'CHANGED') ORDER BY s.sheet, s.row
"""
_HOW_MANY = """
SELECT count(*) FROM registry_staged_residents AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND NOT s.is_refused AND s.outcome = $3
"""


async def publish(work: Work, asked: Asked) -> None:
    """See `imports.targets.Target.publish`; refuses (`TenantLimitReached`)."""
    connection = await work.connection()
    mine = work.tenant_id, asked.import_id
    await demand_room(work, "residents", m.Resident, await connection.fetchval(_HOW_MANY, *mine, "NEW"))
    await keep_uncounted(work, "buildings", "dwellings", "households", "residents")
    now = work.now()
    for sql in _NEW_LINKS:
        await connection.execute(sql, *mine, now)
    for table, sql in _CHANGED_LINKS.items():
        how_many = (
            f"SELECT count(*) FROM registry_staged_{table} AS s "  # noqa: S608 - a name of ours
            "WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'CHANGED'"
        )
        _demand_all(await connection.execute(sql, *mine, now), await connection.fetchval(how_many, *mine))
    named = await connection.fetch(_NAMED, *mine)
    await connection.execute(_FORMER_PLACE_TOKENS, work.tenant_id, [row["id"] for row in named])
    tokens = [(row["id"], token) for row in named for token in place_tokens(row["name"], row["address"])]
    await connection.execute(_PLACE_TOKENS, work.tenant_id, [row for row, _ in tokens], [token for _, token in tokens])
    today = civil_day(now)
    for sql in _FORMER_USAGES:
        await connection.execute(sql, *mine, today)
    for sql in (_USAGES, _HOUSEHOLD_STAYS):
        await connection.execute(sql, *mine, now, today)
    await _publish_residents(work, asked)
    fields = await own.own_fields(work, own.THINGS)
    for thing in own.THINGS:
        mine_of_thing = [field for field in fields if field.row.thing == thing]
        await own.publish(work, asked, f"{thing.lower()}s", mine_of_thing)


async def _publish_residents(work: Work, asked: Asked) -> None:
    """Residents and whatever is written down with each of them."""
    connection = await work.connection()
    mine, now = (work.tenant_id, asked.import_id), work.now()
    await connection.execute(_FORMER_TOKENS, *mine)
    # Who is no head any more goes before who becomes it.
    done = [await connection.execute(_CHANGED_RESIDENTS, *mine, now, is_head) for is_head in (False, True)]
    changed = await connection.fetchval(_HOW_MANY, *mine, "CHANGED")
    _demand_all(f"UPDATE {sum(int(one.split()[-1]) for one in done)}", changed)
    await connection.execute(_NEW_RESIDENTS, *mine, now)
    await connection.execute(_RESIDENT_STAYS, *mine, now, civil_day(now))
    await connection.execute(_TOKENS, *mine)


def _demand_all(done: str, expected: int) -> None:
    """Raise `Outdated` where a row that was to change has another version by now."""
    if done != f"UPDATE {expected}":
        raise Outdated
