"""The business calendar: which time counts as working time, and moments that lie so much of it apart. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import chinese_calendar

from cityloom.core.clock import CIVIL_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cityloom.modules.cases.flow import Limit

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)\Z")
_FRIDAY = 4
#: No limit needs to look further than this; a calendar without working days ends here.
_LONGEST = 3660
USUAL_HOURS = ("08:30-12:00", "13:30-17:30")


@lru_cache(maxsize=8_192)
def is_national_workday(day: date) -> bool:
    """Whether offices of the state work on this day; beyond the announced years, Monday to Friday."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() <= _FRIDAY


def read_hours(texts: tuple[str, ...]) -> tuple[tuple[timedelta, timedelta], ...]:
    """Spans such as `08:30-12:00` as offsets from midnight, in order; refuses (`ValueError`) what overlaps."""
    spans = []
    for text in texts:
        match = _SPAN.match(text)
        if match is None:
            message = f"not of the form 08:30-12:00: {text!r}"
            raise ValueError(message)
        h1, m1, h2, m2 = map(int, match.groups())
        spans.append((timedelta(hours=h1, minutes=m1), timedelta(hours=h2, minutes=m2)))
    spans.sort()
    ends = [timedelta(), *(end for _, end in spans)]
    if not spans or any(low < before or high <= low for (low, high), before in zip(spans, ends, strict=False)):
        message = "working hours follow each other and do not overlap"
        raise ValueError(message)
    if spans[-1][1] > timedelta(days=1):
        message = "working hours end at 24:00 at the latest"
        raise ValueError(message)
    return tuple(spans)


@dataclass(frozen=True)
class BusinessCalendar:
    """Working hours, the state's working days, and what the city decided of single days itself (True: work)."""

    hours: tuple[tuple[timedelta, timedelta], ...] = read_hours(USUAL_HOURS)
    own_days: Mapping[date, bool] = field(default_factory=dict)

    def is_workday(self, day: date) -> bool:
        """Whether the city's offices work on this day."""
        own = self.own_days.get(day)
        return is_national_workday(day) if own is None else own

    @property
    def day_length(self) -> timedelta:
        """How much working time a working day has."""
        return sum((end - start for start, end in self.hours), timedelta())

    def span(self, limit: Limit) -> timedelta:
        """The limit's span, of working time or calendar time."""
        return limit.days * self.day_length if limit.days else limit.span

    def add(self, start: datetime, span: timedelta, *, is_working: bool) -> datetime:
        """The moment at which this span is used up, counted from `start`."""
        if not is_working:
            return start + span
        left, last = span, start
        for begin, end in self._spans(start):
            if end - begin >= left:
                return begin + left
            left -= end - begin
            last = end
        return last + left

    def between(self, start: datetime, end: datetime, *, is_working: bool) -> timedelta:
        """How much time, of working time or calendar time, lies between two moments; none if the end is not later."""
        if end <= start:
            return timedelta()
        if not is_working:
            return end - start
        used = timedelta()
        for begin, finish in self._spans(start):
            if begin >= end:
                break
            used += min(finish, end) - begin
        return used

    def _spans(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Pieces of working time from a moment on."""
        local = start.astimezone(CIVIL_TIME)
        for offset in range(_LONGEST):
            day = local.date() + timedelta(days=offset)
            if not self.is_workday(day):
                continue
            midnight = datetime.combine(day, time(), CIVIL_TIME)
            for low, high in self.hours:
                begin, end = max(midnight + low, local), midnight + high
                if begin < end:
                    yield begin.astimezone(start.tzinfo), end.astimezone(start.tzinfo)
