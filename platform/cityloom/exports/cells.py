"""Rows of an answer as cells of a table: one per column, in a form that spreadsheets take for what it is."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from cityloom.core.clock import CIVIL_TIME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cityloom.graph.compiler.columns import Column

    Cell = str | int | float | bool | None

#: What stands between the items of a list in one cell.
BETWEEN: Final = "; "
#: A text that begins so is taken for a formula by one spreadsheet or another (OWASP, CSV injection), and the sign with
#: which it is defused, so that it can be undone.
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠'")
_NUMBERS: Final = frozenset({"Int", "Float", "BigInt", "Decimal"})
#: Beyond this a spreadsheet rounds whole numbers (IEEE 754).
_EXACT: Final = 2**53


def cell(column: Column, row: Mapping[str, Any]) -> Cell:
    """The value of a column in a row: a scalar as it was answered, a list as joined text, anything else as JSON."""
    if not column.is_list:
        return _scalar(column.value(row))
    items = column.items(row)
    if column.item is None:
        return orjson.dumps(items).decode() if items else None
    return BETWEEN.join(text(_scalar(item)) for item in items) or None


def _scalar(value: Any) -> Cell:  # noqa: ANN401 - a JSON value
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def text(value: Cell) -> str:
    """A cell as text: empty for null, `true` and `false`, numbers as in JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def csv_cell(column: Column, row: Mapping[str, Any]) -> str:
    """A cell of a CSV file; a text that a spreadsheet would run as a formula is preceded by an apostrophe."""
    value = cell(column, row)
    if isinstance(value, str) and (column.is_list or column.type not in _NUMBERS):
        return defused(value)
    return text(value)


def defused(value: str) -> str:
    """A text that no spreadsheet takes for a formula: one that begins as formulas do gets an apostrophe in front."""
    return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value


def sheet_cell(column: Column, row: Mapping[str, Any]) -> Cell | date:
    """A cell of a workbook: times of day in China's civil time, days as days, numbers as far as they stay exact."""
    value = cell(column, row)
    if column.is_list or value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _typed(column.type, value)
    if isinstance(value, int):
        return value if abs(value) <= _EXACT else str(value)
    return value if math.isfinite(value) else str(value)


def _typed(type_: str, value: str) -> str | float | date:
    try:
        match type_:
            case "DateTime":
                return datetime.fromisoformat(value).astimezone(CIVIL_TIME).replace(tzinfo=None)
            case "Date":
                return date.fromisoformat(value)
            case "Decimal":
                number = float(value)
                return number if format(number, "f").rstrip("0").rstrip(".") == value.rstrip("0").rstrip(".") else value
    except ValueError:
        return value
    return value
