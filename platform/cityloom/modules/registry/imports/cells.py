"""Cells become values: numbers, dates and words as cities write them."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import TYPE_CHECKING, Final

from cityloom.modules.registry.imports.columns import WORDS
from cityloom.modules.registry.imports.errors import CellNoDate, CellNoNumber, CellWordUnknown, DigitsLost
from cityloom.modules.registry.papers import checked_credit_code

if TYPE_CHECKING:
    from collections.abc import Collection

_WHOLE: Final = re.compile(r"(-?\d{1,9})(?:\.0+)?(?:层|楼|f)?", re.IGNORECASE)
_DECIMAL: Final = re.compile(r"(-?\d{1,9}(?:\.\d{1,12})?)(?:㎡|m2|m²|平方米|平米|°)?", re.IGNORECASE)
_DAY: Final = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{2})(\d{2}))(?: 00:00:00)?")
_SCIENTIFIC: Final = re.compile(r"\d(?:\.\d+)?E\+?\d{1,3}", re.IGNORECASE)
_NUMBER: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,12})?")
_APART: Final = re.compile(r"[、,,;;\n]")
_YES, _NO = ("是", "有", "yes", "y", "true", "1", "√", "✓"), ("否", "无", "no", "n", "false", "0", "×")
_BY_WORD: Final = {
    column: {word.casefold(): stored for stored, words in known.items() for word in (stored, *words)}
    for column, known in WORDS.items()
}


def whole(cell: str) -> int:
    """A whole number, `6` or `6层`; refuses (`CellNoNumber`)."""
    match = _WHOLE.fullmatch(cell) or _WHOLE.fullmatch(unicodedata.normalize("NFKC", cell).strip())
    if match is None:
        raise CellNoNumber(example="6")
    return int(match[1])


def decimal(cell: str) -> float:
    """A number with a fraction, `89.5` or `89.5㎡`; refuses (`CellNoNumber`)."""
    match = _DECIMAL.fullmatch(cell) or _DECIMAL.fullmatch(cell.strip())
    if match is None:
        raise CellNoNumber(example="89.5")
    return float(match[1])


def square_decimetres(cell: str) -> int:
    """Square metres, in square decimetres; refuses (`CellNoNumber`)."""
    return round(decimal(cell) * 100)


def day(cell: str) -> date:
    """A date as people write it; refuses (`CellNoDate`)."""
    match = _DAY.fullmatch(cell)
    if match is None:
        raise CellNoDate
    year, month, in_month = match[1], match[2] or match[4], match[3] or match[5]
    try:
        return date(int(year), int(month), int(in_month))
    except ValueError:
        raise CellNoDate from None


def word(column: str, cell: str) -> str:
    """The stored word for what a cell says; refuses (`CellWordUnknown`)."""
    found = _BY_WORD[column].get(cell.casefold())
    if found is None:
        raise CellWordUnknown(known=", ".join(words[0] for words in WORDS[column].values()))
    return found


def number(cell: str) -> float:
    """A number, `12` or `-0.5`; refuses (`CellNoNumber`)."""
    text = unicodedata.normalize("NFKC", cell)
    if _NUMBER.fullmatch(text) is None:
        raise CellNoNumber(example="12.5")
    return float(text)


def yes_or_no(cell: str) -> bool:
    """Yes or no, in Chinese, English or as a mark; refuses (`CellWordUnknown`)."""
    said = cell.casefold()
    if said in _YES or said in _NO:
        return said in _YES
    raise CellWordUnknown(known=f"{_YES[0]}, {_NO[0]}")


def words(cell: str, known: Collection[str]) -> list[str]:
    """Several words in a cell, set apart by `|` or by commas: which, if they hold none themselves, `known` tells."""
    if cell in known:
        return [cell]
    parts = cell.split("|") if "|" in cell else _APART.split(cell)
    return [part.strip() for part in parts if part.strip()] or [cell]


def digits(cell: str) -> str:
    """A long number as it stands; refuses (`DigitsLost`) what a spreadsheet has made a floating-point number of."""
    if not cell.isdigit() and _SCIENTIFIC.fullmatch(cell):
        raise DigitsLost
    return cell


def credit_code(cell: str) -> str:
    """A unified social credit code; refuses (`DigitsLost`, `CreditCodeInvalid`)."""
    return checked_credit_code(digits(cell))
