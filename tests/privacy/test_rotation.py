"""Keys are changed under load, and a dump from before is opened by nobody once its key-encryption keys are gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from cityloom.core.crypto import LEAD, Algorithm, FileKeyProvider, KeyEncryptionKeyMissing
from cityloom.core.work import Works
from cityloom.demo.papers import identity_number, phone_number
from cityloom.modules.registry import models as registry
from cityloom.modules.registry import service as residents
from cityloom.modules.registry.errors import IdentityNumberTaken
from cityloom.privacy import models as m
from cityloom.privacy import permissions, service
from cityloom.privacy.service import rotation
from cityloom.tenancy.configuration import put_module
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.models import TenantDataKey
from cityloom.tenancy.system import system_principal
from cityloom.testing.areas import AreaTree
from cityloom.testing.database import dump_database
from cityloom.testing.front import Front
from cityloom.testing.rotation import rotate
from tests.privacy.conftest import READ, Town

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from cityloom.core.database import Database
    from cityloom.core.principal import Principal
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.database import TestServer

MORE = 40
SHAPE = "... on KeyRotation { id algorithm total done finishedAt }"
SEARCH = "query($n: String!) { residents(where: {identityNumber: $n}) { totalCount } }"


def number_of(at: int) -> str:
    """The identity number of the n-th of the crowd."""
    return identity_number(100 + at, date(1990, 5, 5), "FEMALE")


async def crowd(town: Town) -> list[UUID]:
    """Residents of one household."""
    async with town.front.works.begin(town.tree.administrator) as work:
        made = [
            await residents.create_resident(
                work,
                household_id=town.households["s1c1g1"],
                name="李雷",
                identity_number=number_of(at),
                phone=phone_number(100 + at),
            )
            for at in range(MORE)
        ]
    return [one.id for one in made]


async def step(works: Works, tenant_id: UUID) -> int:
    """What the job does once."""
    async with works.begin(system_principal(tenant_id)) as work:
        return await service.carry_on(work)


async def state(town: Town) -> m.KeyRotation:
    """The newest rotation."""
    async with town.front.works.begin(town.tree.administrator) as work:
        newest = select(m.KeyRotation).order_by(m.KeyRotation.started_at.desc(), m.KeyRotation.id.desc()).limit(1)
        return (await work.session.scalars(newest)).one()


@dataclass
class Load:
    """Processes that read and write residents until they are told to stop."""

    town: Town
    caller: Principal
    ids: list[UUID]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    reads: Iterator[int] = field(default_factory=count)
    fresh: Iterator[int] = field(default_factory=lambda: count(1000))

    async def read(self, front: Front) -> int:
        """Find somebody by their number, and open their phone; any failure is raised."""
        done, tenant = 0, self.town.tree.tenant_id
        while not self.ended.is_set():
            at = next(self.reads) % MORE
            found = await front.data(self.caller, SEARCH, {"n": number_of(at)})
            assert found["residents"]["totalCount"] == 1
            async with front.works.begin(self.town.tree.administrator) as work:
                row = await work.session.get_one(registry.Resident, (tenant, self.ids[at]))
                keys = await front.services[KeyRing].of(tenant)
                assert row.phone is not None
                assert keys.open("residents", "phone", row.id, row.phone) == phone_number(100 + at)
            done += 1
        return done

    async def write(self, front: Front) -> int:
        """Change somebody, record somebody new, and try to record somebody who is there already."""
        done = 0
        while not self.ended.is_set():
            at = next(self.fresh)
            async with front.works.begin(self.town.tree.administrator) as work:
                await residents.change_resident(work, self.ids[at % MORE], name=f"韩{at}")
            await self.record(front, number_of(at))
            with pytest.raises(IdentityNumberTaken):
                await self.record(front, number_of(at % MORE))
            done += 1
        return done

    async def record(self, front: Front, number: str) -> None:
        """A resident with this identity number."""
        async with front.works.begin(self.town.tree.administrator) as work:
            household = self.town.households["s1c1g1"]
            await residents.create_resident(work, household_id=household, name="韩梅梅", identity_number=number)


async def test_keys_are_rotated_under_load_to_the_cipher_of_the_settings(
    town: Town, clock: ManualClock, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 7)
    ids = await crowd(town)
    tenant, admin = town.tree.tenant_id, town.tree.administrator
    async with town.front.works.begin(admin) as work:
        await put_module(work, "tenancy", is_enabled=True, settings={"cipher": "SM4_GCM"})
    # Two more processes, which know the keys that there were.
    fronts = [town.front, *(Front(database, clock, tmp_path / "keys") for _ in range(2))]
    for front in fronts:
        await front.services[KeyRing].of(tenant)
    caller = town.tree.someone(READ, permissions.UNMASK, permissions.START_ROTATIONS, permissions.READ_ROTATIONS)
    started = await _start(town, caller)
    assert (started["algorithm"], started["total"]) == ("SM4_GCM", MORE + 2)
    load = Load(town, caller, ids)

    async def change_keys() -> None:
        try:
            for _ in range(30):
                clock.advance(seconds=10)
                while await step(town.front.works, tenant):
                    pass
        finally:
            load.ended.set()

    _, *done = await asyncio.gather(change_keys(), *map(load.read, fronts), *map(load.write, fronts))
    assert all(done), done
    found = await state(town)
    assert found.finished_at is not None
    async with town.front.works.begin(admin) as work:
        for row in await work.session.scalars(select(registry.Resident)):
            for envelope in (row.identity_number, row.phone, row.birth_on):
                key = None if envelope is None else (envelope[1], envelope[2:18])
                assert key in {None, (Algorithm.SM4_GCM.number, found.field_key_id.bytes)}
        keys = (await work.session.scalars(select(TenantDataKey))).all()
    assert {key.id for key in keys if key.destroyed_at is None} == {found.field_key_id, found.index_key_id}
    assert len(keys) == 4
    assert (await town.front.data(caller, SEARCH, {"n": number_of(0)}))["residents"]["totalCount"] == 1
    assert len((await town.front.services[KeyRing].of(tenant)).blind_indexes("r", "c", "x")) == 1


async def _start(town: Town, caller: Any) -> dict[str, Any]:
    text = f"mutation {{ r: keyRotationStart {{ __typename {SHAPE} ... on Refusal {{ code reason }} }} }}"
    made: dict[str, Any] = (await town.front.data(caller, text))["r"]
    assert (await town.front.data(caller, text))["r"]["reason"] == "ROTATION_RUNNING"
    nobody = town.tree.someone(READ, permissions.READ_ROTATIONS)
    assert (await town.front.data(nobody, text))["r"]["code"] == "FORBIDDEN"
    return made


async def test_rows_that_somebody_holds_and_old_transactions_are_waited_for(
    town: Town, clock: ManualClock, database: Database
) -> None:
    # The moment at which transactions began is the database's own.
    clock.set(datetime.now(UTC))
    works, tenant = town.front.works, town.tree.tenant_id
    async with works.begin(town.tree.administrator) as work:
        await service.start_rotation(work)
    resident = town.residents["s1c1g1"].id
    async with works.begin(town.tree.administrator) as holder:
        await holder.session.execute(
            select(registry.Resident.id).where(registry.Resident.id == resident).with_for_update()
        )
        for _ in range(3):
            clock.advance(seconds=LEAD.total_seconds())
            while await step(works, tenant):
                pass
        found = await state(town)
        assert (found.done, found.finished_at) == (1, None)
    async with database.engine.begin() as idle:
        # Another transaction that began before everybody knew the new key: it may seal with the old one.
        await idle.exec_driver_sql("SELECT 1")
        while await step(works, tenant):
            pass
        await step(works, tenant)
        found = await state(town)
        assert (found.done, found.finished_at) == (2, None)
    await step(works, tenant)
    assert (await state(town)).finished_at is not None


async def test_an_erasure_leads_to_a_rotation_by_itself(town: Town, clock: ManualClock) -> None:
    works, tenant = town.front.works, town.tree.tenant_id
    async with works.begin(town.tree.administrator) as work:
        await service.erase(work, town.id("s1c1g1"), reason="申请")
    clock.advance(days=29)
    await step(works, tenant)
    async with works.begin(town.tree.administrator) as work:
        assert await work.session.scalar(select(m.KeyRotation.id)) is None
    clock.advance(days=2)
    await step(works, tenant)
    assert (await state(town)).finished_at is None


async def test_a_dump_from_before_is_opened_by_nobody(
    front: Front, clock: ManualClock, server: TestServer, admin_url: str, tmp_path: Path
) -> None:
    alder = await Town(front, await AreaTree.plant(front.works, communities=1, grids=1)).settle("s1c1g1", "s2c1g1")
    birch = await Town(front, await AreaTree.plant(front.works, communities=1, grids=1)).settle("s1c1g1")
    dump = tmp_path / f"{alder.tree.tenant_id.hex[-8:]}.dump"
    await dump_database(admin_url, dump)
    # Afterwards birch leaves, and alder erases somebody and rotates its keys.
    await front.services[KeyRing].destroy(birch.tree.tenant_id)
    async with front.works.begin(alder.tree.administrator) as work:
        await service.erase(work, alder.id("s1c1g1"), reason="申请 2026-3")
    async with front.works.begin(system_principal(alder.tree.tenant_id)) as work:
        assert await service.note_erasures(work) == 1
    rotated = await rotate(front.works, clock, alder.tree.tenant_id)
    assert rotated.old_provider_keys
    async with server.restored(dump) as database:
        again = Front(database, clock, tmp_path / "keys")
        services = again.services
        # Nobody opens what birch had: its key-encryption key is gone, whatever the dump holds.
        with pytest.raises(KeyEncryptionKeyMissing):
            await services[KeyRing].of(birch.tree.tenant_id)
        # Alder's backup is still good, so that it can be restored, and is brought up to the ledger outside.
        back = Town(again, alder.tree, alder.residents, alder.papers)
        assert await phone_in(back, "s1c1g1") == alder.papers["s1c1g1"]["phone"]
        async with again.works.begin(system_principal(alder.tree.tenant_id)) as work:
            assert await service.reapply(work) == 1
        async with again.works.begin(system_principal(alder.tree.tenant_id)) as work:
            assert await service.reapply(work) == 0
        assert await phone_in(back, "s1c1g1") is None
        assert await phone_in(back, "s2c1g1") == alder.papers["s2c1g1"]["phone"]
        # When backups of before are no longer kept, their key is destroyed: the dump is opened by nobody.
        clock.advance(days=31)
        await step(front.works, alder.tree.tenant_id)
        assert (await state(alder)).shredded_at is not None
        # A process of its own over what was restored, with the provider's folder as it is now.
        ring = KeyRing(FileKeyProvider(tmp_path / "keys"), database, clock)
        for town in (alder, birch):
            with pytest.raises(KeyEncryptionKeyMissing):
                await ring.of(town.tree.tenant_id)
    # And what is in use is as it was.
    assert await phone_in(alder, "s2c1g1") == alder.papers["s2c1g1"]["phone"]


async def phone_in(town: Town, grid: str) -> str | None:
    """A phone number as the platform opens it there."""
    async with town.front.works.begin(town.tree.administrator) as work:
        row = await work.session.get_one(registry.Resident, (town.tree.tenant_id, town.residents[grid].id))
        keys = await town.front.services[KeyRing].of(town.tree.tenant_id)
        return None if row.phone is None else keys.open("residents", "phone", row.id, row.phone)
