"""Roles, schema and policies of a database: everything that an administrator does, nothing that the app may do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from cityloom.core import rls
from cityloom.core.database import APP, OPERATOR, OWNER, WORKER
from cityloom.core.roles import TIMEOUTS, ensure_roles, role_password
from cityloom.core.tallies import keeping

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Contrib extensions that the tables use: exclusion of overlapping periods per tenant needs `uuid WITH =` in GiST.
EXTENSIONS = ("btree_gist",)

#: The migration folder lies beside `platform/` in the checkout.
SCRIPTS = Path(__file__).resolve().parents[3] / "migrations"


def alembic_config() -> Config:
    """Alembic's configuration, independent of the working directory."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


def upgrade(connection: Connection) -> None:
    """Bring schema, grants and policies of a database up to date, in the connection's transaction."""
    for extension in EXTENSIONS:
        connection.exec_driver_sql(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    connection.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    connection.exec_driver_sql(f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER}")
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {APP}, {OPERATOR}, {WORKER}")
    connection.exec_driver_sql(f"SET LOCAL ROLE {OWNER}")
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.exec_driver_sql("RESET ROLE")
    rls.reconcile(connection)
    keeping.reconcile(connection)


def is_current(connection: Connection) -> bool:
    """Whether the schema is at the newest revision."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == head


async def migrate(admin_url: str, var: Path) -> None:
    """Roles, schema, grants and policies; safe to run again, serialised between processes by an advisory lock."""
    engine = create_async_engine(make_url(admin_url).set(drivername="postgresql+asyncpg"))
    passwords = {role: role_password(var, role) for role in TIMEOUTS}
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('cityloom.migrate'))"))
            await connection.run_sync(ensure_roles, passwords)
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()
