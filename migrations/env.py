"""Alembic's environment: migrations run as the owner role, on the connection that `core.migrations` hands in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context

from cityloom.core.database import Base
from cityloom.installed import import_models

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy import Connection

import_models()


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Compare tables only within the platform's own schema."""
    return kind != "schema" or name in {None, "public"}


def render_item(kind: str, item: object, autogen: AutogenContext) -> str | bool:
    """Name the platform's own column types by their module, and import it."""
    if kind != "type" or not type(item).__module__.startswith("cityloom."):
        return False
    autogen.imports.add(f"from {type(item).__module__} import {type(item).__name__}")
    return f"{type(item).__name__}()"


def run(connection: Connection) -> None:
    """Run the migrations in the caller's transaction."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        render_item=render_item,
        compare_type=True,
        compare_server_default=True,
    )
    context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is None:
    message = "run migrations through `cityloom db migrate`: it connects, takes the lock and applies the policies"
    raise RuntimeError(message)
run(connection)
