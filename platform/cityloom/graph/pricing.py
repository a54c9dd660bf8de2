"""What an operation would cost, without running it: the logic of `queryPrice`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from graphql import DocumentNode, GraphQLSchema

    from cityloom.core.principal import Principal
    from cityloom.graph.compiler import Compiler


@dataclass(frozen=True, slots=True)
class Price:
    """`rows` is the most that the operation may answer: the product of its page sizes; `statements` how often the database is asked."""

    rows: int
    statements: int
    is_compiled: bool


def price(
    compiler: Compiler,
    schema: GraphQLSchema,
    document: DocumentNode,
    operation_name: str | None,
    variables: Mapping[str, Any] | None,
    principal: Principal,
    *,
    contract: str = "",
    document_key: Hashable = None,
) -> Price:
    """The price of a validated query for this caller; refuses what the compiler refuses. The plan stays in the cache."""
    query = compiler.plan(schema, document, operation_name, variables, principal, contract=contract, document_key=document_key)
    return Price(query.cost, 0 if query.plan.sql is None else 1, query.whole)
