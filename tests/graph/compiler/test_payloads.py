"""Payloads of mutations, statements over many rows, and what the schema tells a stranger."""

# ruff: noqa: E501, S608, FURB171 - documents read better on one line; names of our own tables
from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import orjson
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    execute,
    parse,
)

from cityloom.core.ids import encode_id
from cityloom.graph.compiler import Compiler
from cityloom.testing.graph.people import make_city, store
from cityloom.testing.graph.sandbox import House, paper_schema
from cityloom.testing.rights import principal

FULL = 3


async def test_a_payload_is_the_selection_on_one_row_inside_the_transaction(desk: Any) -> None:
    schema, compiler, caller = paper_schema()._schema, Compiler(), desk.caller(FULL, "forbidden")
    row = next(
        house
        for house in desk.cities[FULL].all("houses")
        if any(p.house_id == house.id for p in desk.cities[FULL].all("people"))
    )
    found: list[Any] = []

    async def resolve(_source: Any, info: Any, **_: Any) -> None:
        async with desk.admin.transaction():
            await desk.admin.execute("SET LOCAL ROLE cityloom_app")
            await desk.admin.fetchrow(
                (
                    "SELECT set_config('app.area_lo', '', true), "
                    "set_config('app.area_hi', chr(1114111), true), set_config('app.tenant_id', $1, true)"
                ),
                str(caller.tenant_id),
            )
            work = SimpleNamespace(principal=caller, fetch=lambda sql, args: desk.admin.fetchrow(sql, *args))
            found.append(await compiler.payload(work, info, House, row.id, context="context"))  # type: ignore[arg-type] # what it needs of a work

    schema.query_type.fields["house"].resolve = resolve  # type: ignore[union-attr] # there is one
    text = """query ($n: Int!) { mine: house(id: "x") { __typename ...Named described people(first: $n) { nodes { title phone } } } }
      fragment Named on Node { id ... on House { title } }"""
    document = parse(text)
    for _ in range(2):
        result = await execute(schema, document, variable_values={"n": 3})  # type: ignore[misc] # the resolver is async
        assert not result.errors
    naive = await desk.naive(
        text.replace('"x"', f'"{encode_id("hous", caller.tenant_id, row.id)}"'), caller, FULL, {"n": 3}
    )
    for answer in found:
        assert orjson.loads(answer.fields[""]) == naive.data["mine"]
        assert [["mine", *error.path[1:]] for error in answer.errors] == [error.path for error in naive.errors]
    assert (compiler.cache.misses, compiler.cache.hits) == (1, 1)


async def test_a_thousand_rows_take_the_same_statement_as_one(desk: Any) -> None:
    city = make_city(77, 1)
    house = city.all("houses")[0]
    caller = principal(city.tenant_id)
    await store(desk.admin, city)
    text = (
        "{ houses(first: 100) { totalCount nodes { id people(first: "
        "100) { nodes { id house { id } } } labels { word } described } } }"
    )
    await desk.data(text, caller)
    names = list(vars(house))
    for _ in range(999):
        values = {**vars(house), "id": uuid4(), "extra": None}
        await desk.admin.execute(
            f"INSERT INTO houses ({', '.join(names)}) VALUES ({', '.join(f'${at + 1}' for at in range(len(names)))})",
            *values.values(),
        )
    data = await desk.data(text, caller)
    assert data["houses"]["totalCount"] == 1_000
    assert len(data["houses"]["nodes"]) == 100
    assert len(desk.statements) == 2
    assert desk.statements[0] == desk.statements[1]


def test_everything_has_a_description() -> None:
    schema = paper_schema()._schema
    missing = []
    for name, type_ in schema.type_map.items():
        if name.startswith("__") or name == "Query":
            continue
        if not type_.description:
            missing.append(name)
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for field_name, field in type_.fields.items():
                missing += [] if field.description else [f"{name}.{field_name}"]
                missing += [
                    f"{name}.{field_name}({argument})" for argument, made in field.args.items() if not made.description
                ]
        if isinstance(type_, GraphQLInputObjectType):
            missing += [f"{name}.{field_name}" for field_name, made in type_.fields.items() if not made.description]
        if isinstance(type_, GraphQLEnumType):
            missing += [f"{name}.{value}" for value, made in type_.values.items() if not made.description]
    assert [name for name in missing if name not in {"UUID"}] == []
