"""What the logs say, and what they never say."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.core import logs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything logged during the test, as JSON lines."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.setup(stream=stream, level="debug")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("身份证 11010519491231002X 已登记", "身份证 *** 已登记"),
        ("id=110105194912310020.", "id=***."),
        ("call 13812345678", "call ***"),
        ("call +86 138-1234-5678 now", "call *** now"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("key cl_live_a1b2c3_s3cr3ts3cr3t ended", "key cl_*** ended"),
        ("cs_0123456789abcdef", "cs_***"),
        ("eyJhbGciOi.eyJzdWIiOi.c2ln", "***"),
        ("postgresql://app:hunter2@db:5432/x", "postgresql://app:***@db:5432/x"),
        ("whsec_C2FVsBQIhrscChlQIMV", "***"),
    ],
)
def test_secrets_and_people_are_hidden(text: str, expected: str) -> None:
    assert logs.redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "area_1a2b3c4d_0198c0a0b1c27d3e8f90a1b2c3d4e5f6",
        "0198c0a0-b1c2-7d3e-8f90-138123456789",
        "1763805600123 ms",
        "https://example.org:8443/graphql",
        "222401 rows in 12.13812345678 s",
        "the class cl_small",
    ],
)
def test_ids_times_and_addresses_stay(text: str) -> None:
    assert logs.redact(text) == text


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.text(alphabet="电话 :,。()", max_size=5))
def test_a_mobile_number_is_hidden_between_any_chinese_text(number: str, around: str) -> None:
    assert number not in logs.redact(f"{around}{number}{around}")


def test_values_at_any_depth_are_hidden(written: io.StringIO) -> None:
    logs.logger("t").info(
        "made", number=13812345678, deep={"list": [{"x": "11010519491231002X"}], "password": "p"}, api_token="t", rows=3
    )
    (line,) = lines(written)
    assert line["number"] == line["api_token"] == "***"
    assert line["deep"] == {"list": [{"x": "***"}], "password": "***"}
    assert (line["event"], line["rows"], line["level"], line["logger"]) == ("made", 3, "info", "t")


def test_the_standard_librarys_loggers_go_through_it_too(written: io.StringIO) -> None:
    with logs.context(trace_id="ab" * 16, tenant="alder", request_id="r1"):
        logging.getLogger("other").warning("phone %s", "13812345678")
    (line,) = lines(written)
    assert line["event"] == "phone ***"
    assert (line["trace_id"], line["tenant"], line["request_id"]) == ("ab" * 16, "alder", "r1")


def test_what_an_exception_says_is_hidden(written: io.StringIO) -> None:
    try:
        int("resident 11010519491231002X")
    except ValueError:
        logs.logger("t").exception("failed")
    (line,) = lines(written)
    assert "int() with base 10: 'resident ***'" in line["exception"]


def test_a_fact_is_gone_after_its_context(written: io.StringIO) -> None:
    with logs.context(tenant="alder"):
        pass
    logs.logger("t").info("after")
    assert "tenant" not in lines(written)[0]


def test_a_second_setup_takes_the_place_of_the_first(written: io.StringIO) -> None:
    later = io.StringIO()
    logs.setup(form="console", stream=later)
    logging.getLogger("x").warning("once 13812345678")
    assert not written.getvalue()
    assert later.getvalue().count("once ***") == 1
