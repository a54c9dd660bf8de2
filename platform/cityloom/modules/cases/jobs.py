"""What has to be done again and again: bringing the ledgers of all cities up to date."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, true

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.modules.cases.models import Case
from cityloom.modules.cases.service.due import run_due
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select

    from cityloom.core.work import Works

#: How late a warning may be told; deadlines themselves are exact, whenever the run comes.
EVERY = timedelta(seconds=5)
BATCH = 200


def _is_due(city: ColumnElement[UUID], now: datetime) -> Select[bool]:
    return select(true()).where(Case.tenant_id == city, Case.next_clock_at <= now)


CLOCKS = Job("cases.clocks", Text("事件计时", "Clocks of cases"), EVERY, run_due, batch=BATCH, waiting=_is_due)
JOBS = (CLOCKS,)


async def run_tenant(works: Works, tenant_id: UUID) -> int:
    """Write what fell due in one city, in transactions of a few hundred cases; answers how many cases that were."""
    done = 0
    while True:
        async with works.begin(system_principal(tenant_id)) as work:
            found = await run_due(work, most=BATCH)
        done += found
        if found < BATCH:
            return done
