"""Row-level security and grants, generated from the models so that no table can forget them.

`statements` says what must be true of a database; `reconcile` makes it so and is run after every migration. The
catalogue test reads `pg_catalog` and compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql

from cityloom.core.database import APP, OPERATOR, OWNER, WORKER, AreaScoped, Base, TenantTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

TENANT = "tenant_id = current_setting('app.tenant_id')::uuid"
SELF = "id = current_setting('app.tenant_id')::uuid"
#: Holds on connections that were opened for operators (`Database.operator_engine`), and nowhere else.
OPERATORS = "current_setting('app.operator') = 'on'"
AREA = "area_path >= current_setting('app.area_lo') AND area_path < current_setting('app.area_hi')"

#: A city has some thousand areas, and a scope is a narrow range of their paths. By the usual 100 the planner took the
#: 112 residents of a grid for one and read them again for each of 46 dwellings: 61 ms, not 1 ms, at 60,000 residents.
AREA_STATISTICS = 2_000

_quote = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call] # the dialect is untyped


class UnclassifiedTable(Exception):
    """A table is neither a tenant's, nor control plane, nor reference: say which in `info`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One row-level policy: USING and WITH CHECK are one predicate; one that is not writable is for SELECT only."""

    name: str
    predicate: str
    roles: tuple[str, ...]
    is_restrictive: bool = False
    is_writable: bool = True


def kind(table: Table) -> str:
    """What a table is: `tenant`, `control` (operators only), `directory` (the tenant itself) or `reference`."""
    for mapper in Base.registry.mappers:
        if mapper.local_table is table and issubclass(mapper.class_, TenantTable):
            return "tenant"
    declared = table.info.get("kind")
    if declared not in {"control", "directory", "reference", "tenant"}:
        message = (
            f"table {table.name}: derive from TenantTable or say info={{'kind': 'control' | 'directory' | 'reference'}}"
        )
        raise UnclassifiedTable(message)
    return str(declared)


def is_area_scoped(table: Table) -> bool:
    """Whether rows carry an area path that the area wall applies to."""
    return is_tally(table) or any(
        m.local_table is table and issubclass(m.class_, AreaScoped) for m in Base.registry.mappers
    )


def is_tally(table: Table) -> bool:
    """Whether the table is kept by triggers: see `core.tallies`."""
    return bool(table.info.get("is_tally"))


def policies(table: Table) -> tuple[Policy, ...]:
    """The policies of one table."""
    match kind(table):
        case "tenant":
            # What a foreign key deletes along is deleted, and tallied, by the owner of the tables (PostgreSQL 18).
            roles = (APP, WORKER, OWNER) if is_tally(table) else (APP, WORKER)
            found = [Policy("tenant_isolation", TENANT, roles)]
            if is_area_scoped(table):
                found.append(Policy("area_scope", AREA, (APP, WORKER), is_restrictive=True))
            if table.info.get("operator_reads"):
                found.append(Policy("operator", OPERATORS, (OPERATOR,), is_writable=False))
            return tuple(found)
        case "directory":
            return (Policy("tenant_isolation", SELF, (APP, WORKER)), Policy("operator", OPERATORS, (OPERATOR,)))
        case "control":
            return (Policy("operator", OPERATORS, (OPERATOR,)),)
        case _:
            return ()


def grants(table: Table) -> dict[str, str]:
    """Privileges by role; a table marked `append_only` can be read and added to, nothing else.

    But for columns that its mark names as `erasable`: what they hold can be taken back, and the rest stays proven.
    Workers are what deletes a city that leaves, append-only tables included: of rows they see whose they are and their
    ids, and nothing that they hold.
    """
    writes = "SELECT, INSERT, UPDATE, DELETE"
    if table.info.get("append_only"):
        erasable = table.info.get("erasable", ())
        writes = "SELECT, INSERT" + (f", UPDATE ({', '.join(map(_quote, erasable))})" if erasable else "")
    match kind(table):
        case "tenant":
            # What a worker deletes is tallied by its triggers, as whoever deletes.
            deletes = "SELECT (tenant_id, id), DELETE" + (", INSERT" if is_tally(table) else "")
            return {APP: writes, WORKER: deletes, **_operator_reads(table)}
        case "directory":
            return {APP: "SELECT", WORKER: "SELECT", OPERATOR: writes}
        case "control":
            return {OPERATOR: writes}
        case _:
            return {APP: "SELECT", OPERATOR: "SELECT"}


def _operator_reads(table: Table) -> dict[str, str]:
    """What operators may read of a tenant's table: all of it (True), the named columns, or nothing."""
    told = table.info.get("operator_reads")
    if not told:
        return {}
    return {OPERATOR: "SELECT" if told is True else f"SELECT ({', '.join(map(_quote, told))})"}


def statements(table: Table) -> Iterator[str]:
    """DDL that gives one table its owner, grants and policies; safe to run again."""
    name = _quote(table.name)
    yield f"ALTER TABLE {name} OWNER TO {OWNER}"
    yield f"REVOKE ALL ON {name} FROM PUBLIC, {APP}, {WORKER}, {OPERATOR}"
    for role, privileges in grants(table).items():
        yield f"GRANT {privileges} ON {name} TO {role}"
    if is_area_scoped(table):
        yield f"ALTER TABLE {name} ALTER COLUMN area_path SET STATISTICS {AREA_STATISTICS}"
    wanted = policies(table)
    if not wanted:
        return
    yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY"
    for policy in wanted:
        mode = "RESTRICTIVE" if policy.is_restrictive else "PERMISSIVE"
        yield f"DROP POLICY IF EXISTS {policy.name} ON {name}"
        command = "ALL" if policy.is_writable else "SELECT"
        check = f" WITH CHECK ({policy.predicate})" if policy.is_writable else ""
        yield (
            f"CREATE POLICY {policy.name} ON {name} AS {mode} FOR {command} TO {', '.join(policy.roles)} "
            f"USING ({policy.predicate}){check}"
        )


def reconcile(connection: Connection) -> None:
    """Bring grants and policies of every table to what the models say, and drop policies that no model asks for."""
    for table in Base.metadata.sorted_tables:
        names = [policy.name for policy in policies(table)]
        stray = connection.execute(
            text(
                "SELECT policyname FROM pg_policies "
                "WHERE schemaname = 'public' AND tablename = :t AND policyname <> ALL(:n)"
            ),
            {"t": table.name, "n": names},
        ).scalars()
        for policy in stray.all():
            connection.exec_driver_sql(f"DROP POLICY {_quote(policy)} ON {_quote(table.name)}")
        for statement in statements(table):
            connection.exec_driver_sql(statement)
