"""What is done about files that nobody imports."""

from __future__ import annotations

from datetime import timedelta

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.imports.service import expire
from cityloom.imports.service.expiry import BATCH

JOBS = (
    Job(
        "imports.expire",
        Text("清理逾期的导入文件", "Delete files that were not imported"),
        timedelta(minutes=10),
        expire,
        batch=BATCH,
    ),
)
