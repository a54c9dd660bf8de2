"""Deleting a city from the database, and having the database count what is left of it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql

from cityloom.access.models import IdentityProvider
from cityloom.core import rls
from cityloom.core.database import Base
from cityloom.departures.bundle import tenant_tables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from uuid import UUID

    import asyncpg
    from sqlalchemy import Table

    from cityloom.core.database import Database

#: Tables of the control plane that keep what was done to a city: they hold nothing of what the city held.
KEPT: Final = frozenset({"operator_actions", "pack_applications", "tenant_departures"})
#: Rows that one transaction deletes.
BATCH: Final = 5_000

#: All tables with a tenant, from the database's own catalogue: one that no model knows is counted like any other.
_TABLES = """
SELECT c.relname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = 'tenant_id'
  AND NOT a.attisdropped AND c.relname <> ALL($1::text[])
ORDER BY c.relname
"""
_IS_LEAVING = "EXISTS (SELECT FROM tenants WHERE tenants.id = $1 AND tenants.state = 'LEAVING')"
_quote = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call] # the dialect is untyped


async def tables_with_tenants(connection: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    """The tables of which no row of a city may be left, as the database knows them."""
    return [row["relname"] for row in await connection.fetch(_TABLES, sorted(KEPT))]


def control_tables() -> set[str]:
    """The operators' own tables."""
    return {str(table.name) for table in Base.metadata.sorted_tables if rls.kind(table) == "control"}


def counting(tables: list[str], tenant_id: UUID) -> str:
    """The question how many rows of a city each table has, as an auditor can ask it, as an administrator."""
    return "\nUNION ALL ".join(
        f"SELECT '{name}' AS \"table\", count(*) AS \"rows\" FROM {_quote(name)} WHERE tenant_id = '{tenant_id}'"  # noqa: S608 - names from the catalogue, and a UUID
        for name in tables
    )


async def rows_of(database: Database, tenant_id: UUID) -> dict[str, int]:
    """How many rows of a city each table has; those of operators are counted on a connection of theirs."""
    async with _worker(database, tenant_id) as worker:
        tables = await tables_with_tenants(worker)
        control = control_tables()
        found = await worker.fetch(counting([name for name in tables if name not in control], tenant_id))
    counts = {row["table"]: row["rows"] for row in found}
    async with database.operator_engine.connect() as connection:
        sql = counting([name for name in tables if name in control], tenant_id)
        counts |= {row.table: row.rows for row in await connection.exec_driver_sql(sql)}
    return dict(sorted(counts.items()))


async def delete_rows(database: Database, tenant_id: UUID) -> None:
    """Delete every row of a city that is leaving, children before parents; again where it was interrupted.

    As a role that may delete and sees nothing but whose the rows are. Where the city is not leaving, the statements
    themselves delete nothing.
    """
    async with _worker(database, tenant_id) as connection:
        for table in reversed(tenant_tables()):
            while await _delete_some(connection, table, tenant_id):
                pass
    async with database.operator_sessions.begin() as session:
        await session.execute(delete(IdentityProvider).where(IdentityProvider.tenant_id == tenant_id))


async def _delete_some(connection: asyncpg.Connection[asyncpg.Record], table: Table, tenant_id: UUID) -> bool:
    """Delete a batch; whether there may be more. A tree goes at once: its rows refer to each other."""
    name = _quote(table.name)
    sql = f"DELETE FROM {name} WHERE tenant_id = $1 AND {_IS_LEAVING}"  # noqa: S608 - names of models
    if any(key.referred_table is table for key in table.foreign_key_constraints):
        await connection.execute(sql, tenant_id)
        return False
    some = f"{sql} AND id IN (SELECT id FROM {name} WHERE tenant_id = $1 ORDER BY id LIMIT $2)"  # noqa: S608 - as above
    told = await connection.execute(some, tenant_id, BATCH)
    return int(told.rpartition(" ")[2]) > 0


@asynccontextmanager
async def _worker(database: Database, tenant_id: UUID) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection of the worker's role that is this city's for as long as it lives."""
    connection = await database.connect_worker()
    try:
        await connection.execute("SELECT set_config('app.tenant_id', $1, false)", str(tenant_id))
        yield connection
    finally:
        connection.terminate()


def differences(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, Any]:
    """Tables whose counts differ."""
    return {
        name: [before.get(name, 0), after.get(name, 0)]
        for name in sorted({*before, *after})
        if before.get(name, 0) != after.get(name, 0)
    }
