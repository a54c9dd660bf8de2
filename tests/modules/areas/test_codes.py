"""Codes of areas: each form, and what a city's own pattern may be."""

from __future__ import annotations

import time

import pytest

from cityloom.core.errors import Refusal
from cityloom.modules.areas.codes import CodeForm, check_code, is_pattern

COMMUNITY = [
    (CodeForm.DIVISION_12, "222401001001"),
    (CodeForm.DIVISION_9, "222401001"),
    (CodeForm.DIVISION_6, "222401"),
]


@pytest.mark.parametrize(
    ("code", "form", "above"),
    [
        ("222401001001008", CodeForm.GRID_15, COMMUNITY),
        ("22240100100108", CodeForm.GRID_14, COMMUNITY),
        ("222401001001", CodeForm.DIVISION_12, COMMUNITY[1:]),
        ("441900003", CodeForm.DIVISION_9, [(CodeForm.DIVISION_6, "441900")]),
        ("222401001001008", CodeForm.GRID_15, [(CodeForm.FREE, "ZONE-1"), *COMMUNITY]),
        ("楼组-7", CodeForm.FREE, COMMUNITY),
    ],
)
def test_right_codes(code: str, form: CodeForm, above: list[tuple[CodeForm, str]]) -> None:
    check_code(code, "KIND", form, None, above)


@pytest.mark.parametrize(
    ("code", "form"),
    [
        ("222401001001000", CodeForm.GRID_15),
        ("222401001002008", CodeForm.GRID_15),
        ("22240100100108", CodeForm.GRID_15),
        ("22240100100100A", CodeForm.GRID_15),
        ("22240100100100\u0664", CodeForm.GRID_15),
        ("222402001001", CodeForm.DIVISION_12),
        ("", CodeForm.FREE),
        ("a" * 41, CodeForm.FREE),
        ("a b", CodeForm.FREE),
        ("a\n", CodeForm.FREE),
    ],
)
def test_wrong_codes_are_refused_by_name(code: str, form: CodeForm) -> None:
    with pytest.raises(Refusal) as refused:
        check_code(code, "KIND", form, None, COMMUNITY)
    assert (refused.value.reason, refused.value.path) == ("AREA_CODE_MALFORMED", ("code",))


def test_a_pattern_of_the_city() -> None:
    assert is_pattern(r"LG-[A-Z]{2}\d{3,5}")
    check_code("LG-AB1234", "KIND", CodeForm.PATTERN, r"LG-[A-Z]{2}\d{3,5}", [])
    with pytest.raises(Refusal):
        check_code("LG-ab1234", "KIND", CodeForm.PATTERN, r"LG-[A-Z]{2}\d{3,5}", [])


@pytest.mark.parametrize(
    "pattern", ["", "(a+)+", "a*", ".*", "a|b", r"\w", "[a-", "a{1,9}b{1,9}c{1,9}d{1,9}", "[9-0]", "a{9,1}"]
)
def test_patterns_that_could_be_slow_or_wrong_are_not_taken(pattern: str) -> None:
    assert not is_pattern(pattern)


def test_the_slowest_pattern_that_is_taken_is_fast() -> None:
    pattern = r"\d{0,40}\d{0,40}\d{0,40}X"
    assert is_pattern(pattern)
    begun = time.process_time()
    with pytest.raises(Refusal):
        check_code("1" * 40, "KIND", CodeForm.PATTERN, pattern, [])
    assert time.process_time() - begun < 0.25
