"""Revision 0002 carries what the tables of moves recorded over into ties, and back."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

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

TENANT, AREA = new_id(), new_id()
RECORDED = datetime(2025, 3, 1, 20, 0, tzinfo=UTC)  # the 2nd in China
MOVED = "INSERT INTO resident_moves VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'a.')"


def at(revision: str) -> Any:
    """What brings a database to a revision, as `core.migrations` does."""

    def run(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL ROLE {OWNER}")
        config = migrations.alembic_config()
        config.attributes["connection"] = connection
        up = revision == "0002"
        (command.upgrade if up else command.downgrade)(config, revision)
        connection.exec_driver_sql("RESET ROLE")

    return run


async def bring(url: str, revision: str) -> None:
    """Migrate a database to a revision."""
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with engine.begin() as connection:
        await connection.run_sync(at(revision))
    await engine.dispose()


@pytest_asyncio.fixture
async def before(server: TestServer) -> AsyncIterator[str]:
    """A database of its own at the first release."""
    async with server.clone(f"ties_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}") as url:
        await bring(url, "0001")
        yield url


async def test_moves_become_ties_and_ties_moves(before: str) -> None:
    admin = await asyncpg.connect(**asyncpg_arguments(make_url(before)))
    people, homes, doors = [new_id() for _ in range(5)], [new_id() for _ in range(3)], [new_id() for _ in range(2)]
    settled, moved, gone, confused, back = people
    try:
        await admin.execute("SET session_replication_role = replica")
        insert = "INSERT INTO {} (tenant_id, id, {}, area_id, area_path, created_at) VALUES ($1, $2, {}, $3, 'a.', $4)"
        area = "INSERT INTO areas (tenant_id, id, code, name, kind, label, path, depth, position)"
        await admin.execute(f"{area} VALUES ($1, $2, 'A', 'A', 'CITY', 10, 'a.', 0, 1)", TENANT, AREA)
        for n, one in enumerate(doors):
            sql = insert.format("dwellings", "building_id, number, use", f"gen_random_uuid(), '{n}', 'OWNED'")
            await admin.execute(sql, TENANT, one, AREA, RECORDED)
        for n, one in enumerate(homes):
            sql = insert.format("households", "number, kind, dwelling_id", f"'{n}', 'FAMILY', '{doors[n % 2]}'")
            await admin.execute(sql, TENANT, one, AREA, RECORDED)
        today = {settled: homes[0], moved: homes[2], gone: None, confused: homes[1], back: homes[0]}
        for one, home in today.items():
            status = "LIVING" if home else "MOVED_AWAY"
            sql = insert.format("residents", "name, sex, status, household_id", _resident(status, home))
            await admin.execute(sql, TENANT, one, AREA, RECORDED)
        moves = [
            (moved, homes[0], homes[1], date(2025, 5, 1)),
            (moved, homes[1], homes[2], date(2025, 6, 1)),
            (gone, homes[0], None, date(2025, 4, 1)),
            # Recorded later, for an earlier day: what was recorded last is where they are.
            (confused, homes[0], homes[2], date(2025, 6, 1)),
            (confused, homes[2], homes[1], date(2025, 2, 1)),
            (back, homes[1], None, date(2025, 4, 1)),
            (back, None, homes[0], date(2025, 4, 5)),
        ]
        for n, (who, former, new, day) in enumerate(moves):
            recorded = RECORDED.replace(month=7, day=n + 1)
            await admin.execute(MOVED, TENANT, new_id(), who, former, new, day, recorded, AREA)
        await admin.execute("SET session_replication_role = origin")
        await bring(before, "0002")
        known = date(2025, 3, 2)
        assert await _stays(admin, settled) == [(homes[0], known, None)]
        assert await _stays(admin, moved) == [
            (homes[0], known, date(2025, 5, 1)),
            (homes[1], date(2025, 5, 1), date(2025, 6, 1)),
            (homes[2], date(2025, 6, 1), None),
        ]
        assert await _stays(admin, gone) == [(homes[0], known, date(2025, 4, 1))]
        assert await _stays(admin, confused) == [
            (homes[0], date(2025, 1, 31), date(2025, 2, 1)),
            (homes[1], date(2025, 2, 1), None),
        ]
        assert await _stays(admin, back) == [(homes[1], known, date(2025, 4, 1)), (homes[0], date(2025, 4, 5), None)]
        lodged = await admin.fetch("SELECT household_id, dwelling_id, from_on, until_on FROM household_stays")
        assert {tuple(row) for row in lodged} == {(home, doors[n % 2], known, None) for n, home in enumerate(homes)}
        assert await admin.fetchval("SELECT count(*) FROM dwelling_usages WHERE use = 'OWNED'") == len(doors)
        assert await admin.fetchval("SELECT bool_and(relforcerowsecurity) FROM pg_class WHERE relname = 'residents'")
        await bring(before, "0001")
        again = await admin.fetch(
            "SELECT from_household_id, to_household_id, moved_on FROM resident_moves WHERE resident_id = $1 "
            "ORDER BY moved_on",
            back,
        )
        assert [tuple(row) for row in again] == [
            (homes[1], None, date(2025, 4, 1)),
            (None, homes[0], date(2025, 4, 5)),
        ]
    finally:
        await admin.close()


def _resident(status: str, home: UUID | None) -> str:
    return f"'x', 'UNKNOWN', '{status}', " + ("NULL" if home is None else f"'{home}'")


async def _stays(admin: asyncpg.Connection[asyncpg.Record], resident: UUID) -> list[tuple[Any, ...]]:
    rows = await admin.fetch(
        "SELECT household_id, from_on, until_on FROM resident_stays WHERE resident_id = $1 ORDER BY from_on", resident
    )
    return [tuple(row) for row in rows]
