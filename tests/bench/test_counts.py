"""What the benchmarks of reads ask is one statement each, planned once, and reads no more rows than it has to.

Time is for `cityloom bench`; what cannot be flaky is held here: statements, hits of the plan cache, rows looked at.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import pytest
import pytest_asyncio
from graphql import GraphQLSchema, parse, validate
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from cityloom.core.clock import SystemClock
from cityloom.core.crypto.providers import FileKeyProvider
from cityloom.core.database import asyncpg_arguments
from cityloom.core.ids import encode_id
from cityloom.core.principal import FieldAccess
from cityloom.core.work import Works
from cityloom.demo.population import fill
from cityloom.graph.compiler import Compiler
from cityloom.graph.schema import shared_contracts
from cityloom.installed import modules
from cityloom.modules.registry.models import Dwelling, Resident
from cityloom.tenancy.keys import KeyRing
from cityloom.testing.areas import AreaTree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from cityloom.core.database import Database
    from cityloom.core.principal import Principal

READS = ("registry.dwelling.read", "registry.household.read", "registry.resident.read", "areas.area.read")
MASKED = dict.fromkeys(("registry.resident.phone", "registry.resident.identity_number"), FieldAccess.MASKED)


def _documents() -> ModuleType:
    path = Path(__file__).parents[2] / "ops" / "bench" / "documents.py"
    spec = importlib.util.spec_from_file_location("bench_documents", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


documents = _documents()


@dataclass
class Desk:
    """The compiler over a small city, with every statement that it sends."""

    schema: GraphQLSchema
    database: Database
    caller: Principal
    resident: str
    compiler: Compiler = field(default_factory=Compiler)
    statements: list[tuple[str, Sequence[Any]]] = field(default_factory=list)

    async def ask(self, text: str, variables: dict[str, Any]) -> Any:
        """The data of one operation, through one connection's worth of statements."""
        document = parse(text)
        assert not validate(self.schema, document)

        async def fetch(sql: str, args: Sequence[Any]) -> Any:
            self.statements.append((sql, args))
            return await self.database.lists.fetchrow(sql, *args)

        query = self.compiler.plan(self.schema, document, None, variables, self.caller, document_key=text)
        answer = await query.run(fetch)
        assert query.whole
        assert not answer.errors
        return {key: orjson.loads(value) for key, value in answer.fields.items()}

    async def rows_looked_at(self) -> int:
        """How many rows of tables the last statement looked at."""
        sql, args = self.statements[-1]
        explained = await self.database.lists.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", *args)
        return sum(_looked_at(orjson.loads(explained)[0]["Plan"]))


def _looked_at(plan: dict[str, Any]) -> Iterator[int]:
    if "Relation Name" in plan:
        yield int((plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])
    for below in plan.get("Plans", ()):
        yield from _looked_at(below)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(database: Database, admin_url: str, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """5,000 residents in eight grids, and a lead of one of two streets."""
    clock = SystemClock()
    keys = KeyRing(FileKeyProvider(tmp_path_factory.mktemp("keys")), database, clock)
    works = Works(database, clock=clock, services={KeyRing: keys})
    tree = await AreaTree.plant(works)
    await fill(works, tree.tenant_id, scale="small")
    admin = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    await admin.execute("ANALYZE dwellings, households, residents, areas")
    await admin.close()
    async with works.begin(tree.administrator) as work:
        street = tree.areas["s1"].path
        inside = Resident.area_path.startswith(street)
        row = await work.session.scalar(select(Resident.id).where(inside).limit(1))
        assert (await work.session.scalar(select(func.count()).select_from(Dwelling)) or 0) > 400
    assert row is not None
    installed = modules()
    schema = shared_contracts(installed, "tenant").of(frozenset(m.name for m in installed)).graphql
    caller = tree.someone(*READS, at="s1", fields=MASKED)
    return Desk(schema, database, caller, encode_id("resd", tree.tenant_id, row))


def _asked(desk: Desk, name: str) -> tuple[str, dict[str, Any], int]:
    """A bench's document, its variables, and the most rows that it may look at."""
    return {
        # 100 dwellings with their households and everybody in them; other uses and the other street lie between.
        "nested": (documents.NESTED, {"use": documents.USE}, 4_000),
        "point": (documents.POINT, {"id": desk.resident}, 1),
        "page": (documents.PAGE % ("", "endCursor"), {"sex": documents.SEX, "after": None}, 1_000),
        "counted page": (documents.PAGE % ("totalCount", ""), {"sex": documents.SEX, "after": None}, 6_000),
        "aggregate": (documents.AGGREGATE, {}, 6_000),
    }[name]


NAMES = ("nested", "point", "page", "counted page", "aggregate")


@pytest.mark.parametrize("name", NAMES)
async def test_a_bench_is_one_statement_that_is_planned_once(desk: Desk, name: str) -> None:
    text, variables, most = _asked(desk, name)
    sent, misses, hits = len(desk.statements), desk.compiler.cache.misses, desk.compiler.cache.hits
    first = await desk.ask(text, variables)
    assert await desk.ask(text, variables) == first
    assert len(desk.statements) == sent + 2
    assert (desk.compiler.cache.misses, desk.compiler.cache.hits) == (misses + 1, hits + 1)
    assert 0 < await desk.rows_looked_at() <= most


async def test_the_nested_bench_answers_what_it_says(desk: Desk) -> None:
    data = await desk.ask(documents.NESTED, {"use": documents.USE})
    nodes = data["dwellings"]["nodes"]
    assert len(nodes) == 100
    assert {len(node) for node in nodes} == {6}
    residents = [resident for node in nodes for resident in node["residents"]["nodes"]]
    assert {len(resident) for resident in residents} == {8}
    assert max(len(node["residents"]["nodes"]) for node in nodes) == 2
    assert "*" in next(resident["phone"] for resident in residents if resident["phone"])


async def test_a_later_page_looks_at_no_more_rows_than_the_first(desk: Desk) -> None:
    text = documents.PAGE % ("", "endCursor")
    looked, after = [], None
    for _ in range(8):
        page = (await desk.ask(text, {"sex": documents.SEX, "after": after}))["residents"]
        after = page["pageInfo"]["endCursor"]
        looked.append(await desk.rows_looked_at())
    # Each page meets rows of the other sex and of the other street in between, as chance has it.
    assert max(looked) <= 2 * min(looked)
