"""Revision 0012 leaves no file behind that nobody opens, and no account that is two residents'."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest_asyncio
from alembic import command
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from cityloom.core import migrations
from cityloom.core.database import OWNER, asyncpg_arguments
from cityloom.core.ids import new_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

    from cityloom.testing.database import TestServer

TENANT, NOW = new_id(), datetime(2026, 3, 1, tzinfo=UTC)
RESIDENT = "INSERT INTO residents (tenant_id, id, name, sex, status, area_id, area_path, account_id, created_at)"
EXPORT = """INSERT INTO exports (tenant_id, id, requester_id, purpose, document, document_hash, variables, root, format,
  headings, has_bom, state, approval_reasons, protected_fields, counted_rows, row_bound, watermark, requested_at,
  expires_at, is_truncated, download_count)
  VALUES ($1, $2, $2, 'x', '{ x }', 'x', 'x', 'x', 'CSV', 'zh', true, $3, '[]', '[]', 1, 1, $3, $4, $5, false, 0)"""
SNAPSHOT = """INSERT INTO report_snapshots (tenant_id, id, report_id, account_id, is_scheduled, values, document_hash,
  columns, row_count, is_truncated, content, rights, taken_at)
  VALUES ($1, $2, $2, $2, false, '{}', 'x', '[]', 1, false, 'x', '{}', $3)"""
DELIVERY = """INSERT INTO webhook_deliveries (tenant_id, id, endpoint_id, kind, webhook_id, event_type, order_key, body,
  state, tries, due_at, created_at) VALUES ($1, $2, $2, 'TEST', 'x', 'x', $2, $3, 'DELIVERED', 1, $4, $4)"""


def _at(revision: str, *, is_up: bool) -> Any:
    def run(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL ROLE {OWNER}")
        config = migrations.alembic_config()
        config.attributes["connection"] = connection
        (command.upgrade if is_up else command.downgrade)(config, revision)
        connection.exec_driver_sql("RESET ROLE")

    return run


async def bring(url: str, revision: str, *, is_up: bool) -> None:
    """Migrate a database to a revision, as `core.migrations` does."""
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with engine.begin() as connection:
        await connection.run_sync(_at(revision, is_up=is_up))
    await engine.dispose()


@pytest_asyncio.fixture
async def before(server: TestServer) -> AsyncIterator[str]:
    """A database of its own at the revision before."""
    async with server.clone(f"privacy_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}") as url:
        await bring(url, "0009", is_up=False)
        yield url


async def test_what_there_was_is_carried_over_or_ends(before: str) -> None:
    admin = await asyncpg.connect(**asyncpg_arguments(make_url(before)))
    area, shared, own = new_id(), new_id(), new_id()
    twice, once, none = [new_id(), new_id()], new_id(), new_id()
    ready, waiting, snapshot, shaped, plain = (new_id() for _ in range(5))
    later = NOW.replace(year=2099)
    try:
        await admin.execute("SET session_replication_role = replica")
        for who, account in ((twice[0], shared), (twice[1], shared), (once, own), (none, None)):
            values = "VALUES ($1, $2, 'x', 'UNKNOWN', 'MOVED_AWAY', $3, 'a.', $4, $5)"
            await admin.execute(f"{RESIDENT} {values}", TENANT, who, area, account, NOW)
        for export, state in ((ready, "READY"), (waiting, "PENDING")):
            await admin.execute(EXPORT, TENANT, export, state, NOW, later)
        await admin.execute(SNAPSHOT, TENANT, snapshot, NOW)
        for delivery, body in ((shaped, b'{"data":{"selection":{"node":null}}}'), (plain, b'{"data":{}}')):
            await admin.execute(DELIVERY, TENANT, delivery, body, NOW)
        await admin.execute("SET session_replication_role = origin")
        await bring(before, "0012", is_up=True)
        linked = {row["id"]: row["account_id"] for row in await admin.fetch("SELECT id, account_id FROM residents")}
        # Whose the account is nobody can know here: neither sees the other's record.
        assert linked == {twice[0]: None, twice[1]: None, once: own, none: None}
        found = await admin.fetch("SELECT id, file_id, file_key, expires_at <= now() AS is_over FROM exports")
        assert {row["id"]: (row["file_id"], row["file_key"], row["is_over"]) for row in found} == {
            ready: (ready, None, True),
            waiting: (None, None, False),
        }
        # Nobody knows of whom they tell: each erasure finds them by the tenant's own id.
        for table, kept in (("report_snapshot_contents", [snapshot]), ("webhook_delivery_contents", [shaped])):
            rows = await admin.fetch(f"SELECT id, row_id FROM {table}")  # noqa: S608 - names from above
            assert [tuple(row) for row in rows] == [(one, TENANT) for one in kept], table
        forced = "SELECT bool_and(relforcerowsecurity) FROM pg_class WHERE relname = ANY($1)"
        assert await admin.fetchval(forced, ["residents", "exports", "report_snapshots", "webhook_deliveries"])
        await bring(before, "0009", is_up=False)
        assert await admin.fetchval("SELECT count(*) FROM residents") == len(linked)
    finally:
        await admin.close()
