"""A clock that stands still until it is told otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Tells the time that the test set."""

    def __init__(self, at: datetime | None = None) -> None:
        self._now = at or datetime(2026, 3, 2, 1, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return self._now

    def advance(self, **amount: float) -> datetime:
        """Move on by a `timedelta`, for example `advance(hours=2)`."""
        self._now += timedelta(**amount)
        return self._now

    def set(self, at: datetime) -> None:
        """Move to a moment."""
        self._now = at
