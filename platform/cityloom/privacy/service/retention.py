"""Retention (保存期限): what is kept for so many days, and then let go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cityloom.core.events import AuditEntry
from cityloom.privacy import events
from cityloom.privacy.catalogue import catalogue_of
from cityloom.privacy.settings import settings_of
from cityloom.tenancy.events import TENANT_TAG

if TYPE_CHECKING:
    from datetime import datetime

    from cityloom.core.module import Retention
    from cityloom.core.work import Work

#: Rows of a kind that one transaction lets go.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Due:
    """One kind of retention in a city: how many rows are older than it keeps them; `days` is None: it keeps all."""

    kind: Retention
    days: int | None
    count: int


async def due(work: Work) -> list[Due]:
    """What letting go would let go at present, of every kind: nothing is changed."""
    stated = (await settings_of(work)).retention
    found = []
    for name, kind in catalogue_of(work).retentions.items():
        days = stated.get(name)
        count = 0 if days is None else await kind.count(work, _before(work, days))
        found.append(Due(kind, days, count))
    return found


async def unknown_kinds(work: Work) -> list[str]:
    """Kinds that the city's settings name and no slice knows: nothing is let go by them."""
    return sorted(set((await settings_of(work)).retention) - set(catalogue_of(work).retentions))


async def carry_out(work: Work) -> int:
    """The job: let go at most a batch of each kind; how many rows of the kind that had the most."""
    stated, most = (await settings_of(work)).retention, 0
    for name, kind in catalogue_of(work).retentions.items():
        if name not in stated:
            continue
        count = await kind.let_go(work, _before(work, stated[name]), BATCH)
        most = max(most, count)
        if count:
            work.audit(
                AuditEntry(
                    action="privacy.retention.carry_out",
                    object_tag=TENANT_TAG,
                    object_id=work.tenant_id,
                    after={"kind": name, "days": stated[name], "rows": count},
                )
            )
            work.emit(events.RetentionCarriedOut(subject_id=work.tenant_id, kind=name, count=count))
    return most


def _before(work: Work, days: int) -> datetime:
    return work.now() - timedelta(days=days)
