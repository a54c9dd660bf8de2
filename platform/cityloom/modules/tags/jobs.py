"""What is done for tags by itself: rules after every change, rules and validity every night."""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.modules.tags.service import apply_pending, end_expired, review_changes, review_everybody
from cityloom.modules.tags.service.reviews import BATCH

if TYPE_CHECKING:
    from cityloom.core.work import Work


async def keep_up(work: Work) -> int:
    """Apply rules that are new, then hold against all of them whose data has changed."""
    await apply_pending(work)
    return await review_changes(work)


async def begin_day(work: Work) -> int:
    """End what is not valid any more, and hold everybody against the rules: a year may have begun."""
    return await end_expired(work) + await review_everybody(work)


JOBS = (
    Job("tags.changes", Text("标签规则复核", "Hold changes against rules"), timedelta(seconds=5), keep_up, batch=BATCH),
    Job(
        "tags.day",
        Text("标签到期与全量复核", "Validity and rules, daily"),
        timedelta(days=1),
        begin_day,
        at=time(0, 10),
    ),
)
