"""The platform's database roles: their bounds, and their passwords in this deployment."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING

from sqlalchemy import text

from cityloom.core.database import APP, OPERATOR, OWNER, WORKER

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

#: Bounds that PostgreSQL leaves off by default, per login role, in milliseconds.
TIMEOUTS = {
    APP: {"statement_timeout": 20_000, "lock_timeout": 8_000, "idle_in_transaction_session_timeout": 60_000},
    OPERATOR: {"statement_timeout": 60_000, "lock_timeout": 8_000, "idle_in_transaction_session_timeout": 120_000},
    WORKER: {"statement_timeout": 120_000, "lock_timeout": 8_000, "idle_in_transaction_session_timeout": 120_000},
}


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
            text("SELECT format('ALTER ROLE %I PASSWORD %L', CAST(:r AS text), CAST(:p AS text))"),
            {"r": role, "p": passwords[role]},
        ).scalar_one()
        connection.exec_driver_sql(literal)
        for name, milliseconds in bounds.items():
            connection.exec_driver_sql(f"ALTER ROLE {role} SET {name} = {milliseconds}")
