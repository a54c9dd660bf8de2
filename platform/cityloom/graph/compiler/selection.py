"""The fields of one object as SQL columns, each under its response key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from graphql import GraphQLEnumType, GraphQLObjectType, get_named_type, is_abstract_type
from sqlalchemy import ColumnElement

from cityloom.core.ids import id_prefix
from cityloom.core.principal import FieldAccess
from cityloom.graph.bound import bindings as bd
from cityloom.graph.bound.bindings import Annotation, Entity, Plain
from cityloom.graph.compiler.build import Build, Patch, confined, constant_int, constant_text
from cityloom.graph.compiler.collect import collect
from cityloom.graph.compiler.completion import completer, row_reader
from cityloom.graph.compiler.narrowing import related
from cityloom.graph.compiler.ordering import order_of
from cityloom.graph.compiler.rows import Columns, first_json, one_row, row_list
from cityloom.graph.compiler.telling import TELLS
from cityloom.graph.compiler.values import arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql import FieldNode, GraphQLField

    from cityloom.graph.compiler.collect import Fields

#: RFC 3339 in UTC with six digits of a second: what `bound.scalars.write_time` writes.
_RFC_3339 = '\'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\''


def named(type_: Plain) -> Plain:
    """The GraphQL type below lists and non-null; what kind it is follows from the binding."""
    return get_named_type(type_)


def definition_of(field: GraphQLField) -> Plain:
    """The Strawberry field behind a GraphQL field."""
    return field.extensions.get("strawberry-definition")


def bound_of(type_: Annotation) -> bd.BoundType | None:
    """The bound type behind a GraphQL object type."""
    definition = type_.extensions.get("strawberry-definition")
    return None if definition is None else bd.bound_type_of(definition.origin)


def fields_of(build: Build, type_: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Fields:
    """The selected fields below field nodes that are merged."""
    found = collect(build.schema, build.fragments, build.variables, type_, [node.selection_set for node in nodes])
    build.count_fields(len(found))
    return found


def object_columns(
    build: Build,
    type_: GraphQLObjectType,
    alias: Entity,
    nodes: Sequence[FieldNode],
    path: tuple[str, ...],
    weight: int,
) -> Columns:
    """The columns of one object of a bound type; `weight` is how many such objects there are at most."""
    bound = bound_of(type_)
    if bound is None:
        raise AssertionError(type_)
    columns: Columns = []
    for key, group in fields_of(build, type_, nodes).items():
        name = group[0].name.value
        if name == "__typename":
            columns.append((key, constant_text(type_.name)))
            continue
        field = type_.fields[name]
        columns.append((key, _field(build, bound, alias, field, group, (*path, key), weight)))
    if bound.model.__table__.name in build.telling:
        build.tells = True
        columns.insert(0, (TELLS, alias.id))
    return columns


def _field(  # noqa: PLR0911 - one arm per binding; each argument says something else
    build: Build,
    bound: bd.BoundType,
    alias: Entity,
    field: GraphQLField,
    nodes: list[FieldNode],
    path: tuple[str, ...],
    weight: int,
) -> ColumnElement[Any]:
    binding = bd.binding_of(definition_of(field))
    protected = getattr(binding, "protected", None)
    level = FieldAccess.FULL if protected is None else build.level(protected)
    if level is FieldAccess.ABSENT:
        return _patched(build, Patch(path, forbidden=protected))
    match binding:
        case bd.GlobalIdBinding():
            return global_id(build, bound.tag or "", alias.id)
        case bd.ColumnBinding():
            column = binding.masked if level is FieldAccess.MASKED and binding.masked is not None else binding.column
            return written(field, getattr(alias, column.key))
        case bd.ExpressionBinding():
            return written(field, build.secure(binding.sql(alias), alias))
        case bd.ResolvedBinding():
            return _resolved(build, alias, binding, field, nodes, path)
        case bd.OneBinding():
            return _one(build, alias, binding, field, nodes, path, weight)
        case bd.OneOfBinding():
            return _one_of(build, alias, binding, nodes, path, weight)
        case bd.AnyNodeBinding():
            return _any_node(build, alias, binding, field, nodes, path, weight)
        case bd.ManyBinding(limit=None):
            from cityloom.graph.compiler.pages import connection

            return connection(build, field, nodes, path, weight, related(build, binding, alias, field, nodes)[0])
        case bd.ManyBinding(limit=int(limit)):
            return listed(build, field, nodes, path, weight, limit, related(build, binding, alias, field, nodes)[0])
    message = f"{bound.name}.{nodes[0].name.value} has no binding: declare it with cityloom.graph.bound"
    raise TypeError(message)


def global_id(build: Build, tag: str, column: ColumnElement[Any]) -> ColumnElement[str]:
    """A row's global id."""
    prefix = build.shared(("prefix", tag), lambda _variables, principal: id_prefix(tag, principal.tenant_id), sa.Text())
    return prefix.concat(sa.func.replace(sa.cast(column, sa.Text()), sa.literal_column("'-'"), sa.literal_column("''")))


