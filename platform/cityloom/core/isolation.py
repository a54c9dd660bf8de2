"""What must be true of the database for tenants to be apart, read from `pg_catalog`.

The command `cityloom db verify` prints it for an auditor, and the tests gate on it: every check answers the places
where it does not hold. Nothing here trusts the models for what the database does; the models only say what must be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cityloom.core import rls
from cityloom.core.database import APP, OPERATOR, OWNER, WORKER, Base
from cityloom.core.tallies.keeping import unkept

if TYPE_CHECKING:
    from typing import TypeAlias

    import asyncpg

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

#: Alembic's own table holds the schema's revision, nobody's data; no role but the owner may touch it.
BOOKKEEPING = {"alembic_version"}

#: Tables with an area path that do not stand behind the area wall, each with the reason.
WITHOUT_WALL = {
    "memberships": "they decide the wall",
    "post_assignments": "who is responsible for a grid is public; gaps are right only where all are counted",
    "score_periods": "whoever sees a score sees of which days it is; it names nobody",
    "outbox": "only sequencers read it, for the whole city",
    "events": "readers filter by the path: an event of an area is delivered to those who may see the area",
}

#: Privileges of single columns among those of `rls.grants`: what, and the columns.
_OF_COLUMNS = re.compile(r"(\w+) \(([^)]*)\)")

#: The predicates as PostgreSQL prints them.
PREDICATES = {
    rls.TENANT: "(tenant_id = (current_setting('app.tenant_id'::text))::uuid)",
    rls.SELF: "(id = (current_setting('app.tenant_id'::text))::uuid)",
    rls.AREA: (
        "((area_path >= current_setting('app.area_lo'::text)) AND (area_path < current_setting('app.area_hi'::text)))"
    ),
    rls.OPERATORS: "(current_setting('app.operator'::text) = 'on'::text)",
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place where isolation does not hold as it should."""

    check: str
    place: str
    what: str


async def findings(connection: Connection) -> list[Finding]:
    """Every finding, sorted; empty where all checks hold. Any role that can read the catalogue will do."""
    found: list[Finding] = []
    for check in (_tables, _ownership, _policies, _walls, _roles, _grants, _keys, _bypasses, _tallies):
        found.extend(Finding(check.__name__.strip("_"), place, what) for place, what in await check(connection))
    return sorted(found)


def _models() -> dict[str, Any]:
    return {table.name: table for table in Base.metadata.sorted_tables}


def _tenant_tables() -> list[str]:
    return sorted(name for name, table in _models().items() if rls.kind(table) == "tenant")


async def _tables(connection: Connection) -> list[tuple[str, str]]:
    """The database holds exactly the tables of the models."""
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'f')"
    )
    stored, modelled = {r["relname"] for r in rows}, {*_models(), *BOOKKEEPING}
    return [(name, "no model knows this table") for name in stored - modelled] + [
        (name, "the table is missing") for name in modelled - stored
    ]


