"""The schema of the platform itself: described throughout, committed as it is, and never both surfaces in one."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType

from cityloom.graph import sdl
from cityloom.graph.schema import Contracts, Surface, shared_contracts
from cityloom.installed import modules

SCHEMA = Path(__file__).resolve().parents[2] / "schema"
#: Signing in has no caller yet that a key could belong to.
WITHOUT_KEYS = {"sessionCreate"}
SURFACES: tuple[Surface, ...] = ("tenant", "platform")


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contracts]:
    installed = modules()
    return {surface: shared_contracts(installed, surface) for surface in SURFACES}


@pytest.mark.parametrize("surface", SURFACES)
def test_nothing_is_without_a_description(contracts: dict[str, Contracts], surface: str) -> None:
    assert sdl.missing_descriptions(contracts[surface].whole.graphql) == []


def test_the_committed_schema_is_what_the_code_says(contracts: dict[str, Contracts]) -> None:
    assert sdl.drift(SCHEMA, contracts["tenant"], contracts["platform"]) == [], "run `make schema`"


def root_fields(contracts: Contracts) -> set[str]:
    schema = contracts.whole.graphql
    roots = (schema.query_type, schema.mutation_type)
    return {f"{root.name}.{name}" for root in roots if root for name in root.fields}


def test_no_root_field_is_in_both_schemas(contracts: dict[str, Contracts]) -> None:
    assert root_fields(contracts["tenant"]) & root_fields(contracts["platform"]) == set()


def test_every_type_and_field_has_an_owner(contracts: dict[str, Contracts]) -> None:
    """Else a document that names a disabled module could not be told so, and the SDL per module would lack it."""
    tenant = contracts["tenant"]
    owner = tenant.ownership
    orphans = [
        f"{type_.name}.{name}"
        for type_ in tenant.whole.graphql.type_map.values()
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and not type_.name.startswith("__")
        for name in type_.fields
        if (type_.name, name) not in owner
    ]
    assert orphans == []


def test_every_set_of_modules_makes_a_schema(contracts: dict[str, Contracts]) -> None:
    tenant = contracts["tenant"]
    names = [module.name for module in tenant.modules]
    for name in names:
        part = tenant.of(frozenset(names) - {name})
        assert part.graphql.query_type is not None


def test_every_mutation_can_answer_a_refusal(contracts: dict[str, Contracts]) -> None:
    for surface in SURFACES:
        root = contracts[surface].whole.graphql.mutation_type
        for name, field in (root.fields if root else {}).items():
            assert str(field.type) == f"{name[0].upper()}{name[1:]}Result!", name
            if surface == "tenant" and name not in WITHOUT_KEYS:
                assert "idempotencyKey" in field.args, name
