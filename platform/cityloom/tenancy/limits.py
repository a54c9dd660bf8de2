"""Limits that a tenant has: the platform's defaults, which a pack or an operator may change."""

from __future__ import annotations

from dataclasses import dataclass

from cityloom.core.text import Text
from cityloom.tenancy.errors import LimitOutOfBounds, LimitUnknown


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
