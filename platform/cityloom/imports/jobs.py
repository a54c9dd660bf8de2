"""What is done about files that nobody imports."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, true

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.imports.models import WORKED_ON, Import
from cityloom.imports.service import expire
from cityloom.imports.service.expiry import BATCH

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select


def _has_expired(city: ColumnElement[UUID], now: datetime) -> Select[bool]:
    is_left = Import.state.not_in(WORKED_ON)
    return select(true()).where(Import.tenant_id == city, Import.expires_at <= now, is_left)


JOBS = (
    Job(
        "imports.expire",
        Text("清理逾期的导入文件", "Delete files that were not imported"),
        timedelta(minutes=10),
        expire,
        batch=BATCH,
        waiting=_has_expired,
    ),
)
