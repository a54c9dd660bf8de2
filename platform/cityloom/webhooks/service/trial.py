"""Dry runs: what an endpoint would have got of what has happened lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cityloom.events import stream
from cityloom.events.envelope import render
from cityloom.webhooks.matching import READS_EVENTS, wants
from cityloom.webhooks.permissions import CREATE
from cityloom.webhooks.service.endpoints import checked_conditions, checked_events
from cityloom.webhooks.shaping import check_document, shaper_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cityloom.core.work import Work
    from cityloom.events.stream import StreamedEvent

#: How many events are looked at, and how many bodies are shown at most.
LOOKED_AT, SHOWN = 1_000, 20
_HEAD = "SELECT position FROM event_heads WHERE tenant_id = $1"


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would have been delivered: how many of how many events, and the bodies of the newest."""

    looked_at: int
    matched: int
    samples: tuple[tuple[StreamedEvent, bytes], ...]


async def dry_run(
    work: Work,
    *,
    events: Sequence[str],
    conditions: Mapping[str, Any] | None = None,
    document: str | None = None,
    limit: int = 5,
) -> DryRun:
    """Try patterns, filter and document on the newest 1,000 events, as the caller; sends and changes nothing."""
    work.authorise(CREATE)
    patterns, checked = checked_events(work, events), checked_conditions(conditions)
    if document is not None:
        await check_document(work.services, work.principal, document, patterns)
    connection = await work.connection()
    head = await connection.fetchval(_HEAD, work.tenant_id) or 0
    found = await stream.read(connection, work.tenant_id, max(0, head - LOOKED_AT), LOOKED_AT)
    scope = work.rights.scope(READS_EVENTS)
    matched = [event for event in found if wants(None, patterns, checked, scope, event)]
    shown = matched[-max(1, min(limit, SHOWN)) :] if matched else []
    selections: list[bytes | None] = [None] * len(shown)
    if document is not None:
        selections = [one.data for one in await shaper_of(work.services).shape(work.principal, document, shown)]
    samples = tuple(
        (event, render(event, work.tenant_id, selection)) for event, selection in zip(shown, selections, strict=True)
    )
    return DryRun(len(found), len(matched), samples)
