"""Writing the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.core.telemetry import trace_id
from cityloom.events.models import EventRecord

if TYPE_CHECKING:
    from cityloom.core.work import Work


async def write_outbox(work: Work) -> None:
    """Write the events of a unit of work; runs before its commit."""
    for event in work.outbox:
        work.session.add(
            EventRecord(
                type=event.type,
                subject_tag=event.subject_tag,
                subject_id=event.subject_id,
                area_path=event.area_path,
                facts=event.facts(),
                actor_kind=work.principal.kind.value,
                actor_id=work.principal.account_id or work.principal.client_id,
                trace_id=trace_id(),
                occurred_at=work.now(),
            )
        )
