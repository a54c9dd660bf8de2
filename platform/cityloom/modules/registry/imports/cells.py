"""Cells become values: numbers, dates and words as cities write them."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Final

from cityloom.modules.registry.imports.columns import WORDS
from cityloom.modules.registry.imports.errors import CellNoDate, CellNoNumber, CellWordUnknown, DigitsLost

_WHOLE: Final = re.compile(r"(-?\d{1,9})(?:\.0+)?(?:层|楼|f)?", re.IGNORECASE)
_DECIMAL: Final = re.compile(r"(-?\d{1,9}(?:\.\d{1,12})?)(?:㎡|m2|m²|平方米|平米|°)?", re.IGNORECASE)
_DAY: Final = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{2})(\d{2}))(?: 00:00:00)?")
_SCIENTIFIC: Final = re.compile(r"\d(?:\.\d+)?E\+?\d{1,3}", re.IGNORECASE)
_BY_WORD: Final = {
    column: {word.casefold(): stored for stored, words in known.items() for word in (stored, *words)}
    for column, known in WORDS.items()
}


def whole(cell: str) -> int:
    """A whole number, `6` or `6层`; refuses (`CellNoNumber`)."""
    match = _WHOLE.fullmatch(unicodedata.normalize("NFKC", cell).strip())
    if match is None:
        raise CellNoNumber(example="6")
    return int(match[1])


def decimal(cell: str) -> float:
    """A number with a fraction, `89.5` or `89.5㎡`; refuses (`CellNoNumber`)."""
    match = _DECIMAL.fullmatch(cell.strip())
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


def digits(cell: str) -> str:
    """A long number as it stands; refuses (`DigitsLost`) what a spreadsheet has made a floating-point number of."""
    if _SCIENTIFIC.fullmatch(cell):
        raise DigitsLost
    return cell
