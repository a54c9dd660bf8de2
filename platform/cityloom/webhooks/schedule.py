"""When a delivery is tried again, and when its endpoint is left alone for a while."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import accumulate

_STEPS = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600))
_THEN = timedelta(hours=10)
#: From the first try on; what was not accepted by then is kept, and tried again only when somebody asks.
LONGEST = timedelta(days=8)
#: Retries spread over this share of their delay, so that what failed together does not come back together.
_JITTER = 0.2

#: Failures in a row that open the breaker of an endpoint; then one delivery at a time is tried, ever more seldom.
BREAKS_AFTER = 10
_FIRST_BREAK, _LONGEST_BREAK = timedelta(seconds=5), timedelta(minutes=10)
_FIRST_THROTTLE = timedelta(seconds=1)
#: A receiver may ask for more time, but not for so much that nothing is ever tried.
_LONGEST_RETRY_AFTER = _THEN

THROTTLING = frozenset({429, 502, 503, 504})
GONE = 410


def next_try(
    tries: int,
    first_tried_at: datetime,
    now: datetime,
    *,
    retry_after: timedelta | None = None,
    jitter: float | None = None,
) -> datetime | None:
    """When it is tried after `tries` failures; None once eight days have passed since the first try.

    `jitter` in [0, 1) is drawn where it is not given. A `Retry-After` that is later than the schedule is obeyed.
    """
    if now - first_tried_at >= LONGEST:
        return None
    delay = _STEPS[tries - 1] if tries <= len(_STEPS) else _THEN
    delay *= 1 + _JITTER * (random.random() if jitter is None else jitter)  # noqa: S311 - spreads load, guards nothing
    if retry_after is not None:
        delay = max(delay, min(retry_after, _LONGEST_RETRY_AFTER))
    # The last try falls on the end of the eight days, not after it.
    return min(now + delay, max(first_tried_at + LONGEST, now))


def block(failures: int, now: datetime, *, is_throttled: bool, retry_after: timedelta | None) -> datetime | None:
    """Until when an endpoint is left alone after so many failures in a row; None: not at all."""
    until = None
    if failures >= BREAKS_AFTER:
        until = now + min(_FIRST_BREAK * 2 ** min(failures - BREAKS_AFTER, 10), _LONGEST_BREAK)
    if is_throttled:
        pause = retry_after or min(_FIRST_THROTTLE * 2 ** min(failures - 1, 10), _LONGEST_BREAK)
        until = max(until or now, now + min(pause, _LONGEST_RETRY_AFTER))
    return until


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """What a header `Retry-After` asks for: seconds or a date (RFC 9110, 10.2.3); None where it is neither."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) <= 9:  # noqa: PLR2004 - 30 years
        return timedelta(seconds=int(value))
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta(0))


def planned() -> list[timedelta]:
    """Delays from the first try to each further one, without jitter: for documentation and tests."""
    delays = list(accumulate(_STEPS))
    while delays[-1] + _THEN <= LONGEST:
        delays.append(delays[-1] + _THEN)
    return delays
