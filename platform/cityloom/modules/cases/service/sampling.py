"""Return visits by sample (回访抽样): who is asked, and what the answers say of all, with how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Text, and_, cast, func, or_, select

from cityloom.core.database import within
from cityloom.modules.cases import models as m
from cityloom.modules.cases.errors import PeriodWrong
from cityloom.modules.cases.service.record import READ

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from cityloom.core.principal import Scope
    from cityloom.core.work import Work

LARGEST = 1_000
SATISFIED = 4
#: Of the normal distribution, for a confidence of 95 %.
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class SampleResult:
    """What a drawn sample says: `low` and `high` bound the share of the satisfied among all with 95 % confidence."""

    closed: int
    drawn: int
    visited: int
    satisfied: int
    share: float | None
    low: float | None
    high: float | None


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The score interval for a share at 95 % confidence (E. B. Wilson, JASA 22, 1927, 209-212); trials are not 0."""
    share, z2 = successes / trials, _Z * _Z
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials)) / (1 + z2 / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def digest(row: Any, seed: Any) -> ColumnElement[bytes]:  # noqa: ANN401 - an alias, a bind
    """What a draw orders cases by: nobody can choose it, and anybody can repeat it."""
    return func.sha256(func.convert_to(func.concat(seed, cast(row.id, Text)), "UTF8"))


async def sample_result(work: Work, *, since: datetime, until: datetime, seed: str, size: int) -> SampleResult:
    """The answers to the return visits of the sample that `caseSample` draws for the same values.

    Of the cases that the caller can see. Whoever was drawn and not asked yet is not among `visited`: the interval is
    that of the answers there are. Refuses (`Forbidden`, `PeriodWrong`).
    """
    scope = work.authorise(READ)
    if not since < until:
        raise PeriodWrong(path=("until",))
    wanted = and_(
        m.Case.closed_at >= since, m.Case.closed_at < until, m.Case.merged_into_id.is_(None), _seen(work, scope)
    )
    drawn = (
        select(m.Case.satisfaction.label("satisfaction"))
        .where(wanted)
        .order_by(digest(m.Case, seed))
        .limit(min(max(size, 1), LARGEST))
        .subquery()
    )
    rated = drawn.c.satisfaction
    closed = await work.session.scalar(select(func.count()).select_from(m.Case).where(wanted)) or 0
    row = (
        await work.session.execute(
            select(func.count(), func.count(rated), func.count().filter(rated >= SATISFIED)).select_from(drawn)
        )
    ).one()
    found, visited, satisfied = (int(value) for value in row)
    if visited == 0:
        return SampleResult(closed, found, 0, 0, None, None, None)
    return SampleResult(closed, found, visited, satisfied, satisfied / visited, *wilson(satisfied, visited))


def _seen(work: Work, scope: Scope) -> ColumnElement[bool]:
    if scope.everywhere:
        return m.Case.id.is_not(None)
    ways = [within(scope, m.Case.area_path)]
    if scope.departments:
        ways.append(m.Case.department_id.in_(scope.departments))
    if scope.own and work.principal.account_id is not None:
        ways.append(m.Case.reporter_id == work.principal.account_id)
    return or_(*ways)
