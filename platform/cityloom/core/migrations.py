"""Roles, schema and policies of a database: everything that an administrator does, nothing that the app may do."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
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

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Bounds that PostgreSQL leaves off by default, per login role, in milliseconds.
TIMEOUTS = {
    APP: {"statement_timeout": 20_000, "lock_timeout": 8_000, "idle_in_transaction_session_timeout": 60_000},
    OPERATOR: {"statement_timeout": 60_000, "lock_timeout": 8_000, "idle_in_transaction_session_timeout": 120_000},
    WORKER: {"statement_timeout": 120_000, "lock_timeout": 8_000, "idle_in_transaction_session_timeout": 120_000},
}

#: Contrib extensions that the tables use: exclusion of overlapping periods per tenant needs `uuid WITH =` in GiST.
EXTENSIONS = ("btree_gist",)

#: The migration folder lies beside `platform/` in the checkout.
SCRIPTS = Path(__file__).resolve().parents[3] / "migrations"


def role_password(var: Path, role: str) -> str:
    """The password of one of the platform's database roles: derived from a secret that only this deployment has.

    The secret is made on first use in `<var>/keys/database.secret`, mode 600.
    """
    path = var / "keys" / "database.secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
    return hmac.new(path.read_bytes(), role.encode(), hashlib.sha256).hexdigest()


def alembic_config() -> Config:
    """Alembic's configuration, independent of the working directory."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


def ensure_roles(connection: Connection, passwords: dict[str, str]) -> None:
    """Create the platform's roles where they are missing, and set their bounds; roles belong to the whole server."""
    existing = set(connection.execute(text("SELECT rolname FROM pg_roles WHERE rolname LIKE 'cityloom\\_%'")).scalars())
    if OWNER not in existing:
        connection.exec_driver_sql(f"CREATE ROLE {OWNER} NOLOGIN NOBYPASSRLS")
    connection.exec_driver_sql(f"GRANT {OWNER} TO CURRENT_USER")
    for role, bounds in TIMEOUTS.items():
        if role not in existing:
            connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN NOBYPASSRLS NOINHERIT")
        literal = connection.execute(
            text("SELECT format('ALTER ROLE %I PASSWORD %L', CAST(:r AS text), CAST(:p AS text))"), {"r": role, "p": passwords[role]}
        ).scalar_one()
        connection.exec_driver_sql(literal)
        for name, milliseconds in bounds.items():
            connection.exec_driver_sql(f"ALTER ROLE {role} SET {name} = {milliseconds}")


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
