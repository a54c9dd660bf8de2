"""The GraphQL inputs that follow from a bound type: filters, operators and orderings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, EnumMeta
from functools import partial
from typing import TYPE_CHECKING, Any, Union
from uuid import UUID

import strawberry
from strawberry.types.base import StrawberryList, StrawberryOptional
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.lazy_type import LazyType
from strawberry.types.unset import UNSET

from cityloom.graph.bound import bindings as bd
from cityloom.graph.bound.bindings import BINDING, Annotation, DeclarationError, FilterBinding, Plain, binding_of
from cityloom.graph.bound.relay import OrderDirection
from cityloom.graph.bound.scalars import BigInt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from strawberry.types.field import StrawberryField

_NAMES: dict[Any, str] = {
    str: "String",
    int: "Int",
    float: "Float",
    bool: "Boolean",
    UUID: "UUID",
    date: "Date",
    datetime: "DateTime",
    Decimal: "Decimal",
    BigInt: "BigInt",
    strawberry.ID: "ID",
}
_OPERATORS: dict[str, tuple[str, str]] = {
    "eq": ("eq", "Equal to this."),
    "in": ("in_", "Equal to one of these."),
    "prefix": ("prefix", "Begins with this, letter case as written."),
    "contains": ("contains", "Contains this, letter case as written."),
    "lt": ("lt", "Less than this."),
    "lte": ("lte", "Less than this, or equal."),
    "gt": ("gt", "Greater than this."),
    "gte": ("gte", "Greater than this, or equal."),
}
_operator_inputs: dict[tuple[Any, frozenset[str]], type[Any]] = {}


@dataclass(frozen=True)
class _Later(LazyType[Any, Any]):
    """A type that is made when the schema asks for it: filters of related types refer to each other in circles."""

    make: Callable[[], type[Any]] = lambda: object

    def __hash__(self) -> int:
        return hash(self.type_name)

    def resolve_type(self) -> type[Any]:
        """Make it."""
        return self.make()


def optional(type_: Annotation) -> Annotation:
    """The annotation `type_ | None`, for types that are made when the program runs."""
    return Union[type_, None]  # noqa: UP007 - `|` does not take every such type


def list_of(type_: Annotation) -> Annotation:
    """The annotation `list[type_]`, for types that are made when the program runs."""
    return list[type_]


def later(name: str, make: Callable[[], type[Any]]) -> Plain:
    """A reference to a type that does not exist yet."""
    return _Later(type_name=name, module="", make=make)


def input_type(name: str, description: str, fields: dict[str, tuple[Any, dict[str, Any]]]) -> type[Any]:
    """A Strawberry input from fields: Python name → (annotation, options of `strawberry.field`)."""
    space: dict[str, Any] = {key: strawberry.field(**options) for key, (_, options) in fields.items()}
    space["__annotations__"] = {key: type_ for key, (type_, _) in fields.items()}
    space["__module__"] = __name__
    return strawberry.input(type(name, (), space), name=name, description=description)


def plain_type(type_: Annotation) -> Plain:
    """The Python type below options and lists; an enum's class for its definition."""
    while isinstance(type_, StrawberryOptional | StrawberryList):
        type_ = type_.of_type
    return type_.wrapped_cls if isinstance(type_, StrawberryEnumDefinition) else type_


def operators(python_type: Annotation, wanted: frozenset[str]) -> type[Any]:
    """The operator input for one scalar: the same one wherever scalar and operators are the same."""
    key = (python_type, wanted)
    if key not in _operator_inputs:
        name = _NAMES.get(python_type) or _enum_name(python_type)
        suffix = (
            ""
            if wanted <= {"eq", "in"}
            else "Range"
            if "lt" in wanted
            else "Search"
            if "contains" in wanted
            else "Text"
        )
        fields: dict[str, tuple[Any, dict[str, Any]]] = {}
        for operator, (attribute, description) in _OPERATORS.items():
            if operator in wanted:
                type_ = optional(list_of(python_type)) if operator == "in" else optional(python_type)
                fields[attribute] = (
                    type_,
                    {
                        "name": operator,
                        "description": description,
                        "default": UNSET,
                        "metadata": {BINDING: FilterBinding(operator)},
                    },
                )
        fields["is_null"] = (
            optional(bool),
            {
                "name": "isNull",
                "description": "Whether there is no value.",
                "default": UNSET,
                "metadata": {BINDING: FilterBinding("is_null")},
            },
        )
        _operator_inputs[key] = input_type(
            f"{name}{suffix}Filter", f"Conditions on a value of type {name}; all together.", fields
        )
    return _operator_inputs[key]


