"""What is done about uploads that nothing used."""

from __future__ import annotations

from datetime import time, timedelta

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.files.service import expire, forget_tickets

JOBS = (
    Job("files.expire", Text("删除未使用的附件", "Delete unused uploads"), timedelta(minutes=10), expire, batch=100),
    Job("files.tickets", Text("清理上传凭条", "Forget old tickets"), timedelta(days=1), forget_tickets, at=time(3, 20)),
)
