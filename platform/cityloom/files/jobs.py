"""What is done about uploads that nothing used."""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, true

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.files.models import StoredFile, UploadTicket
from cityloom.files.service import expire, forget_tickets

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select


def _has_expired(city: ColumnElement[UUID], now: datetime) -> Select[bool]:
    return select(true()).where(StoredFile.tenant_id == city, StoredFile.expires_at <= now)


def _has_old_tickets(city: ColumnElement[UUID], now: datetime) -> Select[bool]:
    return select(true()).where(UploadTicket.tenant_id == city, UploadTicket.expires_at < now - timedelta(days=1))


JOBS = (
    Job(
        "files.expire",
        Text("删除未使用的附件", "Delete unused uploads"),
        timedelta(minutes=10),
        expire,
        batch=100,
        waiting=_has_expired,
    ),
    Job(
        "files.tickets",
        Text("清理上传凭条", "Forget old tickets"),
        timedelta(days=1),
        forget_tickets,
        at=time(3, 20),
        waiting=_has_old_tickets,
    ),
)
