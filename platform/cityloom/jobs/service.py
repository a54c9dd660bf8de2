"""Running jobs: which are due, in which cities, and by whom."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import sqlalchemy.exc
from sqlalchemy import Text, and_, bindparam, cast, column, false, func, not_, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.types import Uuid

from cityloom.core.clock import CIVIL_TIME
from cityloom.core.database import Context, context_statement
from cityloom.core.errors import Refusal
from cityloom.core.ids import new_id
from cityloom.core.repeating import repeating
from cityloom.jobs.models import JobRun
from cityloom.tenancy.models import Tenant, TenantModule
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement

    from cityloom.core.module import Job, Module
    from cityloom.core.work import Work, Works

    #: A job with the module that it belongs to.
    Asked = tuple[Module, Job]
    #: A job with the cities in which it is to be begun.
    Needed = tuple[Job, list[UUID]]

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
        self.jobs = [(module, job) for module in modules for job in module.jobs]
        self._looked: dict[str, datetime] = {}
        #: Of jobs with a time of day, the round that no city waits for any more.
        self._over: dict[str, datetime] = {}

    async def run_due(self) -> int:
        """Run what is due by now in every active city; one failure stops neither other jobs nor other cities.

        Where nothing is, that takes two statements, however many jobs and cities there are.
        """
        now, done = self.works.clock.now(), 0
        asked = [one for one in self.jobs if self._is_to_be_asked(one[1], now)]
        cities = await self._cities() if asked else []
        if not cities:
            return 0
        for job, tenant_ids in await self._needed(asked, cities, now):
            if job.at is not None and not tenant_ids:
                self._over[job.name] = last_due(job, now)
            for tenant_id in tenant_ids:
                done += await self._try(job, tenant_id)
        return done

    def _is_to_be_asked(self, job: Job, now: datetime) -> bool:
        """Whether to look where a job is needed: in its rhythm, and one of a time of day until all cities had it."""
        if now - self._looked.get(job.name, _LONG_AGO) < min(job.every, _LOOK):
            return False
        self._looked[job.name] = now
        return job.at is None or self._over.get(job.name) != last_due(job, now)

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

    async def _cities(self) -> Sequence[UUID]:
        """The cities that have anything done for them."""
        query = select(Tenant.id).where(Tenant.state == "ACTIVE").order_by(Tenant.id)
        async with self.works.database.operator_sessions() as session:
            return (await session.scalars(query)).all()

    async def _needed(self, asked: Sequence[Asked], cities: Sequence[UUID], now: datetime) -> list[Needed]:
        """Where each job is to be begun; one that cannot be asked about keeps the others from nothing."""
        try:
            return await needed(self.works, asked, cities, now)
        except _FAILURES:
            if len(asked) == 1:
                _log.exception("nobody knows where the job %s is needed", asked[0][1].name)
                return []
            return [found for one in asked for found in await self._needed([one], cities, now)]


async def needed(works: Works, asked: Sequence[Asked], tenant_ids: Sequence[UUID], now: datetime) -> list[Needed]:
    """In which of the cities each job is to be begun by now: one statement that enters each city in turn.

    As the application's role and behind row-level security: who asks for all sees of each no more than its own work.
    """
    ids = func.unnest(bindparam("cities", type_=ARRAY(Uuid())))
    cities = ids.table_valued(column("id", Uuid()), name="cities").render_derived()
    city = cities.c.id
    entering = select(func.set_config("app.tenant_id", cast(city, Text), true()).label("tenant"))
    entered = entering.correlate(cities).lateral("entered")
    # Scalar subqueries are carried out for each row, after the row's FROM; that they were is proven by `is_inside`.
    seen = (
        select(
            city.label("id"),
            (entered.c.tenant == func.current_setting("app.tenant_id")).label("is_inside"),
            *(_is_needed(one, city, now).label(f"job{at}") for at, one in enumerate(asked)),
        )
        .select_from(cities.join(entered, true()))
        .cte("seen")
        .prefix_with("MATERIALIZED")
    )
    columns = [seen.c[f"job{at}"] for at in range(len(asked))]
    query = select(seen).where(or_(not_(seen.c.is_inside), *columns))
    async with works.database.engine.connect() as connection:
        # The planner already reads the setting; which city it is does not matter to it.
        await connection.execute(*context_statement(Context(tenant_ids[0])))
        rows = (await connection.execute(query, {"cities": list(tenant_ids)})).all()
    if not all(row.is_inside for row in rows):
        message = "a city was looked at from outside"
        raise RuntimeError(message)
    return [(job, [row.id for row in rows if row[2 + at]]) for at, (_, job) in enumerate(asked)]


def _is_needed(asked: Asked, city: ColumnElement[UUID], now: datetime) -> ColumnElement[bool]:
    """Whether a city has the module on, has not had the job in this round, and has something that waits for it."""
    module, job = asked
    parts: list[ColumnElement[bool]] = []
    if not module.is_core:
        has = select(TenantModule.is_enabled).where(TenantModule.tenant_id == city, TenantModule.module == module.name)
        parts.append(func.coalesce(has.limit(1).scalar_subquery(), false()))
    if job.every >= CLAIMED_FROM:
        ran = select(JobRun.ran_at <= last_due(job, now)).where(JobRun.tenant_id == city, JobRun.name == job.name)
        parts.append(func.coalesce(ran.limit(1).scalar_subquery(), true()))
    if job.waiting is not None:
        parts.append(func.coalesce(job.waiting(city, now).limit(1).scalar_subquery(), false()))
    return and_(true(), *parts)


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
    async with repeating("jobs", jobs.run_due, seconds=_BETWEEN_LOOKS, failures=_FAILURES):
        yield jobs
