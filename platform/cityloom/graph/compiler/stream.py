"""Subscriptions: the one root field becomes a statement that answers the messages between two positions."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from graphql import GraphQLError, GraphQLObjectType, OperationType

from cityloom.graph.bound import bindings as bd
from cityloom.graph.bound.bindings import Plain, Services
from cityloom.graph.compiler.build import confined, constant_int, label
from cityloom.graph.compiler.collect import collect
from cityloom.graph.compiler.completion import finish
from cityloom.graph.compiler.roots import narrowed
from cityloom.graph.compiler.rows import Labels
from cityloom.graph.compiler.selection import bound_of, definition_of, named, object_columns
from cityloom.graph.compiler.statement import in_bytes
from cityloom.graph.compiler.values import arguments

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from graphql import FieldNode, GraphQLField
    from sqlalchemy import Select

    from cityloom.core.principal import Principal
    from cityloom.graph.compiler.build import Build
    from cityloom.graph.compiler.document import Operation
    from cityloom.graph.compiler.plan import Plan

    #: Runs one statement with its arguments and answers all its rows.
    FetchAll = Callable[[str, Sequence[Any]], Awaitable[Sequence[Any]]]

#: Messages that one statement answers at most.
MESSAGES: Final = 200

# No variables of GraphQL can be called so.
_AFTER, _UP_TO = "!after", "!up to"


@dataclass(frozen=True, slots=True)
class Message:
    """One row of a stream: its position, the root field's JSON, and the errors inside it."""

    position: int
    value: bytes
    errors: tuple[GraphQLError, ...] = ()


@dataclass(frozen=True, slots=True)
class Following:
    """A subscription for one caller. `after` is the position in the cursor that was given; None for "from now on"."""

    plan: Plan
    variables: Mapping[str, Any]
    principal: Principal
    binding: bd.RootStreamBinding
    after: int | None

    @property
    def cost(self) -> int:
        """The worst-case number of rows of one message."""
        return self.plan.cost

    @property
    def key(self) -> str:
        """The response key of the root field."""
        return self.plan.roots[0][0]

    @property
    def forbidden(self) -> tuple[str, ...]:
        """Protected fields that the caller may not read."""
        return self.plan.forbidden

    async def prepared(self, context: Services) -> Mapping[str, Any]:
        """The variables, with what declared functions work out of them."""
        values = dict(self.variables)
        for preparation in self.plan.preparations:
            value = preparation.work_out(values, self.principal, context)
            values[preparation.key] = await value if inspect.isawaitable(value) else value
        return values

    def argued(self, values: Mapping[str, Any], after: int = 0, up_to: int = 0) -> list[Any]:
        """The statement's arguments; equal for two callers who get the same messages from the same plan."""
        return self.plan.arguments({**values, _AFTER: after, _UP_TO: up_to}, self.principal)

    async def read(
        self, fetch: FetchAll, values: Mapping[str, Any], after: int, up_to: int, *, context: Services
    ) -> list[Message]:
        """The messages after one position and up to another, at most `MESSAGES`, in one statement."""
        rows = await fetch(self.plan.sql or "", self.argued(values, after, up_to))
        if not self.plan.patches:
            return [Message(row[0], row[1]) for row in rows]
        found = []
        for position, value in rows:
            parts = {self.key: value}
            errors = await finish(parts, self.plan.patches, context)
            found.append(Message(position, parts[self.key], tuple(errors)))
        return found


def stream(build: Build, operation: Operation, context: Plain) -> tuple[str, Select[Any]]:
    """The response key and the statement of a subscription; `context` sets its tenant."""
    key, field, nodes = _root(operation, build.variables)
    binding = bd.binding_of(definition_of(field))
    type_ = named(field.type)
    target = bound_of(type_)
    if not isinstance(binding, bd.RootStreamBinding) or target is None or not isinstance(type_, GraphQLObjectType):
        raise AssertionError(key)
    build.cost += 1
    alias = build.table(target.model)
    place = getattr(alias, binding.position.key)
    after = build.param(lambda values, _principal: values[_AFTER], sa.BigInteger())
    up_to = build.param(lambda values, _principal: values[_UP_TO], sa.BigInteger())
    columns = object_columns(build, type_, alias, nodes, (key,), 1)
    numbered = [label(f"c{at}", column) for at, (_, column) in enumerate(columns)]
    conditions = [*build.visible(target, alias), *narrowed(build, binding, field, nodes)(alias)]
    # Asking for the tenant makes PostgreSQL set it first, whatever it thinks of the tables.
    conditions += [place > after, place <= up_to, context.c.tenant.is_not(None)]
    rows = confined(sa.select(place.label("place"), *numbered).where(*conditions), alias)
    page = rows.order_by(place).limit(constant_int(MESSAGES)).lateral(build.name("messages"))
    labels = Labels(build, [(name, page.c[f"c{at}"]) for at, (name, _) in enumerate(columns)])
    row = sa.select(*labels.columns).correlate_except().lateral(build.name("message"))
    joined = context.join(page, sa.true()).join(row, sa.true())
    return key, sa.select(page.c.place, in_bytes(labels.json(row))).select_from(joined).order_by(page.c.place)


def followed(operation: Operation, plan: Plan, variables: Mapping[str, Any], principal: Principal) -> Following:
    """A plan with the values of one caller; refuses a cursor that never was one of this stream."""
    _, field, nodes = _root(operation, variables)
    binding = bd.binding_of(definition_of(field))
    given = arguments(field, nodes[0], variables).get("after")
    cursor = None if given is None else given.getter()(variables, principal)
    return Following(plan, variables, principal, binding, None if cursor is None else binding.start(cursor))


def _root(operation: Operation, variables: Mapping[str, Any]) -> tuple[str, GraphQLField, list[FieldNode]]:
    root = operation.schema.subscription_type
    if operation.node.operation is not OperationType.SUBSCRIPTION or root is None:
        message = "only subscriptions are followed"
        raise TypeError(message)
    groups = collect(operation.schema, operation.fragments, variables, root, [operation.node.selection_set])
    if len(groups) != 1 or (nodes := next(iter(groups.values())))[0].name.value not in root.fields:
        raise GraphQLError("A subscription has exactly one root field.", operation.node)
    return next(iter(groups)), root.fields[nodes[0].name.value], nodes
