"""Tallies against the rows that they count: by counting anew, and by asking both ways."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from graphql import parse, validate

from cityloom.core.tallies import keeping
from cityloom.graph.compiler import Compiler
from cityloom.graph.schema import shared_contracts
from cityloom.installed import modules
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from uuid import UUID

    from graphql import GraphQLSchema

    from cityloom.core.principal import Principal
    from cityloom.core.work import Works
    from cityloom.graph.compiler import Answer


@cache
def _schema() -> GraphQLSchema:
    return shared_contracts(modules(), "tenant").whole.graphql


async def drift(works: Works, tenant_id: UUID) -> list[keeping.Drift]:
    """Where a tenant's tallies differ from its rows."""
    async with works.begin(system_principal(tenant_id)) as work:
        return await keeping.recount(await work.connection(), tenant_id, settle=False)


async def fold(works: Works, tenant_id: UUID) -> int:
    """Fold what changes there are; answers the most that one tally had."""
    async with works.begin(system_principal(tenant_id)) as work:
        return await keeping.fold(await work.connection(), tenant_id, 1_000)


async def both_ways(
    works: Works, caller: Principal, text: str, variables: dict[str, Any] | None = None
) -> tuple[Any, Any, list[str]]:
    """What a query answers with tallies and from rows alone, and which tables the first was counted from."""
    schema = _schema()
    document = parse(text)
    errors = validate(schema, document)
    assert not errors, errors
    answers: list[Any] = []
    sources: list[str] = []
    for uses_tallies in (True, False):
        query = Compiler(uses_tallies=uses_tallies).plan(schema, document, None, variables, caller)
        answer: Answer = await query.run(
            lambda sql, args: works.database.lists.fetchrow(sql, *args), context=works.services
        )
        answers.append(orjson.loads(answer.data()))
        if uses_tallies:
            sources = [table for _, table in query.plan.sources]
    return answers[0], answers[1], sources
