"""Revision 0017 takes answers back that were kept of erased bodies, and loses nothing that was noted of files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import asyncpg
import pytest_asyncio
from sqlalchemy.engine import make_url

from cityloom.core.database import asyncpg_arguments
from cityloom.core.ids import new_id
from tests.migrations.test_privacy_closed import DELIVERY, EXPORT, NOW, TENANT, bring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cityloom.testing.database import TestServer

ATTEMPT = """INSERT INTO webhook_attempts (tenant_id, id, delivery_id, endpoint_id, owner_account_id, number, outcome,
  status, answer, started_at, duration_ms) VALUES ($1, $2, $3, $2, $2, 1, 'DELIVERED', 200, 'x', $4, 1)"""
FORCED = (
    "SELECT bool_and(relforcerowsecurity) FROM pg_class WHERE relname IN ('webhook_deliveries', 'webhook_attempts')"
)


@pytest_asyncio.fixture
async def before(server: TestServer) -> AsyncIterator[str]:
    """A database of its own at the revision before."""
    async with server.clone(f"kept_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}") as url:
        await bring(url, "0016", is_up=False)
        yield url


async def test_answers_are_taken_back_and_contents_are_carried_over(before: str) -> None:
    admin = await asyncpg.connect(**asyncpg_arguments(make_url(before)))
    erased, kept, one, other = (new_id() for _ in range(4))
    told = {one: {new_id() for _ in range(3)}, other: {new_id()}}
    try:
        await admin.execute("SET session_replication_role = replica")
        for delivery in (erased, kept):
            await admin.execute(DELIVERY, TENANT, delivery, b"", NOW)
            await admin.execute(ATTEMPT, TENANT, new_id(), delivery, NOW)
        await admin.execute("UPDATE webhook_deliveries SET body_erased_at = $2 WHERE id = $1", erased, NOW)
        for state, (export, row_ids) in zip(("READY", "RUNNING"), told.items(), strict=True):
            await admin.execute(EXPORT, TENANT, export, state, NOW, NOW)
            for row_id in row_ids:
                await admin.execute("INSERT INTO export_contents VALUES ($1, $2, $3)", TENANT, export, row_id)
        await admin.execute("SET session_replication_role = origin")
        await bring(before, "0017", is_up=True)
        answers = await admin.fetch("SELECT delivery_id, answer, outcome FROM webhook_attempts")
        assert {tuple(row) for row in answers} == {(erased, None, "DELIVERED"), (kept, "x", "DELIVERED")}
        found = await admin.fetch("SELECT id, row_ids, until_row FROM export_contents WHERE tenant_id = $1", TENANT)
        assert {row["id"]: (set(row["row_ids"]), row["until_row"]) for row in found} == {
            export: (row_ids, len(row_ids)) for export, row_ids in told.items()
        }
        assert await admin.fetchval(FORCED)
        await bring(before, "0016", is_up=False)
        rows = await admin.fetch("SELECT id, row_id FROM export_contents WHERE tenant_id = $1", TENANT)
        assert {tuple(row) for row in rows} == {(export, row_id) for export, ids in told.items() for row_id in ids}
    finally:
        await admin.close()
