"""The database keeps tenants apart by itself, and what watches over that notices every way to weaken it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url

from cityloom.core import rls
from cityloom.core.database import APP, OPERATOR, Base, Database, asyncpg_arguments
from cityloom.core.isolation import findings
from cityloom.installed import import_models

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

import_models()
TENANT_TABLES = sorted(table.name for table in Base.metadata.sorted_tables if rls.kind(table) == "tenant")
WALLED_TABLES = sorted(table.name for table in Base.metadata.sorted_tables if rls.is_area_scoped(table))

#: Ways to weaken isolation, each of which must be noticed. `{t}` is a tenant table, `{w}` one behind the area wall.
MUTATIONS = {
    "policy dropped": "DROP POLICY tenant_isolation ON {t}",
    "policy admits all": "ALTER POLICY tenant_isolation ON {t} USING (true)",
    "policy checks nothing on write": "ALTER POLICY tenant_isolation ON {t} WITH CHECK (true)",
    "policy fails open when unset": (
        "ALTER POLICY tenant_isolation ON {t} "
        "USING (tenant_id = coalesce(nullif(current_setting('app.tenant_id', true), '')::uuid, tenant_id))"
    ),
    "policy for everybody": "ALTER POLICY tenant_isolation ON {t} TO PUBLIC",
    "second, wider policy": "CREATE POLICY helpful ON {t} FOR SELECT TO cityloom_app USING (true)",
    "row security off": "ALTER TABLE {t} DISABLE ROW LEVEL SECURITY",
    "row security not forced": "ALTER TABLE {t} NO FORCE ROW LEVEL SECURITY",
    "wall dropped": "DROP POLICY area_scope ON {w}",
    "wall admits all": "ALTER POLICY area_scope ON {w} USING (true)",
    "wall includes its upper end": (
        "ALTER POLICY area_scope ON {w} "
        "USING (area_path >= current_setting('app.area_lo') AND area_path <= current_setting('app.area_hi'))"
    ),
    "wall made permissive": (
        "DROP POLICY area_scope ON {w}; CREATE POLICY area_scope ON {w} FOR ALL TO cityloom_app, cityloom_worker "
        "USING (area_path >= current_setting('app.area_lo') AND area_path < current_setting('app.area_hi'))"
    ),
    "app may truncate": "GRANT TRUNCATE ON {t} TO cityloom_app",
    "app owns": "ALTER TABLE {t} OWNER TO cityloom_app",
    "operator may read": "GRANT SELECT ON {t} TO cityloom_operator",
    "public may read": "GRANT SELECT ON {t} TO PUBLIC",
    "audit can be rewritten": "GRANT UPDATE, DELETE ON audit_records TO cityloom_app",
    "a column of the audit can be rewritten": "GRANT UPDATE (purpose) ON audit_records TO cityloom_app",
    "more than an answer can be taken back": "GRANT UPDATE (outcome) ON webhook_attempts TO cityloom_app",
    "unique key without tenant": "CREATE UNIQUE INDEX loose ON {t} (id)",
    "foreign key without tenant": (
        "CREATE TABLE loose_parent (id uuid PRIMARY KEY); "
        "ALTER TABLE {t} ADD COLUMN loose uuid REFERENCES loose_parent (id)"
    ),
    "forgotten table": "CREATE TABLE forgotten (tenant_id uuid, secret text)",
    "view": "CREATE VIEW window_on AS SELECT * FROM {t}",
    "function with its owner's rights": (
        "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM {t}'"
    ),
    "role that bypasses": "ALTER ROLE cityloom_app BYPASSRLS",
    "role in the owner's place": "GRANT cityloom_owner TO cityloom_app",
}


@pytest_asyncio.fixture
async def admin(admin_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    yield connection
    await connection.close()


async def test_isolation_holds_in_the_catalogue(admin: asyncpg.Connection[asyncpg.Record]) -> None:
    assert await findings(admin) == []


@pytest.mark.parametrize("weakening", sorted(MUTATIONS))
async def test_weakened_isolation_is_noticed(weakening: str, admin: asyncpg.Connection[asyncpg.Record]) -> None:
    for table, walled in zip(("residents", "accounts", "events"), ("residents", "buildings", "dwellings"), strict=True):
        transaction = admin.transaction()
        await transaction.start()
        try:
            await admin.execute(MUTATIONS[weakening].format(t=table, w=walled))
            assert await findings(admin), f"{weakening} on {table} went unnoticed"
        finally:
            await transaction.rollback()
    assert await findings(admin) == []


@pytest.mark.parametrize("table", TENANT_TABLES)
async def test_without_a_tenant_every_access_is_an_error(table: str, database: Database) -> None:
    """Unset is an error, never all rows and never none: a forgotten tenant is noticed at once."""
    connection = await database.connect_app()
    try:
        with pytest.raises((asyncpg.UndefinedObjectError, asyncpg.InvalidTextRepresentationError)):
            await connection.fetchval(f'SELECT count(*) FROM "{table}"')  # noqa: S608 - a table name from the models
    finally:
        await connection.close()


async def test_an_operators_connection_reads_no_tenants_rows(database: Database) -> None:
    connection = await asyncpg.connect(
        **asyncpg_arguments(database.operator_url), server_settings={"app.operator": "on"}
    )
    try:
        for table in Base.metadata.sorted_tables:
            if OPERATOR in rls.grants(table):
                continue
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval(f'SELECT count(*) FROM "{table.name}"')  # noqa: S608 - a table name from the models
    finally:
        await connection.close()


async def test_the_apps_connection_is_not_an_operators(database: Database) -> None:
    connection = await database.connect_app()
    try:
        for table in Base.metadata.sorted_tables:
            if rls.kind(table) != "control":
                continue
            assert APP not in rls.grants(table)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval(f'SELECT count(*) FROM "{table.name}"')  # noqa: S608 - a table name from the models
    finally:
        await connection.close()
