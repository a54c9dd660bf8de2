"""What is done for tags by itself: rules after every change, rules and validity every night."""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select, true

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.events.models import EventRecord
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.tags.models import ResidentTag, TagReview, TagRule
from cityloom.modules.tags.service import apply_pending, end_expired, review_changes, review_everybody
from cityloom.modules.tags.service.reviews import BATCH, CHANGES

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select

    from cityloom.core.work import Work


def _has_changes(city: ColumnElement[UUID], _now: datetime) -> Select[bool]:
    """A rule is new, or the stream holds events that were not held against the rules."""
    read = select(TagReview.position).where(TagReview.tenant_id == city).limit(1).scalar_subquery()
    is_new = select(true()).where(TagRule.tenant_id == city, TagRule.is_pending)
    has_come = select(true()).where(
        EventRecord.tenant_id == city, EventRecord.type.in_(CHANGES), EventRecord.position > func.coalesce(read, 0)
    )
    return select(true()).where(or_(is_new.limit(1).scalar_subquery(), has_come.limit(1).scalar_subquery()))


def _has_rules_or_ends(city: ColumnElement[UUID], now: datetime) -> Select[bool]:
    """There are rules, or a tag whose time is up today."""
    is_over = select(true()).where(
        ResidentTag.tenant_id == city, ResidentTag.ended_at.is_(None), ResidentTag.valid_until <= civil_day(now)
    )
    has_rules = select(true()).where(TagRule.tenant_id == city)
    return select(true()).where(or_(has_rules.limit(1).scalar_subquery(), is_over.limit(1).scalar_subquery()))


async def keep_up(work: Work) -> int:
    """Apply rules that are new, then hold against all of them whose data has changed."""
    await apply_pending(work)
    return await review_changes(work)


async def begin_day(work: Work) -> int:
    """End what is not valid any more, and hold everybody against the rules: a year may have begun."""
    return await end_expired(work) + await review_everybody(work)


JOBS = (
    Job(
        "tags.changes",
        Text("标签规则复核", "Hold changes against rules"),
        timedelta(seconds=5),
        keep_up,
        batch=BATCH,
        waiting=_has_changes,
    ),
    Job(
        "tags.day",
        Text("标签到期与全量复核", "Validity and rules, daily"),
        timedelta(days=1),
        begin_day,
        at=time(0, 10),
        waiting=_has_rules_or_ends,
    ),
)
