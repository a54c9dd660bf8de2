"""The GraphQL types of webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import strawberry
from sqlalchemy import exists
from sqlalchemy.orm import aliased

from cityloom.access.api.shapes import Account, ApiClient
from cityloom.graph import bound as b
from cityloom.webhooks import models as m
from cityloom.webhooks.api.words import (
    WebhookCertificationState,
    WebhookDeliveryKind,
    WebhookDeliveryState,
    WebhookEndpointState,
    WebhookKeyAlgorithm,
    WebhookOrdering,
    WebhookOutcome,
    WebhookPauseReason,
)
from cityloom.webhooks.permissions import READ, READ_LOG
from cityloom.webhooks.signing import public_text

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


def _own(endpoint: type[m.WebhookEndpoint], reach: b.Reach) -> ColumnElement[bool]:
    return reach.caller(endpoint.owner_account_id)


def _of_own(row: Any, reach: b.Reach) -> ColumnElement[bool]:  # noqa: ANN401 - the tables below have it alike
    endpoint = aliased(m.WebhookEndpoint)
    return exists().where(endpoint.id == row.endpoint_id, reach.caller(endpoint.owner_account_id))


@b.output_type(description="A condition on one fact of an event.")
class WebhookFactCondition:
    """See `matching.satisfies`."""

    name: str = strawberry.field(description="The name of the fact.")
    values: list[b.JSON] = strawberry.field(description="The event's fact is one of these.")


@b.output_type(description="What an event must be like to be delivered.")
class WebhookFilter:
    """See `matching.satisfies`."""

    facts: list[WebhookFactCondition] = strawberry.field(description="All of these hold.")
    changed: list[str] = strawberry.field(description="One of these fields has changed; empty: any, or none.")


def _filters(rows: list[Any], _services: object) -> list[WebhookFilter | None]:
    return [
        row.conditions
        and WebhookFilter(
            facts=[WebhookFactCondition(name=name, values=values) for name, values in row.conditions["facts"].items()],
            changed=row.conditions["changed"],
        )
        for row in rows
    ]


@b.output_type(description="One probe of an examination.")
class WebhookProbe:
    """See `certify.Probe`."""

    name: str = strawberry.field(description="What was tried, in a word.")
    title: str = strawberry.field(description="What was tried.")
    is_passed: bool = strawberry.field(description="Whether the endpoint did what it should.")
    expected: str = strawberry.field(description="What it should have done.")
    actual: str = strawberry.field(description="What it did: a status, or an outcome.")
    hint: str | None = strawberry.field(description="What to mend, where it did not pass.")


def _probes(rows: list[Any], _services: object) -> list[list[WebhookProbe]]:
    return [[WebhookProbe(**probe) for probe in row.probes] for row in rows]


@b.bound(
    m.WebhookEndpoint,
    tag="whep",
    module="webhooks",
    read=READ,
    scope=b.ScopeRule(rows=_own),
    orderings={"CREATED": (m.WebhookEndpoint.id,), "URL": (m.WebhookEndpoint.url,)},
)
class WebhookEndpoint(b.Node):
    """An address to which the city's events are sent (推送端点), with the rights of whoever created it.

    Whoever may see endpoints in a part of the city only sees their own.
    """

    url: str = b.column(m.WebhookEndpoint.url, "Where it is sent to.", filters=b.TEXT)
    description: str = b.column(m.WebhookEndpoint.description, "What it is for.")
    state: WebhookEndpointState = b.column(m.WebhookEndpoint.state, "Whether it is sent to.", filters=b.EXACT)
    pause_reason: WebhookPauseReason | None = b.column(m.WebhookEndpoint.pause_reason, "Why it is paused, if it is.")
    owner: Account | None = b.one(m.WebhookEndpoint.owner_account_id, "Whose rights decide what is sent.")
    client: ApiClient | None = b.one(m.WebhookEndpoint.owner_client_id, "The API client that created it, if one did.")
    events: list[str] = b.column(m.WebhookEndpoint.events, "Types of events, with wildcards.")
    filter: WebhookFilter | None = b.resolved(
        _filters, needs=(m.WebhookEndpoint.conditions,), description="What events must be like; null: anything."
    )
    document: str | None = b.column(m.WebhookEndpoint.document, "The GraphQL document that shapes `selection`.")
    ordering: WebhookOrdering = b.column(m.WebhookEndpoint.ordering, "Which deliveries wait for each other.")
    rate_limit: int | None = b.column(m.WebhookEndpoint.rate_limit, "Deliveries a second at most; null: no limit.")
    header_names: list[str] = b.column(
        m.WebhookEndpoint.header_names, "Names of the custom headers; their values are not shown again."
    )
    created_at: datetime = b.column(m.WebhookEndpoint.created_at, "When it was created.")
    changed_at: datetime = b.column(m.WebhookEndpoint.changed_at, "When it was changed last.")
    version: int = b.column(m.WebhookEndpoint.version, "Grows with each change; send it to be sure of what you change.")
    lane: WebhookLane | None = b.one(lambda endpoint, lane: lane.id == endpoint.id, "How far it is.")
    keys: list[WebhookKey] = b.many(m.WebhookKey.endpoint_id, "Its keys, retired ones too.", limit=50)
    deliveries: b.Connection[WebhookDelivery] = b.connection(
        m.WebhookDelivery.endpoint_id, "What was or is to be delivered."
    )
    certifications: list[WebhookCertification] = b.many(
        m.WebhookCertification.endpoint_id, "Its examinations, newest first.", limit=20
    )


@b.bound(m.WebhookLane, module="webhooks", read=READ)
class WebhookLane:
    """How far an endpoint is."""

    position: b.BigInt = b.column(m.WebhookLane.position, "How far the city's stream was read for it.")
    sequence: b.BigInt = b.column(m.WebhookLane.sequence, "The number of its last delivery.")
    next_due_at: datetime | None = b.column(m.WebhookLane.next_due_at, "When something is tried next; null: nothing.")
    blocked_until: datetime | None = b.column(m.WebhookLane.blocked_until, "Until when it is left alone, if it is.")
    failures: int = b.column(m.WebhookLane.failures, "Failures in a row; from 10 on it is tried ever more seldom.")


def _public_keys(rows: list[Any], _services: object) -> list[str | None]:
    return [None if row.public_key is None else public_text(row.public_key) for row in rows]


@b.bound(m.WebhookKey, tag="whky", module="webhooks", read=READ, scope=b.ScopeRule(rows=_of_own))
class WebhookKey(b.Node):
    """A key that signs what is sent to an endpoint; its secret is shown once, when it is made."""

    algorithm: WebhookKeyAlgorithm = b.column(m.WebhookKey.algorithm, "How it signs.")
    public_key: str | None = b.resolved(
        _public_keys,
        needs=(m.WebhookKey.public_key,),
        description="`whpk_…`, with which signatures `v1a` are verified; null for HMAC.",
    )
    created_at: datetime = b.column(m.WebhookKey.created_at, "Since when it signs.")
    proven_at: datetime | None = b.column(
        m.WebhookKey.proven_at, "When the endpoint accepted a delivery that was signed by this key alone."
    )
    retired_at: datetime | None = b.column(m.WebhookKey.retired_at, "When it stopped signing; null: it signs.")


@b.bound(
    m.WebhookDelivery,
    tag="whdl",
    module="webhooks",
    read=READ_LOG,
    scope=b.ScopeRule(rows=_of_own),
    orderings={"CREATED": (m.WebhookDelivery.id,)},
)
class WebhookDelivery(b.Node):
    """One event for one endpoint; its body never changes, however often it is sent."""

    endpoint: WebhookEndpoint | None = b.one(m.WebhookDelivery.endpoint_id, "Where it goes.")
    kind: WebhookDeliveryKind = b.column(m.WebhookDelivery.kind, "What it is.")
    sequence: b.BigInt | None = b.column(
        m.WebhookDelivery.sequence, "Its number at the endpoint, without gaps; null for tests and proofs."
    )
    webhook_id: str = b.column(m.WebhookDelivery.webhook_id, "The header `webhook-id`, the same for every try.")
    event_type: str = b.column(m.WebhookDelivery.event_type, "The type of the event.", filters=b.EXACT)
    state: WebhookDeliveryState = b.column(m.WebhookDelivery.state, "How far it is.", filters=b.EXACT)
    tries: int = b.column(m.WebhookDelivery.tries, "How often it was tried.")
    due_at: datetime = b.column(m.WebhookDelivery.due_at, "When it is tried next, while it is DUE.")
    created_at: datetime = b.column(m.WebhookDelivery.created_at, "When it was made.")
    finished_at: datetime | None = b.column(m.WebhookDelivery.finished_at, "When it was delivered or given up.")
    body_erased_at: datetime | None = b.column(
        m.WebhookDelivery.body_erased_at,
        "When its body was erased, because somebody was of whom it told, with what receivers answered to it; it is not"
        " sent any more. Null: it is there.",
    )
    content: WebhookContent | None = b.one(
        lambda delivery, content: (content.id == delivery.id) & content.body_erased_at.is_(None),
        "What is sent; for the endpoint's owner alone, null for anybody else: it holds what the owner may see. Null,"
        " too, where it was erased.",
    )
    attempts: b.Connection[WebhookAttempt] = b.connection(m.WebhookAttempt.delivery_id, "The tries.")


@b.bound(
    m.WebhookAttempt,
    tag="what",
    module="webhooks",
    read=READ_LOG,
    scope=b.ScopeRule(rows=_of_own),
    orderings={"STARTED": (m.WebhookAttempt.id,)},
)
class WebhookAttempt(b.Node):
    """One try of a delivery."""

    number: int = b.column(m.WebhookAttempt.number, "The how many-eth try of its delivery.")
    outcome: WebhookOutcome = b.column(m.WebhookAttempt.outcome, "What came of it.")
    status: int | None = b.column(m.WebhookAttempt.status, "The status that was answered, if one was.")
    started_at: datetime = b.column(m.WebhookAttempt.started_at, "When it was sent.")
    duration_ms: int = b.column(m.WebhookAttempt.duration_ms, "How long it took, in milliseconds.")
    answer: WebhookAnswer | None = b.one(
        lambda attempt, answer: answer.id == attempt.id,
        "What the receiver answered; for the endpoint's owner alone, null for anybody else.",
    )


@b.bound(m.WebhookAttempt, module="webhooks", read=READ_LOG, scope=b.ScopeRule(rows=_of_own, is_personal=True))
class WebhookAnswer:
    """The beginning of what a receiver answered."""

    text: str | None = b.column(
        m.WebhookAttempt.answer,
        "The first kilobyte, read as UTF-8; null where none came, or it was erased with the body that it answers.",
    )


def _bodies(rows: list[Any], _services: object) -> list[str]:
    return [bytes(row.body).decode() for row in rows]


@b.bound(m.WebhookDelivery, module="webhooks", read=READ_LOG, scope=b.ScopeRule(rows=_of_own, is_personal=True))
class WebhookContent:
    """The body of a delivery, and what the receiver can check of its place."""

    body: str = b.resolved(_bodies, needs=(m.WebhookDelivery.body,), description="What is sent, byte for byte.")


@b.bound(m.WebhookCertification, tag="whct", module="webhooks", read=READ, scope=b.ScopeRule(rows=_of_own))
class WebhookCertification(b.Node):
    """An examination of an endpoint: some twenty probes, a score, and hints."""

    state: WebhookCertificationState = b.column(m.WebhookCertification.state, "How far it is.")
    score: int | None = b.column(m.WebhookCertification.score, "How many of a hundred; null until it is finished.")
    probes: list[WebhookProbe] = b.resolved(
        _probes, needs=(m.WebhookCertification.probes,), description="What was tried and what came of it."
    )
    requested_at: datetime = b.column(m.WebhookCertification.requested_at, "When it was asked for.")
    finished_at: datetime | None = b.column(m.WebhookCertification.finished_at, "When it was finished.")


@b.query(module="webhooks")
class WebhooksQuery:
    """Reads of webhooks."""

    webhook_endpoint: WebhookEndpoint | None = b.root_one(WebhookEndpoint, "A webhook endpoint by its id.")
    webhook_endpoints: b.Connection[WebhookEndpoint] = b.root_connection(
        WebhookEndpoint, "The webhook endpoints that the caller may see."
    )
    webhook_delivery: WebhookDelivery | None = b.root_one(WebhookDelivery, "A delivery by its id.")
