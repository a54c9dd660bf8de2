"""Reading and writing the files of packs: lines of TOML keys, canonical text, and merging."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.tenancy.packs import CsvTable, GeoJsonTable, PackRow, PackSource, PackText, Problems, toml_text
from cityloom.tenancy.packs.layers import read_layer, read_root
from cityloom.tenancy.packs.manifest import TenantRow
from cityloom.tenancy.packs.merge import deep_difference, deep_merged, deep_without, join_path, lacking, split_path
from cityloom.tenancy.packs.toml_lines import toml_lines
from cityloom.tenancy.packs.writing import csv_text, geojson_text
from cityloom.testing.examples import examples

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
KEYS = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True), TEXTS)
SCALARS = st.one_of(
    TEXTS, st.integers(-(2**53), 2**53), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.dates()
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=6)


def paths(value: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """The path of every key and list element."""
    found = {path} if path else set()
    if isinstance(value, dict):
        for name, inner in value.items():
            found |= paths(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found |= paths(inner, (*path, index))
    return found


@examples(50)
@given(DOCUMENTS)
def test_what_is_written_is_read_again_and_every_key_has_a_line(document: dict[str, Any]) -> None:
    text = toml_text.document(document)
    assert tomllib.loads(text) == document
    lines = toml_lines(text)
    assert set(lines) == paths(document)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


def test_lines_of_keys_in_every_form_of_toml() -> None:
    text = '''\
# a comment with [brackets] = "and" 'quotes'
a.b = 1
"quoted \\u0061" = """
[no.header]
x = 1 \\" """""
\'lit"eral\' = \'\'\'
# none\'\'\'
[table . "with.dot"]
list = [ # here
  1, [2, 3],
  { deep = [true, { deeper = 1979-05-27T07:32:00Z }] },
]
[[many]]
x = "]" # [fake]
[many.child]
y = 1e3
[[many]]
[[many.grand]]
z = 'a'
[[first.only]]
'''
    parsed = tomllib.loads(text)
    lines = toml_lines(text)
    assert set(lines) == paths(parsed)
    assert {path: lines[path] for path in [
        ("a", "b"), ("quoted a",), ('lit"eral',), ("table", "with.dot", "list"), ("table", "with.dot", "list", 1, 1),
        ("table", "with.dot", "list", 2, "deep", 1, "deeper"), ("many", 0, "x"), ("many", 0, "child", "y"),
        ("many", 1), ("many", 1, "grand", 0, "z"), ("first",),
    ]} == {
        ("a", "b"): 2, ("quoted a",): 3, ('lit"eral',): 6, ("table", "with.dot", "list"): 9,
        ("table", "with.dot", "list", 1, 1): 10, ("table", "with.dot", "list", 2, "deep", 1, "deeper"): 11,
        ("many", 0, "x"): 14, ("many", 0, "child", "y"): 16, ("many", 1): 17, ("many", 1, "grand", 0, "z"): 19,
        ("first",): 20,
    }  # fmt: skip


TREES = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.integers(0, 2), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1), max_leaves=6
    ),
)


@given(TREES, TREES)
def test_any_table_is_its_base_without_some_keys_and_with_some_others(
    base: dict[str, Any], whole: dict[str, Any]
) -> None:
    kept = base
    for path in lacking(whole, base):
        assert split_path(join_path(path)) == path
        without = deep_without(kept, path)
        assert without is not None
        kept = without
    assert deep_merged(kept, deep_difference(whole, base)) == whole
    assert deep_difference(whole, whole) == {}
    assert not list(lacking(whole, whole))


@given(st.lists(KEYS, min_size=1, max_size=4))
def test_a_path_is_written_and_read_again(path: list[str]) -> None:
    assert split_path(join_path(tuple(path))) == tuple(path)


@pytest.mark.parametrize("text", ["", "a..b", "a = 1\nb", "a.b = 1 #", "[a]", "a\n"])
def test_what_is_no_path_names_nothing(text: str) -> None:
    assert split_path(text) == ()


class LampRow(PackRow):
    code: str
    title: str
    height: float | None = None
    lit: bool = False


LAMPS = CsvTable("lamps.csv", LampRow, key=("code",))
CELLS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=8
)


@examples(40)
@given(
    st.lists(
        st.builds(LampRow, code=CELLS, title=CELLS, height=st.none() | st.floats(-1e6, 1e6), lit=st.booleans()),
        unique_by=lambda row: row.code,
        max_size=8,
    )
)
def test_rows_of_a_csv_file_come_back(rows: list[LampRow]) -> None:
    source = PackSource({"tenant.toml": b"", "lamps.csv": csv_text(LAMPS, LAMPS.sorted(rows)).encode()})
    problems = Problems()
    root = read_root(source, is_base=False, problems=problems)
    assert root is not None
    layer = read_layer(source, root, TenantRow, [LAMPS], problems)
    assert not list(problems)
    assert [entry.row for entry in layer.entries[LAMPS]] == LAMPS.sorted(rows)


class PlotRow(PackRow):
    code: str
    geometry: dict[str, Any]


@pytest.mark.parametrize("spread", [False, True])
def test_features_know_their_lines(*, spread: bool) -> None:
    table = GeoJsonTable("plots.geojson", PlotRow, key=("code",))
    square = {"type": "Polygon", "coordinates": [[[1.0, 1.0], [2.0, 1.0], [2.0, 2.00000049], [1.0, 1.0]]]}
    text = geojson_text([PlotRow(code=code, geometry=square) for code in "ab"])
    if spread:
        text = text.replace("{", "{\n")
    source = PackSource({"tenant.toml": b"", "plots.geojson": text.encode()})
    problems = Problems()
    root = read_root(source, is_base=False, problems=problems)
    assert root is not None
    entries = read_layer(source, root, TenantRow, [table], problems).entries[table]
    assert not list(problems)
    assert [entry.line for entry in entries] == ([4, 8] if spread else [2, 3])
    assert entries[0].row.geometry["coordinates"][0][2] == [2.0, 2.0]


def test_texts_in_two_languages_stand_in_one_line() -> None:
    row = PackText(zh="延吉", en="Yanji")
    assert toml_text.document({"names": row.model_dump()}) == 'names = { zh = "延吉", en = "Yanji" }\n'
