"""What is done about reports by itself."""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, true

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.reports.models import ReportSchedule, ReportSnapshot
from cityloom.reports.service import forget_snapshots, run_schedules
from cityloom.reports.service.schedules import BATCH

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select


def _is_due(city: ColumnElement[UUID], now: datetime) -> Select[bool]:
    return select(true()).where(ReportSchedule.tenant_id == city, ReportSchedule.next_due_at <= now)


def _has_snapshots(city: ColumnElement[UUID], _now: datetime) -> Select[bool]:
    return select(true()).where(ReportSnapshot.tenant_id == city)


JOBS = (
    Job(
        "reports.run",
        Text("运行定时报表", "Run scheduled reports"),
        timedelta(minutes=1),
        run_schedules,
        BATCH,
        waiting=_is_due,
    ),
    Job(
        "reports.forget",
        Text("清理过期快照", "Forget old snapshots"),
        timedelta(days=1),
        forget_snapshots,
        at=time(3, 40),
        waiting=_has_snapshots,
    ),
)
