"""`where`: typed filters as conditions, related rows by EXISTS."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select
from strawberry import ID

from cityloom.core.ids import decode_id
from cityloom.graph.bound import bindings as bd
from cityloom.graph.bound.bindings import Annotation, Entity, Plain
from cityloom.graph.bound.inputs import plain_type
from cityloom.graph.bound.scalars import BigInt
from cityloom.graph.compiler.build import Build, is_keyed, storable
from cityloom.graph.compiler.refusals import FilterForbidden

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import GraphQLInputObjectType
    from sqlalchemy.sql.elements import BindParameter

    from cityloom.core.principal import Principal
    from cityloom.graph.compiler.values import Value

SQL_TYPES: dict[Any, Any] = {
    str: sa.Text(),
    int: sa.Integer(),
    BigInt: sa.BigInteger(),
    float: sa.Double(),
    bool: sa.Boolean(),
    UUID: sa.Uuid(),
    date: sa.Date(),
    datetime: sa.DateTime(timezone=True),
    Decimal: sa.Numeric(),
    ID: sa.Text(),
}


def is_enum(python_type: Annotation) -> bool:
    """Whether a scalar is an enum, which is stored as text."""
    return isinstance(python_type, type) and issubclass(python_type, Enum)


def sql_type(python_type: Annotation) -> Plain:
    """The SQL type in which a scalar is bound; enums are text."""
    if is_enum(python_type):
        return sa.Text()
    return SQL_TYPES[python_type]


def stored(value: Plain, _principal: Principal) -> Plain:
    """An enum's member as its text; lists of them likewise."""
    if isinstance(value, list):
        return [stored(item, _principal) for item in value]
    return str(value.value) if isinstance(value, Enum) else value


def conditions(
    build: Build, bound: bd.BoundType, alias: Entity, type_: GraphQLInputObjectType, where: Value | None
) -> Iterator[ColumnElement[bool]]:
    """The conditions of a filter input on rows of `alias`; what is null was not asked for."""
    if where is None or where.is_null:
        return
    for name, value in where.plain.items():
        if value.is_null:
            continue
        field = type_.fields[name]
        note: bd.FilterBinding = field.extensions["strawberry-definition"].metadata[bd.BINDING]
        match note.kind:
            case "and":
                for item in value.plain:
                    yield from conditions(build, bound, alias, type_, item)
            case "or":
                yield sa.or_(
                    sa.false(),
                    *(sa.and_(sa.true(), *conditions(build, bound, alias, type_, item)) for item in value.plain),
                )
            case "not":
                yield sa.and_(sa.true(), *conditions(build, bound, alias, type_, value)).is_not(sa.true())
            case "id":
                yield from _ids(build, bound, alias.id, value)
            case "column" if isinstance(note.field, bd.ColumnBinding):
                yield from _column(build, getattr(alias, note.field.column.key), note.python_type, value)
            case "relation":
                yield _relation(build, alias, note, field.type, value)
            case "match" if note.match is not None:
                yield _match(build, alias, name, note.match, value)
            case _:
                raise AssertionError(note)


def id_param(build: Build, value: Value, *tags: str) -> BindParameter[Any]:
    """A global id as the UUID of a row; null for an id of another tenant or type, which matches nothing."""
    path = tuple(map(str, value.path))

    def decode(given: Plain, principal: Principal) -> Plain:
        if isinstance(given, list):
            found = (
                decode_id(item, principal.tenant_id, *tags, path=(*path, str(at))) for at, item in enumerate(given)
            )
            return [row_id for row_id in found if row_id is not None]
        return decode_id(given, principal.tenant_id, *tags, path=path)

    return build.value(value, sa.ARRAY(sa.Uuid()) if isinstance(value.plain, list) else sa.Uuid(), decode)


def _ids(build: Build, bound: bd.BoundType, column: Plain, value: Value) -> Iterator[ColumnElement[bool]]:
    for operator, given in value.plain.items():
        if given.is_null:
            continue
        if operator == "isNull":
            yield column.is_(None) if given.plain else column.is_not(None)
        else:
            param = id_param(build, given, bound.tag or "")
            yield column == (sa.func.any(param) if operator == "in" else param)


def _column(build: Build, column: Plain, python_type: Annotation, value: Value) -> Iterator[ColumnElement[bool]]:
    type_ = sql_type(python_type)
    prepare = stored if is_enum(python_type) else None
    for operator, given in value.plain.items():
        if given.is_null:
            continue
        if operator == "isNull":
            yield column.is_(None) if given.plain else column.is_not(None)
            continue
        param = build.value(given, sa.ARRAY(type_) if operator == "in" else type_, prepare)
        match operator:
            case "eq":
                yield column == param
            case "in":
                yield column == sa.func.any(param)
            case "prefix":
                # ^@ is leakproof and finds an index where LIKE does not, behind row-level security.
                yield column.op("^@", is_comparison=True)(param)
            case "contains":
                yield sa.func.strpos(column, param) > 0
            case "lt":
                yield column < param
            case "lte":
                yield column <= param
            case "gt":
                yield column > param
            case _:
                yield column >= param


def _relation(
    build: Build, alias: Entity, note: bd.FilterBinding, type_: Annotation, value: Value
) -> ColumnElement[bool]:
    if note.target is None or not isinstance(note.field, bd.OneBinding | bd.ManyBinding):
        raise AssertionError(note)
    target = note.target
    other = build.table(target.model)
    found: Select[Any] = sa.select(sa.literal_column("1")).where(
        *build.visible(target, other),
        joined(build, note.field, alias, other),
        *conditions(build, target, other, type_, value),
    )
    return found.select_from(other).correlate_except(other).exists()


def joined(build: Build, binding: bd.OneBinding | bd.ManyBinding, alias: Entity, other: Entity) -> ColumnElement[bool]:
    """How rows of a relation belong together."""
    if binding.on is not None:
        found = binding.on(alias, other)
        build.varies |= not is_keyed(found, alias, other)
        return build.secure(found, alias, other)
    if binding.column is None:
        raise AssertionError(binding)
    if isinstance(binding, bd.OneBinding):
        return other.id == getattr(alias, binding.column.key)  # type: ignore[no-any-return] # an SQL condition
    return getattr(other, binding.column.key) == alias.id  # type: ignore[no-any-return] # an SQL condition


def _match(build: Build, alias: Entity, name: str, match: bd.Match, value: Value) -> ColumnElement[bool]:
    if match.requires is not None and build.granted(match.requires) is None:
        raise FilterForbidden(name=name, permission=match.requires, path=tuple(map(str, value.path)))
    type_ = match.sql_type if match.sql_type is not None else sql_type(plain_type(match.type))
    if match.prepare is None:
        return build.secure(
            match.sql(alias, build.value(value, type_, stored if is_enum(plain_type(match.type)) else None)), alias
        )
    read, prepare, path = value.getter(), match.prepare, value.path
    key = build.prepared(
        lambda variables, principal, services: prepare(storable(read(variables, principal), path), principal, services)
    )
    return build.secure(match.sql(alias, build.param(lambda variables, _principal: variables[key], type_)), alias)
