"""A unit of work: all of it or nothing, for one tenant, with the tenant named on every statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import asyncpg
import pytest
from sqlalchemy import event, func, select
from sqlalchemy.engine import make_url

from cityloom.audit.models import AuditRecord
from cityloom.audit.service import write_entries
from cityloom.core.database import Context, Database, asyncpg_arguments
from cityloom.core.errors import Forbidden
from cityloom.core.events import AuditEntry, Event
from cityloom.core.ids import new_id
from cityloom.core.principal import Principal, Scope, subtree
from cityloom.core.work import Works
from cityloom.events.models import OutboxRecord
from cityloom.events.service import write_outbox
from cityloom.testing.rights import StatedRights, principal

if TYPE_CHECKING:
    from cityloom.testing.clock import ManualClock


class Planted(Event):
    """A tree was planted."""

    type: ClassVar[str] = "tests.tree.planted.v1"
    subject_tag: ClassVar[str] = "tree"


@pytest.fixture
def works(database: Database, clock: ManualClock) -> Works:
    return Works(database, clock=clock, writers=(write_outbox, write_entries))


async def test_event_and_audit_entry_are_there_with_the_commit_and_not_without(works: Works) -> None:
    caller = principal(new_id())
    tree = new_id()
    async with works.begin(caller) as work:
        work.emit(Planted(subject_id=tree))
        work.audit(AuditEntry(action="tests.tree.plant", object_tag="tree", object_id=tree, after={"kind": "elm"}))
    with pytest.raises(Forbidden):
        await _plant_and_be_refused(works, caller)
    async with works.begin(caller) as work:
        assert (await work.session.scalars(select(OutboxRecord.subject_id))).all() == [tree]
        entry = (await work.session.scalars(select(AuditRecord))).one()
        assert (entry.object_id, entry.changed_fields, entry.before_hash) == (tree, ["kind"], None)
        assert entry.recorded_at == works.clock.now()


async def _plant_and_be_refused(works: Works, caller: Principal) -> None:
    async with works.begin(caller) as work:
        work.emit(Planted(subject_id=new_id()))
        raise Forbidden(permission="tests.tree.plant")


async def test_another_tenant_sees_and_changes_nothing(works: Works) -> None:
    alder, birch = principal(new_id()), principal(new_id())
    async with works.begin(alder) as work:
        work.emit(Planted(subject_id=new_id()))
    async with works.begin(birch) as work:
        assert await work.session.scalar(select(func.count()).select_from(OutboxRecord)) == 0
        assert await work.session.get(OutboxRecord, (alder.tenant_id, new_id())) is None


async def test_every_statement_of_the_orm_names_the_tenant(works: Works, database: Database) -> None:
    statements: list[str] = []
    engine = database.engine.sync_engine

    def record(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", record)
    try:
        async with works.begin(principal(new_id())) as work:
            await work.session.execute(
                select(OutboxRecord).join(AuditRecord, AuditRecord.object_id == OutboxRecord.subject_id)
            )
    finally:
        event.remove(engine, "before_cursor_execute", record)
    assert len(statements) == 1
    assert "outbox.tenant_id =" in statements[0]
    assert "audit_records.tenant_id =" in statements[0]


@pytest.mark.parametrize("way", ["work", "session"])
async def test_connections_that_the_server_closed_fail_nobody(works: Works, admin_url: str, way: str) -> None:
    caller = principal(new_id())
    async with works.begin(caller) as work:
        connection = work.transaction.connection
    admin = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        while not connection.is_closed():
            await admin.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'cityloom_app' AND datname = current_database()"
            )
    finally:
        await admin.close()
    count = select(func.count()).select_from(AuditRecord)
    if way == "work":
        async with works.begin(caller) as work:
            assert await work.session.scalar(count) == 0
    else:
        async with works.database.session(Context(caller.tenant_id)) as session:
            assert await session.scalar(count) == 0


def test_authorise_holds_the_area() -> None:
    rights = StatedRights({"registry.resident.read": Scope(areas=(subtree("1.7."),))})
    scope = rights.scope("registry.resident.read")
    assert scope is not None
    assert [scope.covers(path) for path in ("1.7.", "1.7.2c.", "1.70.", "1.", "1.8.")] == [
        True,
        True,
        False,
        False,
        False,
    ]
