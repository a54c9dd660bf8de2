"""Connections are shared by tenants one after the other: nothing of one may be left for the next."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
from sqlalchemy import select

from cityloom.core.database import SET_CONTEXT
from cityloom.core.ids import new_id
from cityloom.core.principal import EVERYWHERE
from cityloom.core.work import Works
from cityloom.events.models import EventRecord
from cityloom.testing.rights import principal

if TYPE_CHECKING:
    from collections.abc import Callable

    from cityloom.testing.clock import ManualClock
    from cityloom.testing.database import TestServer

TENANTS = 6
ROUNDS = 1_500

#: A compiled read in miniature: sets the context, reads, and sleeps in the server so that it can be cancelled.
READ = (
    f"WITH ctx AS MATERIALIZED (SELECT {SET_CONTEXT.format(tenant='$1::text', low='$2', high='$3')}) "  # noqa: S608 - constants
    "SELECT (SELECT array_agg(DISTINCT tenant_id) FROM events WHERE tenant_id = $1::text::uuid), pg_sleep($4) FROM ctx"
)


async def test_a_storm_with_cancellations_bleeds_nothing(
    server: TestServer, admin_url: str, clock: ManualClock, probed: Callable[[int], None]
) -> None:
    async with server.open(admin_url, read_pool=3, write_pool=3) as database:
        works = Works(database, clock=clock)
        tenants = [new_id() for _ in range(TENANTS)]
        for tenant in tenants:
            async with works.begin(principal(tenant)) as work:
                for position in range(1, 4):
                    work.session.add(_canary(tenant, position, clock))
        chance = random.Random(20_260_302)  # noqa: S311 - a reproducible storm, not a secret
        seen: dict[str, int] = {"read": 0, "work": 0, "cancelled": 0}

        async def read(tenant: UUID) -> None:
            row = await database.reads.fetchrow(READ, str(tenant), *EVERYWHERE, chance.choice((0.0, 0.0, 0.002)))
            assert row is not None
            assert row[0] == [tenant]
            seen["read"] += 1

        async def write(tenant: UUID) -> None:
            async with works.begin(principal(tenant)) as work:
                rows = set((await work.session.execute(select(EventRecord.tenant_id))).scalars())
                assert rows == {tenant}
                if chance.random() < 0.3:
                    raise asyncio.CancelledError
            seen["work"] += 1

        async def one() -> None:
            task = asyncio.ensure_future(chance.choice((read, read, write))(chance.choice(tenants)))
            if chance.random() < 0.25:
                for _ in range(chance.randrange(1, 12)):
                    await asyncio.sleep(0)
                task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                seen["cancelled"] += 1

        for _ in range(ROUNDS // 30):
            await asyncio.gather(*(one() for _ in range(30)))
        assert seen["read"] > ROUNDS / 4
        assert seen["work"] > ROUNDS / 10
        assert seen["cancelled"] > ROUNDS / 10
        probed(seen["read"] + seen["work"])
        # Every connection that was lent, used bare, still refuses to read anything: three at once are three of them.
        bare = (database.reads.fetchval("SELECT count(*) FROM events") for _ in range(3))
        for answer in await asyncio.gather(*bare, return_exceptions=True):
            assert isinstance(answer, asyncpg.UndefinedObjectError | asyncpg.InvalidTextRepresentationError), answer


def _canary(tenant: UUID, position: int, clock: ManualClock) -> EventRecord:
    return EventRecord(
        type="tests.canary.planted.v1",
        subject_tag="test",
        subject_id=tenant,
        subject_sequence=position,
        position=position,
        changed=[],
        facts={"canary": str(tenant)},
        actor_kind="SYSTEM",
        occurred_at=clock.now(),
    )
