"""Endpoints: creating, changing, pausing, resuming, closing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text

from cityloom.access.acting import acting_as
from cityloom.core.errors import Forbidden
from cityloom.core.ids import new_id
from cityloom.events.catalogue import EventCatalogue, EventPatternUnknown
from cityloom.settings import Settings
from cityloom.tenancy.errors import TenantLimitReached
from cityloom.tenancy.limits import LIMITS
from cityloom.tenancy.models import TenantLimit
from cityloom.webhooks import lanes
from cityloom.webhooks import models as m
from cityloom.webhooks.addresses import Egress
from cityloom.webhooks.errors import (
    ConditionsWrong,
    DescriptionTooLong,
    EndpointNotPaused,
    EndpointPausedAlready,
    HeaderRefused,
    OrderingStuck,
    RateLimitWrong,
    TooManyPatterns,
)
from cityloom.webhooks.fanout import chain_start
from cityloom.webhooks.permissions import CHANGE, CREATE
from cityloom.webhooks.service.keys import NewKey, add_key
from cityloom.webhooks.service.rows import find_endpoint, note, stated
from cityloom.webhooks.shaping import check_document
from cityloom.webhooks.targets import ring_of, seal_headers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.work import Work

MOST_PATTERNS = 50
MOST_CONDITIONS = 20
MOST_RATE = 10_000
_MOST_HEADERS, _LONGEST_VALUE, _LONGEST_DESCRIPTION = 20, 2_000, 500
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\Z")
#: Headers that say how the message is sent, or that the platform signs.
_OWN_HEADERS = frozenset(
    {
        "host",
        "content-type",
        "content-length",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "accept-encoding",
        "user-agent",
    }
)
_HEAD = text("SELECT position FROM event_heads WHERE tenant_id = :tenant_id")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('cityloom.limit:' || :key, 0))")
_AGAIN = """
UPDATE webhook_deliveries SET tries = 0, first_tried_at = NULL, due_at = $3
WHERE tenant_id = $1 AND endpoint_id = $2 AND state IN ('WAITING', 'DUE') AND tries > 0
  AND (lease IS NULL OR due_at <= $3)
"""


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint with its first keys, whose secrets are told once."""

    row: m.WebhookEndpoint
    keys: tuple[NewKey, ...]


async def create_endpoint(  # noqa: PLR0913 - what an endpoint states
    work: Work,
    *,
    url: str,
    events: Sequence[str],
    conditions: Mapping[str, Any] | None = None,
    document: str | None = None,
    ordering: str = "PER_SUBJECT",
    rate_limit: int | None = None,
    headers: Mapping[str, str] | None = None,
    description: str = "",
) -> NewEndpoint:
    """A new endpoint of the caller's, which gets what happens from now on, with a key of either algorithm."""
    work.authorise(CREATE)
    account_id = work.principal.account_id
    if account_id is None:
        raise Forbidden(permission=CREATE)
    await _demand_room(work)
    row_id = new_id()
    keys = await ring_of(work).of(work.tenant_id)
    row = m.WebhookEndpoint(
        id=row_id,
        url=_url(work, url),
        description=_description(description),
        owner_account_id=account_id,
        owner_client_id=work.principal.client_id,
        state="ACTIVE",
        pause_reason=None,
        events=checked_events(work, events),
        conditions=checked_conditions(conditions),
        document=document and await check_document(work.services, work.principal, document, events),
        ordering=ordering,
        rate_limit=_rate(rate_limit),
        created_at=work.now(),
        changed_at=work.now(),
        version=1,
        **_headers(keys, row_id, headers or {}),
    )
    work.session.add(row)
    await work.session.flush()
    position = await work.session.scalar(_HEAD, {"tenant_id": work.tenant_id}) or 0
    chain_hash = chain_start(work.tenant_id, row_id)
    work.session.add(
        m.WebhookLane(id=row_id, is_open=True, position=position, sequence=0, chain_hash=chain_hash, failures=0)
    )
    made = tuple([add_key(work, keys, row_id, algorithm) for algorithm in m.ALGORITHMS])
    note(work, row, "CREATED")
    return NewEndpoint(row, made)


async def change_endpoint(
    work: Work,
    endpoint_id: UUID | None,
    *,
    version: int | None = None,
    **given: Any,  # noqa: ANN401 - what was sent
) -> m.WebhookEndpoint:
    """State an endpoint anew, as far as something is given. What was collected already keeps its bytes.

    The order can be changed while nothing is open (`OrderingStuck`).
    """
    row = await find_endpoint(work, endpoint_id, CHANGE, version=version)
    before = stated(row)
    if "url" in given:
        row.url = _url(work, given["url"])
    if "description" in given:
        row.description = _description(given["description"])
    if "events" in given:
        row.events = checked_events(work, given["events"])
    if "conditions" in given:
        row.conditions = checked_conditions(given["conditions"])
    if "document" in given:
        row.document = given["document"]
    if row.document and {"document", "events"} & given.keys():
        # Whoever states it anew does so for its owner.
        owner = await acting_as(work, row.owner_account_id, row.owner_client_id)
        await check_document(work.services, owner, row.document, row.events)
    if "rate_limit" in given:
        row.rate_limit = _rate(given["rate_limit"])
    if "ordering" in given and given["ordering"] != row.ordering:
        open_ = await work.session.scalar(
            select(func.count()).where(
                m.WebhookDelivery.endpoint_id == row.id, m.WebhookDelivery.state.in_(("WAITING", "DUE"))
            )
        )
        if open_:
            raise OrderingStuck(path=("ordering",), open=open_)
        row.ordering = given["ordering"]
    if "headers" in given:
        keys = await ring_of(work).of(work.tenant_id)
        for name, value in _headers(keys, row.id, given["headers"] or {}).items():
            setattr(row, name, value)
    note(work, row, "CHANGED", before=before, headers_changed="headers" in given)
    return row


