"""Refusals for want of a permission, kept in a transaction of their own: they survive the rollback that they caused."""

from __future__ import annotations

import time
from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select, true

from cityloom.access import models as m
from cityloom.access.authentication import NO_TENANT
from cityloom.core.ids import encode_id, new_id
from cityloom.core.principal import PrincipalKind
from cityloom.core.telemetry import trace_id
from cityloom.graph.errors import refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select

    from cityloom.core.principal import Principal
    from cityloom.core.work import Work, Works
    from cityloom.graph.decisions import Denial

TAG: Final = "deci"
#: A caller's denials that are kept at once, and how soon another one may be (seconds): a program that tries over and
#: over must not fill the city's tables.
BURST: Final = 30
EVERY_SECONDS: Final = 20.0
KEPT: Final = timedelta(days=90)
_CALLERS = 20_000
_KINDS = frozenset({PrincipalKind.STAFF, PrincipalKind.RESIDENT, PrincipalKind.API_CLIENT})


class AccessDecisions:
    """Keeps denials of callers who belong to a tenant, so many per caller and process as the bound allows."""

    def __init__(self, works: Works, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._works = works
        self._monotonic = monotonic
        self._left: OrderedDict[tuple[UUID, UUID], tuple[float, float]] = OrderedDict()

    async def record(self, principal: Principal, denial: Denial) -> str | None:
        """Keep a denial; its public id, or None where the bound or an unavailable database leaves it out."""
        if principal.tenant_id == NO_TENANT or principal.kind not in _KINDS or principal.account_id is None:
            return None
        if not self._take((principal.tenant_id, principal.account_id)):
            return None
        row_id = new_id()
        try:
            async with self._works.begin(principal) as work:
                work.session.add(
                    m.AccessDecision(
                        id=row_id,
                        decided_at=work.now(),
                        account_id=principal.account_id,
                        client_id=principal.client_id,
                        permissions=list(denial.permissions),
                        reason=denial.reason,
                        field=denial.field,
                        place_path=denial.area_path,
                        rights_version=principal.rights.version,
                        trace_id=trace_id(),
                    )
                )
        except Exception as error:
            # The caller is refused in any case: that it cannot be written down now is no reason to answer otherwise.
            if refusal_of(error) is None:
                raise
            return None
        return encode_id(TAG, principal.tenant_id, row_id)

    def _take(self, caller: tuple[UUID, UUID]) -> bool:
        now = self._monotonic()
        left, at = self._left.pop(caller, (float(BURST), now))
        left = min(float(BURST), left + (now - at) / EVERY_SECONDS)
        is_kept = left >= 1
        self._left[caller] = (left - 1 if is_kept else left), now
        if len(self._left) > _CALLERS:
            self._left.popitem(last=False)
        return is_kept


def has_old_decisions(city: ColumnElement[UUID], now: datetime) -> Select[bool]:
    """Whether a city has decisions that `forget_decisions` would delete."""
    return select(true()).where(m.AccessDecision.tenant_id == city, m.AccessDecision.decided_at < now - KEPT)


async def forget_decisions(work: Work) -> None:
    """Delete the tenant's decisions that are older than `KEPT`."""
    await work.session.execute(
        delete(m.AccessDecision)
        .where(m.AccessDecision.decided_at < work.now() - KEPT)
        .execution_options(synchronize_session=False)
    )
