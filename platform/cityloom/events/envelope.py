"""What leaves the platform about one event: the same bytes for the pull feed, live subscriptions and webhooks.

The payload of Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks): `type`, `timestamp`, `data`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from cityloom.core.ids import encode_id
from cityloom.events.cursors import cursor_of
from cityloom.graph.bound.scalars import write_time

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.events.stream import StreamedEvent

#: Type tag of an event's global id.
EVENT_TAG = "evnt"


def render(event: StreamedEvent, tenant_id: UUID, selection: bytes | None = None) -> bytes:
    """The payload as JSON in UTF-8, equal for equal input; `selection` is what a shaping document found."""
    data: dict[str, Any] = {
        "id": encode_id(EVENT_TAG, tenant_id, event.id),
        "position": event.position,
        "cursor": cursor_of(event.position),
        "subject": encode_id(event.subject_tag, tenant_id, event.subject_id),
        "subjectSequence": event.subject_sequence,
        "facts": event.facts,
        "changed": event.changed,
        "actor": actor(event, tenant_id),
    }
    if selection is not None:
        data["selection"] = orjson.Fragment(selection)
    return orjson.dumps({"type": event.type, "timestamp": write_time(event.occurred_at), "data": data})


def actor(event: StreamedEvent, tenant_id: UUID) -> dict[str, str | None]:
    """Who did it: the kind of caller, and the id of the account or API client where there is one."""
    if event.actor_tag is None or event.actor_id is None:
        return {"kind": event.actor_kind, "id": None}
    return {"kind": event.actor_kind, "id": encode_id(event.actor_tag, tenant_id, event.actor_id)}
