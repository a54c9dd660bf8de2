"""The bound-type form: what every slice's `api.py` is written with (`from cityloom.graph import bound as b`).

A bound type is a Strawberry type whose fields say which column, relation or expression they stand for. The binding is
carried in the field's metadata, so that the compiler finds it from the GraphQL schema and there is no second registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry

from cityloom.graph.bound.bindings import (
    BINDING,
    LARGEST_PAGE,
    USUAL_PAGE,
    BoundType,
    DeclarationError,
    Dimension,
    GraphPart,
    Guard,
    Match,
    Ordering,
    Reach,
    ScopeRule,
    Suppression,
    binding_of,
    bound_type_of,
)
from cityloom.graph.bound.declare import Group, bound, extend, interface, query, root_aggregate, shared, subscription
from cityloom.graph.bound.fields import (
    EXACT,
    RANGE,
    SEARCH,
    TEXT,
    Derived,
    any_node,
    argument,
    column,
    connection,
    dimension,
    expression,
    many,
    masked,
    one,
    one_of,
    resolved,
    root_connection,
    root_list,
    root_one,
    root_stream,
)
from cityloom.graph.bound.inputs import filter_of, order_of
from cityloom.graph.bound.plain import input_type, output_type
from cityloom.graph.bound.relay import Connection, Edge, Node, OrderDirection, PageInfo
from cityloom.graph.bound.scalars import BIG_INT, DATE_TIME, SCALARS, BigInt, write_time
from cityloom.graph.bound.things import is_thing, thing_key

if TYPE_CHECKING:
    from cityloom.graph.mutations import mutation, mutation_root

ID = strawberry.ID
JSON = strawberry.scalars.JSON
_ELSEWHERE = {"mutation", "mutation_root"}


def __getattr__(name: str) -> object:
    """`b.mutation` and `b.mutation_root` live in `cityloom.graph.mutations`, which itself needs this package."""
    if name in _ELSEWHERE:
        from cityloom.graph import mutations

        return getattr(mutations, name)
    raise AttributeError(name)


__all__ = [
    "BIG_INT",
    "BINDING",
    "DATE_TIME",
    "EXACT",
    "ID",
    "JSON",
    "LARGEST_PAGE",
    "RANGE",
    "SCALARS",
    "SEARCH",
    "TEXT",
    "USUAL_PAGE",
    "BigInt",
    "BoundType",
    "Connection",
    "DeclarationError",
    "Derived",
    "Dimension",
    "Edge",
    "GraphPart",
    "Group",
    "Guard",
    "Match",
    "Node",
    "OrderDirection",
    "Ordering",
    "PageInfo",
    "Reach",
    "ScopeRule",
    "Suppression",
    "any_node",
    "argument",
    "binding_of",
    "bound",
    "bound_type_of",
    "column",
    "connection",
    "dimension",
    "expression",
    "extend",
    "filter_of",
    "input_type",
    "interface",
    "is_thing",
    "many",
    "masked",
    "mutation",
    "mutation_root",
    "one",
    "one_of",
    "order_of",
    "output_type",
    "query",
    "resolved",
    "root_aggregate",
    "root_connection",
    "root_list",
    "root_one",
    "root_stream",
    "shared",
    "subscription",
    "thing_key",
    "write_time",
]
