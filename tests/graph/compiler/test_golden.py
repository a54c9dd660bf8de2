"""The SQL of a dozen documents, for people to read: `GOLDEN=write pytest …` writes the files anew."""

# ruff: noqa: E501 - documents read better on one line
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pglast
import pytest

from cityloom.graph.explain import explain

FOLDER = Path(__file__).parent / "golden"
DOCUMENTS = {
    "point": (
        "whole city",
        "query ($id: ID!) { house(id: $id) { id title use } }",
        {"id": "hous_00000000_00000000000000000000000000000000"},
    ),
    "node": (
        "whole city",
        "query ($id: ID!) { node(id: $id) { __typename id ... on House { title } ... on Person { title } } }",
        {"id": "hous_00000000_00000000000000000000000000000000"},
    ),
    "nodes": (
        "whole city",
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Named { title } } }",
        {"ids": ["hous_00000000_00000000000000000000000000000000", "pers_00000000_00000000000000000000000000000000"]},
    ),
    "list": ("whole city", "{ houses(first: 10) { nodes { id title checkedAt valueFen } } }", {}),
    "one_grid": ("one grid", "{ houses(first: 10) { nodes { id district { title } } } }", {}),
    "two_areas": ("two areas", "{ houses(first: 10) { nodes { id } } }", {}),
    "own_or_department": ("own", "{ people(first: 10) { nodes { id } } }", {}),
    "page_forward": (
        "whole city",
        (
            "query ($after: String) { houses(first: 10, after: $after, "
            "orderBy: [{by: NUMBER}]) { edges { cursor node { title } } pageInfo { hasNextPage endCursor } totalCount } }"
        ),
        {"after": "x"},
    ),
    "page_backward": (
        "whole city",
        (
            "query ($before: String) { houses(last: 10, before: $before, "
            "orderBy: [{by: ROOMS, direction: DESC}]) { nodes { title } pageInfo { hasPreviousPage startCursor } } }"
        ),
        {"before": "x"},
    ),
    "nested": (
        "one grid",
        (
            "{ houses(first: 100) { nodes { id title use rooms builtOn "
            "people(first: 2) { nodes { id title phone bornOn } } } } }"
        ),
        {},
    ),
    "filters": (
        "whole city",
        "query ($w: HouseFilter) { houses(where: $w) { nodes { id } } }",
        {"w": {"title": {"prefix": "a"}, "or": [{"rooms": {"gte": 2}}, {"not": {"people": {"title": {"in": ["a"]}}}}]}},
    ),
    "aggregate": ("one grid", "{ houseStats(by: [USE, DISTRICT]) { keys count valueFen } }", {}),
    "forbidden_and_resolved": ("forbidden", "{ people { nodes { phone bornOn house { described } } } }", {}),
    "union": (
        "whole city",
        "{ notices { nodes { text subject { ... on House { title } ... on Person { title } } } } }",
        {},
    ),
    "one_operation": (
        "whole city",
        "{ a: houses(first: 1) { totalCount } b: districts(first: 1) { nodes { title } } __typename }",
        {},
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_sql_is_as_written_down(desk: Any, name: str) -> None:
    caller, document, variables = DOCUMENTS[name]
    query = desk.plan(document, desk.caller(3, caller), variables)
    said = await explain(query)
    written = f"-- {document}\n-- as: {caller}\n" + said.text().replace(said.sql, pglast.prettify(said.sql)) + "\n"
    path = FOLDER / f"{name}.sql"
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(written)
    assert written == path.read_text()


async def test_explanation_holds_the_plan_of_the_database(desk: Any) -> None:
    query = desk.plan("{ people { nodes { phone house { described } } } }", desk.caller(3, "forbidden"))
    said = await explain(query, lambda sql, args: desk.pool.fetch(sql, *args), analyse=True)
    assert "CTE ctx" in said.query_plan
    assert "actual" in said.query_plan
    assert said.rights == (("paper.house.read", "the whole city"), ("paper.person.read", "the whole city"))
    assert said.forbidden == ("people.nodes.*.phone: paper.person.phone",)
    assert said.resolved == ("people.nodes.*.house.described",)
