"""What is pending is written by one statement, and never overlooked by what else the work asks."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from sqlalchemy import bindparam, func, select

from cityloom.core.errors import Refusal, RefusalCode
from cityloom.core.ids import new_id
from cityloom.core.prepared import Prepared, Reader
from cityloom.core.work import Works
from cityloom.core.writes import RowsMissing
from cityloom.events.models import OutboxRecord
from cityloom.graph.models import IdempotencyRecord
from cityloom.modules.cases.models import BusinessDay
from cityloom.testing.rights import principal

if TYPE_CHECKING:
    from cityloom.core.database import Database
    from cityloom.core.work import Work
    from cityloom.testing.clock import ManualClock

DAYS = Prepared(
    lambda: (
        select(BusinessDay.__table__)
        .where(BusinessDay.tenant_id == bindparam("tenant"), BusinessDay.day == bindparam("on"))
        .with_for_update()
    )
)
READER = Reader(BusinessDay)


class DayTaken(Refusal):
    """The day is taken."""

    code = RefusalCode.CONFLICT
    zh = "该日已有记录。"


@pytest.fixture
def works(database: Database, clock: ManualClock) -> Works:
    return Works(database, clock=clock)


def day(number: int, **values: Any) -> BusinessDay:
    return BusinessDay(day=date(2026, 5, number), is_workday=True, **values)


async def listed(work: Work) -> list[tuple[date, bool, str | None]]:
    rows = await work.session.execute(
        select(BusinessDay.day, BusinessDay.is_workday, BusinessDay.name).order_by(BusinessDay.day)
    )
    return [(row[0], row[1], row[2]) for row in rows]


class Sent:
    """The statements of a work from now on, without what the driver asks once about types that are new to it."""

    def __init__(self, work: Work) -> None:
        self._connection = work.transaction.connection
        self._found: list[str] = []
        self._connection.add_query_logger(lambda logged: self._found.append(logged.query))

    async def so_far(self) -> list[str]:
        # The driver tells of a statement before the answer to the next one comes.
        await self._connection.fetchval("SELECT 1")
        return [sql for sql in self._found if sql != "SELECT 1" and "typeinfo" not in sql and "'jit'" not in sql]


async def test_rows_of_several_tables_are_one_statement(works: Works, clock: ManualClock) -> None:
    caller = principal(new_id())
    async with works.begin(caller) as work:
        statements = Sent(work)
        work.add(day(1))
        work.add(day(2, name="moved"))
        record = IdempotencyRecord(caller_id=new_id(), key="k", field="f", input_hash=b"\0", created_at=clock.now())
        work.add(record)
        record.result_type = "set before it is sent"
        work.change(IdempotencyRecord, {"key": "another's"}, result_type="nothing", result_id=None)
        await work.flush()
        [_] = await statements.so_far()
        await work.flush()
        assert len(await statements.so_far()) == 1, "nothing is sent twice"
    async with works.begin(caller) as work:
        assert await listed(work) == [(date(2026, 5, 1), True, None), (date(2026, 5, 2), True, "moved")]
        assert await work.session.scalar(select(IdempotencyRecord.result_type)) == "set before it is sent"


async def test_of_a_row_that_was_read_only_what_has_changed_is_written(works: Works) -> None:
    caller = principal(new_id())
    async with works.begin(caller) as work:
        first = work.add(day(1))
        await work.flush()
        first.name = "after it was added"
        work.add(day(2))
    async with works.begin(caller) as work:
        kept = work.keep(READER.read(await DAYS.row(work, on=date(2026, 5, 1))))
        unchanged = work.keep(READER.read(await DAYS.row(work, on=date(2026, 5, 2))))
        assert (kept.name, unchanged.name) == ("after it was added", None)
        statements = Sent(work)
        kept.is_workday = False
        unchanged.is_workday = True
        await work.flush()
        [update] = await statements.so_far()
        assert "SET is_workday" in update
        assert "name" not in update
    async with works.begin(caller) as work:
        assert [row[1] for row in await listed(work)] == [False, True]


async def test_many_rows_with_the_same_changes_are_one_update(works: Works) -> None:
    caller = principal(new_id())
    async with works.begin(caller) as work:
        rows = [work.add(day(number)) for number in range(1, 11)]
        await work.flush()
        statements = Sent(work)
        for row in rows:
            row.name = f"day {row.day.day}"
        await work.flush()
        [update] = await statements.so_far()
        assert update.count("UPDATE") == 1
    async with works.begin(caller) as work:
        assert [name for _, _, name in await listed(work)] == [f"day {number}" for number in range(1, 11)]


async def test_the_orm_sees_what_is_pending(works: Works) -> None:
    async with works.begin(principal(new_id())) as work:
        work.add(day(1))
        assert await work.session.scalar(select(func.count()).select_from(BusinessDay)) == 1
        work.add(day(2))
        work.session.add(day(3))
        assert len(await listed(work)) == 3
        work.add(day(4))
        found = await (await work.connection()).fetchval("SELECT count(*) FROM business_days")
        assert found == 4


async def test_a_violation_is_a_refusal_where_it_was_named(works: Works) -> None:
    caller = principal(new_id())
    with pytest.raises(DayTaken):
        await _twice(works, caller, refusals={"uq_business_days_tenant_id_day": DayTaken})
    with pytest.raises(asyncpg.UniqueViolationError):
        await _twice(works, caller, refusals={})
    async with works.begin(caller) as work:
        assert await listed(work) == []


async def _twice(works: Works, caller: Any, *, refusals: dict[str, Any]) -> None:
    async with works.begin(caller) as work:
        work.refusing(refusals)
        work.add(day(1))
        work.add(day(1))


async def test_a_row_that_is_gone_cannot_be_changed(works: Works) -> None:
    with pytest.raises(RowsMissing):
        await _changed_after_its_end(works)


async def _changed_after_its_end(works: Works) -> None:
    async with works.begin(principal(new_id())) as work:
        row = work.add(day(1))
        connection = await work.connection()
        await connection.execute("DELETE FROM business_days")
        row.name = "nobody"


async def test_arrays_json_and_a_savepoint_of_the_session(works: Works, clock: ManualClock) -> None:
    caller, subject = principal(new_id()), new_id()
    async with works.begin(caller) as work:
        for number in (1, 2):
            work.add(
                OutboxRecord(
                    type="tests.tree.planted.v1",
                    subject_tag="tree",
                    subject_id=subject,
                    subject_sequence=number,
                    facts={"kinds": ["elm", number]},
                    changed=["kinds"] * number,
                    actor_kind="SYSTEM",
                    occurred_at=clock.now(),
                )
            )
        async with work.session.begin_nested():
            rows = (await work.session.scalars(select(OutboxRecord).order_by(OutboxRecord.subject_sequence))).all()
        assert [(row.facts["kinds"], row.changed) for row in rows] == [
            (["elm", 1], ["kinds"]),
            (["elm", 2], ["kinds", "kinds"]),
        ]
