"""A type whose place another table tells: rows are reached by a declared condition, confined to the tenant only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
import sqlalchemy as sa
import strawberry
from graphql import parse
from sqlalchemy.orm import aliased
from strawberry.schema.config import StrawberryConfig

from cityloom.core.principal import Principal, PrincipalKind, Scope, subtree
from cityloom.graph import bound as b
from cityloom.graph.compiler import Compiler
from cityloom.testing.graph.sandbox import House, HouseRow, LabelRow, PersonRow
from cityloom.testing.rights import ALL, StatedRights

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

READ = "paper.tag.read"


def _on_a_house_within(label: Any, reach: b.Reach) -> ColumnElement[bool]:
    house, person = aliased(HouseRow), aliased(PersonRow)
    lives_there = sa.exists().where(person.house_id == label.house_id, reach.caller(person.account_id))
    return sa.or_(lives_there, sa.exists().where(house.id == label.house_id, reach.areas(house.area_path)))


@b.bound(LabelRow, module="paper", read=READ, scope=b.ScopeRule(rows=_on_a_house_within))
class Tag:
    """A label that is read where its house is."""

    word: str = b.column(LabelRow.word, "The word.", filters=b.TEXT)


@b.query(module="paper")
class TagQuery:
    """What can be asked."""

    tags: b.Connection[Tag] = b.root_connection(Tag, "All tags.")


@pytest.fixture(scope="module")
def schema() -> Any:
    return strawberry.Schema(query=TagQuery, types=[House], config=StrawberryConfig(scalar_map=b.SCALARS))._schema


def _labels(city: Any, paths: tuple[str, ...], account: Any) -> list[str]:
    """What the declaration says, in Python."""
    near = {h.id for h in city.all("houses") if any(h.area_path.startswith(path) for path in paths)}
    home = {p.house_id for p in city.all("people") if p.account_id is not None and p.account_id == account}
    return sorted(label.word for label in city.all("labels") if label.house_id in near | home)


@pytest.mark.parametrize("paths", [("1.1.",), ("1.", "3."), ()])
@pytest.mark.parametrize("number", [2, 3])
async def test_rows_are_reached_through_the_other_table(
    desk: Any, schema: Any, number: int, paths: tuple[str, ...]
) -> None:
    city = desk.cities[number]
    account = next((p.account_id for p in city.all("people") if p.account_id is not None), None)
    scope = Scope(areas=tuple(subtree(path) for path in paths))
    # No right to read houses or people: their scopes must not narrow what a label's place tells.
    rights = StatedRights({READ: scope, "paper.house.read": ALL})
    caller = Principal(city.tenant_id, PrincipalKind.STAFF, rights, account_id=account, locale="en")
    query = Compiler().plan(schema, parse("{ tags(first: 100) { totalCount nodes { word } } }"), None, {}, caller)
    found = orjson.loads((await query.run(desk.fetch)).data())["tags"]
    expected = _labels(city, paths, account)
    assert sorted(one["word"] for one in found["nodes"]) == expected
    assert found["totalCount"] == len(expected)
    [statement] = desk.statements
    # The sub-selects name the tenant themselves, as every table does.
    assert statement.count("tenant_id =") >= 3


async def test_who_may_read_everywhere_is_not_asked(desk: Any, schema: Any) -> None:
    city = desk.cities[3]
    caller = Principal(city.tenant_id, PrincipalKind.STAFF, StatedRights({READ: ALL}), locale="en")
    query = Compiler().plan(schema, parse("{ tags(first: 100) { totalCount } }"), None, {}, caller)
    found = orjson.loads((await query.run(desk.fetch)).data())["tags"]
    assert found["totalCount"] == len(city.all("labels"))
    assert "EXISTS" not in desk.statements[0]
