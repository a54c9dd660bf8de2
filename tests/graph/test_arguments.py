"""Variables are read as graphql-core reads them, and made arguments as Strawberry makes them: for every mutation."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    get_variable_values,
    parse,
)
from strawberry.types.arguments import convert_arguments

from cityloom.graph.arguments import Arguments
from cityloom.graph.compiler.document import operation_of
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


def json_sample(type_: Any, amount: Amount, depth: int = 0) -> Any:
    """What a client would send for a type: most scalars are a text, which some do not take."""
    if isinstance(type_, GraphQLNonNull):
        return json_sample(type_.of_type, amount, depth)
    if isinstance(type_, GraphQLList):
        return [json_sample(type_.of_type, amount, depth)]
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    if isinstance(type_, GraphQLInputObjectType):
        named = given({name: field.type for name, field in type_.fields.items()}, amount, depth + 1)
        return {name: value and json_sample(type_.fields[name].type, amount, depth + 1) for name, value in named}
    return SCALARS.get(type_.name, "2026-03-02")


SCALARS: dict[str, Any] = {"Int": 3, "Float": 1.5, "Boolean": True, "DateTime": "2026-03-02T08:00:00+08:00"}


def spoilt(value: Any) -> Iterator[Any]:
    """Values near by that are not of its type, at every place."""
    yield [[value]]
    yield 10**30
    if isinstance(value, list):
        yield value[0]
        yield from ([one] for one in spoilt(value[0]))
    elif isinstance(value, dict):
        yield value | {"nobody": 1}
        for name in value:
            yield {key: one for key, one in value.items() if key != name}
            yield value | {name: None}
            yield from (value | {name: one} for one in spoilt(value[name]))


@pytest.mark.parametrize("amount", ["all", "least"])
def test_variables_are_read_as_graphql_core_reads_them(amount: Amount) -> None:
    found = contract("tenant").graphql
    root = found.mutation_type
    assert root is not None
    read, refused = 0, 0
    for field in root.fields.values():
        type_ = field.args["input"].type if "input" in field.args else None
        if type_ is None:
            continue
        document = parse(f"mutation ($input: {type_}) {{ __typename }}")
        operation = operation_of(found, document, None)
        value = json_sample(type_, amount)
        for one in (value, *islice(spoilt(value), 60)):
            wanted = get_variable_values(found, operation.node.variable_definitions or (), {"input": one})
            quickly = operation.quickly({"input": one})
            if isinstance(wanted, list):
                assert quickly is None, (type_, one)
                refused += 1
            elif quickly is not None:
                assert quickly.coerced == wanted.coerced, (type_, one)
                assert quickly.sources["input"].value is wanted.sources["input"].value
                read += 1
    assert read > 300
    assert refused > 300
