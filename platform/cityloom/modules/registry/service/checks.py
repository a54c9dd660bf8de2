"""What callers state, checked: texts, numbers, words and days."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry.errors import DateOutOfRange, NumberOutOfRange, TextMalformed, ValueUnknown

if TYPE_CHECKING:
    from datetime import date

    from cityloom.core.work import Work

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EARLIEST_YEAR = 1850


def checked_text(value: str, name: str, limit: int) -> str:
    """A text without blanks around it; refuses (`TextMalformed`)."""
    value = value.strip()
    # What can be printed holds no control character.
    if not 0 < len(value) <= limit or (not value.isprintable() and _CONTROL.search(value)):
        raise TextMalformed(path=(name,), limit=limit)
    return value


def checked_optional(value: str | None, name: str, limit: int) -> str | None:
    """A text or none; blank is none."""
    return checked_text(value, name, limit) if value is not None and value.strip() else None


def checked_number(value: int | None, name: str, least: int, most: int) -> int | None:
    """A number in a range, or none; refuses (`NumberOutOfRange`)."""
    if value is not None and not least <= value <= most:
        raise NumberOutOfRange(path=(name,), least=least, most=most)
    return value


def checked_choice(value: str, name: str, known: tuple[str, ...]) -> str:
    """One of some words; refuses (`ValueUnknown`)."""
    if value not in known:
        raise ValueUnknown(path=(name,), known=", ".join(known))
    return value


def checked_day(work: Work, day: date, name: str) -> date:
    """A day that is not in the future; refuses (`DateOutOfRange`)."""
    return past_day(civil_day(work.now()), day, name)


def past_day(today: date, day: date, name: str) -> date:
    """The same, for who asks it of many days."""
    if day > today or day.year < _EARLIEST_YEAR:
        raise DateOutOfRange(path=(name,))
    return day
