"""The compiler: one GraphQL operation becomes one SQL statement that answers finished JSON.

`Compiler.plan` takes a validated document and answers a `Query` whose `run` makes one round trip. Plans are cached by
document, operation, contract, shape of the variables and fingerprint of the caller's rights.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from graphql import GraphQLObjectType, GraphQLSchema, OperationType

from cityloom.graph.bound.bindings import BoundType, Plain, Services, bound_type_of
from cityloom.graph.compiler.build import Build
from cityloom.graph.compiler.cache import PlanCache, shape
from cityloom.graph.compiler.collect import collect
from cityloom.graph.compiler.document import Operation, VariablesRefused, make_operation, operation_of
from cityloom.graph.compiler.plan import Answer, Fetch, Plan, Query
from cityloom.graph.compiler.roots import root
from cityloom.graph.compiler.selection import bound_of, single
from cityloom.graph.compiler.statement import in_bytes, rendered, settings
from cityloom.graph.compiler.stream import Following, followed, stream
from cityloom.graph.compiler.whole import Whole, found_whole, tells_of, whole

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from uuid import UUID

    from graphql import DocumentNode
    from sqlalchemy import ColumnElement, Select

    from cityloom.core.principal import Principal, Rights
    from cityloom.core.work import Work
    from cityloom.graph.compiler.values import Getter
    from cityloom.graph.reads import RootField

_MOST_OPERATIONS = 2_048


class Compiler:
    """Makes and keeps plans; one per process."""

    def __init__(self, *, size: int = 2_048, uses_tallies: bool = True, telling: frozenset[str] = frozenset()) -> None:
        """Keep at most `size` plans; count from tallies where the database keeps them.

        Answers that are kept tell of which rows of the tables in `telling` they are.
        """
        self.uses_tallies, self._telling = uses_tallies, telling
        self.cache: PlanCache[Plan] = PlanCache(size)
        self._operations: OrderedDict[Hashable, Operation] = OrderedDict()
        self._anchors: dict[Hashable, object] = {}
        self._bound_types: dict[int, tuple[GraphQLSchema, dict[Any, list[BoundType]]]] = {}

    def plan(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation_name: str | None,
        variables: Mapping[str, Any] | None,
        principal: Principal,
        *,
        contract: str = "",
        document_key: Hashable = None,
        is_kept: bool = False,
    ) -> Query:
        """The plan of a validated query with the values of one request.

        `contract` names the schema, `document_key` the document; without a key the document object stands for itself.
        An answer that `is_kept` tells of which rows it is: `Query.plan.tells`. Refuses variables that are not of their
        types (`VariablesRefused`) and pages that are too large (`Refusal`).
        """
        key = (contract or id(schema), document_key if document_key is not None else id(document), operation_name)
        operation = self._operation(key, lambda: operation_of(schema, document, operation_name), document)
        coerced = operation.coerced(variables)
        plan = self.cache.get(
            (*key, is_kept, shape(coerced, operation.by_value)),
            principal.rights,
            lambda: self._compile(operation, coerced, principal.rights, document, is_kept=is_kept),
        )
        return Query(plan, coerced, principal)

    def follow(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation_name: str | None,
        variables: Mapping[str, Any] | None,
        principal: Principal,
        *,
        contract: str = "",
        document_key: Hashable = None,
    ) -> Following:
        """A validated subscription with the values of one caller; refuses as `plan` does, and cursors of elsewhere."""
        key = (contract or id(schema), document_key if document_key is not None else id(document), operation_name)
        operation = self._operation(key, lambda: operation_of(schema, document, operation_name), document)
        coerced = operation.coerced(variables)
        plan = self.cache.get(
            (*key, shape(coerced, operation.by_value)),
            principal.rights,
            lambda: self._compile_stream(operation, coerced, principal.rights, document),
        )
        return followed(operation, plan, coerced, principal)

    def whole(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation_name: str | None,
        variables: Mapping[str, Any] | None,
        principal: Principal,
    ) -> Whole:
        """The one root list of a validated query without its pages, to be read by a cursor.

        Refuses as `plan` does, and (`NotWhole`) what is no list. Nothing is kept: reading it costs more than this.
        """
        operation = operation_of(schema, document, operation_name)
        coerced = operation.coerced(variables)
        build = Build(
            schema, operation.fragments, coerced, principal.rights, self._types(schema), telling=self._telling
        )
        parts = whole(build, operation)
        plans = []
        for statement in (parts.rows, parts.count):
            sql, getters = rendered(build, statement)
            plans.append(_made(build, sql, getters, ((parts.key, None),), (), parts.target))
        return found_whole(parts, plans[0], plans[1], coerced, principal)

    async def payload(
        self, work: Work, asked: RootField, cls: type[Any], row_id: UUID, *, context: Services = None
    ) -> Answer:
        """The selection of a mutation field on one row, in the transaction of `work`: its JSON is `answer.fields[""]`.

        The value is `null` where the caller may not see the row that was changed.
        """
        bound = bound_type_of(cls)
        if bound is None:
            message = f"{cls!r} is no bound type"
            raise TypeError(message)
        key = ("payload", id(asked.schema), id(asked.operation))
        operation = self._operation(
            key, lambda: make_operation(asked.schema, asked.operation, asked.fragments), asked.operation
        )
        coerced = asked.variable_values.coerced
        principal = work.principal
        plan = self.cache.get(
            (*key, asked.path.key, bound.name, shape(coerced, operation.by_value)),
            principal.rights,
            lambda: self._compile_payload(operation, asked, bound, coerced, principal.rights),
        )
        return await Query(plan, {**coerced, "": row_id}, principal).run(work.fetch, context=context)

    def _operation(self, key: Hashable, make: Plain, anchor: object) -> Operation:
        found = self._operations.get(key)
        if found is None:
            found = self._operations[key] = make()
            self._anchors[key] = anchor
            if len(self._operations) > _MOST_OPERATIONS:
                oldest, _ = self._operations.popitem(last=False)
                self._anchors.pop(oldest)
        return found

    def _types(self, schema: GraphQLSchema) -> dict[Any, list[BoundType]]:
        """The bound types of a schema by table."""
        if id(schema) not in self._bound_types:
            found: dict[Any, list[BoundType]] = {}
            for type_ in schema.type_map.values():
                if isinstance(type_, GraphQLObjectType) and (bound := bound_of(type_)) is not None:
                    found.setdefault(bound.model.__table__, []).append(bound)
            self._bound_types[id(schema)] = (schema, found)
        return self._bound_types[id(schema)][1]

    def _compile(
        self, operation: Operation, variables: Mapping[str, Any], rights: Rights, anchor: object, *, is_kept: bool
    ) -> Plan:
        schema = operation.schema
        query = schema.query_type
        if operation.node.operation is not OperationType.QUERY or query is None:
            message = "only queries are compiled as a whole; the payload of a mutation is compiled where it is answered"
            raise TypeError(message)
        build = Build(
            schema,
            operation.fragments,
            variables,
            rights,
            self._types(schema),
            uses_tallies=self.uses_tallies,
            telling=self._telling if is_kept else frozenset(),
        )
        roots: list[tuple[str, bytes | None]] = []
        others: list[str] = []
        columns: list[ColumnElement[Any]] = []
        groups = collect(schema, operation.fragments, variables, query, [operation.node.selection_set])
        build.count_fields(len(groups))
        for key, nodes in groups.items():
            name = nodes[0].name.value
            if name == "__typename":
                roots.append((key, orjson.dumps(query.name)))
                continue
            value = None if name.startswith("__") else root(build, query.fields[name], nodes, key)
            if value is None:
                others.append(key)
                continue
            roots.append((key, None))
            columns.append(value)
        return _plan(build, columns, roots, others, anchor, context=True)

    def _compile_stream(
        self, operation: Operation, variables: Mapping[str, Any], rights: Rights, anchor: object
    ) -> Plan:
        build = Build(operation.schema, operation.fragments, variables, rights, self._types(operation.schema))
        key, statement = stream(build, operation, settings(build))
        sql, getters = rendered(build, statement)
        return _made(build, sql, getters, ((key, None),), (), anchor)

    def _compile_payload(
        self,
        operation: Operation,
        asked: RootField,
        bound: BoundType,
        variables: Mapping[str, Any],
        rights: Rights,
    ) -> Plan:
        build = Build(asked.schema, operation.fragments, variables, rights, self._types(asked.schema))
        type_ = asked.schema.get_type(bound.name)
        if not isinstance(type_, GraphQLObjectType):
            message = f"{bound.name} is not in the schema"
            raise TypeError(message)
        row = build.param(lambda given, _principal: given[""], sa.Uuid())
        value = single(
            build, type_, bound, asked.field_nodes, ("",), 1, lambda alias: [alias.id == row], at_most_one=True
        )
        return _plan(build, [value], [("", None)], [], asked.operation, context=False)


def _plan(
    build: Build,
    columns: list[ColumnElement[Any]],
    roots: list[tuple[str, bytes | None]],
    others: list[str],
    anchor: object,
    *,
    context: bool,
) -> Plan:
    sql, getters = (None, ()) if not columns else _statement(build, columns, context=context)
    return _made(build, sql, getters, tuple(roots), tuple(others), anchor)


def _made(
    build: Build,
    sql: str | None,
    getters: tuple[Getter, ...],
    roots: tuple[tuple[str, bytes | None], ...],
    others: tuple[str, ...],
    anchor: object,
) -> Plan:
    return Plan(
        sql,
        getters,
        roots,
        others,
        tuple(build.patches),
        tuple(build.preparations),
        build.cost,
        build.varies,
        dict(build.permissions),
        dict(build.levels),
        dict(build.alike),
        anchor,
        tuple(build.sources),
        build.tells,
    )


def _statement(build: Build, columns: list[ColumnElement[Any]], *, context: bool) -> tuple[str, tuple[Getter, ...]]:
    """One SELECT with a column of bytes per root field; with `context`, the settings of row-level security in front."""
    made: list[Any] = [in_bytes(column).label(f"r{at}") for at, column in enumerate(columns)]
    statement: Select[Any] = sa.select(*made)
    if context:
        statement = statement.select_from(settings(build))
    return rendered(build, statement)


__all__ = ["Answer", "Compiler", "Fetch", "Following", "Plan", "Query", "VariablesRefused", "Whole", "tells_of"]
