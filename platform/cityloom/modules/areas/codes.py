"""The forms that an area's code can be asked to have.

Division codes: 2 province + 2 prefecture + 2 county (GB/T 2260) + 3 township (GB/T 10114) + 3 community or village. A
grid code is the 12-digit code of the grid's community and a running number, three digits in current use (001–999), two
in the older form.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from cityloom.modules.areas.errors import AreaCodeMalformed

if TYPE_CHECKING:
    from collections.abc import Iterable

MAXIMUM_CODE = 40
_COMMUNITY = 12
_PLAIN = re.compile(r"[0-9A-Za-z\u4e00-\u9fff][0-9A-Za-z\u4e00-\u9fff_.\-]{0,39}\Z")
#: What a tenant's own pattern may be made of: single characters, classes and bounded repeats, so that no code can make
#: matching slow (at most three repeats of variable length over at most forty characters).
_ATOM = re.compile(r"(?:\\d|\[[0-9A-Za-z-]{1,20}\]|[0-9A-Za-z_-])(?P<repeat>\{\d{1,2}(?:,\d{1,2})?\}|\?)?")
_MAXIMUM_VARIABLE = 3


class CodeForm(StrEnum):
    """How the codes of one kind of area are formed."""

    FREE = "FREE"
    DIVISION_6 = "DIVISION_6"
    DIVISION_9 = "DIVISION_9"
    DIVISION_12 = "DIVISION_12"
    GRID_14 = "GRID_14"
    GRID_15 = "GRID_15"
    PATTERN = "PATTERN"


def check_code(
    code: str, kind: str, form: CodeForm, pattern: str | None, ancestor_codes: Iterable[tuple[CodeForm, str]]
) -> None:
    """Refuse (`AreaCodeMalformed`) a code that its kind does not allow.

    `ancestor_codes` are form and code of the ancestors, nearest first: divisions and grids begin with the nearest's.
    """
    expected = _expectation(code, form, pattern, ancestor_codes)
    if expected is not None:
        zh, en = expected
        raise AreaCodeMalformed(path=("code",), area_code=code[:80], kind=kind, expected_zh=zh, expected_en=en)


def is_pattern(pattern: str) -> bool:
    r"""Whether a tenant's own pattern can be used: characters, `\d`, `[A-Z0-9]`, `?`, `{n}` and `{m,n}`."""
    at = variable = 0
    while at < len(pattern):
        match = _ATOM.match(pattern, at)
        if match is None:
            return False
        variable += (match["repeat"] or "").count(",") + (match["repeat"] == "?")
        at = match.end()
    return 0 < at <= 200 and variable <= _MAXIMUM_VARIABLE and _compiled(pattern) is not None  # noqa: PLR2004 - a bound


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern, re.ASCII)
    except re.error:
        return None


def _expectation(
    code: str, form: CodeForm, pattern: str | None, ancestor_codes: Iterable[tuple[CodeForm, str]]
) -> tuple[str, str] | None:
    """What would have been right, in Chinese and English; None where the code is."""
    if form is CodeForm.FREE:
        ok = _PLAIN.match(code) is not None
        return None if ok else ("1 至 40 个字母、数字或汉字", "1 to 40 letters, digits or Chinese characters")
    if form is CodeForm.PATTERN:
        compiled = _compiled(pattern or "")
        ok = compiled is not None and len(code) <= MAXIMUM_CODE and compiled.fullmatch(code) is not None
        return None if ok else (f"须符合 {pattern}", f"it must match {pattern}")
    digits = int(form.rpartition("_")[2])
    if len(code) != digits or not (code.isascii() and code.isdigit()):
        return f"须为 {digits} 位数字", f"it has {digits} digits"
    if form in {CodeForm.GRID_14, CodeForm.GRID_15} and int(code[_COMMUNITY:]) == 0:
        return "序号须从 1 开始", "the running number after the community's code begins at 1"
    for ancestor_form, ancestor in ancestor_codes:
        if ancestor_form.startswith("DIVISION_"):
            # Cities without counties write their own code with trailing zeros: 441900 and its towns 441900….
            prefix = ancestor if len(ancestor) != 6 else _without_zero_pairs(ancestor)  # noqa: PLR2004 - a county's code
            return (
                None
                if code.startswith(prefix)
                else (f"须以上级代码 {prefix} 开头", f"it begins with {prefix}, the code above it")
            )
    return None


def _without_zero_pairs(code: str) -> str:
    while code.endswith("00"):
        code = code[:-2]
    return code
