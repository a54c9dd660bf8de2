"""Argument values with their origin: what a value is when a plan is made, and where to find it when the plan runs.

A literal of the document belongs to the plan. A variable does not: its place is kept, so that one plan serves all
values of the same shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    Undefined,
    VariableNode,
)
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_literal

from cityloom.graph.bound.bindings import Entity, Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphql import FieldNode, GraphQLField, GraphQLInputType, ValueNode

    from cityloom.core.principal import Principal

    #: Reads one statement argument from the coerced variables and the caller.
    Getter = Callable[[Mapping[str, Any], Principal], Any]


@dataclass(slots=True)
class Value:
    """A coerced input value: `plain` is a scalar, null, a dict or a list of values.

    `source` its place in the variables.
    """

    plain: Plain
    source: tuple[str | int, ...] | None
    path: tuple[str | int, ...]

    @property
    def is_null(self) -> bool:
        """Whether null was given."""
        return self.plain is None

    def child(self, name: str) -> Value | None:
        """A field of an input object; None where it is not given or null."""
        found: Value | None = self.plain.get(name)
        return None if found is None or found.is_null else found

    def getter(self) -> Getter:
        """Reads the value, as plain data, when the plan runs."""
        if self.source is not None:
            return _at(self.source)
        if isinstance(self.plain, list) and any(item.source is not None for item in self.plain):
            items = [item.getter() for item in self.plain]
            return lambda variables, principal: [item(variables, principal) for item in items]
        if isinstance(self.plain, dict):
            fields = {name: item.getter() for name, item in self.plain.items()}
            return lambda variables, principal: {name: read(variables, principal) for name, read in fields.items()}
        constant = self.data()
        return lambda _variables, _principal: constant

    def data(self) -> Plain:
        """The value as plain data, as of now."""
        if isinstance(self.plain, list):
            return [item.data() for item in self.plain]
        if isinstance(self.plain, dict):
            return {name: item.data() for name, item in self.plain.items()}
        return self.plain


def _at(source: tuple[str | int, ...]) -> Getter:
    first, *rest = source
    if not rest:
        return lambda variables, _principal: variables[first]  # type: ignore[index] # the first step is a variable's name

    def read(variables: Mapping[str, Any], _principal: Principal) -> Plain:
        found: Entity = variables
        for step in source:
            found = found[step]
        return found

    return read


def _named(type_: GraphQLInputType) -> GraphQLInputType:
    return type_.of_type if isinstance(type_, GraphQLNonNull) else type_


def wrap(plain: Plain, source: tuple[str | int, ...] | None, path: tuple[str | int, ...]) -> Value:
    """A coerced value with the places of all that it holds."""
    deeper = (lambda _step: None) if source is None else (lambda step: (*source, step))
    if isinstance(plain, dict):
        return Value({key: wrap(item, deeper(key), (*path, key)) for key, item in plain.items()}, source, path)
    if isinstance(plain, list):
        return Value([wrap(item, deeper(at), (*path, at)) for at, item in enumerate(plain)], source, path)
    return Value(plain, source, path)


def read(
    node: ValueNode, type_: GraphQLInputType, variables: Mapping[str, Any], path: tuple[str | int, ...]
) -> Value | None:
    """The value of a validated literal; None where it is a variable that was not given."""
    type_ = _named(type_)
    match node:
        case VariableNode():
            name = node.name.value
            return wrap(variables[name], (name,), path) if name in variables else None
        case NullValueNode():
            return Value(None, None, path)
        case ListValueNode() if isinstance(type_, GraphQLList):
            items = [
                read(item, type_.of_type, variables, (*path, at)) or Value(None, None, (*path, at))
                for at, item in enumerate(node.values or ())
            ]
            return Value(items, None, path)
        case ObjectValueNode() if isinstance(type_, GraphQLInputObjectType):
            return _object(node, type_, variables, path)
        case _ if isinstance(type_, GraphQLList):
            item = read(node, type_.of_type, variables, path)
            return None if item is None else Value([item], None, path)
    return wrap(coerce_input_literal(node, type_), None, path)


def _object(
    node: ObjectValueNode, type_: GraphQLInputObjectType, variables: Mapping[str, Any], path: tuple[str | int, ...]
) -> Value:
    given = {field.name.value: field.value for field in node.fields or ()}
    found: dict[str, Value] = {}
    for name, field in type_.fields.items():
        value = read(given[name], field.type, variables, (*path, name)) if name in given else None
        value = value if value is not None else _default(field, (*path, name))
        if value is not None:
            found[name] = value
    return Value(found, None, path)


def _default(field: Plain, path: tuple[str | int, ...]) -> Value | None:
    if field.default_value is Undefined and getattr(field, "default", None) is None:
        return None
    return wrap(coerce_default_value(field), None, path)


def arguments(field: GraphQLField, node: FieldNode, variables: Mapping[str, Any]) -> dict[str, Value]:
    """The arguments of a field by GraphQL name; those that are not given and have no default are left out."""
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    found: dict[str, Value] = {}
    for name, argument in field.args.items():
        value = read(given[name], argument.type, variables, (name,)) if name in given else None
        value = value if value is not None else _default(argument, (name,))
        if value is not None:
            found[name] = value
    return found
