"""Tenants' data keys in the database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from cityloom.core.crypto import DataKeyDestroyed, FileKeyProvider
from cityloom.core.database import Context
from cityloom.core.ids import new_id
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.models import TenantDataKey

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock


def ring(database: Database, clock: ManualClock, folder: Path) -> KeyRing:
    return KeyRing(FileKeyProvider(folder), database, clock)


async def count(database: Database, tenant_id: UUID) -> int:
    async with database.session(Context(tenant_id)) as session:
        return await session.scalar(select(func.count()).select_from(TenantDataKey)) or 0


async def test_a_tenant_gets_its_keys_when_they_are_first_needed(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    tenant_id, row = new_id(), new_id()
    sealed = (await ring(database, clock, tmp_path).of(tenant_id)).seal("t", "c", row, "secret")
    # Another process, with an empty memory.
    keys = await ring(database, clock, tmp_path).of(tenant_id)
    assert keys.open("t", "c", row, sealed) == "secret"
    assert await count(database, tenant_id) == 2


async def test_processes_that_need_them_at_once_make_them_once(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    FileKeyProvider(tmp_path)
    tenant_id, row = new_id(), new_id()
    await ring(database, clock, tmp_path).of(new_id())
    rings = [ring(database, clock, tmp_path) for _ in range(6)]
    keys = await asyncio.gather(*(one.of(tenant_id) for one in rings))
    sealed = [one.seal("t", "c", row, "secret") for one in keys]
    again = await ring(database, clock, tmp_path).of(tenant_id)
    assert {again.open("t", "c", row, one) for one in sealed} == {"secret"}
    assert len({one.blind_index("t", "c", "x") for one in keys}) == 1
    assert await count(database, tenant_id) == 2


async def test_destroyed_keys_are_gone_and_never_made_again(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    tenant_id, row = new_id(), new_id()
    first = ring(database, clock, tmp_path)
    sealed = (await first.of(tenant_id)).seal("t", "c", row, "secret")
    await first.destroy(tenant_id)
    for keys in (await first.of(tenant_id), await ring(database, clock, tmp_path).of(tenant_id)):
        with pytest.raises(DataKeyDestroyed):
            keys.open("t", "c", row, sealed)
        with pytest.raises(DataKeyDestroyed):
            keys.seal("t", "c", row, "more")
    assert await count(database, tenant_id) == 2
