"""The burden of forms (减负): how many there are, how long they take, and what was spared, by department and month."""

from __future__ import annotations

import calendar
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from cityloom.reports.errors import MonthWrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

_MONTH: Final = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])\Z")
MOST_MONTHS: Final = 60
_QUARTER, _YEAR = 3, 12


@dataclass(frozen=True, slots=True)
class Form:
    """One request as it is counted: minutes of one filling-in, for what was asked and what still is.

    `first` is the month in which it was filed, `last` the one in which it was withdrawn; days do not matter.
    """

    department_id: UUID
    frequency: str
    units: int
    first: date
    last: date | None
    minutes_before: int
    minutes_after: int
    is_asked: bool


@dataclass(slots=True)
class Burden:
    """One department's month. Minutes are those of all who fill in, together."""

    forms_before: int = 0
    forms_after: int = 0
    minutes_before: int = 0
    minutes_asked: int = 0

    @property
    def minutes_saved(self) -> int:
        """What need not be filled in."""
        return self.minutes_before - self.minutes_asked


def month_of(text: str) -> date:
    """The first day of a month such as `2026-03`; refuses (`MonthWrong`) anything else."""
    match = _MONTH.match(text)
    if match is None:
        raise MonthWrong(limit=MOST_MONTHS)
    return date(int(match[1]), int(match[2]), 1)


def months(first: date, last: date) -> Iterator[date]:
    """First days of the months from one to another; refuses (`MonthWrong`) none and too many."""
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    if not 1 <= count <= MOST_MONTHS:
        raise MonthWrong(limit=MOST_MONTHS)
    for at in range(count):
        yield date(first.year + (first.month - 1 + at) // 12, (first.month - 1 + at) % 12 + 1, 1)


def times(frequency: str, month: date, filed: date) -> int:
    """How often a form is filled in in a month: weekly on each Monday, quarterly and yearly in the last month."""
    days = calendar.monthrange(month.year, month.month)[1]
    match frequency:
        case "ONCE":
            return int(month == filed)
        case "DAILY":
            return days
        case "WEEKLY":
            return sum(date(month.year, month.month, day).weekday() == 0 for day in range(1, days + 1))
        case "QUARTERLY":
            return int(month.month % _QUARTER == 0)
        case "YEARLY":
            return int(month.month == _YEAR)
    return 1


def counted(forms: Iterable[Form], wanted: Iterable[date]) -> dict[tuple[UUID, date], Burden]:
    """The burden by department and month. A form counts from its month on until the one in which it was withdrawn."""
    found: dict[tuple[UUID, date], Burden] = defaultdict(Burden)
    spans = list(wanted)
    for form in forms:
        for month in spans:
            often = times(form.frequency, month, form.first)
            stands = form.first <= month and (form.last is None or month < form.last)
            if not stands or (form.frequency == "ONCE" and not often):
                continue
            burden = found[form.department_id, month]
            burden.forms_before += 1
            burden.forms_after += form.is_asked
            burden.minutes_before += form.minutes_before * form.units * often
            burden.minutes_asked += form.minutes_after * form.units * often
    return dict(found)