async def _ownership(connection: Connection) -> list[tuple[str, str]]:
    """Every table belongs to the owner role; row-level security is on and forced wherever there are policies."""
    rows = await connection.fetch(
        "SELECT relname, pg_get_userbyid(relowner) AS owner, relrowsecurity, relforcerowsecurity FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    out = [(r["relname"], f"owned by {r['owner']}, not {OWNER}") for r in rows if r["owner"] != OWNER]
    models = _models()
    for row in rows:
        table = models.get(row["relname"])
        if table is not None and rls.policies(table) and not (row["relrowsecurity"] and row["relforcerowsecurity"]):
            out.append((row["relname"], "row-level security is not both enabled and forced"))
    return out


async def _policies(connection: Connection) -> list[tuple[str, str]]:
    """The policies are those that the models generate: name, roles, restrictiveness, command and both predicates."""
    rows = await connection.fetch("SELECT * FROM pg_policies WHERE schemaname = 'public'")
    stored = {
        (r["tablename"], r["policyname"]): (
            r["permissive"],
            frozenset(r["roles"]),
            r["cmd"],
            r["qual"],
            r["with_check"],
        )
        for r in rows
    }
    wanted = {
        (name, policy.name): (
            "RESTRICTIVE" if policy.is_restrictive else "PERMISSIVE",
            frozenset(policy.roles),
            "ALL" if policy.is_writable else "SELECT",
            PREDICATES[policy.predicate],
            PREDICATES[policy.predicate] if policy.is_writable else None,
        )
        for name, table in _models().items()
        for policy in rls.policies(table)
    }
    out = [(f"{table}.{name}", "no model asks for this policy") for table, name in stored.keys() - wanted.keys()]
    for (table, name), policy in wanted.items():
        actual = stored.get((table, name))
        if actual != policy:
            out.append(
                (f"{table}.{name}", "the policy is missing" if actual is None else f"it is {actual}, not {policy}")
            )
    return out


async def _walls(connection: Connection) -> list[tuple[str, str]]:
    """Every tenant table with an area path stands behind the area wall, or is named in `WITHOUT_WALL` with a reason."""
    rows = await connection.fetch(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'area_path'"
    )
    walled = {
        r["tablename"]
        for r in await connection.fetch("SELECT tablename FROM pg_policies WHERE policyname = 'area_scope'")
    }
    return [
        (r["table_name"], "has area_path but no area wall")
        for r in rows
        if r["table_name"] not in walled and r["table_name"] not in WITHOUT_WALL
    ]


async def _roles(connection: Connection) -> list[tuple[str, str]]:
    """The platform's roles can neither bypass policies nor become another role."""
    names = [OWNER, APP, OPERATOR, WORKER]
    rows = {r["rolname"]: r for r in await connection.fetch("SELECT * FROM pg_roles WHERE rolname = ANY($1)", names)}
    out = [(name, "the role is missing") for name in names if name not in rows]
    for name, row in rows.items():
        powers = [p for p in ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication") if row[p]]
        out.extend((name, f"has {power}") for power in powers)
    if rows.get(OWNER) and rows[OWNER]["rolcanlogin"]:
        out.append((OWNER, "can log in"))
    members = await connection.fetch(
        "SELECT m.rolname AS member, r.rolname AS role FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member "
        "JOIN pg_roles r ON r.oid = a.roleid WHERE m.rolname = ANY($1)",
        names,
    )
    return out + [(r["member"], f"is a member of {r['role']}") for r in members]


async def _grants(connection: Connection) -> list[tuple[str, str]]:
    """Nobody has a privilege that the models do not give; PUBLIC has none."""
    rows = await connection.fetch(
        "SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants "
        "WHERE table_schema = 'public' AND grantee <> $1 AND grantor = $1",
        OWNER,
    )
    models = _models()
    out = []
    for row in rows:
        table = models.get(row["table_name"])
        allowed = rls.grants(table).get(row["grantee"], "").split(", ") if table is not None else []
        if row["privilege_type"] not in allowed:
            out.append((row["table_name"], f"{row['grantee']} has {row['privilege_type']}"))
    columns = await connection.fetch(
        "SELECT c.relname AS name, a.attname AS column, g.privilege_type, "
        "CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END AS grantee "
        "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid CROSS JOIN LATERAL aclexplode(a.attacl) g "
        "WHERE c.relnamespace = 'public'::regnamespace"
    )
    for row in columns:
        table = models.get(row["name"])
        held = rls.grants(table).get(row["grantee"], "") if table is not None else ""
        named = {(what, name.strip('" ')) for what, names in _OF_COLUMNS.findall(held) for name in names.split(",")}
        if (row["privilege_type"], row["column"]) not in named:
            out.append((row["name"], f"{row['grantee']} has {row['privilege_type']} ({row['column']})"))
    return out


async def _keys(connection: Connection) -> list[tuple[str, str]]:
    """Unique keys, exclusions and foreign keys of tenant tables lead with the tenant: no key tells what another has."""
    tables = _tenant_tables()
    uniques = await connection.fetch(
        "SELECT i.indexrelid::regclass::text AS name, a.attname AS leading "
        "FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
        "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] "
        "WHERE c.relname = ANY($1) AND (i.indisunique OR i.indisexclusion)",
        tables,
    )
    out = [(r["name"], f"leads with {r['leading']}") for r in uniques if r["leading"] != "tenant_id"]
    keys = await connection.fetch(
        "SELECT k.conname AS name, k.confrelid::regclass::text AS target, "
        "(SELECT attname FROM pg_attribute WHERE attrelid = k.conrelid AND attnum = k.conkey[1]) AS source_column, "
        "(SELECT attname FROM pg_attribute WHERE attrelid = k.confrelid AND attnum = k.confkey[1]) AS target_column "
        "FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE k.contype = 'f' AND c.relname = ANY($1)",
        tables,
    )
    for key in keys:
        is_tenant = key["target_column"] == "tenant_id" or (key["target"], key["target_column"]) == ("tenants", "id")
        if key["source_column"] != "tenant_id" or not is_tenant:
            out.append((key["name"], f"references {key['target']} without the tenant"))
    return out


async def _bypasses(connection: Connection) -> list[tuple[str, str]]:
    """No views, rules, partitions, sequences, SECURITY DEFINER or LEAKPROOF functions: they go around the policies."""
    functions = await connection.fetch(
        "SELECT proname AS name, prosecdef, proleakproof FROM pg_proc p WHERE pronamespace = 'public'::regnamespace "
        "AND (prosecdef OR proleakproof) "
        "AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
    )
    relations = await connection.fetch(
        "SELECT relname AS name, relkind::text AS kind FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm', 'S', 'p')"
    )
    inherited = await connection.fetch("SELECT inhrelid::regclass::text AS name FROM pg_inherits")
    return (
        [(r["name"], "a function with the rights of its owner, or one that claims not to leak") for r in functions]
        + [(r["name"], f"a relation of kind {r['kind']}") for r in relations]
        + [(r["name"], "a partition or child table") for r in inherited]
    )


async def _tallies(connection: Connection) -> list[tuple[str, str]]:
    """Triggers are those that keep tallies, as the models generate them: nothing else is done behind a statement."""
    return await unkept(connection)
