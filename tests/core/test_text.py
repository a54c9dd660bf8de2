"""Which language a caller is answered in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.core.text import negotiate


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        (None, "zh"),
        ("", "zh"),
        ("fr", "zh"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en;q=0.3, zh;q=0.7", "zh"),
        ("fr, en;q=0.1", "en"),
        ("zh;q=0, en", "en"),
        ("en;q=x", "zh"),
        ("*", "zh"),
    ],
)
def test_the_preferred_supported_language_is_chosen(header: str | None, locale: str) -> None:
    assert negotiate(header) == locale


@given(st.text(max_size=400))
def test_any_header_gives_a_language(header: str) -> None:
    assert negotiate(header) in {"zh", "en"}
