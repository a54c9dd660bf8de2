"""Every query of the tenant API is one statement; counted where statements leave for PostgreSQL."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from cityloom.graph.bound import binding_of
from cityloom.graph.compiled import CompiledReads
from cityloom.testing.documents import DocumentMaker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cityloom.app import Platform
    from cityloom.testing.twins import Twin


@dataclass
class Counted:
    """A pool that counts the statements that it is given."""

    pool: Any
    statements: Counter[str] = field(default_factory=Counter)

    async def fetchrow(self, sql: str, *arguments: object) -> Any:
        self.statements[sql] += 1
        return await self.pool.fetchrow(sql, *arguments)


@dataclass
class CountedDatabase:
    """The real database, with both pools of reads counted."""

    reads: Counted
    lists: Counted

    @property
    def sent(self) -> int:
        return self.reads.statements.total() + self.lists.statements.total()


@pytest.fixture
def counted(opened: Platform) -> Iterator[CountedDatabase]:
    """Counts what the tenant API sends while the test runs."""
    before = opened.tenant_api._reads
    assert isinstance(before, CompiledReads)
    database = CountedDatabase(Counted(opened.database.reads), Counted(opened.database.lists))
    opened.tenant_api._reads = replace(before, database=database)  # type: ignore[arg-type] # what reads need of it
    yield database
    opened.tenant_api._reads = before


async def test_every_query_is_one_statement(alder: Twin, opened: Platform, counted: CountedDatabase) -> None:
    schema = opened.tenant_api.contracts.whole.graphql
    assert schema.query_type
    compiled = {
        name
        for name, field_ in schema.query_type.fields.items()
        if binding_of(field_.extensions["strawberry-definition"]) is not None
    }
    assert len(compiled) > 20
    asked = set()
    for operation in DocumentMaker(schema, lambda _: alder.ids["Resident"][0]).queries():
        before = counted.sent
        answer = await alder.send("city_administrator", operation.document, operation.variables)
        assert answer.status_code == 200, answer.text
        assert counted.sent - before == (1 if operation.field in compiled else 0), operation.document
        asked.add(operation.field)
    assert compiled <= asked


async def test_several_root_fields_are_one_statement_and_one_snapshot(alder: Twin, counted: CountedDatabase) -> None:
    data = await alder.ask(
        "city_administrator",
        """{
          residents { totalCount }
          again: residents { totalCount edges { node { household { dwelling { building { area { name } } } } } } }
          areas(first: 100) { edges { node { buildings { edges { node { dwellings { totalCount } } } } } } }
          me { login }
        }""",
    )
    assert data["residents"]["totalCount"] == data["again"]["totalCount"] == 4
    assert data["me"]["login"] == "city-administrator"
    assert counted.sent == 1
