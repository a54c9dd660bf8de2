"""The paper city in a real database, as the application's role, under row-level security."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import pytest
import pytest_asyncio
from graphql import GraphQLSchema, parse, validate
from sqlalchemy.engine import make_url

from cityloom.core.database import APP, SERVER_SETTINGS, asyncpg_arguments
from cityloom.graph.compiler import Answer, Compiler, Query
from cityloom.testing.graph.naive import Naive
from cityloom.testing.graph.people import City, callers, create_tables, make_city, store
from cityloom.testing.graph.sandbox import paper_schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from cityloom.core.principal import Principal
    from cityloom.testing.database import TestServer

SIZES = (0, 1, 6, 25)


@dataclass
class Desk:
    """The compiler over the database, and the naive executor over the same data."""

    pool: asyncpg.Pool[asyncpg.Record]
    admin: asyncpg.Connection[asyncpg.Record]
    schema: GraphQLSchema
    cities: list[City]
    compiler: Compiler = field(default_factory=Compiler)
    statements: list[str] = field(default_factory=list)
    sizes: tuple[int, ...] = SIZES

    async def fetch(self, sql: str, args: Sequence[Any]) -> Any:
        """Run one statement and remember it."""
        self.statements.append(sql)
        return await self.pool.fetchrow(sql, *args)

    def caller(self, city: int, name: str = "whole city") -> Principal:
        """A caller of one city."""
        return callers(self.cities[city], city)[name]

    def plan(
        self, text: str, principal: Principal, variables: dict[str, Any] | None = None, name: str | None = None
    ) -> Query:
        """The plan of a valid document."""
        document = parse(text)
        errors = validate(self.schema, document)
        assert not errors, errors
        return self.compiler.plan(self.schema, document, name, variables, principal, document_key=text)

    async def ask(
        self, text: str, principal: Principal, variables: dict[str, Any] | None = None, name: str | None = None
    ) -> Answer:
        """The compiled answer."""
        return await self.plan(text, principal, variables, name).run(self.fetch, context="context")

    async def data(self, text: str, principal: Principal, variables: dict[str, Any] | None = None) -> Any:
        """The compiled answer, decoded; it must be without errors."""
        answer = await self.ask(text, principal, variables)
        assert not answer.errors
        return orjson.loads(answer.data())

    async def naive(self, text: str, principal: Principal, city: int, variables: dict[str, Any] | None = None) -> Any:
        """The naive answer."""
        return await Naive(paper_schema()._schema, self.cities[city], principal).answer(parse(text), variables)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def desk(server: TestServer) -> AsyncIterator[Desk]:
    """A database of its own with the paper cities."""
    name = f"cityloom_test_paper_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
    root = await asyncpg.connect(**asyncpg_arguments(make_url(server.url_of("postgres"))))
    await root.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    await root.execute(
        f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8 '
        "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C.UTF-8'"
    )
    admin_arguments = asyncpg_arguments(make_url(server.url_of(name)))
    admin = await asyncpg.connect(**admin_arguments)
    await create_tables(admin)
    cities = [make_city(seed, size) for seed, size in enumerate(SIZES)]
    for city in cities:
        await store(admin, city)
    pool = await asyncpg.create_pool(
        **{**admin_arguments, "user": APP, "password": os.environ.get("TEST_APP_PASSWORD")},
        server_settings=SERVER_SETTINGS,
        min_size=1,
        max_size=2,
    )
    yield Desk(pool, admin, paper_schema()._schema, cities)
    await pool.close()
    await admin.close()
    await root.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    await root.close()


@pytest.fixture(autouse=True)
def _fresh_statements(request: pytest.FixtureRequest) -> None:
    if "desk" in request.fixturenames:
        request.getfixturevalue("desk").statements.clear()
