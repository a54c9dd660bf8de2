"""Reading a stranger's table: encodings, delimiters, and what is refused before it costs anything."""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, Any

import pytest

from cityloom.imports.reading import CHUNK_ROWS, MOST_UNPACKED, Refused, read
from cityloom.testing.imports import HEADERS, Desk, somebody, text_of, wide
from cityloom.testing.sheets import bomb, far_corners, packed, workbook

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXT = '姓名,户号\n王小明,1\n,\n"李\n四",2\n'


def told(content: bytes, most: int = 10_000) -> tuple[dict[str, Any], Sequence[dict[str, Any]]]:
    """What is said of a table, and its parts."""
    first, *parts = read(io.BytesIO(content), most)
    return first, parts


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), "UTF-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "UTF-8"),
        (TEXT.encode("gb18030"), "GB18030"),
        (TEXT.encode("utf-16"), "UTF-16"),
        (TEXT.replace(",", ";").encode(), "UTF-8"),
        (TEXT.replace(",", "\t").encode("gb18030"), "GB18030"),
    ],
)
def test_texts_are_read_whatever_wrote_them(content: bytes, encoding: str) -> None:
    first, parts = told(content)
    assert first == {"format": "CSV", "encoding": encoding}
    assert parts[0]["headers"] == ["姓名", "户号"]
    # Rows are counted as people count them; a blank one is left out.
    assert parts[1]["rows"] == [[2, "王小明", "1"], [4, "李\n四", "2"]]


def test_cells_of_a_workbook_are_texts() -> None:
    rows: list[list[object]] = [
        ["名单"],
        [],
        ["姓名", "户号", "数"],
        ["甲", 12, 1.5],
        [None, None, None],
        ["乙", "012", 110101198002290011.0],
    ]
    _, parts = told(workbook({"一": rows, "空": []}))
    assert parts[0] == {"sheet": 0, "name": "一", "headers": ["姓名", "户号", "数"]}
    assert parts[1]["rows"] == [[4, "甲", "12", "1.5"], [6, "乙", "012", "1.1010119800229002E+17"]]


def test_a_long_table_comes_in_chunks() -> None:
    _, parts = told(("a,b\n" + "1,2\n" * (CHUNK_ROWS + 1)).encode())
    assert [len(part["rows"]) for part in parts[1:]] == [CHUNK_ROWS, 1]
    with pytest.raises(Refused, match="TableTooLarge"):
        told(("a,b\n" + "1,2\n" * 11).encode(), 10)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x00\x01\x02", "TableUnreadable"),
        (b"\xff\xff\xff\xff", "TableUnreadable"),
        (b"PK\x03\x04rubbish", "TableUnreadable"),
        (packed({"a.txt": "no workbook"}), "TableUnreadable"),
        ((",".join(map(str, range(201))) + "\n").encode(), "TableTooLarge"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        told(content)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bomb(MOST_UNPACKED + 1_000_000), "WORKBOOK_TOO_LARGE"),
        (far_corners(), "WORKBOOK_TOO_LARGE"),
        (b"", "TABLE_EMPTY"),
        (b"only\none\ncolumn\n", "TABLE_EMPTY"),
        (b"%PDF-1.7\x00", "TABLE_UNREADABLE"),
    ],
    ids=("bomb", "corners", "empty", "column", "pdf"),
)
async def test_the_server_refuses_what_would_cost_too_much(desk: Desk, content: bytes, reason: str) -> None:
    answer = await desk.send(content)
    assert answer.status_code in {400, 413}
    assert answer.json()["errors"][0]["extensions"]["reason"] == reason


async def test_a_hundred_columns_are_read_and_unknown_ones_reported(desk: Desk) -> None:
    person = somebody()
    headers = [*HEADERS, *(f"备注{n}" for n in range(100 - len(HEADERS)))]
    answer = await desk.send(text_of(headers, [[*wide(person, at="wide"), *["x"] * (100 - len(HEADERS))]]).encode())
    assert answer.status_code == 201
    columns = answer.json()["sheets"][0]["columns"]
    assert len(columns) == 100
    assert [one["column"] for one in columns[len(HEADERS) :]] == [None] * (100 - len(HEADERS))


async def test_an_unknown_target_is_refused(desk: Desk) -> None:
    answer = await desk.send(b"a,b\n1,2\n", target="weather")
    assert answer.json()["errors"][0]["extensions"]["reason"] == "TARGET_UNKNOWN"