def written(field: GraphQLField, expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """A scalar in the form in which GraphQL writes it, where that is not PostgreSQL's own JSON form."""
    type_ = get_named_type(field.type)
    if isinstance(type_, GraphQLEnumType):
        names = {str(value.value): name for name, value in type_.values.items()}
        if all(name == stored for stored, name in names.items()):
            return expression
        return sa.case(*((expression == constant_text(stored), constant_text(name)) for stored, name in names.items()))
    if type_.name == "DateTime":
        return sa.func.to_char(sa.func.timezone(sa.literal_column("'UTC'"), expression), sa.literal_column(_RFC_3339))
    if type_.name == "Decimal":
        return sa.cast(expression, sa.Text())
    return expression


def _patched(build: Build, patch: Patch, columns: Columns | None = None) -> ColumnElement[Any]:
    """A mark in the answer (`!` can be no response key) that Python replaces before the answer leaves."""
    build.patches.append(patch)
    number = constant_int(len(build.patches) - 1)
    return one_row(build, [("!", number), *(columns or [])], None, name="mark")


def _resolved(
    build: Build,
    alias: Entity,
    binding: bd.ResolvedBinding,
    field: GraphQLField,
    nodes: list[FieldNode],
    path: tuple[str, ...],
) -> ColumnElement[Any]:
    columns: Columns = [(f"c{at}", getattr(alias, column.key)) for at, column in enumerate(binding.needs)]
    if binding.found is not None:
        columns.append(("found", build.secure(binding.found(alias), alias)))
    patch = Patch(path, resolve=binding.resolve, row=row_reader(binding.needs), complete=completer(build, field, nodes))
    return _patched(build, patch, columns)


def _one(
    build: Build,
    alias: Entity,
    binding: bd.OneBinding,
    field: GraphQLField,
    nodes: list[FieldNode],
    path: tuple[str, ...],
    weight: int,
) -> ColumnElement[Any]:
    type_ = get_named_type(field.type)
    target = bound_of(type_)
    if target is None or not isinstance(type_, GraphQLObjectType):
        raise AssertionError(type_)
    narrow, is_asked = related(build, binding, alias, field, nodes)
    at_most_one = binding.on is None and not is_asked
    return single(build, type_, target, nodes, path, weight, narrow, at_most_one=at_most_one)


def single(
    build: Build,
    type_: GraphQLObjectType,
    target: bd.BoundType,
    nodes: Sequence[FieldNode],
    path: tuple[str, ...],
    weight: int,
    narrow: Plain,
    *,
    at_most_one: bool,
) -> ColumnElement[Any]:
    """One visible row as a JSON object, or null."""
    build.cost += weight
    other = build.table(target.model)
    conditions = [*build.visible(target, other), *narrow(other)]
    rows = confined(sa.select().where(*conditions), other)
    if not at_most_one:
        rows = rows.order_by(*order_of(target, None).by(other, backward=False)).limit(constant_int(1))
    columns = object_columns(build, type_, other, nodes, path, weight)
    return one_row(build, columns, rows, name=target.name.lower())


def _one_of(
    build: Build, alias: Entity, binding: bd.OneOfBinding, nodes: list[FieldNode], path: tuple[str, ...], weight: int
) -> ColumnElement[Any]:
    arms = []
    for cls, column in binding.arms:
        target = bd.bound_type_of(cls)
        type_ = None if target is None else build.schema.get_type(target.name)
        if target is not None and isinstance(type_, GraphQLObjectType):
            arms.append(
                single(
                    build,
                    type_,
                    target,
                    nodes,
                    path,
                    weight,
                    lambda other, column=column: [other.id == getattr(alias, column.key)],
                    at_most_one=True,
                )
            )
    return first_json(arms) if arms else sa.null()


def _any_node(
    build: Build,
    alias: Entity,
    binding: bd.AnyNodeBinding,
    field: GraphQLField,
    nodes: list[FieldNode],
    path: tuple[str, ...],
    weight: int,
) -> ColumnElement[Any]:
    """One arm for each type that the caller may read; a row takes one of them, so the dearest is the cost."""
    before = dearest = build.cost
    arms = []
    tags = None if binding.tags is None else binding.tags()
    for type_ in possible_types(build, get_named_type(field.type)):
        target = bound_of(type_)
        if target is None or not target.tag or (tags is not None and target.tag not in tags):
            continue
        if target.read is not None and build.granted(target.read) is None:
            continue
        build.cost = before
        row = single(
            build,
            type_,
            target,
            nodes,
            path,
            weight,
            lambda other: [other.id == getattr(alias, binding.row.key)],
            at_most_one=True,
        )
        dearest = max(dearest, build.cost)
        arms.append((getattr(alias, binding.tag.key) == constant_text(target.tag), row))
    build.cost = dearest
    return sa.case(*arms) if arms else sa.null()


def listed(
    build: Build,
    field: GraphQLField,
    nodes: list[FieldNode],
    path: tuple[str, ...],
    weight: int,
    limit: int,
    narrow: Plain,
) -> ColumnElement[Any]:
    """A plain list of at most `limit` rows in the type's first ordering."""
    from cityloom.graph.compiler.pages import page_size

    type_ = get_named_type(field.type)
    target = bound_of(type_)
    if target is None or not isinstance(type_, GraphQLObjectType):
        raise AssertionError(type_)
    given = arguments(field, nodes[0], build.variables).get("first")
    size = limit if given is None or given.is_null else page_size(given, limit)
    build.cost += weight * size
    other = build.table(target.model)
    rows = confined(sa.select().where(*build.visible(target, other), *narrow(other)), other)
    rows = rows.order_by(*order_of(target, None).by(other, backward=False)).limit(constant_int(size))
    columns = object_columns(build, type_, other, nodes, (*path, "*"), weight * size)
    return row_list(build, columns, rows, name=target.name.lower())


def possible_types(build: Build, type_: Annotation) -> list[GraphQLObjectType]:
    """The object types that a field's type may turn out to be."""
    return list(build.schema.get_possible_types(type_)) if is_abstract_type(type_) else [type_]
