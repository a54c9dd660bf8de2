"""Jobs run in every active city that has their module, in their rhythm, and once whoever else runs them."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy.exc
from sqlalchemy import event, insert, select, true, update

from cityloom.core.ids import new_id
from cityloom.core.module import Job, Module
from cityloom.core.text import Text
from cityloom.core.work import Works
from cityloom.files.store import FileStore, open_store
from cityloom.installed import modules
from cityloom.jobs.models import JobRun
from cityloom.jobs.service import Jobs, jobs_running, last_due, needed
from cityloom.privacy.catalogue import SubjectCatalogue
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.models import Tenant, TenantLimit, TenantModule
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select

    from cityloom.core.database import Database
    from cityloom.core.work import Work
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.database import TestServer

TITLE = Text("一", "one")


class Counted:
    """A job that notes in which cities it ran."""

    def __init__(self, answers: int = 1) -> None:
        self.ran: list[UUID] = []
        self.answers = answers

    async def __call__(self, work: Work) -> int:
        assert work.rights.scope("anything.at.all") is not None
        self.ran.append(work.tenant_id)
        self.answers = max(0, self.answers - 1)
        return self.answers

    def times(self, tenant_id: UUID) -> int:
        return self.ran.count(tenant_id)


def manifest(*jobs: Job) -> Module:
    return Module("paper", TITLE, TITLE, is_core=True, jobs=jobs)


@pytest.fixture
def works(database: Database, clock: ManualClock) -> Works:
    return Works(database, clock=clock)


@pytest.fixture
async def city(database: Database, clock: ManualClock) -> UUID:
    """An active tenant."""
    tenant_id = new_id()
    async with database.operator_sessions() as session:
        slug = f"alder-{tenant_id.hex[-10:]}"
        now = clock.now()
        session.add(
            Tenant(
                id=tenant_id, slug=slug, name_zh="x", name_en="x", state="ACTIVE", created_at=now, state_changed_at=now
            )
        )
        await session.commit()
    return tenant_id


async def test_a_claimed_job_runs_once_a_round_whoever_runs_it(works: Works, city: UUID, clock: ManualClock) -> None:
    count = Counted()
    mark = f"paper.{new_id().hex}"
    module = manifest(Job(mark, TITLE, timedelta(hours=1), count))
    await asyncio.gather(*(Jobs(works, [module]).run_due() for _ in range(4)))
    assert count.times(city) == 1
    clock.advance(minutes=59)
    await Jobs(works, [module]).run_due()
    assert count.times(city) == 1
    clock.advance(minutes=1)
    await Jobs(works, [module]).run_due()
    assert count.times(city) == 2
    async with works.begin(system_principal(city)) as work:
        row = (await work.session.scalars(select(JobRun).where(JobRun.name == mark))).one()
        assert row.ran_at == clock.now()


async def test_a_daily_job_runs_after_its_time_of_day(works: Works, city: UUID, clock: ManualClock) -> None:
    count = Counted()
    module = manifest(Job(f"paper.{new_id().hex}", TITLE, timedelta(days=1), count, at=time(1, 30)))
    # The clock begins at 09:00 in China.
    for hours, times in ((0, 1), (10, 1), (6, 1), (1, 2), (20, 2), (4, 3)):
        clock.advance(hours=hours)
        await Jobs(works, [module]).run_due()
        assert count.times(city) == times, (hours, clock.now())


async def test_a_job_is_repeated_while_it_finds_a_whole_batch(works: Works, city: UUID) -> None:
    answers = [2, 2, 1]

    async def run(work: Work) -> int:
        return answers.pop(0) if work.tenant_id == city and answers else 0

    module = manifest(Job("paper.batches", TITLE, timedelta(seconds=5), run, batch=2))
    assert await Jobs(works, [module]).run("paper.batches", city) == 5


async def test_cities_that_are_not_active_are_left_alone(works: Works, city: UUID, database: Database) -> None:
    async with database.operator_sessions() as session:
        await session.execute(update(Tenant).where(Tenant.id == city).values(state="SUSPENDED"))
        await session.commit()
    count = Counted()
    await Jobs(works, [manifest(Job(f"paper.{new_id().hex}", TITLE, timedelta(hours=1), count))]).run_due()
    assert count.times(city) == 0


async def test_a_failure_stops_nobody_else_and_is_tried_again(works: Works, city: UUID, clock: ManualClock) -> None:
    count, failing = Counted(), [True]

    async def fail(work: Work) -> int:
        if work.tenant_id == city and failing:
            raise sqlalchemy.exc.OperationalError("x", {}, Exception("x"))
        return await count(work)

    name = f"paper.{new_id().hex}"
    module = manifest(Job(name, TITLE, timedelta(hours=1), fail))
    other = Counted()
    both = Module(
        "other", TITLE, TITLE, is_core=True, jobs=(Job(f"other.{new_id().hex}", TITLE, timedelta(hours=1), other),)
    )
    jobs = Jobs(works, [module, both])
    await jobs.run_due()
    assert (count.times(city), other.times(city)) == (0, 1)
    failing.clear()
    clock.advance(seconds=30)
    await jobs.run_due()
    assert (count.times(city), other.times(city)) == (1, 1)


async def test_a_city_with_the_module_off_is_left_alone(works: Works, city: UUID) -> None:
    count = Counted()
    jobs = Jobs(works, [Module("paper", TITLE, TITLE, jobs=(Job("paper.module", TITLE, timedelta(seconds=5), count),))])
    for is_enabled, times in ((False, 0), (True, 1)):
        async with works.begin(system_principal(city)) as work:
            await work.session.merge(TenantModule(tenant_id=city, id=city, module="paper", is_enabled=is_enabled))
        jobs._looked.clear()
        await jobs.run_due()
        assert count.times(city) == times


def _is_limited(city: ColumnElement[UUID], _now: datetime) -> Select[bool]:
    return select(true()).where(TenantLimit.tenant_id == city, TenantLimit.name == "areas")


async def test_a_job_is_begun_only_where_something_waits(works: Works, city: UUID, clock: ManualClock) -> None:
    """And one city's rows are found in no other, though all are asked by one statement."""
    count = Counted()
    job = Job(f"paper.{new_id().hex}", TITLE, timedelta(hours=1), count, waiting=_is_limited)
    jobs = Jobs(works, [manifest(job)])
    await jobs.run_due()
    assert count.times(city) == 0
    async with works.begin(system_principal(city)) as work:
        work.session.add(TenantLimit(name="areas", value=1))
    clock.advance(seconds=30)
    await jobs.run_due()
    assert count.times(city) == 1
    clock.advance(hours=1)
    await jobs.run_due()
    assert count.times(city) == 2
    assert all([await _has_limit(works, one) for one in set(count.ran)])


