"""What a compiled operation is: one statement, cached by shape, safe against any text, the tenant on every table."""

# ruff: noqa: E501, N802 - documents read better on one line; pglast calls visitors by node
from __future__ import annotations

import dataclasses
from typing import Any

import orjson
import pglast
import pytest
from graphql import GraphQLError, parse
from pglast.visitors import Visitor

from cityloom.core.ids import MalformedId, encode_id
from cityloom.core.principal import FieldAccess, Scope, subtree
from cityloom.graph.compiler import Compiler, VariablesRefused
from cityloom.graph.compiler.refusals import SelectionTooLarge, TextRefused, TooManyIds
from cityloom.testing.rights import ALL, StatedRights

FULL = 3
DEEP = """{ districts { nodes { title parent { title } houses(first: 2) { totalCount edges { cursor node {
  title liveHere people(last: 2, where: {title: {prefix: "a"}}) { nodes { title phone house { title } } pageInfo { hasPreviousPage startCursor } }
  notices { nodes { subject { ... on House { title } ... on Person { title } } } } labels { word } } } pageInfo { endCursor hasNextPage } } } } }"""
HOSTILE = [
    "'; DROP TABLE houses; --",
    '"; DROP TABLE houses; --',
    "' OR '1'='1",
    "$1",
    "$99",
    "%s",
    "%(x)s",
    ":name",
    "\\",
    "\\'",
    "/*",
    "E'\\x27'",
    "\u2019",
    "{}",
    "{0}",
    "$$",
    "?",
    "::uuid",
]


