"""What the benchmarks of the registry are measured on: tags for the city, and a larger city made of copies of it.

Written by an administrator past row-level security, as no program of the platform does. Copies have ids, codes and
numbers of their own and the same names; their envelopes open with nobody's keys, and nothing measured here opens any.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import asyncpg
from city import City, staff_of
from contest import console
from sqlalchemy.engine import make_url

from cityloom.core.database import Base, asyncpg_arguments
from cityloom.core.tallies.keeping import catch_up
from cityloom.demo.papers import identity_number
from cityloom.modules.registry import people
from cityloom.modules.tags.service import review_everybody
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.packs import PackSource
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.app import Platform
    from cityloom.core.work import Works

#: How many in a thousand have each tag that no rule decides.
SHARES = {
    "child_in_need": 2,
    "chronic_illness": 90,
    "disabled": 25,
    "family_doctor": 300,
    "home_care": 12,
    "low_income": 30,
    "meal_service": 8,
    "veteran": 20,
    "volunteer": 60,
}
_ASSIGN = """
INSERT INTO resident_tags (tenant_id, id, tag_id, resident_id, sensitivity, source, valid_from, has_consent,
  assigned_at, area_id, area_path)
SELECT r.tenant_id, gen_random_uuid(), t.id, r.id, t.sensitivity, 'PERSON', current_date, t.needs_consent, now(),
  r.area_id, r.area_path
FROM residents r JOIN tags t ON t.tenant_id = r.tenant_id AND t.code = $2
WHERE r.tenant_id = $1 AND r.status = 'LIVING' AND ('x' || substr(md5(r.id || t.code), 1, 7))::bit(28)::int % 1000 < $3
ON CONFLICT DO NOTHING
"""
#: Numbers of the copies' identity papers begin here; those of the copied city are below.
_PAPERS_FROM = 1_000_000
#: So many residents of a copy have them.
PAPERS = 20_000
#: A copy's id: 48 bits of milliseconds later by the number of the copy, so that ids stay in order.
_ID = (
    "(lpad(to_hex(('x' || substr(replace({0}::text, '-', ''), 1, 12))::bit(48)::bigint + n * 40000000000), 12, '0')"
    " || substr(replace({0}::text, '-', ''), 13))::uuid"
)
_PATH = "'1.k' || n || 'z' || substr({0}, 3)"


async def admin(admin_url: str) -> asyncpg.Connection[asyncpg.Record]:
    """A connection that foreign keys and triggers do not slow down."""
    found = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    await found.execute("SET session_replication_role = replica; SET synchronous_commit = off; SET work_mem = '256MB'")
    return found


async def fill_tags(works: Works, admin_url: str, tenant_id: UUID) -> None:
    """Have everybody held against the rules of the pack, and the other tags given at random, once."""
    connection = await admin(admin_url)
    try:
        if await connection.fetchval("SELECT EXISTS (SELECT FROM resident_tags WHERE tenant_id = $1)", tenant_id):
            return
        console.print("tags: holding everybody against the rules")
        async with works.begin(system_principal(tenant_id)) as work:
            await review_everybody(work)
        for code, share in SHARES.items():
            await connection.execute(_ASSIGN, tenant_id, code, share)
        await catch_up(connection, tenant_id)
        await connection.execute("VACUUM ANALYZE resident_tags, resident_tag_tallies")
    finally:
        await connection.close()


async def fill_large(opened: Platform, admin_url: str, city: City, records: int) -> City:
    """A tenant of so many residents: the city's areas, and all that lies in them, several times over."""
    copies = max(1, round(records / city.residents))
    slug = f"large{copies}"
    known = {overview.tenant.slug for overview in await opened.tenants.overviews()}
    if slug not in known:
        files = dict(opened.tenants.folder("yanji").files)
        files["tenant.toml"] = files["tenant.toml"].replace(b'slug = "yanji"', f'slug = "{slug}"'.encode())
        await opened.tenants.apply(PackSource(files), actor="bench")
    tenant_id = (await opened.directory.by_slug(slug)).id
    connection = await admin(admin_url)
    try:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM residents WHERE tenant_id = $1)", tenant_id):
            console.print(f"copying {city.residents:,} residents {copies} times: once")
            await _copy(connection, city.tenant_id, tenant_id, copies)
            await catch_up(connection, tenant_id)
            await connection.execute("VACUUM ANALYZE")
        await _give_papers(opened, connection, tenant_id)
        count = await connection.fetchval("SELECT count(*) FROM residents WHERE tenant_id = $1", tenant_id)
        homes = await connection.fetchval("SELECT count(*) FROM dwellings WHERE tenant_id = $1", tenant_id)
    finally:
        await connection.close()
    return replace(city, tenant_id=tenant_id, staff=await staff_of(opened, tenant_id), residents=count, dwellings=homes)


