"""Arguments of a declared condition: what was given of them, as statement arguments."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from cityloom.graph.bound.bindings import Plain
from cityloom.graph.bound.fields import derived_of
from cityloom.graph.bound.inputs import plain_type
from cityloom.graph.compiler.build import is_keyed
from cityloom.graph.compiler.filters import id_param, is_enum, joined, sql_type, stored
from cityloom.graph.compiler.values import Value, arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphql import FieldNode, GraphQLField
    from sqlalchemy import ColumnElement
    from sqlalchemy.sql.elements import BindParameter

    from cityloom.graph.bound import bindings as bd
    from cityloom.graph.bound.bindings import Entity
    from cityloom.graph.compiler.build import Build


def asked_for(
    build: Build, condition: bd.Narrow, aliases: int, field: GraphQLField, nodes: list[FieldNode]
) -> tuple[dict[str, BindParameter[Any]], dict[str, None]]:
    """The arguments of a condition, by Python name, that were given; and None for each that was not.

    `aliases` is how many of its parameters are aliases.
    """
    given = arguments(field, nodes[0], build.variables)
    own = set(list(inspect.signature(condition).parameters)[aliases:])
    asked = {
        made.extensions["strawberry-definition"].python_name: (
            made.extensions["strawberry-definition"],
            given.get(name),
        )
        for name, made in field.args.items()
    }
    here = {
        name: (argument, value)
        for name, (argument, value) in asked.items()
        if name in own and value is not None and not value.is_null
    }
    missing = dict.fromkeys(own - here.keys() - derived_of(condition).keys())
    return {name: _value(build, argument, value) for name, (argument, value) in here.items()}, missing


def related(
    build: Build,
    binding: bd.OneBinding | bd.ManyBinding,
    alias: Entity,
    field: GraphQLField,
    nodes: list[FieldNode],
) -> tuple[Callable[[Entity], list[ColumnElement[bool]]], bool]:
    """How rows of a relation belong to a row, by what was asked; and whether anything was asked."""
    condition = binding.asked
    if condition is not None:
        params, missing = asked_for(build, condition, 2, field, nodes)
        if params:

            def belong(other: Entity) -> list[ColumnElement[bool]]:
                found = condition(alias, other, **params, **missing)
                build.varies |= not is_keyed(found, alias, other)
                return [build.secure(found, alias, other)]

            return belong, True
    return lambda other: [joined(build, binding, alias, other)], False


def _value(build: Build, argument: Plain, value: Value) -> BindParameter[Any]:
    if tags := argument.metadata.get("tags"):
        return id_param(build, value, *tags)
    python_type = plain_type(argument.type)
    type_ = sql_type(python_type)
    return build.value(
        value, sa.ARRAY(type_) if isinstance(value.plain, list) else type_, stored if is_enum(python_type) else None
    )
