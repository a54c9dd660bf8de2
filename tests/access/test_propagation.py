"""A change holds in every process within a second, and without contact nothing is allowed."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text, update

from cityloom.access import models as m
from cityloom.access.errors import AccessUnavailable
from cityloom.access.service.memberships import revoke_membership
from cityloom.access.service.roles import revoke_from_role
from cityloom.access.snapshots import CONTACT_SECONDS, AccessSnapshots
from cityloom.testing.access import City, World, open_world

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.access.catalogue import Catalogue
    from cityloom.access.passwords import Passwords
    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.database import TestServer

READ = "registry.resident.read"


async def heard(snapshots: AccessSnapshots, tenant_id: UUID, *, within: float) -> asyncio.Task[None]:
    """A task that ends when these snapshots hear of a change of the tenant."""
    told = asyncio.Event()
    snapshots.watch(lambda changed: told.set() if changed == tenant_id else None)
    return asyncio.create_task(_in_time(told, within))


async def _in_time(told: asyncio.Event, within: float) -> None:
    await asyncio.wait_for(told.wait(), within)


async def test_a_revoked_grant_is_refused_elsewhere_within_a_second(
    city: City,
    world: World,
    server: TestServer,
    admin_url: str,
    catalogue: Catalogue,
    passwords: Passwords,
    clock: ManualClock,
) -> None:
    await city.role("reader", f"allow {READ}", "allow registry.dwelling.read")
    await city.account("wang", ("reader", None))
    bearer = await city.bearer("wang")
    async with (
        server.open(admin_url) as other_database,
        open_world(other_database, clock, catalogue, passwords) as there,
    ):
        assert (await there.authenticator.principal(bearer)).rights.scope(READ) is not None
        change = await heard(there.snapshots, city.id, within=1.0)
        async with city.work() as work:
            await revoke_from_role(work, "reader", READ)
        assert (await world.authenticator.principal(bearer)).rights.scope(READ) is None, "here it holds at once"
        await change
        assert (await there.authenticator.principal(bearer)).rights.scope(READ) is None


async def test_a_revoked_membership_is_refused_in_another_process(city: City, admin_url: str) -> None:
    await city.role("reader", f"allow {READ}")
    await city.account("wang", ("reader", None))
    bearer = await city.bearer("wang")
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cityloom.testing.access",
        admin_url,
        bearer,
        READ,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert await asyncio.wait_for(child.stdout.readline(), 20) == b"allowed\n"
    async with city.work() as work:
        membership = (await work.session.scalars(select(m.Membership))).one()
        await revoke_membership(work, membership.id)
    assert await asyncio.wait_for(child.stdout.readline(), 1.0) == b"refused\n"
    child.stdin.close()
    assert await asyncio.wait_for(child.wait(), 10) == 0


async def test_a_lost_notification_is_made_up_for_by_the_look_every_second(city: City, world: World) -> None:
    await city.role("reader", f"allow {READ}")
    await city.account("wang", ("reader", None))
    bearer = await city.bearer("wang")
    assert (await world.authenticator.principal(bearer)).rights.scope(READ) is not None
    change = await heard(world.snapshots, city.id, within=2.0)
    async with city.work() as work:
        # What a notification would have told is in the row; nothing is sent.
        await work.session.execute(update(m.Grant).values(effect="deny"))
        await work.session.execute(
            text("UPDATE access_versions SET version = version + 1, rules_version = rules_version + 1")
        )
    await change
    assert (await world.authenticator.principal(bearer)).rights.scope(READ) is None


async def test_without_contact_everything_is_refused(city: City, database: Database, catalogue: Catalogue) -> None:
    now = [0.0]
    snapshots = AccessSnapshots(database, catalogue, monotonic=lambda: now[0])
    with pytest.raises(AccessUnavailable):
        await snapshots.snapshot(city.id)
    async with snapshots:
        await snapshots.snapshot(city.id)
        states = [snapshots.is_current]
    now[0] += CONTACT_SECONDS
    await snapshots.snapshot(city.id)
    now[0] += 0.1
    assert [*states, snapshots.is_current] == [True, False]
    with pytest.raises(AccessUnavailable):
        await snapshots.snapshot(city.id)


async def test_a_listener_whose_connection_is_lost_comes_back(city: City, world: World, admin_url: str) -> None:
    import asyncpg
    from sqlalchemy.engine import make_url

    from cityloom.core.database import asyncpg_arguments

    await city.role("reader", f"allow {READ}")
    await world.snapshots.snapshot(city.id)
    admin = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    await admin.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'cityloom-access' AND datname = current_database()"
    )
    await admin.close()
    change = await heard(world.snapshots, city.id, within=3.0)
    async with city.work() as work:
        await work.session.execute(text("UPDATE access_versions SET version = version + 1"))
    await change


async def test_a_change_that_is_heard_while_rules_are_read_is_not_lost(city: City, world: World) -> None:
    await city.role("reader", f"allow {READ}")
    await world.snapshots.snapshot(city.id)
    version = (await world.snapshots._current(city.id)).version
    world.snapshots.changed(city.id, version + 1)
    async with city.work() as work:
        await work.session.execute(text("UPDATE access_versions SET version = version + 1"))
    assert (await world.snapshots._current(city.id)).version == version + 1
