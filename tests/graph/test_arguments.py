"""Converters of arguments make what Strawberry makes, for every mutation of both surfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLList, GraphQLNonNull
from strawberry.types.arguments import convert_arguments

from cityloom.graph.arguments import Arguments
from cityloom.graph.schema import Contracts
from cityloom.installed import modules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cityloom.graph.schema import Contract

INSTALLED = modules()
#: How much of each input is given: everything, what must be, and nulls wherever they may be.
Amount = Literal["all", "least", "null"]


def contract(surface: Literal["tenant", "platform"]) -> Contract:
    return Contracts(INSTALLED, surface).of(frozenset(module.name for module in INSTALLED))


def sample(type_: Any, amount: Amount, depth: int = 0) -> Any:
    """A value as graphql-core coerces it."""
    if isinstance(type_, GraphQLNonNull):
        return sample(type_.of_type, amount, depth)
    if isinstance(type_, GraphQLList):
        return [sample(type_.of_type, amount, depth), sample(type_.of_type, amount, depth)]
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values.values())).value
    if not isinstance(type_, GraphQLInputObjectType):
        return object() if depth > 3 else f"{type_.name} {depth}"
    return dict(given({name: field.type for name, field in type_.fields.items()}, amount, depth + 1))


def given(types: dict[str, Any], amount: Amount, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Names and values of some of these."""
    for name, type_ in types.items():
        if isinstance(type_, GraphQLNonNull) or (amount == "all" and depth < 4):
            yield name, sample(type_, amount, depth)
        elif amount == "null":
            yield name, None


@pytest.mark.parametrize("amount", ["all", "least", "null"])
@pytest.mark.parametrize("surface", ["tenant", "platform"])
def test_arguments_are_as_strawberry_makes_them(surface: Literal["tenant", "platform"], amount: Amount) -> None:
    found = contract(surface)
    registry, root = found.schema.schema_converter.scalar_registry, found.graphql.mutation_type
    assert root is not None
    objects = 0
    for name, field in root.fields.items():
        stated = field.extensions["strawberry-definition"]
        values = dict(given({key: argument.type for key, argument in field.args.items()}, amount))
        wanted = convert_arguments(values, stated.arguments, registry, found.schema.config)
        made = Arguments(stated, found.schema.config.name_converter)(values)
        assert made == wanted, name
        objects += any(not isinstance(value, str | list | type(None)) for value in made.values())
    assert objects > 5
