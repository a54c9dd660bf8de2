"""A platform with a database of its own, in which cities have a row in every table that there is."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest_asyncio
from sqlalchemy import ARRAY, Boolean, Date, DateTime, Float, Integer, LargeBinary, Numeric, Time, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url

from cityloom.app import create_app, platform
from cityloom.core.database import asyncpg_arguments
from cityloom.core.ids import new_id
from cityloom.core.sealed import sealed_tables
from cityloom.departures.bundle import tenant_tables
from cityloom.departures.running import Departures
from cityloom.departures.service import FREEZE
from cityloom.files.store import FileStore
from cityloom.modules.areas.models import Polygon
from cityloom.settings import Settings
from cityloom.tenancy.keys import KeyRing
from cityloom.testing.clock import ManualClock
from cityloom.testing.database import ROOT, VAR
from cityloom.testing.twins import pack, plant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    import pytest
    from sqlalchemy import Column, Table

    from cityloom.app import Platform
    from cityloom.departures.models import TenantDeparture
    from cityloom.testing.database import TestServer
    from cityloom.testing.twins import Twin

#: What stands in every envelope of `fill`, so that it is known again in the bundle.
OPENED = "打开 opened"
#: Tables that hold what the platform has signed itself.
PROVEN = {"audit_records", "audit_seals", "audit_checkpoints"}
#: A table whose rows go into the pack, where they must make sense.
PACKED = "custom_fields"
_VALUES: tuple[tuple[type, Any], ...] = (
    (ARRAY, []),
    (Boolean, False),
    (Numeric, 1),
    (Float, 1.5),
    (Integer, 1),
    (DateTime, datetime(2026, 3, 1, tzinfo=UTC)),
    (Date, date(2026, 3, 1)),
    (Time, time(8)),
    (JSONB, "{}"),
    (LargeBinary, b"\x01" * 32),
    (Polygon, asyncpg.Polygon((1, 2), (3, 4), (5, 6))),
)


@dataclass
class Place:
    """One platform, its clock, its database as an administrator sees it, and where bundles lie."""

    opened: Platform
    clock: ManualClock
    admin: asyncpg.Connection[asyncpg.Record]
    url: str
    folder: Path

    @property
    def departures(self) -> Departures:
        """What a worker has; a new one each time, as after a restart."""
        return Departures(self.opened.works)

    async def settle(self, departure: TenantDeparture) -> None:
        """Do what can be done, wait until nobody can be writing any more, and do the rest."""
        await self.departures.carry_on(departure.id)
        self.clock.advance(seconds=FREEZE.total_seconds())
        await self.departures.carry_on(departure.id)

    async def city(self) -> tuple[str, UUID]:
        """A small city with a row in every table and a file; slug and id."""
        slug = f"birch{new_id().hex[-8:]}"
        done = await self.opened.tenants.apply(pack(slug, slug.upper(), "999902"), actor="tests")
        await self.fill(done.tenant_id)
        await self.store.put(done.tenant_id, new_id(), b"photo of birch")
        return slug, done.tenant_id

    @property
    def store(self) -> FileStore:
        """Where files are."""
        found: FileStore = self.opened.works.services[FileStore]
        return found

    async def fill(self, tenant_id: UUID) -> None:
        """A row in every table that has none; what constraints ask of it does not matter to who leaves."""
        ring: KeyRing = self.opened.works.services[KeyRing]
        keys = await ring.of(tenant_id)
        sealed = {one.table.name: one for one in sealed_tables()}
        for table in tenant_tables():
            if table.name not in {*PROVEN, PACKED} and not (await self.counts(tenant_id, table))[table.name]:
                row = {c.name: _value(c, tenant_id) for c in table.c if not c.nullable and c.computed is None}
                if table.name == "custom_values":
                    row["resident_id"] = new_id()  # else its generated column has nothing to be made of
                if (one := sealed.get(table.name)) is not None:
                    for name in one.columns:
                        row[name] = keys.seal(one.place, name, row[one.row], OPENED)
                await self._insert(table, row)

    async def _insert(self, table: Table, row: dict[str, Any]) -> None:
        names, marks = ", ".join(row), ", ".join(f"${at}" for at in range(1, len(row) + 1))
        async with self.admin.transaction():
            await self.admin.execute("SET LOCAL session_replication_role = replica")
            await self.admin.execute(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})', *row.values())  # noqa: S608 - names of models

    async def counts(self, tenant_id: UUID, *tables: Table) -> dict[str, int]:
        """Rows of a city by table, as an administrator counts them."""
        sql = 'SELECT count(*) FROM "{}" WHERE tenant_id = $1'
        return {
            table.name: await self.admin.fetchval(sql.format(table.name), tenant_id)
            for table in tables or tenant_tables()
        }

    async def fingerprint(self, tenant_id: UUID) -> dict[str, str]:
        """A hash of everything that a city has in each table and in the store."""
        found = {}
        for table in tenant_tables():
            sql = f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM \"{table.name}\" AS t"  # noqa: S608 - names of models
            found[table.name] = await self.admin.fetchval(f"{sql} WHERE t.tenant_id = $1", tenant_id)
        async for name, _ in self.store.objects(tenant_id):
            content = b"".join([piece async for piece in self.store.content(tenant_id, name)])
            found[name] = hashlib.sha256(content).hexdigest()
        return found


def _value(column: Column[Any], tenant_id: UUID) -> Any:
    if column.name == "tenant_id":
        return tenant_id
    if isinstance(column.type, Uuid):
        return new_id()
    known = next((value for kind, value in _VALUES if isinstance(column.type, kind)), "x")
    return "CLOSED" if (column.table.name, column.name) == ("webhook_endpoints", "state") else known


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A platform over a database whose tables take any row: what is tested deletes whatever there is."""
    clock, folder = ManualClock(), tmp_path_factory.mktemp("departures")
    async with server.clone(f"departures_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}") as url:
        admin = await asyncpg.connect(**asyncpg_arguments(make_url(url)))
        checks = await admin.fetch(
            "SELECT conrelid::regclass::text AS table, conname FROM pg_constraint WHERE contype = 'c' "
            "AND connamespace = 'public'::regnamespace AND conrelid::regclass::text <> ALL($1)",
            ["tenants", "tenant_departures"],
        )
        for row in checks:
            await admin.execute(f'ALTER TABLE {row["table"]} DROP CONSTRAINT "{row["conname"]}"')
        settings = Settings(
            var=VAR,
            tenants=ROOT / "tenants",
            files=str(folder / "files"),
            audit_checkpoints=str(folder / "audit"),
            departures=folder / "bundles",
        )
        async with platform(settings, url, clock=clock) as opened:
            yield Place(opened, clock, admin, url, folder)
        await admin.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def alder(place: Place) -> AsyncIterator[Twin]:
    """A city that people work in, with something in every table."""
    app = create_app(place.opened)
    async with app.router.lifespan_context(app):
        twin = await plant(place.opened, app, "alder")
        await place.fill(twin.id)
        yield twin
