"""How much a caller may ask for: the cost of one operation, and a bucket of cost that refills."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cityloom.core.errors import Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from cityloom.core.principal import Principal


@dataclass(frozen=True, slots=True)
class Allowance:
    """Units of cost: about one row that may be read; a mutation counts as `MUTATION_COST`."""

    operation: int = 20_000
    """The most that one operation may cost."""
    capacity: int = 100_000
    """What a caller that was quiet for a while may spend at once."""
    per_second: float = 5_000.0
    """What comes back each second."""


MUTATION_COST = 20
#: The whole schema takes 130 ms of CPU to look at: as much as a thousand rows.
INTROSPECTION_COST = 1_000


class TooExpensive(Refusal):
    """The operation would cost {cost}, at most {allowed} are answered: ask for smaller pages or fewer nested lists."""

    code = RefusalCode.TOO_EXPENSIVE
    zh = "该操作的代价为 {cost},最多允许 {allowed}:请减小分页或减少嵌套列表。"


class RateLimited(Refusal):
    """Too much was asked for in a short time; repeat after {retryAfterSeconds} seconds."""

    code = RefusalCode.RATE_LIMITED
    zh = "短时间内请求过多;请在 {retryAfterSeconds} 秒后重试。"


class Buckets:
    """A bucket of cost for each caller of each tenant, in this process; the least recently used are dropped (full).

    Deliberately not shared between processes: it guards one process's CPU and pool, and a shared one would be a round
    trip in front of every read.
    """

    def __init__(self, *, kept: int = 100_000, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._kept: OrderedDict[tuple[UUID, UUID | str | None, str], tuple[float, float]] = OrderedDict()
        self._size = kept
        self._now = monotonic

    def take(self, principal: Principal, cost: int, allowance: Allowance, *, source: str | None = None) -> int:
        """Take `cost` from the caller's bucket and answer what is left; refuses (`RateLimited`) when there is less."""
        key = (principal.tenant_id, principal.account_id or principal.client_id or source, principal.kind)
        now = self._now()
        left, at = self._kept.pop(key, (float(allowance.capacity), now))
        left = min(allowance.capacity, left + (now - at) * allowance.per_second)
        short = min(cost, allowance.capacity) - left
        if short > 0:
            self._kept[key] = left, now
            raise RateLimited(retryAfterSeconds=max(1, math.ceil(short / allowance.per_second)))
        self._kept[key] = left - cost, now
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return int(left - cost)