async def pause_endpoint(work: Work, endpoint_id: UUID | None) -> m.WebhookEndpoint:
    """Send nothing there for a while; what happens is collected."""
    row = await find_endpoint(work, endpoint_id, CHANGE)
    if row.state == "PAUSED":
        raise EndpointPausedAlready(path=("id",))
    before = stated(row)
    row.state, row.pause_reason = "PAUSED", "OWNER"
    note(work, row, "PAUSED", before=before)
    await lanes.reschedule(await work.connection(), work.tenant_id, [row.id])
    return row


async def resume_endpoint(work: Work, endpoint_id: UUID | None) -> m.WebhookEndpoint:
    """Go on where it was paused: what failed before is tried anew, with eight days from now."""
    row = await find_endpoint(work, endpoint_id, CHANGE)
    if row.state != "PAUSED":
        raise EndpointNotPaused(path=("id",))
    before = stated(row)
    row.state, row.pause_reason = "ACTIVE", None
    note(work, row, "RESUMED", before=before)
    lane = await work.session.get_one(m.WebhookLane, (work.tenant_id, row.id))
    lane.failures, lane.blocked_until = 0, None
    connection = await work.connection()
    await connection.execute(_AGAIN, work.tenant_id, row.id, work.now())
    await lanes.reschedule(connection, work.tenant_id, [row.id])
    return row


async def close_endpoint(work: Work, endpoint_id: UUID | None) -> m.WebhookEndpoint:
    """End an endpoint for good. Its log stays; what was not delivered is withdrawn, its bytes are kept."""
    row = await find_endpoint(work, endpoint_id, CHANGE)
    before = stated(row)
    row.state, row.pause_reason = "CLOSED", None
    note(work, row, "CLOSED", before=before)
    lane = await work.session.get_one(m.WebhookLane, (work.tenant_id, row.id))
    lane.is_open, lane.next_due_at = False, None
    connection = await work.connection()
    await connection.execute(
        "UPDATE webhook_deliveries SET state = 'WITHDRAWN', lease = NULL, finished_at = $3 "
        "WHERE tenant_id = $1 AND endpoint_id = $2 AND state IN ('WAITING', 'DUE')",
        work.tenant_id,
        row.id,
        work.now(),
    )
    return row


async def _demand_room(work: Work) -> None:
    """Closed endpoints do not count; callers wait for each other here."""
    name = "webhook_endpoints"
    limit = await work.session.scalar(select(TenantLimit.value).where(TenantLimit.name == name))
    if limit is None:
        limit = LIMITS[name].default
    await work.session.execute(_LOCK, {"key": f"{work.tenant_id}:{name}"})
    count = await work.session.scalar(
        select(func.count()).select_from(m.WebhookEndpoint).where(m.WebhookEndpoint.state != "CLOSED")
    )
    if (count or 0) + 1 > limit:
        raise TenantLimitReached(limit=name, value=limit, actual=(count or 0) + 1)


def _url(work: Work, url: str) -> str:
    return Egress.of(work.services[Settings]).demand_url(url)


def _description(value: str) -> str:
    if len(value) > _LONGEST_DESCRIPTION or not value.replace("\n", "").isprintable():
        raise DescriptionTooLong(path=("description",), most=_LONGEST_DESCRIPTION)
    return value


def checked_events(work: Work, patterns: Sequence[str]) -> list[str]:
    """The patterns, each once; refuses (`EventPatternUnknown`) one that names no type of event."""
    if not 1 <= len(patterns) <= MOST_PATTERNS:
        raise TooManyPatterns(path=("events",), most=MOST_PATTERNS)
    catalogue: EventCatalogue = work.services[EventCatalogue]
    for at, pattern in enumerate(patterns):
        try:
            catalogue.matching(pattern)
        except EventPatternUnknown as refusal:
            refusal.path = ("events", at)
            raise
    return list(dict.fromkeys(patterns))


def checked_conditions(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The conditions as they are stored; refuses (`ConditionsWrong`) too many."""
    if value is None:
        return None
    facts, changed = value.get("facts", {}), value.get("changed", [])
    sizes = [len(facts), len(changed), *map(len, facts.values())]
    if max(sizes) > MOST_CONDITIONS or any(not values for values in facts.values()):
        raise ConditionsWrong(path=("filter",), most=MOST_CONDITIONS)
    return {"facts": dict(facts), "changed": list(changed)} if facts or changed else None


def _rate(value: int | None) -> int | None:
    if value is not None and not 1 <= value <= MOST_RATE:
        raise RateLimitWrong(path=("rateLimit",), most=MOST_RATE)
    return value


def _headers(keys: TenantKeys, endpoint_id: UUID, headers: Mapping[str, str]) -> dict[str, Any]:
    lower = [name.lower() for name in headers]
    for name, value in headers.items():
        if (
            not _HEADER_NAME.match(name)
            or name.lower() in _OWN_HEADERS
            or name.lower().startswith("webhook-")
            or lower.count(name.lower()) > 1
            or len(headers) > _MOST_HEADERS
            or len(value) > _LONGEST_VALUE
            or not _HEADER_VALUE.match(value)
        ):
            raise HeaderRefused(path=("headers",), name=name[:100])
    return {"header_names": list(headers), "sealed_headers": seal_headers(keys, endpoint_id, headers)}
