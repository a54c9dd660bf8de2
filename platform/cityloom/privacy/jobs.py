"""What privacy does again and again."""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select, true

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.privacy.models import Erasure, KeyRotation
from cityloom.privacy.service import carry_on, note_erasures
from cityloom.privacy.service.erasure import BATCH as ERASURES
from cityloom.privacy.service.retention import BATCH as RETAINED
from cityloom.privacy.service.retention import carry_out
from cityloom.privacy.service.rotation import BATCH as RESEALED
from cityloom.tenancy.models import TenantModule

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select


def _has_unnoted(city: ColumnElement[UUID], _now: datetime) -> Select[bool]:
    return select(true()).where(Erasure.tenant_id == city, Erasure.noted_at.is_(None))


def _has_keys_to_change(city: ColumnElement[UUID], now: datetime) -> Select[bool]:
    """A rotation is under way, keys of an earlier one are to be destroyed, or somebody was erased since the last."""
    last = select(func.max(KeyRotation.started_at)).where(KeyRotation.tenant_id == city).scalar_subquery()
    is_erased = select(true()).where(
        Erasure.tenant_id == city, Erasure.erased_at > func.coalesce(last, Erasure.erased_at - timedelta(days=1))
    )
    is_left = or_(KeyRotation.finished_at.is_(None), (KeyRotation.shred_at <= now) & KeyRotation.shredded_at.is_(None))
    is_rotating = select(true()).where(KeyRotation.tenant_id == city, is_left)
    return select(true()).where(or_(is_rotating.limit(1).scalar_subquery(), is_erased.limit(1).scalar_subquery()))


def _has_retention(city: ColumnElement[UUID], _now: datetime) -> Select[bool]:
    is_stated = TenantModule.settings.has_key("retention")
    return select(true()).where(TenantModule.tenant_id == city, TenantModule.module == "privacy", is_stated)


JOBS = (
    Job(
        "privacy.note_erasures",
        Text("在数据库外登记清除记录", "Note erasures outside of the database"),
        timedelta(minutes=1),
        note_erasures,
        batch=ERASURES,
        waiting=_has_unnoted,
    ),
    Job(
        "privacy.rotate",
        Text("轮换密钥", "Rotate keys"),
        timedelta(minutes=1),
        carry_on,
        batch=RESEALED,
        waiting=_has_keys_to_change,
    ),
    Job(
        "privacy.retain",
        Text("清除保存期限届满的信息", "Let go what was kept as long as it may be"),
        timedelta(days=1),
        carry_out,
        batch=RETAINED,
        at=time(2, 30),
        waiting=_has_retention,
    ),
)
