"""What is done about exports whose time is over."""

from __future__ import annotations

from datetime import timedelta

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.exports.service import expire
from cityloom.exports.service.expiry import BATCH

JOBS = (
    Job(
        "exports.expire", Text("清理到期的导出", "End exports whose time is over"), timedelta(minutes=10), expire, BATCH
    ),
)
