"""Whole lists: the one root list of a query without its pages, one row of the answer per row of the cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
import sqlalchemy as sa
from graphql import GraphQLObjectType

from cityloom.core.principal import FieldAccess
from cityloom.graph.bound import bindings as bd
from cityloom.graph.compiler.build import Build, confined
from cityloom.graph.compiler.collect import collect
from cityloom.graph.compiler.columns import Column, Flattening
from cityloom.graph.compiler.completion import finish
from cityloom.graph.compiler.filters import conditions
from cityloom.graph.compiler.ordering import order_of
from cityloom.graph.compiler.plan import Query
from cityloom.graph.compiler.refusals import NotWhole
from cityloom.graph.compiler.roots import narrowed, root
from cityloom.graph.compiler.rows import Labels
from cityloom.graph.compiler.selection import definition_of, named, object_columns
from cityloom.graph.compiler.statement import in_bytes
from cityloom.graph.compiler.telling import told_in_text, untold
from cityloom.graph.compiler.values import arguments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    import asyncpg
    from graphql import FieldNode, GraphQLField
    from sqlalchemy import Select

    from cityloom.core.principal import Principal
    from cityloom.graph.bound.bindings import Services
    from cityloom.graph.compiler.document import Operation
    from cityloom.graph.compiler.plan import Plan

#: Rows that are held in memory at once.
BATCH: Final = 500
_PAGING = frozenset({"first", "last", "after", "before"})


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what tells it apart from the others for ever (None for groups), and its selection.

    `raw` is that in JSON as it was answered, where it says of which rows it tells.
    """

    key: str | None
    value: dict[str, Any]
    raw: bytes = b""


def tells_of(rows: Iterable[Row]) -> set[bytes]:
    """The ids, in text, of the rows that somebody's erasure can destroy of which these tell."""
    return told_in_text(b"".join(row.raw for row in rows))


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole list with the values and the caller of one request.

    `columns` is the selection as a table's columns; `forbidden` names the protected fields in it that the caller may
    not read at all, `full` those that are read unmasked. `cost` is the worst-case number of rows read for one row.
    """

    query: Query
    counting: Query
    key: str
    field: str
    target: bd.BoundType
    columns: tuple[Column, ...]
    is_grouped: bool

    @property
    def cost(self) -> int:
        """The worst-case number of rows that are read for one row of the list."""
        return self.query.cost

    @property
    def most(self) -> int:
        """How many things one row tells at most: itself, and the items of its nested lists."""
        return 1 + sum(column.most for column in self.columns if column.is_list)

    @property
    def forbidden(self) -> tuple[str, ...]:
        """Protected fields that the caller may not read: they would be null in every row."""
        return self.query.plan.forbidden

    @property
    def full(self) -> tuple[str, ...]:
        """Protected fields that are told in full."""
        levels = self.query.plan.levels
        told = {name for column in self.columns for name in column.protected}
        return tuple(sorted(name for name in told if levels.get(name) is FieldAccess.FULL))

    @property
    def lacking(self) -> str | None:
        """The permission without which there is nothing to read; None where the caller has it."""
        read = self.target.read
        return None if read is None or self.query.principal.rights.scope(read) is not None else read

    async def count(self, connection: asyncpg.Connection[asyncpg.Record], *, context: Services = None) -> int:
        """How many rows there are now, in a transaction of the caller's."""
        plan = self.counting.plan
        found = await connection.fetchval(plan.sql or "", *await self.counting.arguments(context))
        return int(found)

    async def rows(
        self, connection: asyncpg.Connection[asyncpg.Record], *, context: Services = None, batch: int = BATCH
    ) -> AsyncIterator[list[Row]]:
        """All rows in the list's order, in batches, by one statement and so of one moment.

        Read by a server-side cursor in a transaction of the caller's: memory does not grow with the list.
        """
        plan = self.query.plan
        cursor = await connection.cursor(plan.sql or "", *await self.query.arguments(context))
        while found := await cursor.fetch(batch):
            if self.is_grouped:
                for group in orjson.loads(found[0][0]):
                    yield [Row(None, group)]
                return
            parts = {self.key: b"[" + b",".join(row[1] for row in found) + b"]"}
            if plan.patches:
                await finish(parts, plan.patches, context)
            if not plan.tells:
                values = orjson.loads(parts[self.key])
                yield [Row(row[0], value) for row, value in zip(found, values, strict=True)]
                continue
            values = orjson.loads(untold(parts[self.key]))
            yield [Row(row[0], value, row[1]) for row, value in zip(found, values, strict=True)]


@dataclass(frozen=True, slots=True)
class Parts:
    """What one compilation of a whole list gives."""

    key: str
    field: str
    target: bd.BoundType
    columns: tuple[Column, ...]
    rows: Select[Any]
    count: Select[Any]
    is_grouped: bool


