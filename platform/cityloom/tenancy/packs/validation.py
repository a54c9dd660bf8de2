"""Turning what pydantic says about a row into problems that a person at a city hall can act on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cityloom.core.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import ErrorDetails

_NOTHING = Text("", "")


def _shown(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 60 else text[:57] + "…")  # noqa: PLR2004 - what fits a line of a terminal


def _missing(_: ErrorDetails, _context: dict[str, Any]) -> tuple[Text, Text]:
    return Text("缺少必填值", "a value is needed here"), _NOTHING


def _unknown(_: ErrorDetails, _context: dict[str, Any]) -> tuple[Text, Text]:
    return Text("未知的键", "unknown key"), Text("请检查拼写或删除", "check the spelling, or remove it")


def _pattern(error: ErrorDetails, context: dict[str, Any]) -> tuple[Text, Text]:
    return (
        Text(f"{_shown(error['input'])} 格式不对", f"{_shown(error['input'])} is not of the right form"),
        Text(f"应匹配 {context.get('pattern')}", f"it must match {context.get('pattern')}"),
    )


def _choice(error: ErrorDetails, context: dict[str, Any]) -> tuple[Text, Text]:
    expected = str(context.get("expected", "")).replace("'", "").replace(" or ", ", ")
    return (
        Text(f"{_shown(error['input'])} 不是可选值", f"{_shown(error['input'])} is not one of the values"),
        Text(f"可选:{expected}", f"one of: {expected}"),
    )


def _kind(zh: str, en: str) -> Callable[[ErrorDetails, dict[str, Any]], tuple[Text, Text]]:
    def make(error: ErrorDetails, _context: dict[str, Any]) -> tuple[Text, Text]:
        given = _shown(error["input"])
        return Text(f"{given} 类型不对", f"{given} is of the wrong kind"), Text(f"应为{zh}", f"it must be {en}")

    return make


def _bound(zh: str, en: str, name: str) -> Callable[[ErrorDetails, dict[str, Any]], tuple[Text, Text]]:
    def make(error: ErrorDetails, context: dict[str, Any]) -> tuple[Text, Text]:
        given, bound = _shown(error["input"]), context.get(name)
        return Text(f"{given} 超出范围", f"{given} is out of bounds"), Text(f"{zh} {bound}", f"{en} {bound}")

    return make


_WHOLE, _NUMBER = _kind("整数", "a whole number"), _kind("数字", "a number")
_DATE = _kind("日期,如 2026-01-31", "a date such as 2026-01-31")
_REASONS: dict[str, Callable[[ErrorDetails, dict[str, Any]], tuple[Text, Text]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "string_pattern_mismatch": _pattern,
    "literal_error": _choice,
    "enum": _choice,
    "string_type": _kind("文本", "a text"),
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _kind("true 或 false", "true or false"),
    "bool_parsing": _kind("true 或 false", "true or false"),
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "list_type": _kind("列表", "a list"),
    "tuple_type": _kind("列表", "a list"),
    "dict_type": _kind("表", "a table"),
    "model_type": _kind("表", "a table"),
    "model_attributes_type": _kind("表", "a table"),
    "string_too_short": _bound("最少字符数", "at least this many characters:", "min_length"),
    "string_too_long": _bound("最多字符数", "at most this many characters:", "max_length"),
    "too_short": _bound("最少项数", "at least this many items:", "min_length"),
    "too_long": _bound("最多项数", "at most this many items:", "max_length"),
    "greater_than_equal": _bound("不小于", "at least", "ge"),
    "greater_than": _bound("大于", "more than", "gt"),
    "less_than_equal": _bound("不大于", "at most", "le"),
    "less_than": _bound("小于", "less than", "lt"),
}
_PREFIX = re.compile(r"^(Value error|Assertion failed), ")


def reason(error: ErrorDetails) -> tuple[Text, Text]:
    """Reason and hint for one error. A validator may raise a `ValueError` whose two arguments are zh and en."""
    context: dict[str, Any] = error.get("ctx") or {}
    make = _REASONS.get(error["type"])
    if make is not None:
        return make(error, context)
    raised = context.get("error")
    if isinstance(raised, ValueError) and len(raised.args) == 2:  # noqa: PLR2004 - zh and en
        return Text(str(raised.args[0]), str(raised.args[1])), _NOTHING
    message = _PREFIX.sub("", error["msg"])
    return Text(f"值不正确:{message}", message), _NOTHING
