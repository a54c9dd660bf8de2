"""Rows as cells: whatever a row holds stands in exactly one cell, and can be found there again."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import orjson
from graphql import FieldNode, GraphQLObjectType, OperationDefinitionNode, build_schema, parse
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloom.exports.cells import cell, csv_cell, defused, sheet_cell
from cityloom.exports.titles import headings
from cityloom.graph.compiler.columns import Column, Flattening

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A schema with every shape that a row can have.
SCHEMA = build_schema("""
type Query { rows: [Row!]! }
type Row {
  a: String b: Int c: Float d: Boolean one: Other many: [Other!]! tags: [String!]! either: Either more: Others
}
type Other { a: String b: Int deep: Deep }
type Deep { a: String b: Float }
type Third { c: Int }
union Either = Other | Third
type Others { edges: [OtherEdge!]! nodes: [Other!]! pageInfo: String totalCount: Int }
type OtherEdge { node: Other! cursor: String }
""")
SELECTION = """{ rows { a b c d one { x: a b deep { a b } } many { a b } tags
  either { ... on Other { a } ... on Third { c } } more { totalCount nodes { deep { a } } } } }"""
TEXTS = st.text(st.sampled_from("a9 =+-@\t\r\n＝＋－＠'\"\\,;{}\u200b中🏘"), max_size=8)
NUMBERS = st.integers(-(2**31), 2**31 - 1)


def columns() -> Sequence[Column]:
    document = parse(SELECTION)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    field, row = operation.selection_set.selections[0], SCHEMA.type_map["Row"]
    assert isinstance(field, FieldNode)
    assert isinstance(row, GraphQLObjectType)
    return Flattening(SCHEMA, {}, {}).columns(row, [field])


COLUMNS = columns()


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


DEEP = maybe(st.fixed_dictionaries({"a": maybe(TEXTS), "b": maybe(st.floats(-1e6, 1e6))}))
ROWS = st.fixed_dictionaries(
    {
        "a": maybe(TEXTS),
        "b": maybe(NUMBERS),
        "c": maybe(st.floats(-1e9, 1e9)),
        "d": maybe(st.booleans()),
        "one": maybe(st.fixed_dictionaries({"x": maybe(TEXTS), "b": maybe(NUMBERS), "deep": DEEP})),
        "many": st.lists(st.fixed_dictionaries({"a": TEXTS, "b": maybe(NUMBERS)}), max_size=3),
        "tags": st.lists(TEXTS, max_size=3),
        "either": maybe(st.fixed_dictionaries({"a": maybe(TEXTS)}) | st.fixed_dictionaries({"c": maybe(NUMBERS)})),
        "more": maybe(
            st.fixed_dictionaries(
                {"totalCount": NUMBERS, "nodes": st.lists(st.fixed_dictionaries({"deep": DEEP}), max_size=2)}
            )
        ),
    }
)


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """What stands in a row, by path: lists are one leaf, nulls and empty lists none."""
    if isinstance(value, dict):
        return {key: one for name, item in value.items() for key, one in leaves(item, (*path, name)).items()}
    return {} if value in (None, []) else {path: value}


@settings(max_examples=80)
@given(ROWS)
def test_every_leaf_stands_in_its_cell_and_nowhere_else(row: dict[str, Any]) -> None:
    found = {column.path: cell(column, row) for column in COLUMNS}
    expected = {}
    for path, value in leaves(row).items():
        match path:
            case ("many",):
                value = orjson.dumps(value).decode()  # noqa: PLW2901 - as it stands in the cell
            case ("tags",):
                value = "; ".join(value) or None  # noqa: PLW2901 - as above
            case ("more", "nodes"):
                value = "; ".join((one["deep"] or {}).get("a") or "" for one in value) or None  # noqa: PLW2901 - as above
        if value is not None:
            expected[path] = value
    assert {path: value for path, value in found.items() if value is not None} == expected
    assert len({column.path for column in COLUMNS}) == len(COLUMNS) == len(set(headings(COLUMNS, "en")))


@settings(max_examples=80)
@given(ROWS)
def test_csv_gives_back_what_was_written(row: dict[str, Any]) -> None:
    out = io.StringIO(newline="")
    written = [csv_cell(column, row) for column in COLUMNS]
    csv.writer(out).writerow(written)
    (line,) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert line == written
    for column, text in zip(COLUMNS, line, strict=True):
        value = cell(column, row)
        if isinstance(value, str):
            assert not text.lstrip(" ").startswith(tuple("=+-@\t\r\n＝＋－＠"))
            assert value in (text, text.removeprefix("'"))
        elif isinstance(value, bool):
            assert text == ("true" if value else "false")
        elif value is not None:
            assert type(value)(text) == value


@given(TEXTS)
def test_a_defused_text_can_be_read_again(value: str) -> None:
    made = defused(value)
    assert (made.removeprefix("'") if made.startswith("'") else made) == value


def test_times_and_numbers_of_a_sheet() -> None:
    def shown(type_: str, value: Any) -> str:
        return repr(sheet_cell(Column(("a",), ("a",), type_), {"a": value}))

    assert shown("DateTime", "2026-03-02T20:30:00.123456Z") == "datetime.datetime(2026, 3, 3, 4, 30, 0, 123456)"
    assert shown("Date", "2026-03-02") == "datetime.date(2026, 3, 2)"
    assert shown("Decimal", "12.50") == "12.5"
    assert shown("Decimal", "0.12345678901234567890") == "'0.12345678901234567890'"
    assert shown("BigInt", 2**53 + 1) == "'9007199254740993'"
    assert shown("String", "007") == "'007'"
    assert shown("Boolean", value=True) == "True"
