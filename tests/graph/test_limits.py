"""Every document of the attack list is refused, by counting and in under 20 ms of CPU."""

from __future__ import annotations

import time
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from graphql import GraphQLError, GraphQLSyntaxError, build_schema, get_introspection_query, parse, validate

from cityloom.graph.limits import _WORDS, LimitExceeded, Limits, check_variables, measure, parse_within
from cityloom.testing.attacks import ATTACKS, bare_doubled_fragments, doubled_fragments

if TYPE_CHECKING:
    from collections.abc import Callable

CPU_SECONDS = 0.020
SCHEMA = build_schema(
    "type Query { a(l: [Int], o: O, t: String, i: Int): T } type T { a: T n: Int m: Int }"
    " input O { o: O } type Mutation { do: Int }"
)


def least_cpu(call: Callable[[], object], runs: int = 25) -> float:
    """Seconds of CPU of the fastest of several runs: other work on the machine cannot make it smaller."""
    best = float("inf")
    for _ in range(runs):
        begun = time.process_time()
        call()
        best = min(best, time.process_time() - begun)
        if best < CPU_SECONDS / 2:
            break
    return best


def answer(text: str, limits: Limits | None = None) -> str:
    """What the edge says to a document: a limit, a syntax error, or the errors of validation."""
    chosen = limits or Limits()
    try:
        document = parse_within(text, chosen)
    except LimitExceeded as refusal:
        return str(refusal.details["limit"])
    except GraphQLSyntaxError:
        return "syntax"
    errors = validate(SCHEMA, document, max_errors=chosen.validation_errors, hide_suggestions=True)
    return "validation" if errors else "accepted"


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_in_under_20_ms_of_cpu(name: str) -> None:
    text = ATTACKS[name]
    assert answer(text) != "accepted"
    assert least_cpu(lambda: answer(text)) < CPU_SECONDS


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("doubled fragments", "depth"),
        ("10,000 aliases", "characters"),
        ("101 aliases", "aliases"),
        ("aliases multiplied by fragments", "aliases"),
        ("directive overload", "directives"),
        ("field duplication", "repeats"),
        ("deep selection", "nesting"),
        ("deep object in an argument", "input_depth"),
        ("huge text", "characters"),
        ("number of 5,000 digits", "digits"),
        ("many operations", "characters"),
        ("many root fields", "root_fields"),
        ("many mutations", "mutations"),
        ("many variables", "tokens"),
        ("fragment cycle", "validation"),
    ],
)
def test_the_refusal_names_the_limit(name: str, limit: str) -> None:
    assert answer(ATTACKS[name]) == limit


def test_a_fragment_is_visited_once_however_often_it_is_spread() -> None:
    few, many = measure(parse(bare_doubled_fragments(10))), measure(parse(bare_doubled_fragments(20)))
    assert many.visits - few.visits == 10 * 3  # the definition and its two spreads


def test_what_fragments_multiply_is_counted_exactly() -> None:
    found = measure(parse(doubled_fragments(28)))
    assert found.fields == 3 * 2**28 - 1
    assert found.aliases == 2**28 - 1
    assert found.depth == 30
    assert found.visits < 200


def test_the_introspection_query_of_tools_is_within_the_limits() -> None:
    query = get_introspection_query(
        descriptions=True, specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True
    )
    assert answer(query) == "accepted"


def test_each_limit_is_the_largest_count_that_is_answered() -> None:
    assert answer("{__typename __typename}", Limits(repeats=2)) == "accepted"
    assert answer("{__typename __typename __typename}", Limits(repeats=2)) == "repeats"
    assert answer("{a{a{n}}}", Limits(depth=3)) == "accepted"
    assert answer("{a{a{n}}}", Limits(depth=2)) == "depth"
    assert answer("{x:__typename}", Limits(aliases=0)) == "aliases"
    assert answer("{...F}fragment F on Query{__typename}", Limits(fragments=0)) == "fragments"
    assert (
        answer("{...F...G}fragment F on Query{__typename}fragment G on Query{__typename}", Limits(spreads=1))
        == "spreads"
    )
    assert answer("query($v:Int){a(i:$v){n}}", Limits(variables=0)) == "variables"
    assert answer("mutation{do}", Limits(mutations=0)) == "mutations"
    assert answer("{...F}fragment F on Query{a{n}__typename}", Limits(root_fields=1)) == "root_fields"


def deep(levels: int, kind: str) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if kind == "list" else {"o": value}
    return value


@pytest.mark.parametrize(
    ("variables", "limit"),
    [
        ({"v": deep(500, "list")}, "input_depth"),
        ({"v": deep(500, "object")}, "input_depth"),
        ({"v": list(range(200_000))}, "input_values"),
        ({"v": [[1, 2]] * 49_000}, "input_values"),
        ({"v": "x" * 900_000}, "input_text"),
        ({f"v{i}": 1 for i in range(60_000)}, "input_values"),
    ],
    ids=["lists in lists", "objects in objects", "long list", "list of pairs", "long text", "many variables"],
)
def test_variables_are_bounded(variables: dict[str, Any], limit: str) -> None:
    def check() -> str:
        with pytest.raises(LimitExceeded) as refused:
            check_variables(variables, Limits())
        return str(refused.value.details["limit"])

    assert check() == limit
    assert least_cpu(check) < CPU_SECONDS


def test_a_boundary_of_9_000_points_fits() -> None:
    ring = [[121.0 + i / 1e6, 31.0] for i in range(9_000)]
    check_variables({"input": {"boundary": {"type": "MultiPolygon", "coordinates": [[ring]]}}}, Limits())


def test_every_limit_has_words_in_both_languages() -> None:
    assert set(_WORDS) == {item.name for item in fields(Limits)}
    refusal = LimitExceeded("depth", 16, 17)
    assert refusal.message("en") == "The request has too many levels of selections: 17, at most 16 are allowed."
    assert refusal.message("zh") == "请求超出限制:查询深度为 17,最多允许 16。"


def test_a_syntax_error_says_where() -> None:
    with pytest.raises(GraphQLError) as refused:
        parse_within("{a{", Limits())
    assert refused.value.locations