class _Tables(Visitor):
    """Every table of a statement, by alias."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def visit_RangeVar(self, _ancestors: Any, node: Any) -> None:
        if node.relname != "ctx":
            self.found.append((node.relname, node.alias.aliasname if node.alias else node.relname))


async def test_every_query_is_one_statement_whatever_its_depth(desk: Any) -> None:
    await desk.ask(DEEP, desk.caller(FULL))
    assert len(desk.statements) == 1
    await desk.ask(
        '{ a: houses { totalCount } b: districts { totalCount } c: people { totalCount } node(id: "hous_00000000_%s") { id } }'
        % ("0" * 32),
        desk.caller(FULL),
    )
    assert len(desk.statements) == 2


def test_every_table_names_the_tenant(desk: Any) -> None:
    for name in ("whole city", "two areas", "department", "own"):
        sql = desk.plan(DEEP, desk.caller(FULL, name)).plan.sql
        tables = _Tables()
        tables(pglast.parse_sql(sql))
        assert len(tables.found) >= 10
        assert len({alias for _, alias in tables.found}) == len(tables.found)
        first = next(part for part in sql.split() if part.endswith("::UUID"))
        for _, alias in tables.found:
            assert f"{alias}.tenant_id = $" in sql, alias
        assert first


def test_statements_hold_no_text_of_a_document_but_quoted_keys(desk: Any) -> None:
    for text in HOSTILE:
        literal = orjson.dumps(text).decode()
        for document in (
            f"{{ houses(where: {{title: {{eq: {literal}, prefix: {literal}, contains: {literal}, in: [{literal}]}}, worded: {literal}}}) {{ nodes {{ id }} }} }}",
        ):
            sql = desk.plan(document, desk.caller(FULL)).plan.sql
            assert text not in sql or text in {"$1", "\\", "{}", "::uuid", "?", "%s"}
            assert len(pglast.parse_sql(sql)) == 1


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_only_ever_a_value(desk: Any, text: str) -> None:
    principal = desk.caller(FULL)
    query = """query ($t: String!, $l: [String!]) { houses(where: {or: [{title: {eq: $t}}, {title: {prefix: $t}}, {title: {contains: $t}}, {title: {in: $l}}, {worded: $t}, {district: {title: {eq: $t}}}]}) { totalCount } }"""
    naive = await desk.naive(query, principal, FULL, {"t": text, "l": [text]})
    assert await desk.data(query, principal, {"t": text, "l": [text]}) == naive.data
    for variables in ({"id": text},):
        with pytest.raises(MalformedId) as refused:
            await desk.ask("query ($id: ID!) { house(id: $id) { id } }", principal, variables)
        assert refused.value.path == ("id",)
        with pytest.raises(MalformedId):
            await desk.ask("query ($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }", principal, variables)
        with pytest.raises(MalformedId) as nested:
            await desk.ask(
                "query ($id: ID!) { houses(where: {district: {id: {in: [$id]}}}) { totalCount } }", principal, variables
            )
        assert nested.value.path == ("where", "district", "id", "in", "0")


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "x\udfff"])
async def test_text_that_cannot_be_stored_is_refused(desk: Any, text: str) -> None:
    with pytest.raises(TextRefused):
        await desk.ask(
            "query ($t: String!) { houses(where: {title: {eq: $t}}) { totalCount } }", desk.caller(FULL), {"t": text}
        )
    with pytest.raises(TextRefused):
        await desk.ask(
            "query ($t: [String!]) { houses(where: {title: {in: $t}}) { totalCount } }",
            desk.caller(FULL),
            {"t": ["a", text]},
        )


async def test_keys_of_any_length_and_case(desk: Any) -> None:
    long = "k" * 64
    for key in (long, "k" * 63, "select", "Select", "__a", "_", "json", "c0", "number", "cursor", "k" * 300):
        text = f"{{ {key}: houses(first: 2, orderBy: [{{by: CREATED}}]) {{ {key}: edges {{ {key}: cursor n: node {{ {key}: title a{key}: rooms {key}b: __typename district {{ {key}: title }} }} }} {key}n: nodes {{ {key}: id }} }} }}"
        naive = await desk.naive(text, desk.caller(FULL), FULL)
        data = await desk.data(text, desk.caller(FULL))
        assert [[edge["n"] for edge in side[key][key]] for side in (data, naive.data)] == [
            [edge["n"] for edge in naive.data[key][key]]
        ] * 2
        assert data[key][f"{key}n"] == naive.data[key][f"{key}n"]


async def test_plans_are_cached_by_shape_and_rebound(desk: Any) -> None:
    compiler = Compiler(size=8)
    text = (
        "query ($w: HouseFilter, $n: Int, $d: Boolean = false) { "
        "houses(first: $n, where: $w) { nodes { title rooms @skip(if: $d) } } }"
    )
    document = parse(text)

    def plan(variables: dict[str, Any], principal: Any = None) -> Any:
        return compiler.plan(desk.schema, document, None, variables, principal or desk.caller(FULL), document_key=text)

    first = plan({"w": {"title": {"eq": "a"}}, "n": 3})
    assert plan({"w": {"title": {"eq": "中"}}, "n": 3}).plan is first.plan
    assert plan({"w": {"title": {"eq": "a"}}, "n": 3}, desk.caller(2)).plan is first.plan
    assert plan({"w": {"title": {"eq": "a"}}, "n": 4}).plan is not first.plan
    assert plan({"w": {"title": {"in": ["a"]}}, "n": 3}).plan is plan({"w": {"title": {"in": ["a", "b"]}}, "n": 3}).plan
    assert plan({"w": {"use": {"eq": "HOME"}}, "n": 3}).plan is not plan({"w": {"use": {"eq": "SHOP"}}, "n": 3}).plan
    assert plan({"w": {"title": {"eq": None}}, "n": 3}).plan is not first.plan
    assert plan({"w": {"title": {"eq": "a"}}, "n": 3, "d": True}).plan is not first.plan
    # What is masked for this caller is not asked for, so the plan is the same.
    assert plan({"w": {"title": {"eq": "a"}}, "n": 3}, desk.caller(FULL, "masked")).plan is first.plan
    assert compiler.cache.hits == 4
    for size in range(20):
        plan({"n": size})
    assert len(compiler.cache) == 8
    wide = await plan({"w": {"title": {"eq": "a"}}, "n": 3}, desk.caller(FULL)).run(desk.fetch)
    other = await plan({"w": {"title": {"eq": "a"}}, "n": 3}, desk.caller(2)).run(desk.fetch)
    assert wide.errors == other.errors == []


async def test_areas_of_equal_shape_share_a_plan_and_see_their_own(desk: Any) -> None:
    text = "{ houses(first: 100) { nodes { id } } }"
    base = desk.caller(FULL)
    callers = [
        dataclasses.replace(base, rights=StatedRights({"paper.house.read": Scope(areas=(subtree(path),))}))
        for path in ("1.1.", "2.", "3.")
    ]
    plans = [desk.plan(text, caller) for caller in callers]
    assert len({id(query.plan) for query in plans}) == 1
    for caller, path in zip(callers, ("1.1.", "2.", "3."), strict=True):
        expected = {
            encode_id("hous", base.tenant_id, row.id)
            for row in desk.cities[FULL].all("houses")
            if row.area_path.startswith(path)
        }
        assert {node["id"] for node in (await desk.data(text, caller))["houses"]["nodes"]} == expected


async def test_cost_is_the_product_of_page_sizes(desk: Any) -> None:
    principal = desk.caller(FULL)
    for text, cost in (
        ("{ houses(first: 100) { nodes { id } } }", 100),
        ("{ houses(first: 100) { nodes { people(first: 50) { nodes { id } } } } }", 5_100),
        (
            (
                "{ districts(last: 100) { edges { node { houses(first: 100) "
                "{ nodes { people(first: 100) { nodes { id } } } } } } } }"
            ),
            1_010_100,
        ),
        ('{ house(id: "x") { district { title } } }', 2),
        ("{ houses { totalCount } }", 1),
        ("{ __typename }", 0),
        ("query ($n: Int = 7) { shortList(first: $n) { labels(first: 3) { word } } }", 28),
    ):
        assert desk.plan(text, principal).cost == cost, text


async def test_forbidden_fields_are_null_with_an_error_at_each_place(desk: Any) -> None:
    principal = desk.caller(FULL, "forbidden")
    answer = await desk.ask("{ people(first: 2) { edges { node { phone mine: bornOn title } } } }", principal)
    edges = orjson.loads(answer.data())["people"]["edges"]
    assert [edge["node"] for edge in edges] == [
        {"phone": None, "mine": None, "title": edge["node"]["title"]} for edge in edges
    ]
    assert [error.path for error in answer.errors] == [
        ["people", "edges", at, "node", key] for key in ("phone", "mine") for at in range(2)
    ]
    for error in answer.errors:
        assert error.extensions["code"] == "FORBIDDEN"
        assert error.extensions["permission"]


async def test_wrong_variables_are_refused_together(desk: Any) -> None:
    with pytest.raises(VariablesRefused) as refused:
        desk.plan(
            "query ($a: Int!, $b: HouseFilter!) { houses(first: $a, where: $b) { totalCount } }",
            desk.caller(FULL),
            {"a": "x", "b": {"nope": 1}},
        )
    assert len(refused.value.errors) == 2
    with pytest.raises(GraphQLError, match="several operations"):
        desk.plan("query A { __typename } query B { __typename }", desk.caller(FULL))
    with pytest.raises(GraphQLError, match="no operation named"):
        desk.plan("query A { __typename }", desk.caller(FULL), name="C")


async def test_values_beyond_the_database_are_refused(desk: Any) -> None:
    ids = [f"hous_00000000_{number:032x}" for number in range(101)]
    with pytest.raises(TooManyIds):
        await desk.ask("query ($i: [ID!]!) { nodes(ids: $i) { id } }", desk.caller(FULL), {"i": ids})
    text = "query ($v: BigInt) { houses(where: {valueFen: {eq: $v}}) { totalCount } }"
    with pytest.raises(VariablesRefused):
        await desk.ask(text, desk.caller(FULL), {"v": 2**60})
    assert (await desk.data(text, desk.caller(FULL), {"v": 2**53 - 1}))["houses"]["totalCount"] == 0


def test_absurd_selections_are_refused(desk: Any) -> None:
    wide = " ".join(f"a{number}: title" for number in range(200))
    nested = "houses { nodes { " + " ".join(f"b{number}: district {{ {wide} }}" for number in range(30)) + " } }"
    with pytest.raises(SelectionTooLarge):
        desk.plan("{ " + nested + " }", desk.caller(FULL))


async def test_ids_of_another_tenant_are_absent(desk: Any) -> None:
    mine, other = desk.cities[FULL], desk.cities[2]
    row = other.all("houses")[0].id
    foreign = [
        encode_id("hous", other.tenant_id, row),
        encode_id("hous", mine.tenant_id, row),
        encode_id("pers", mine.tenant_id, mine.all("houses")[0].id),
    ]
    for text_id in foreign:
        data = await desk.data(
            (
                "query ($id: ID!) { house(id: $id) { id } node(id: $id) { id "
                "} nodes(ids: [$id]) { id } houses(where: {id: {eq: $id}}) { totalCount } }"
            ),
            desk.caller(FULL),
            {"id": text_id},
        )
        assert data == {"house": None, "node": None, "nodes": [None], "houses": {"totalCount": 0}}


async def test_rights_of_nobody_answer_empty_pages(desk: Any) -> None:
    data = await desk.data(
        '{ houses { totalCount nodes { id } pageInfo { hasNextPage endCursor } } houseStats { count } district(id: "dist_00000000_%s") { id } }'
        % ("0" * 32),
        desk.caller(FULL, "nobody"),
    )
    assert data == {
        "houses": {"totalCount": 0, "nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}},
        "houseStats": [{"count": 0}],
        "district": None,
    }


async def test_row_level_security_stands_behind(desk: Any) -> None:
    """With a wall narrower than the plan's scope the database itself leaves rows out."""
    base = desk.caller(FULL)

    class Walled(StatedRights):
        wall = subtree("1.1.")

    walled = dataclasses.replace(
        base, rights=Walled({"paper.house.read": ALL}, {"paper.person.phone": FieldAccess.FULL})
    )
    data = await desk.data("{ houses(first: 100) { nodes { id } } }", walled)
    expected = sum(1 for row in desk.cities[FULL].all("houses") if row.area_path.startswith("1.1."))
    assert len(data["houses"]["nodes"]) == expected < len(desk.cities[FULL].all("houses"))


async def test_callers_share_a_plan_where_they_differ_only_in_what_is_not_asked(desk: Any) -> None:
    """A plan fits whoever has the same rights to what it reads; a caller who has not gets one of their own."""
    compiler = Compiler()
    document = parse("{ houses(first: 3) { edges { node { title } } } }")

    def plan(**scopes: Scope) -> Any:
        rights = StatedRights({f"paper.{name}.read": scope for name, scope in scopes.items()})
        return compiler.plan(
            desk.schema, document, None, {}, dataclasses.replace(desk.caller(FULL), rights=rights)
        ).plan

    one = Scope(areas=(("1.", "1/"),))
    first = plan(house=one)
    assert plan(house=one, person=Scope(everywhere=True)) is first
    assert plan(house=Scope(areas=(("7.2.", "7.2/"),)), notice=one) is first
    assert plan(house=Scope(everywhere=True)) is not first
    assert plan(person=one) is not first
    assert (compiler.cache.misses, compiler.cache.hits, len(compiler.cache)) == (3, 2, 3)
