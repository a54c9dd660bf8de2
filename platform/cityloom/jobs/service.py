"""Running jobs: which are due, in which cities, and by whom."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import sqlalchemy.exc
from sqlalchemy import and_, or_, select
from sqlalchemy.dialects.postgresql import insert

from cityloom.core.clock import CIVIL_TIME
from cityloom.core.errors import Refusal
from cityloom.core.ids import new_id
from cityloom.jobs.models import JobRun
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.errors import TenantNotFound
from cityloom.tenancy.models import Tenant
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from uuid import UUID

    from cityloom.core.module import Job, Module
    from cityloom.core.work import Work, Works

_log = logging.getLogger(__name__)
#: Jobs of a shorter rhythm are not claimed: writing down each run would be as much work as most of them.
CLAIMED_FROM = timedelta(minutes=1)
#: How often a process looks which claimed jobs are due (seconds of the injected clock).
_LOOK = timedelta(seconds=30)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=CIVIL_TIME)
_BETWEEN_LOOKS = 1.0
_FAILURES = (OSError, Refusal, sqlalchemy.exc.SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Jobs:
    """The jobs of these modules, as one process runs them."""

    def __init__(self, works: Works, modules: Iterable[Module]) -> None:
        self.works = works
        self.jobs = [(module.name, job) for module in modules for job in module.jobs]
        self._looked: dict[str, datetime] = {}

    async def run_due(self) -> int:
        """Run what is due by now in every active city; one failure stops neither other jobs nor other cities."""
        now, done = self.works.clock.now(), 0
        for module, job in self.jobs:
            if now - self._looked.get(job.name, _LONG_AGO) < min(job.every, _LOOK):
                continue
            self._looked[job.name] = now
            for tenant_id in await self._cities(job, now):
                if await self._is_on(module, tenant_id):
                    done += await self._try(job, tenant_id)
        return done

    async def run(self, name: str, tenant_id: UUID) -> int:
        """Run one job in one city, whether or not it is due."""
        job = next(job for _, job in self.jobs if job.name == name)
        return await self._run(job, tenant_id, claimed=False)

    async def _try(self, job: Job, tenant_id: UUID) -> int:
        try:
            return await self._run(job, tenant_id, claimed=job.every >= CLAIMED_FROM)
        except _FAILURES:
            _log.exception("the job %s failed in the tenant %s", job.name, tenant_id)
            return 0

    async def _run(self, job: Job, tenant_id: UUID, *, claimed: bool) -> int:
        done = 0
        while True:
            async with self.works.begin(system_principal(tenant_id)) as work:
                if claimed:
                    row = await _claim(work, job)
                    if row is None:
                        return done
                found = await job.run(work) or 0
                if claimed and row is not None:
                    row.ran_at, row.done = work.now(), found
            done += found
            claimed = False
            if job.batch is None or found < job.batch:
                return done

    async def _cities(self, job: Job, now: datetime) -> list[UUID]:
        query = select(Tenant.id).where(Tenant.state == "ACTIVE").order_by(Tenant.id)
        if job.every >= CLAIMED_FROM:
            run = and_(JobRun.tenant_id == Tenant.id, JobRun.name == job.name)
            query = query.outerjoin(JobRun, run).where(
                or_(JobRun.ran_at.is_(None), JobRun.ran_at <= last_due(job, now))
            )
        async with self.works.database.operator_sessions() as session:
            return list(await session.scalars(query))

    async def _is_on(self, module: str, tenant_id: UUID) -> bool:
        directory: TenantDirectory | None = self.works.services.get(TenantDirectory)
        if directory is None:
            return True
        try:
            return module in (await directory.get(tenant_id)).modules
        except TenantNotFound:
            return False


def last_due(job: Job, now: datetime) -> datetime:
    """A job is due that ran last at this moment or before it."""
    if job.at is None:
        return now - job.every
    today = datetime.combine(now.astimezone(CIVIL_TIME).date(), job.at, CIVIL_TIME)
    return (today if today <= now else today - timedelta(days=1)) - timedelta(microseconds=1)


async def _claim(work: Work, job: Job) -> JobRun | None:
    """The row of a job that is due, held until the end of the work; None where another process has it or was faster."""
    values = {"tenant_id": work.tenant_id, "id": new_id(), "name": job.name, "ran_at": _LONG_AGO, "done": 0}
    statement = insert(JobRun).values(values).on_conflict_do_nothing(index_elements=["tenant_id", "name"])
    await work.session.execute(statement)
    query = select(JobRun).where(JobRun.name == job.name, JobRun.ran_at <= last_due(job, work.now()))
    return await work.session.scalar(query.with_for_update(skip_locked=True))


@asynccontextmanager
async def jobs_running(works: Works, modules: Iterable[Module]) -> AsyncIterator[Jobs]:
    """Run the jobs of all cities for as long as the block lasts, in as many processes as one likes."""
    jobs = Jobs(works, modules)

    async def repeat() -> None:
        while True:
            try:
                await jobs.run_due()
            except _FAILURES:
                _log.exception("jobs were not run")
            await asyncio.sleep(_BETWEEN_LOOKS)

    task = asyncio.create_task(repeat())
    try:
        yield jobs
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