async def _copy(connection: asyncpg.Connection[asyncpg.Record], source: UUID, target: UUID, copies: int) -> None:
    top = await connection.fetchval("SELECT id FROM areas WHERE tenant_id = $1 AND depth = 0", target)
    tags = {
        row["old"]: row["new"]
        for row in await connection.fetch(
            "SELECT a.id AS old, b.id AS new FROM tags a JOIN tags b ON b.code = a.code AND b.tenant_id = $2"
            " WHERE a.tenant_id = $1",
            source,
            target,
        )
    }
    tag = "CASE tag_id " + " ".join(f"WHEN '{old}' THEN '{new}'::uuid" for old, new in tags.items()) + " END"
    lies = {"area_id": _ID.format("area_id"), "area_path": _PATH.format("area_path")}
    changes: dict[str, dict[str, str]] = {
        "areas": {
            "code": "code || '-' || n",
            "label": "label + n * 1000000",
            "path": _PATH.format("path"),
            "parent_id": f"CASE WHEN depth = 1 THEN '{top}'::uuid ELSE {_ID.format('parent_id')} END",
        },
        "buildings": {**lies, "code": "code || '-' || n"},
        "building_tokens": {},
        "dwellings": {**lies, "building_id": _ID.format("building_id")},
        "households": {**lies, "number": "number || '-' || n", "dwelling_id": _ID.format("dwelling_id")},
        "residents": {
            **lies,
            "household_id": _ID.format("household_id"),
            "identity_index": "sha256(identity_index || n::text::bytea)",
            "phone_index": "sha256(phone_index || n::text::bytea)",
        },
        "resident_name_tokens": {},
        "resident_tags": {**lies, "resident_id": _ID.format("resident_id"), "tag_id": tag},
    }
    for name, made in changes.items():
        columns = [column.name for column in Base.metadata.tables[name].columns]
        values = {"tenant_id": f"'{target}'::uuid", "id": _ID.format("id"), **made}
        chosen = ", ".join(values.get(column, f'"{column}"') for column in columns)
        where = " AND depth > 0" if name == "areas" else ""
        named = ", ".join(f'"{column}"' for column in columns)
        for number in range(1, copies + 1):
            await connection.execute(
                f"INSERT INTO {name} ({named}) SELECT {chosen} FROM {name}, (VALUES ({number}::bigint)) AS copy (n)"  # noqa: S608 - names of models, ids of the database
                f" WHERE tenant_id = '{source}'{where} ORDER BY id"
            )
        console.print(f"  {name}", highlight=False)


async def _give_papers(opened: Platform, connection: asyncpg.Connection[asyncpg.Record], tenant_id: UUID) -> None:
    """Identity numbers that can be searched for, for the residents whose keys the benches ask."""
    keys = await opened.works.services[KeyRing].of(tenant_id)
    rows: list[Any] = await connection.fetch(
        "SELECT id, birth_year, sex FROM residents WHERE tenant_id = $1 ORDER BY id LIMIT $2", tenant_id, PAPERS
    )
    given = []
    for at, row in enumerate(rows):
        born = date(row["birth_year"] or 1970, 1, 1)
        number = identity_number(_PAPERS_FROM + at, born, row["sex"])
        columns = people.identity_columns(keys, row["id"], number)
        given.append(
            (tenant_id, row["id"], columns["identity_number"], columns["identity_masked"], columns["identity_index"])
        )
    await connection.executemany(
        "UPDATE residents SET identity_number = $3, identity_masked = $4, identity_index = $5"
        " WHERE tenant_id = $1 AND id = $2",
        given,
    )
