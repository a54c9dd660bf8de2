"""The stream under concurrent writers: no gap, no phantom, everything once, the order of each subject kept."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pytest

from cityloom.core.events import Event
from cityloom.core.ids import new_id
from cityloom.core.work import Works
from cityloom.events import service
from cityloom.events.sequencer import Sequencer, sequencing
from cityloom.events.service import write_outbox
from cityloom.events.signals import Signals
from cityloom.events.stream import StreamedEvent, Streams, read
from cityloom.testing.rights import principal

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.database import Database

WRITERS, WORKS_EACH, SUBJECTS = 8, 30, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown(Event):
    """A tree has grown."""

    type: ClassVar[str] = "tests.tree.grown.v1"
    subject_tag: ClassVar[str] = "tree"
    zh: ClassVar[str] = "树长高了。"

    serial: int


class Withdrawn(Exception):
    """What makes a writer roll back."""


async def _write(works: Works, tenant_id: UUID, subjects: list[UUID], seed: int, committed: list[int]) -> None:
    """Units of work with one to five events on random subjects, three in ten of which are rolled back."""
    chance = random.Random(seed)  # noqa: S311 - a draw of a test
    for number in range(WORKS_EACH):
        serials = [seed * 10_000 + number * 10 + at for at in range(chance.randint(1, 5))]
        try:
            async with works.begin(principal(tenant_id)) as work:
                for serial in serials:
                    work.emit(Grown(subject_id=chance.choice(subjects), serial=serial))
                await work.connection()
                await asyncio.sleep(0)
                _withdraw(chance)
        except Withdrawn:
            continue
        committed.extend(serials)


def _withdraw(chance: random.Random) -> None:
    if chance.random() < 0.3:
        raise Withdrawn


async def _follow(streams: Streams, tenant_id: UUID, wanted: asyncio.Future[int]) -> list[StreamedEvent]:
    """Read the stream in small pages by position alone until as many were seen as were committed."""
    seen: list[StreamedEvent] = []
    while not (wanted.done() and len(seen) >= wanted.result()):
        page = await streams.read(tenant_id, seen[-1].position if seen else 0, 7)
        seen += page
        if not page:
            waiting = asyncio.ensure_future(streams.wait(tenant_id, seen[-1].position if seen else 0))
            await asyncio.wait([waiting, wanted], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
    return seen


@pytest.mark.parametrize("skewed", [False, True])
async def test_a_reader_misses_nothing_and_sees_nothing_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch, *, skewed: bool
) -> None:
    if skewed:
        # Every event id is of a clock that is up to an hour wrong.
        draw = random.Random(7)  # noqa: S311 - a draw of a test
        monkeypatch.setattr(service, "new_id", lambda: new_id(1_790_000_000_000 + draw.randint(-3_600_000, 3_600_000)))
    tenant_id, subjects = new_id(), [new_id() for _ in range(SUBJECTS)]
    async with Signals(database) as signals, Streams(database) as streams:
        works = Works(database, writers=(write_outbox,), services={Signals: signals})
        committed: list[int] = []
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        # Small batches, so that a batch is hardly ever the whole outbox.
        sequencers = [asyncio.create_task(Sequencer(works, batch=5).run()) for _ in range(3)]
        async with asyncio.timeout(60):
            reader = asyncio.create_task(_follow(streams, tenant_id, done))
            await asyncio.gather(*(_write(works, tenant_id, subjects, seed, committed) for seed in range(WRITERS)))
            done.set_result(len(committed))
            seen = await reader
        for sequencer in sequencers:
            sequencer.cancel()
        await asyncio.gather(*sequencers, return_exceptions=True)
    assert [event.position for event in seen] == list(range(1, len(committed) + 1))
    assert sorted(event.facts["serial"] for event in seen) == sorted(committed)
    assert len({event.id for event in seen}) == len(committed)
    by_subject: dict[UUID, list[int]] = defaultdict(list)
    for event in seen:
        by_subject[event.subject_id].append(event.subject_sequence)
    assert by_subject.keys() == set(subjects)
    for sequences in by_subject.values():
        assert sequences == list(range(1, len(sequences) + 1))


async def test_events_of_one_work_keep_their_order(database: Database) -> None:
    works = Works(database, writers=(write_outbox,))
    tenant_id, tree = new_id(), new_id()
    async with works.begin(principal(tenant_id)) as work:
        for serial in range(50):
            work.emit(Grown(subject_id=tree if serial % 2 else new_id(), serial=serial))
    assert await Sequencer(works).drain(tenant_id) == 50
    async with works.begin(principal(tenant_id)) as work:
        found = await read(await work.connection(), tenant_id, 0)
        assert [event.facts["serial"] for event in found] == list(range(50))
        assert [event.subject_sequence for event in found if event.subject_id == tree] == list(range(1, 26))
        later = await read(await work.connection(), tenant_id, 48, types=["tests.tree.grown.v1"])
        assert [event.position for event in later] == [49, 50]
        assert await read(await work.connection(), tenant_id, 0, types=["tests.tree.felled.v1"]) == []


async def test_a_stream_is_of_one_tenant(database: Database) -> None:
    works = Works(database, writers=(write_outbox,))
    alder, birch = new_id(), new_id()
    for tenant_id in (alder, birch, birch):
        async with works.begin(principal(tenant_id)) as work:
            work.emit(Grown(subject_id=new_id(), serial=1))
    sequencer = Sequencer(works)
    assert {alder, birch} <= set(await sequencer.pending())
    assert (await sequencer.drain(alder), await sequencer.drain(birch)) == (1, 2)
    assert not {alder, birch} & set(await sequencer.pending())
    streams = Streams(database)
    assert [len(await streams.read(tenant_id, 0)) for tenant_id in (alder, birch)] == [1, 2]


async def test_what_no_signal_told_is_found_all_the_same(database: Database) -> None:
    """Without any signal, as after a crash between commit and NOTIFY: the look every second finds it."""
    works = Works(database, writers=(write_outbox,))
    tenant_id = new_id()
    async with works.begin(principal(tenant_id)) as work:
        work.emit(Grown(subject_id=new_id(), serial=1))
    async with Streams(database) as streams, sequencing(works), asyncio.timeout(20):
        assert await streams.wait(tenant_id, 0) == 1
