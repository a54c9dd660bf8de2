"""Limits that a tenant has: the platform's defaults, which a pack or an operator may change."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text

from cityloom.core.database import beyond_wall
from cityloom.core.text import Text
from cityloom.tenancy.errors import LimitOutOfBounds, LimitUnknown, TenantLimitReached
from cityloom.tenancy.models import TenantLimit

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.database import TenantTable
    from cityloom.core.work import Work

#: A count is believed for this long, as long as the limit is further away than what may be added meanwhile.
_BELIEVED = timedelta(seconds=60)
#: What other processes may add one by one before a count is made again: this many, or a twentieth of the limit.
_MARGIN = 1_000
#: Whoever adds more than this at once is always counted.
_FEW = 100
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('cityloom.limit:' || :key, 0))")


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: its default, the most that an operator may set, and what it bounds."""

    name: str
    default: int
    most: int
    title: Text


LIMITS = {
    limit.name: limit
    for limit in (
        Limit(
            "operation_cost",
            50_000,
            5_000_000,
            Text("单个操作的最高成本(最坏情况下的行数)", "Highest cost of one operation, in rows at worst"),
        ),
        Limit(
            "cost_per_minute",
            3_000_000,
            1_000_000_000,
            Text("全租户每分钟成本", "Cost per minute of all clients together"),
        ),
        Limit(
            "client_cost_per_minute",
            600_000,
            1_000_000_000,
            Text("单个客户端每分钟成本", "Cost per minute of one client"),
        ),
        Limit("accounts", 20_000, 10_000_000, Text("账号数", "Accounts")),
        Limit("api_clients", 200, 10_000, Text("接口客户端数", "API clients")),
        Limit("areas", 100_000, 2_000_000, Text("区域数", "Areas")),
        Limit("residents", 2_000_000, 100_000_000, Text("居民数", "Residents")),
        Limit("files", 5_000_000, 1_000_000_000, Text("附件数", "Files")),
        Limit("file_image_bytes", 20_000_000, 200_000_000, Text("单张照片字节数", "Bytes of one photo")),
        Limit("file_video_bytes", 200_000_000, 4_000_000_000, Text("单个视频字节数", "Bytes of one video")),
        Limit("file_image_pixels", 50_000_000, 400_000_000, Text("单张照片像素数", "Pixels of one photo")),
        Limit("webhook_endpoints", 200, 10_000, Text("推送端点数", "Webhook endpoints that are not closed")),
        Limit("trusted_documents", 5_000, 100_000, Text("受信文档数", "Trusted documents")),
        Limit(
            "unmaskings_per_day", 200, 100_000, Text("每人每日查看完整敏感信息次数", "Unmaskings per person and day")
        ),
    )
}


def demand_limit(name: str, value: int) -> Limit:
    """The limit of this name, if the value suits it; refuses (`LimitUnknown`, `LimitOutOfBounds`) otherwise."""
    limit = LIMITS.get(name)
    if limit is None:
        raise LimitUnknown(path=("name",), limit=name, known=", ".join(LIMITS))
    if not 0 <= value <= limit.most:
        raise LimitOutOfBounds(path=("value",), limit=name, least=0, most=limit.most, value=value)
    return limit


@dataclass(slots=True)
class KnownCounts:
    """What this process counted last, by tenant and limit; in `work.services[KnownCounts]`."""

    known: dict[tuple[UUID, str], tuple[datetime, int]] = field(default_factory=dict)

    def leaves_room(self, key: tuple[UUID, str], count: int, limit: int, now: datetime) -> bool:
        """Whether a few more surely fit; what was added is noted, also where its transaction fails in the end."""
        counted_at, known = self.known.get(key, (None, 0))
        margin = max(_MARGIN, limit // 20)
        if counted_at is None or now - counted_at >= _BELIEVED or count > _FEW or known + count + margin > limit:
            return False
        self.known[key] = counted_at, known + count
        return True


async def limit_of(work: Work, name: str) -> int:
    """What the limit of this name is for the work's tenant."""
    stated = await work.session.scalar(select(TenantLimit.value).where(TenantLimit.name == name))
    return LIMITS[name].default if stated is None else stated


async def demand_room(work: Work, name: str, table: type[TenantTable], count: int) -> None:
    """Refuse (`TenantLimitReached`) rows that would take the tenant over its limit `name` on the table.

    Call it before `count` rows are added, or with 0 after they were. Rows of areas that the caller cannot see count.
    Near the limit, and for many rows at once, callers wait for each other here, so that it holds exactly; far from it
    nothing is counted but once a minute: an index of millions of rows is not read for each new row.
    """
    limit = await limit_of(work, name)
    counts: KnownCounts = work.services.setdefault(KnownCounts, KnownCounts())
    key = (work.tenant_id, name)
    if count and counts.leaves_room(key, count, limit, work.now()):
        return
    await work.session.execute(_LOCK, {"key": f"{work.tenant_id}:{name}"})
    async with beyond_wall(work.session):
        # No more than would be too many: how far a limit is exceeded is counted only to say so.
        enough = select(table.id).limit(max(0, limit - count) + 1).subquery()
        present = await work.session.scalar(select(func.count()).select_from(enough)) or 0
        if present + count > limit:
            present = await work.session.scalar(select(func.count(table.id))) or 0
            raise TenantLimitReached(limit=name, value=limit, actual=present + count)
    counts.known[key] = work.now(), present + count