def whole(build: Build, operation: Operation) -> Parts:
    """The statements of the one root list of a query; refuses (`NotWhole`) what is no list, or asks for a page."""
    key, field, nodes = _root(operation, build.variables)
    binding = bd.binding_of(definition_of(field))
    flattening = Flattening(build.schema, build.fragments, build.variables)
    if isinstance(binding, bd.RootAggregateBinding):
        value = root(build, field, nodes, key)
        if value is None:
            raise AssertionError(key)
        columns = flattening.columns(named(field.type), nodes)
        count = sa.select(sa.func.json_array_length(value))
        return Parts(
            key,
            nodes[0].name.value,
            binding.target.__bound__,
            columns,
            sa.select(in_bytes(value)),
            count,
            is_grouped=True,
        )
    if not isinstance(binding, bd.RootConnectionBinding):
        raise NotWhole(why=f"`{nodes[0].name.value}` is no list · 不是列表", path=("document",))
    if asked := sorted({argument.name.value for node in nodes for argument in node.arguments or ()} & _PAGING):
        raise NotWhole(
            why=f"the whole list is taken: leave out `{asked[0]}` · 整表导出,请去掉 `{asked[0]}`", path=("document",)
        )
    nodes_of = nodes if binding.limit is not None else _nodes(build, field, nodes)
    return _list(build, key, field, nodes, nodes_of, binding, flattening)


def _list(
    build: Build,
    key: str,
    field: GraphQLField,
    nodes: list[FieldNode],
    selected: list[FieldNode],
    binding: bd.RootConnectionBinding,
    flattening: Flattening,
) -> Parts:
    target: bd.BoundType = binding.target.__bound__
    type_ = build.schema.get_type(target.name)
    if not isinstance(type_, GraphQLObjectType):
        raise TypeError(target.name)
    build.cost += 1
    given = {name: value for name, value in arguments(field, nodes[0], build.variables).items() if not value.is_null}
    order = order_of(target, given.get("orderBy"))
    narrow = narrowed(build, binding, field, nodes)

    def matching(alias: Any) -> list[Any]:  # noqa: ANN401 - an alias
        found = [*build.visible(target, alias), *narrow(alias)]
        if "where" in field.args:
            found += conditions(build, target, alias, named(field.args["where"].type), given.get("where"))
        return found

    alias = build.table(target.model)
    labels = Labels(build, object_columns(build, type_, alias, selected, (key, "*"), 1))
    rows = confined(
        sa.select(sa.cast(alias.id, sa.Text()).label("row key"), *labels.columns).where(*matching(alias)), alias
    )
    inner = rows.order_by(*order.by(alias, backward=False)).subquery(build.name(target.name.lower()))
    row = sa.select(*(inner.c[name] for name in labels.names)).correlate_except().lateral(build.name("row"))
    statement = sa.select(inner.c["row key"], in_bytes(labels.json(row))).select_from(inner.join(row, sa.true()))
    other = build.table(target.model)
    count = confined(sa.select(sa.func.count()).where(*matching(other)), other)
    return Parts(
        key,
        nodes[0].name.value,
        target,
        flattening.columns(type_, selected),
        statement,
        count,
        is_grouped=False,
    )


def _nodes(build: Build, field: GraphQLField, nodes: list[FieldNode]) -> list[FieldNode]:
    """The field nodes of a connection that select its items: `nodes`, or `node` of its `edges`."""
    type_ = named(field.type)
    groups = collect(build.schema, build.fragments, build.variables, type_, [node.selection_set for node in nodes])
    lists = [group for group in groups.values() if group[0].name.value in {"nodes", "edges"}]
    if len(lists) != 1:
        raise NotWhole(why="select its items once, by `nodes` · 请用 nodes 选择列表内容一次", path=("document",))
    if lists[0][0].name.value == "nodes":
        return lists[0]
    edge = named(type_.fields["edges"].type)
    inner = collect(build.schema, build.fragments, build.variables, edge, [node.selection_set for node in lists[0]])
    found = [group for group in inner.values() if group[0].name.value == "node"]
    if len(found) != 1:
        raise NotWhole(why="select its items once, by `nodes` · 请用 nodes 选择列表内容一次", path=("document",))
    return found[0]


def _root(operation: Operation, variables: Mapping[str, Any]) -> tuple[str, GraphQLField, list[FieldNode]]:
    query = operation.schema.query_type
    if query is None:
        raise AssertionError
    groups = collect(operation.schema, operation.fragments, variables, query, [operation.node.selection_set])
    if len(groups) != 1 or (nodes := next(iter(groups.values())))[0].name.value not in query.fields:
        raise NotWhole(why="it needs exactly one root field · 必须恰好有一个根字段", path=("document",))
    return next(iter(groups)), query.fields[nodes[0].name.value], nodes


def found_whole(parts: Parts, plan: Plan, counting: Plan, variables: Mapping[str, Any], principal: Principal) -> Whole:
    """The plans of a whole list with the values of one caller."""
    return Whole(
        Query(plan, variables, principal),
        Query(counting, variables, principal),
        parts.key,
        parts.field,
        parts.target,
        parts.columns,
        parts.is_grouped,
    )


__all__ = ["BATCH", "Parts", "Row", "Whole", "found_whole", "tells_of", "whole"]
