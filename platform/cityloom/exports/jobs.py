"""What is done about exports whose time is over."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, true

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.exports.models import Export
from cityloom.exports.service import expire
from cityloom.exports.service.expiry import BATCH

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select


def _has_expired(city: ColumnElement[UUID], now: datetime) -> Select[bool]:
    is_open = Export.state.in_(("PENDING", "READY"))
    return select(true()).where(Export.tenant_id == city, is_open, Export.expires_at <= now)


JOBS = (
    Job(
        "exports.expire",
        Text("清理到期的导出", "End exports whose time is over"),
        timedelta(minutes=10),
        expire,
        BATCH,
        waiting=_has_expired,
    ),
)
