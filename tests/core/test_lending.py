"""Connections are lent from one to the next, and what went wrong on one is nobody else's trouble."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from cityloom.core import lending
from cityloom.core.ids import new_id
from cityloom.core.work import Works
from cityloom.testing.rights import principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cityloom.core.lending import Lending
    from cityloom.core.work import Work
    from cityloom.testing.database import TestServer

SIZE = 2


@pytest_asyncio.fixture
async def lent(server: TestServer, admin_url: str) -> AsyncIterator[Lending]:
    async with server.open(admin_url, read_pool=SIZE) as database:
        yield database.reads


async def _at_once(lent: Lending, count: int) -> list[int]:
    return list(await asyncio.gather(*(lent.fetchval("SELECT pg_backend_pid()") for _ in range(count))))


async def test_a_connection_that_answered_answers_again(lent: Lending) -> None:
    first = await lent.fetchval("SELECT pg_backend_pid()")
    assert {await lent.fetchval("SELECT pg_backend_pid()") for _ in range(5)} == {first}
    assert await lent.fetchrow("SELECT 1 WHERE false") is None
    assert [row[0] for row in await lent.fetch("SELECT generate_series(1, $1::int)", 3)] == [1, 2, 3]


async def test_no_more_statements_at_once_than_connections(lent: Lending) -> None:
    assert len(set(await _at_once(lent, 12))) == SIZE


async def test_a_cancelled_statement_ends_before_its_connection_is_used_again(lent: Lending) -> None:
    pids = set(await _at_once(lent, SIZE))
    for _ in range(SIZE):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await lent.fetchval("SELECT pg_sleep(60)")
    assert await _at_once(lent, 6) != []
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1) AND wait_event = 'PgSleep'"
    assert await lent.fetchval(sleeping, list(pids)) == 0


async def test_an_error_is_raised_and_leaves_nothing(lent: Lending) -> None:
    for _ in range(SIZE + 1):
        with pytest.raises(asyncpg.DivisionByZeroError):
            await lent.fetchval("SELECT 1 / 0")
    assert len(set(await _at_once(lent, 6))) == SIZE


async def test_a_connection_that_the_server_closed_is_replaced(lent: Lending, admin_url: str) -> None:
    lost = set(await _at_once(lent, SIZE))
    admin = await asyncpg.connect(admin_url)
    try:
        for pid in lost:
            await admin.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
    finally:
        await admin.close()
    await asyncio.sleep(0)
    assert not lost & set(await _at_once(lent, 6))


async def test_a_lease_ends(lent: Lending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lending, "LEASE", 0)
    # Over while it is in use: back to the pool afterwards.
    await lent.fetchval("SELECT pg_sleep(0.01)")
    assert lent._pool.get_idle_size() == lent._pool.get_size()
    monkeypatch.undo()
    await _at_once(lent, SIZE)
    assert lent._pool.get_idle_size() == 0
    for lease in list(lent._lent):
        lent._end(lease)
    await asyncio.gather(*lent._returning)
    assert lent._pool.get_idle_size() == lent._pool.get_size()
    assert len(set(await _at_once(lent, 6))) == SIZE


async def test_closing_waits_for_what_is_under_way(server: TestServer, admin_url: str) -> None:
    async with server.open(admin_url, read_pool=SIZE) as database:
        assert await database.reads.fetchval("SELECT true")
        under_way = asyncio.ensure_future(database.reads.fetchval("SELECT pg_sleep(0.05) IS NULL"))
        # Long enough for it to be sent on the connection that is free.
        await asyncio.sleep(0)
        assert not database.reads._free
    assert under_way.done()
    assert await under_way is False


@pytest_asyncio.fixture
async def works(server: TestServer, admin_url: str) -> AsyncIterator[Works]:
    async with server.open(admin_url, write_pool=SIZE) as database:
        yield Works(database)


async def _pid(work: Work) -> int:
    pid: int = await work.transaction.connection.fetchval("SELECT pg_backend_pid()")
    return pid


async def test_a_transaction_has_the_connection_that_was_used_last(works: Works) -> None:
    caller = principal(new_id())
    async with works.begin(caller) as first, works.begin(caller) as second:
        pids = {await _pid(first), await _pid(second)}
        assert len(pids) == SIZE
    for _ in range(3):
        async with works.begin(caller) as work:
            assert await _pid(work) in pids
            last = await _pid(work)
        async with works.begin(caller) as work:
            assert await _pid(work) == last


async def test_no_more_transactions_at_once_than_connections(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = principal(new_id())

    async def once() -> int:
        async with works.begin(caller) as work:
            return await _pid(work)

    assert len(set(await asyncio.gather(*(once() for _ in range(9))))) == SIZE
    monkeypatch.setattr(lending, "PATIENCE", 0.05)
    async with works.begin(caller), works.begin(caller):
        with pytest.raises(TimeoutError):
            await once()
    assert await once()


async def test_a_transaction_that_is_cancelled_leaves_nothing_open(works: Works) -> None:
    caller = principal(new_id())
    for _ in range(SIZE + 1):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), works.begin(caller) as work:
                await work.transaction.connection.fetchval("SELECT pg_sleep(60)")
    async with works.begin(caller) as work:
        assert await work.transaction.connection.fetchval("SELECT 1") == 1


async def test_a_connection_that_the_server_has_closed_is_replaced(works: Works) -> None:
    caller = principal(new_id())
    async with works.begin(caller) as work:
        gone = await _pid(work)
        connection = work.transaction.connection
    connection.terminate()
    async with works.begin(caller) as work:
        assert await _pid(work) != gone