def _enum_name(python_type: Annotation) -> str:
    definition = getattr(python_type, "__strawberry_definition__", None)
    if definition is None:
        raise DeclarationError(f"{python_type}: there is no filter for this type")
    return str(definition.name)


def fields_of(bound: bd.BoundType) -> Iterator[StrawberryField]:
    """The fields of a bound type, with those that higher slices add."""
    yield from bound.cls.__strawberry_definition__.fields
    for extension in bound.extensions:
        yield from extension.__strawberry_definition__.fields


def filter_of(bound: bd.BoundType) -> type[Any]:
    """The input of `where` for a type."""
    made = bound.inputs.get("filter")
    if made is None:
        made = bound.inputs["filter"] = _make_filter(bound)
    return made


def _make_filter(bound: bd.BoundType) -> type[Any]:
    from cityloom.graph.bound.fields import target_of

    name = f"{bound.name}Filter"
    itself = later(name, lambda: filter_of(bound))
    fields: dict[str, tuple[Any, dict[str, Any]]] = {
        "and_": (optional(list_of(itself)), _filter("and", "All of these.", FilterBinding("and"))),
        "or_": (
            optional(list_of(itself)),
            _filter("or", "At least one of these; nothing matches an empty list.", FilterBinding("or")),
        ),
        "not_": (optional(itself), _filter("not", "Not this.", FilterBinding("not"))),
    }
    for field in fields_of(bound):
        binding = binding_of(field)
        match binding:
            case bd.GlobalIdBinding():
                fields["id"] = (
                    optional(operators(strawberry.ID, frozenset({"eq", "in"}))),
                    _filter("id", "By global id.", FilterBinding("id", binding)),
                )
            case bd.ColumnBinding(filters=wanted) if wanted:
                python_type = plain_type(field.resolve_type())
                note = FilterBinding("column", binding, python_type=python_type, module=binding.module)
                fields[field.python_name] = (
                    optional(operators(python_type, wanted)),
                    _filter(field.graphql_name, f"By `{field.python_name}`: {field.description}", note),
                )
            case bd.OneBinding(filterable=True) | bd.ManyBinding(filterable=True):
                target = target_of(field)
                some = (
                    "Matches where it is present and"
                    if isinstance(binding, bd.OneBinding)
                    else "Matches where at least one"
                )
                note = FilterBinding("relation", binding, target=target, module=binding.module)
                type_ = optional(later(f"{target.name}Filter", partial(filter_of, target)))
                fields[field.python_name] = (
                    type_,
                    _filter(field.graphql_name, f"{some} fulfils this: {field.description}", note),
                )
    for key, match in bound.matches.items():
        fields[key] = (
            optional(match.type),
            _filter(None, match.description, FilterBinding("match", match=match, module=match.module or bound.module)),
        )
    return input_type(name, f"Conditions on {bound.name}; all that are given must hold.", fields)


def _filter(name: str | None, description: str, binding: FilterBinding) -> dict[str, Any]:
    return {"name": name, "description": description, "default": UNSET, "metadata": {BINDING: binding}}


def order_of(bound: bd.BoundType) -> type[Any] | None:
    """The input of one item of `orderBy`; None where a type declares no ordering."""
    if not bound.orderings:
        return None
    made = bound.inputs.get("order")
    if made is None:
        by = enum_type(
            f"{bound.name}OrderBy",
            f"What {bound.name} can be ordered by.",
            {key: ordering.description for key, ordering in bound.orderings.items()},
        )
        fields: dict[str, tuple[Any, dict[str, Any]]] = {
            "by": (by, {"description": "What to order by."}),
            "direction": (
                OrderDirection,
                {"description": "Ascending where it is not given.", "default": OrderDirection.ASC},
            ),
        }
        made = bound.inputs["order"] = input_type(
            f"{bound.name}Order", f"One criterion to order {bound.name} by.", fields
        )
    return made


def enum_type(name: str, description: str, values: dict[str, str]) -> EnumMeta:
    """A Strawberry enum from names and their descriptions."""
    members = {key: strawberry.enum_value(key, description=text) for key, text in values.items()}
    made = Enum(name, members, module=__name__)  # type: ignore[misc] # mypy wants the name as a literal
    return strawberry.enum(made, name=name, description=description)
