"""Contracts: what a city has not switched on cannot be named, and the refusal says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import strawberry

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.graph import sdl
from cityloom.graph.bound.bindings import GraphPart
from cityloom.graph.schema import AssemblyError, Contracts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cityloom.testing.sandbox import Sandbox

ALL = frozenset({"lamps", "repairs"})
SOME = frozenset({"lamps"})


def module(
    name: str, *queries: type[Any], extensions: tuple[type[Any], ...] = (), needs: tuple[str, ...] = ()
) -> Module:
    api = GraphApi(queries=queries, extensions=extensions)
    return Module(name, Text(name, name), Text(name, name), needs=needs, tenant_api=api)


def query(**fields: type[Any]) -> type[Any]:
    """A class of root fields of the given types."""
    return strawberry.type(type("Made", (), {"__annotations__": fields}))


async def test_a_disabled_modules_fields_and_types_are_not_there(sandbox: Sandbox) -> None:
    whole, part = sandbox.contracts.of(ALL), sandbox.contracts.of(SOME)
    assert {"repair", "lamp"} <= whole.graphql.query_type.fields.keys()  # type: ignore[union-attr] # there is a query type
    assert "repair" not in part.graphql.query_type.fields  # type: ignore[union-attr] # as above
    assert "Repair" not in part.graphql.type_map
    assert "repairCount" in whole.graphql.type_map["Lamp"].fields  # type: ignore[attr-defined] # an object type
    assert "repairCount" not in part.graphql.type_map["Lamp"].fields  # type: ignore[attr-defined] # as above


@pytest.mark.parametrize(
    "document",
    ["{ repair { costFen } }", "{ lamp { repairCount } }", "{ __typename ...F } fragment F on Repair { costFen }"],
)
@pytest.mark.parametrize("bearer", ["developer", "reader"])
async def test_naming_a_disabled_module_says_so(sandbox: Sandbox, document: str, bearer: str) -> None:
    sandbox.modules = SOME
    async with sandbox.client(bearer) as client:
        answers = {
            language: (
                await client.post("/graphql", json={"query": document}, headers={"accept-language": language})
            ).json()
            for language in ("en", "zh")
        }
    for language, said in (
        ("en", "belongs to the module repairs (Repairs), which is not enabled"),
        ("zh", "本城市未启用该模块"),
    ):
        error = answers[language]["errors"][0]
        assert said in error["message"]
        assert error["extensions"] == {"code": "MODULE_DISABLED", "details": {"module": "repairs"}}


async def test_a_field_that_no_module_has_is_simply_unknown(sandbox: Sandbox) -> None:
    sandbox.modules = SOME
    async with sandbox.client() as client:
        answer = (await client.post("/graphql", json={"query": "{ nothing }"})).json()
    assert answer["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_introspection_shows_the_citys_contract(sandbox: Sandbox) -> None:
    sandbox.modules = SOME
    async with sandbox.client() as client:
        answer = (await client.post("/graphql", json={"query": "{ __schema { types { name } } }"})).json()
    names = {item["name"] for item in answer["data"]["__schema"]["types"]}
    assert "Lamp" in names
    assert "Repair" not in names


def test_one_schema_is_made_for_each_set_of_modules(sandbox: Sandbox) -> None:
    contracts = sandbox.contracts
    assert contracts.of(SOME) is contracts.of(frozenset()), "core modules are always on"
    assert contracts.of(SOME) is contracts.of(frozenset({"lamps", "unknown"})), "unknown names are ignored"
    assert contracts.of(ALL) is contracts.whole
    assert contracts.of(SOME).key != contracts.of(ALL).key


def test_a_module_whose_needs_are_off_is_off() -> None:
    lamps, repairs = module("lamps", query(lamp=int)), module("repairs", query(repair=int), needs=("lamps",))
    contracts = Contracts((module("streets", query(street=int)), lamps, repairs), "tenant")
    assert contracts.of(frozenset({"streets", "repairs"})).modules == {"streets"}
    assert contracts.of(ALL | {"streets"}).modules == ALL | {"streets"}


def test_contracts_are_bounded() -> None:
    contracts = Contracts([module(f"m{i}", query(**{f"field{i}": int})) for i in range(5)], "tenant", kept=2)
    first = contracts.of(frozenset({"m0"}))
    for number in range(1, 5):
        contracts.of(frozenset({f"m{number}"}))
    assert contracts.of(frozenset({"m0"})) is not first


def test_two_modules_cannot_have_one_root_field() -> None:
    with pytest.raises(AssemblyError, match=r"Query\.lamp is contributed twice"):
        _ = Contracts((module("a", query(lamp=int)), module("b", query(lamp=str))), "tenant").whole


def test_an_extension_cannot_take_a_fields_place() -> None:
    lamp = strawberry.type(type("Lantern", (), {"__annotations__": {"number": int}}))
    more = strawberry.type(type("More", (), {"__annotations__": {"number": int}}))
    more.__graph_part__ = GraphPart("extension", "b", lamp)  # type: ignore[attr-defined] # what b.extend does
    with pytest.raises(AssemblyError, match=r"Lantern\.number is contributed twice"):
        _ = Contracts((module("a", query(lamp=lamp)), module("b", extensions=(more,))), "tenant").whole


def test_what_is_no_type_is_refused_at_assembly() -> None:
    with pytest.raises(AssemblyError, match="is no Strawberry type"):
        _ = Contracts((module("a", int),), "tenant").whole


def test_sdl_is_written_whole_and_per_module(sandbox: Sandbox) -> None:
    found = sdl.files(sandbox.contracts)
    assert set(found) == {"tenant.graphql", "modules/lamps.graphql", "modules/repairs.graphql"}
    repairs = found["modules/repairs.graphql"]
    assert "extend type Lamp {" in repairs
    assert "extend type Query {" in repairs
    assert 'type Repair {\n  """What it cost, in fen."""\n  costFen: Int!\n}' in repairs
    assert "repairCount" not in found["modules/lamps.graphql"]


def test_drift_and_leftovers_are_found(sandbox: Sandbox, tmp_path: Path) -> None:
    assert sdl.write(tmp_path, sandbox.contracts) == [
        "modules/lamps.graphql",
        "modules/repairs.graphql",
        "tenant.graphql",
    ]
    assert sdl.write(tmp_path, sandbox.contracts) == []
    (tmp_path / "tenant.graphql").write_text("type Query { a: Int }")
    (tmp_path / "modules" / "gone.graphql").write_text("")
    assert sdl.drift(tmp_path, sandbox.contracts) == ["modules/gone.graphql", "tenant.graphql"]


def test_a_breaking_change_needs_a_line_in_the_changelog(
    tmp_path: Path, contracts_of: Callable[..., Contracts]
) -> None:
    sdl.write(tmp_path, contracts_of(module("a", query(lamp=int, lantern=int))))
    smaller = contracts_of(module("a", query(lamp=int)))
    before = (tmp_path / "tenant.graphql").read_text()
    with pytest.raises(sdl.BreakingChangeUnannounced) as refused:
        sdl.write(tmp_path, smaller)
    assert refused.value.details["changes"] == "Field Query.lantern was removed."
    assert (tmp_path / "tenant.graphql").read_text() == before
    (tmp_path / sdl.CHANGELOG).write_text("- Field Query.lantern was removed. Use lamp.\n")
    assert "tenant.graphql" in sdl.write(tmp_path, smaller)


def test_missing_descriptions_are_named(sandbox: Sandbox, contracts_of: Callable[..., Contracts]) -> None:
    assert sdl.missing_descriptions(sandbox.contracts.whole.graphql) == []
    lamp = strawberry.type(type("Lantern", (), {"__annotations__": {"number": int}}))
    bare = contracts_of(module("a", query(lamp=lamp)))
    assert sdl.missing_descriptions(bare.whole.graphql) == ["Lantern", "Lantern.number", "Query.lamp"]
