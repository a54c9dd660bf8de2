"""What is done for tallies by itself: changes are folded every minute, and every night all of it is counted anew."""

from __future__ import annotations

import logging
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select, true

from cityloom.core.module import Job
from cityloom.core.tallies import CHANGED, all_tallies, keeping
from cityloom.core.text import Text

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select

    from cityloom.core.work import Work

_log = logging.getLogger(__name__)
#: Changes of each tally that one transaction folds: some hundred milliseconds.
BATCH = 10_000
#: Counting ten million rows anew takes longer than any request may.
_PATIENCE = "SET LOCAL statement_timeout = '10min'"


async def fold_changes(work: Work) -> int:
    """Fold changes into what is kept of areas; answers the most that one tally had."""
    return await keeping.fold(await work.connection(), work.tenant_id, BATCH)


async def settle_tallies(work: Work) -> int:
    """Count a city's rows anew and put right what differs, which nothing does; answers how many groups did."""
    connection = await work.connection()
    await connection.execute(_PATIENCE)
    found = await keeping.recount(connection, work.tenant_id, settle=True)
    for drift in found:
        _log.error("the tally %s differed from its rows in %s groups, and was put right", drift.tally, drift.groups)
    return sum(drift.groups for drift in found)


def _waiting(city: ColumnElement[UUID], _now: datetime) -> Select[bool]:
    tables = [tally.table for tally in all_tallies()]
    changed: list[Any] = [
        select(table.c.id).where(table.c.tenant_id == city, table.c.tier == CHANGED).correlate(None).exists()
        for table in tables
    ]
    return select(true()).where(or_(*changed))


JOBS = (
    Job(
        "graph.tallies",
        Text("归并计数变动", "Fold changes of tallies"),
        timedelta(minutes=1),
        fold_changes,
        batch=BATCH,
        waiting=_waiting,
    ),
    Job(
        "graph.recount",
        Text("复核计数", "Count anew what is tallied"),
        timedelta(days=1),
        settle_tallies,
        at=time(3, 20),
    ),
)
