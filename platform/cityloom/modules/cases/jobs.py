"""What has to be done again and again: bringing the ledgers of all cities up to date."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import sqlalchemy.exc
from sqlalchemy import select

from cityloom.modules.cases.service.due import run_due
from cityloom.tenancy.models import Tenant
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from cityloom.core.work import Works

_log = logging.getLogger(__name__)
#: How late a warning may be told; deadlines themselves are exact, whenever the run comes.
EVERY_SECONDS = 5.0
_BATCH = 200


async def run_tenant(works: Works, tenant_id: UUID) -> int:
    """Write what fell due in one city, in transactions of a few hundred cases; answers how many cases that were."""
    done = 0
    while True:
        async with works.begin(system_principal(tenant_id)) as work:
            found = await run_due(work, most=_BATCH)
        done += found
        if found < _BATCH:
            return done


async def run_all(works: Works) -> int:
    """Write what fell due in every active city; one city's failure does not stop the others."""
    async with works.database.operator_sessions() as session:
        tenants = list(await session.scalars(select(Tenant.id).where(Tenant.state == "ACTIVE")))
    done = 0
    for tenant_id in tenants:
        try:
            done += await run_tenant(works, tenant_id)
        except sqlalchemy.exc.DBAPIError:
            _log.exception("the clocks of the tenant %s were not run", tenant_id)
    return done


@asynccontextmanager
async def clocks_running(works: Works, *, every: float = EVERY_SECONDS) -> AsyncIterator[None]:
    """Run the clocks of all cities for as long as the block lasts; processes skip cases that another one is at."""

    async def repeat() -> None:
        while True:
            try:
                await run_all(works)
            except (OSError, sqlalchemy.exc.SQLAlchemyError):
                _log.exception("the clocks were not run")
            await asyncio.sleep(every)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
