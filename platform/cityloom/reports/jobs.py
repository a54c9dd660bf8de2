"""What is done about reports by itself."""

from __future__ import annotations

from datetime import time, timedelta

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.reports.service import forget_snapshots, run_schedules
from cityloom.reports.service.schedules import BATCH

JOBS = (
    Job("reports.run", Text("运行定时报表", "Run scheduled reports"), timedelta(minutes=1), run_schedules, BATCH),
    Job(
        "reports.forget",
        Text("清理过期快照", "Forget old snapshots"),
        timedelta(days=1),
        forget_snapshots,
        at=time(3, 40),
    ),
)