async def _has_limit(works: Works, tenant_id: UUID) -> bool:
    async with works.begin(system_principal(tenant_id)) as work:
        return await work.session.scalar(select(TenantLimit.id).where(TenantLimit.name == "areas")) is not None


class Counting:
    """Counts what a database is asked: statements, and transactions that were begun for anything else."""

    def __init__(self, database: Database) -> None:
        self.total = 0
        for engine in (database.engine.sync_engine, database.operator_engine.sync_engine):
            event.listen(engine, "before_cursor_execute", self._count)
            event.listen(engine, "checkout", self._count)

    def _count(self, *_: object) -> None:
        self.total += 1

    async def of(self, jobs: Jobs) -> int:
        """What one turn of the installed jobs takes."""
        before = self.total
        await jobs.run_due()
        return self.total - before


async def test_a_turn_in_which_nothing_is_due_asks_as_much_for_fifty_cities_as_for_one(
    server: TestServer, clock: ManualClock
) -> None:
    async with (
        server.clone(f"idle_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}") as url,
        server.open(url) as database,
    ):
        counting, works = Counting(database), Works(database, clock=clock)
        works.services[TenantDirectory] = TenantDirectory(database, modules())
        works.services[SubjectCatalogue] = SubjectCatalogue.of(modules())
        counts: dict[int, int] = {}
        for cities in (1, 50):
            made = _tenants(cities - len(counts), clock)
            async with database.operator_sessions.begin() as session:
                session.add_all(made)
            for tenant in made:
                rows = [{"tenant_id": tenant.id, "id": new_id(), "module": one.name} for one in modules()]
                async with works.begin(system_principal(tenant.id)) as work:
                    await work.session.execute(insert(TenantModule).values(is_enabled=True, settings={}), rows)
            jobs = Jobs(works, modules())
            assert await counting.of(jobs) > 6, "what is done once a day was done"
            for _ in range(2):
                clock.advance(minutes=10)
                counts[cities] = await counting.of(jobs)
        assert counts[1] == counts[50]
        assert counts[1] <= 6


def _tenants(count: int, clock: ManualClock) -> list[Tenant]:
    names = {"name_zh": "x", "name_en": "x", "state": "ACTIVE", "created_at": clock.now()}
    return [
        Tenant(id=(one := new_id()), slug=f"alder-{one.hex[-10:]}", state_changed_at=clock.now(), **names)
        for _ in range(count)
    ]


async def test_they_run_by_themselves(works: Works, city: UUID) -> None:
    done = asyncio.Event()

    async def run(work: Work) -> None:
        if work.tenant_id == city:
            done.set()

    async with jobs_running(works, [manifest(Job("paper.alone", TITLE, timedelta(seconds=5), run))]):
        await asyncio.wait_for(done.wait(), 20)


def test_a_rhythm_and_a_time_of_day_say_when() -> None:
    now = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    hourly = Job("a", TITLE, timedelta(hours=1), Counted())
    assert last_due(hourly, now) == now - timedelta(hours=1)
    daily = Job("b", TITLE, timedelta(days=1), Counted(), at=time(9, 0))
    assert last_due(daily, now) == now - timedelta(microseconds=1)
    later = Job("c", TITLE, timedelta(days=1), Counted(), at=time(9, 1))
    assert last_due(later, now) == now - timedelta(hours=23, minutes=59, microseconds=1)


def test_what_was_written_to_run_by_itself_does() -> None:
    names: set[str] = {job.name for module in modules() for job in module.jobs}
    assert names >= {
        "cases.clocks",
        "grid.days",
        "grid.tracks",
        "graph.keys",
        "access.decisions",
        "files.expire",
        "files.tickets",
    }


async def test_every_installed_job_runs_in_a_city(works: Works, city: UUID, tmp_path: Path) -> None:
    works.services[FileStore] = FileStore(open_store(None, tmp_path), works.clock)
    works.services[SubjectCatalogue] = SubjectCatalogue.of(modules())
    jobs = Jobs(works, modules())
    for module, job in jobs.jobs:
        if job.name.startswith(("webhooks.", "events.", "audit.")):
            continue
        assert await jobs.run(job.name, city) == 0, job.name
        if job.waiting is not None:
            assert await needed(works, [(module, job)], [city], works.clock.now()) == [(job, [])], job.name
