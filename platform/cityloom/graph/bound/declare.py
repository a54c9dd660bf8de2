"""The decorators: bound types, extensions of them, interfaces and root fields; wrong declarations are refused here."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import strawberry
from sqlalchemy.orm import InstrumentedAttribute
from strawberry.utils.str_converters import to_camel_case

from cityloom.graph.bound import bindings as bd
from cityloom.graph.bound.bindings import Binding, BoundType, DeclarationError, GraphPart, Plain, binding_of
from cityloom.graph.bound.checks import check_field, check_type
from cityloom.graph.bound.fields import BoundField, declare, over
from cityloom.graph.bound.inputs import enum_type
from cityloom.graph.bound.plain import settled
from cityloom.graph.bound.relay import Node
from cityloom.graph.bound.scalars import BigInt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import ColumnElement

C = TypeVar("C", bound=type)


def bound(
    model: type[Any],
    *,
    module: str,
    tag: str | None = None,
    read: str | None = None,
    scope: bd.ScopeRule | None = None,
    orderings: Mapping[str, bd.Column | tuple[bd.Column, ...] | bd.Ordering] | None = None,
    matches: Mapping[str, bd.Match] | None = None,
    name: str | None = None,
) -> Callable[[C], C]:
    """Make a class a GraphQL object type over a table.

    `read` is the permission without which no row is seen; `scope` the columns by which a grant may be limited; the
    first
    of `orderings` is used where none is asked for; `matches` are filters beyond columns and relations.
    """

    def wrap(cls: C) -> C:
        described = _description(cls)
        if issubclass(cls, Node) != (tag is not None) or (tag is not None and not re.fullmatch("[a-z]{4}", tag)):
            raise DeclarationError(
                f"{cls.__name__}: derive from b.Node and give a tag of four lowercase letters, or neither"
            )
        made: Any = strawberry.type(settled(cls), name=name, description=described)
        orders = {key: _ordering(key, value) for key, value in (orderings or {}).items()}
        type_ = BoundType(
            made.__strawberry_definition__.name, model, tag, module, read, scope, orders, dict(matches or {}), cls
        )
        cls.__bound__ = type_  # type: ignore[attr-defined] # read by bound_type_of
        check_type(type_)
        for field in made.__strawberry_definition__.fields:
            _adopt(cls, field, module, type_)
        return cast("C", made)

    return wrap


def extend(target: type[Any], *, module: str, matches: Mapping[str, bd.Match] | None = None) -> Callable[[C], C]:
    """Add fields, and filters, to a bound type of a lower slice; must run before the first schema is built."""

    def wrap(cls: C) -> C:
        type_ = bd.bound_type_of(target)
        if type_ is None:
            raise DeclarationError(f"{cls.__name__}: {target!r} is no bound type, it cannot be extended")
        if type_.inputs.keys() & {"filter", "order"}:
            raise DeclarationError(
                f"{cls.__name__}: {type_.name} was already used by a schema; import all modules first"
            )
        made = _part(cls, GraphPart("extension", module, target), type_)
        type_.extensions.append(made)
        type_.matches.update({key: replace(match, module=module) for key, match in (matches or {}).items()})
        return made

    return wrap


def query(*, module: str) -> Callable[[C], C]:
    """Add root query fields."""
    return lambda cls: _part(cls, GraphPart("query", module), None)


def subscription(*, module: str) -> Callable[[C], C]:
    """Add root subscription fields; declare them with `b.root_stream`."""
    return lambda cls: _part(cls, GraphPart("subscription", module), None)


def interface(cls: C) -> C:
    """A GraphQL interface whose fields bound types implement by name; declare its fields with `b.shared`."""
    return strawberry.interface(settled(cls), description=_description(cls))


def shared(description: str) -> Plain:
    """A field of an interface: every implementing type declares it again with its own binding."""
    return declare(Binding(), description)


def _part(cls: C, part: GraphPart, type_: BoundType | None) -> C:
    for key, value in list(cls.__dict__.items()):
        if isinstance(binding := binding_of(value) if isinstance(value, BoundField) else None, bd.RootAggregateBinding):
            cls.__annotations__[key] = list[_group_type(key, binding)]  # type: ignore[misc] # made when the program runs
    described = inspect.cleandoc(cls.__doc__ or f"Fields of the module {part.module}.")
    made = strawberry.type(settled(cls), description=described)
    made.__graph_part__ = part  # type: ignore[attr-defined] # read by the schema assembly
    for field in made.__strawberry_definition__.fields:  # type: ignore[attr-defined] # set by strawberry.type
        _adopt(made, field, part.module, type_)
    return made


def _adopt(cls: type[Any], field: Plain, module: str, type_: BoundType | None) -> None:
    binding = binding_of(field)
    if isinstance(binding, Binding) and not isinstance(binding, bd.GlobalIdBinding):
        binding.module = module
    if not field.description:
        raise DeclarationError(f"{cls.__name__}.{field.python_name} needs a description: it is the public manual")
    check_field(cls, field, binding, type_)


def _description(cls: type[Any]) -> str:
    text = cls.__dict__.get("__doc__")
    if not text or not text.strip():
        raise DeclarationError(f"{cls.__name__} needs a docstring: it is the type's public description")
    return inspect.cleandoc(text)


def _ordering(key: str, value: bd.Column | tuple[bd.Column, ...] | bd.Ordering) -> bd.Ordering:
    if isinstance(value, bd.Ordering):
        return value
    if not re.fullmatch("[A-Z][A-Z0-9_]*", key):
        raise DeclarationError(f"ordering {key}: names are in CAPITALS")
    columns = bd.columns_of(value)
    return bd.Ordering(columns, "By " + ", then ".join(f"`{to_camel_case(column.key)}`" for column in columns) + ".")


def root_aggregate(
    target: type[Any],
    description: str = "",
    *,
    by: Mapping[str, bd.Column | bd.Dimension | Callable[[Any], ColumnElement[Any]]],
    sums: Mapping[str, bd.Column | Callable[[Any], ColumnElement[Any]]] | None = None,
    figures: Mapping[str, tuple[Callable[[Any], ColumnElement[Any]], str]] | None = None,
    narrow: bd.Narrow | None = None,
    prepare: bd.Prepare | None = None,
    limit: int = 1_000,
) -> Plain:
    """Counts, and sums of whole numbers, over all visible rows by declared dimensions. Annotate it `list[b.Group]`.

    `figures` are aggregates of another kind, as percentiles: whole numbers with a description, null over no rows. Where
    the guard of the type suppresses small counts, they are null, and the group says so.
    """
    dimensions = {
        key: value
        if isinstance(value, bd.Dimension)
        else bd.Dimension(over(value), f"By {key.lower().replace('_', ' ')}.")
        for key, value in by.items()
    }
    for value in [*by.values(), *(sums or {}).values()]:
        _not_protected(target, value)
    amounts = {
        key: (over(value), f"The sum of {key.replace('_', ' ')} over the group.") for key, value in (sums or {}).items()
    }
    if _suppresses(target.__bound__) and (sums or figures):
        raise DeclarationError(f"{target.__name__}: a sum or figure would tell of a count that is not told")
    if figures and any(dimension.depth is not None for dimension in dimensions.values()):
        raise DeclarationError(f"{target.__name__}: figures of parts do not add up to those of the whole")
    return declare(
        bd.RootAggregateBinding(target, dimensions, amounts, narrow, limit, prepare, figures or {}), description
    )


def _suppresses(bound_type: BoundType) -> bool:
    return bound_type.guard is not None and bound_type.guard.suppression is not None


def _not_protected(target: type[Any], value: object) -> None:
    for field in target.__strawberry_definition__.fields:
        binding = binding_of(field)
        if (
            isinstance(binding, bd.ColumnBinding)
            and binding.protected
            and isinstance(value, InstrumentedAttribute)
            and value in (binding.column, binding.masked)
        ):
            raise DeclarationError(
                f"{target.__name__}: {value} is protected by {binding.protected}, it cannot be grouped or summed"
            )


class Group:
    """Stands in annotations for the type that `root_aggregate` makes."""


def _group_type(key: str, binding: bd.RootAggregateBinding) -> type[Any]:
    bound_type = binding.target.__bound__
    base = "".join(part.capitalize() for part in key.split("_"))
    dimensions = enum_type(
        f"{base}By",
        f"What {bound_type.name} can be grouped by here.",
        {name: made.description for name, made in binding.by.items()},
    )
    bound_type.inputs[f"by:{key}"] = dimensions
    space: dict[str, Any] = {
        "keys": strawberry.field(
            description=(
                "One value per dimension asked for, in that order: as text, "
                "global ids for things; null where there is none."
            )
        ),
        "count": strawberry.field(description="How many rows the group has."),
    }
    types: dict[str, Any] = {"keys": list[str | None], "count": int}
    if _suppresses(bound_type):
        space["count"] = strawberry.field(description="How many rows the group has; null where that is not told.")
        space["is_suppressed"] = strawberry.field(
            description=(
                "Whether `count` is null because it is small, or because a small one could be worked out from it: what"
                " holds fewer sensitive things than the city tells is not told, nor are the next smaller groups of the"
                " same total, until at least two are not told and together are not few (complementary suppression)."
            )
        )
        types |= {"count": int | None, "is_suppressed": bool}
    for name, (_, text) in binding.sums.items():
        space[name], types[name] = strawberry.field(description=text), BigInt
    for name, (_, text) in binding.figures.items():
        space[name], types[name] = strawberry.field(description=text), BigInt | None
    space |= {"__annotations__": types, "__module__": sys.modules[__name__].__name__}
    return strawberry.type(
        type(f"{base}Group", (), space),
        name=f"{base}Group",
        description=f"Counts and sums over a group of {bound_type.name}.",
    )


__all__ = ["Group", "bound", "extend", "interface", "query", "root_aggregate", "shared", "subscription"]
