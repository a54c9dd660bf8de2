"""When a schedule is due: at a time of day in the city's zone, daily, on a weekday, or on a day of the month."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from cityloom.reports.errors import TimeWrong

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])\Z")
_LAST: Final = {"WEEKLY": 7, "MONTHLY": 28}


def minute_of(text: str) -> int:
    """Minutes from midnight of a time such as `08:30`; refuses (`TimeWrong`) anything else."""
    match = _TIME.match(text)
    if match is None:
        raise TimeWrong(path=("at",), what=text[:40])
    return int(match[1]) * 60 + int(match[2])


def checked_day(rhythm: str, day: int | None) -> int | None:
    """The day of a rhythm; refuses (`TimeWrong`) one that it has not, or the lack of one that it needs."""
    if rhythm == "DAILY":
        return None
    if day is None or not 1 <= day <= _LAST[rhythm]:
        raise TimeWrong(path=("day",), what=str(day))
    return day


def next_due(rhythm: str, day: int | None, at_minute: int, zone: ZoneInfo, after: datetime) -> datetime:
    """The first moment after `after` at which a schedule is due, in UTC."""
    today = after.astimezone(zone).date()
    for ahead in range(63):
        found = today + timedelta(days=ahead)
        if _falls(rhythm, day, found):
            moment = datetime.combine(found, time(at_minute // 60, at_minute % 60), zone).astimezone(UTC)
            if moment > after:
                return moment
    raise AssertionError(rhythm)


def _falls(rhythm: str, day: int | None, on: date) -> bool:
    match rhythm:
        case "WEEKLY":
            return on.isoweekday() == day
        case "MONTHLY":
            return on.day == day
    return True
