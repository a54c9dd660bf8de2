"""Tables of webhooks: endpoints, their keys and lanes, deliveries and attempts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable, tenant_foreign_key
from cityloom.core.sealed import SEALED
from cityloom.core.subjects import contents_of

STATES = ("ACTIVE", "PAUSED", "CLOSED")
PAUSES = ("OWNER", "GONE")
ORDERINGS = ("PER_SUBJECT", "PER_ENDPOINT")
ALGORITHMS = ("HMAC_SHA256", "ED25519")
#: EVENT: an event of the stream. TEST: asked for by the owner. PROOF: signed by one key alone, to prove it.
KINDS = ("EVENT", "TEST", "PROOF")
#: WAITING: behind an older one of its order. DUE: to be tried at `due_at`. WITHDRAWN: its endpoint was closed before,
#: or somebody of whom it told was erased.
DELIVERY_STATES = ("WAITING", "DUE", "DELIVERED", "EXHAUSTED", "WITHDRAWN")
OUTCOMES = (
    "DELIVERED",
    "REFUSED",
    "THROTTLED",
    "GONE",
    "REDIRECTED",
    "TIMED_OUT",
    "UNREACHABLE",
    "TLS_FAILED",
    "ADDRESS_REFUSED",
    "MALFORMED",
)


def _words(column: str, words: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(map(repr, words))})", name=column)


class WebhookEndpoint(TenantTable, Base):
    """An address to which events are sent, as its owner states it. It acts with the rights of the owner."""

    __tablename__ = "webhook_endpoints"

    url: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    owner_account_id: Mapped[UUID]
    owner_client_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(default="ACTIVE")
    pause_reason: Mapped[str | None]
    events: Mapped[list[str]] = mapped_column(JSONB)
    conditions: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    document: Mapped[str | None]
    ordering: Mapped[str] = mapped_column(default="PER_SUBJECT")
    rate_limit: Mapped[int | None]
    header_names: Mapped[list[str]] = mapped_column(JSONB)
    #: Custom headers as JSON, sealed under the tenant's key: they hold credentials of the receiver.
    sealed_headers: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        tenant_foreign_key("owner_account_id", "accounts"),
        tenant_foreign_key("owner_client_id", "api_clients"),
        _words("state", STATES),
        _words("ordering", ORDERINGS),
        CheckConstraint("(state = 'PAUSED') = (pause_reason IS NOT NULL)", name="pause"),
        CheckConstraint("rate_limit BETWEEN 1 AND 10000", name="rate_limit"),
        Index(None, "tenant_id", "owner_account_id", "id"),
        Index(None, "tenant_id", "owner_client_id"),
        Index(None, "tenant_id", "state", "id"),
        Index(None, "tenant_id", "url", "id"),
    )


class WebhookKey(TenantTable, Base):
    """A key that signs what goes to one endpoint; the secret is sealed under the tenant's key and shown once.

    `proven_at`: when the endpoint accepted a delivery that was signed by this key alone.
    """

    __tablename__ = "webhook_keys"

    endpoint_id: Mapped[UUID]
    algorithm: Mapped[str]
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary, info=SEALED)
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    proven_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]

    __table_args__ = (
        tenant_foreign_key("endpoint_id", "webhook_endpoints"),
        Index(None, "tenant_id", "endpoint_id", "id"),
        _words("algorithm", ALGORITHMS),
        CheckConstraint("(algorithm = 'ED25519') = (public_key IS NOT NULL)", name="public_key"),
    )


class WebhookLane(TenantTable, Base):
    """What moves with each event of an endpoint; the id is the endpoint's. Its row lock orders all that moves it.

    `position` is how far the stream was read, `sequence` and `chain_hash` are the last delivery's. `next_due_at` is
    when somebody has to look again, null while nothing is open or the endpoint is not active. Nothing but numbers is in
    here, so that workers may look across tenants for what is due.
    """

    __tablename__ = "webhook_lanes"

    is_open: Mapped[bool] = mapped_column(default=True)
    position: Mapped[int] = mapped_column(BigInteger)
    sequence: Mapped[int] = mapped_column(BigInteger, default=0)
    chain_hash: Mapped[bytes] = mapped_column(LargeBinary)
    next_due_at: Mapped[datetime | None]
    blocked_until: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    #: A certification that a worker is to carry out.
    certification_id: Mapped[UUID | None]
    #: When the rate limit allows the next one (the theoretical arrival time of GCRA).
    rate_at: Mapped[datetime | None]

    __table_args__ = (
        tenant_foreign_key("id", "webhook_endpoints"),
        Index("ix_webhook_lanes_due", "next_due_at", postgresql_where=text("next_due_at IS NOT NULL")),
        Index(
            "ix_webhook_lanes_certification", "certification_id", postgresql_where=text("certification_id IS NOT NULL")
        ),
        Index("ix_webhook_lanes_open", "tenant_id", "position", postgresql_where=text("is_open")),
        {"info": {"operator_reads": True}},
    )


class WebhookDelivery(TenantTable, Base):
    """One event for one endpoint; `body` is what is sent, byte for byte, however often.

    Nothing is left of it, nor of what receivers answered to it, from `body_erased_at` on, when somebody was erased of
    whom the endpoint's document told.
    """

    __tablename__ = "webhook_deliveries"

    endpoint_id: Mapped[UUID]
    kind: Mapped[str]
    #: Number in the endpoint's chain; null for tests and proofs, which are outside of it.
    sequence: Mapped[int | None] = mapped_column(BigInteger)
    previous_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    webhook_id: Mapped[str]
    #: The event, by its place in the tenant's stream.
    position: Mapped[int | None] = mapped_column(BigInteger)
    event_type: Mapped[str]
    order_key: Mapped[UUID]
    #: The one key that signs a proof.
    key_id: Mapped[UUID | None]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str]
    tries: Mapped[int] = mapped_column(SmallInteger, default=0)
    #: When it is tried next; while somebody holds it, when their lease ends.
    due_at: Mapped[datetime]
    lease: Mapped[UUID | None]
    created_at: Mapped[datetime]
    first_tried_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    body_erased_at: Mapped[datetime | None]

    __table_args__ = (
        tenant_foreign_key("endpoint_id", "webhook_endpoints"),
        UniqueConstraint("tenant_id", "endpoint_id", "sequence"),
        _words("kind", KINDS),
        _words("state", DELIVERY_STATES),
        CheckConstraint("(kind = 'EVENT') = (sequence IS NOT NULL)", name="sequence"),
        Index(
            "ix_webhook_deliveries_due",
            "tenant_id",
            "endpoint_id",
            text("(tries > 0)"),
            "due_at",
            postgresql_where=text("state = 'DUE'"),
        ),
        Index(
            "ix_webhook_deliveries_order",
            "tenant_id",
            "endpoint_id",
            "order_key",
            "sequence",
            postgresql_where=text("state IN ('WAITING', 'DUE')"),
        ),
        Index(None, "tenant_id", "endpoint_id", "state", "id"),
        Index(None, "tenant_id", "endpoint_id", "event_type", "id"),
        Index(None, "tenant_id", "endpoint_id", "id"),
    )


class WebhookDeliveryContent(TenantTable, Base):
    """A delivery's body tells of a row that somebody's erasure can destroy; `id` is the delivery's.

    Bodies of endpoints without a document hold the event alone, which names rows by ids and tells nothing of them.
    """

    __tablename__ = "webhook_delivery_contents"
    __table_args__ = contents_of("webhook_deliveries")

    row_id: Mapped[UUID] = mapped_column(primary_key=True)


class WebhookAttempt(TenantTable, Base):
    """One try of a delivery: what came of it. `answer` is the first kilobyte of what the receiver said.

    It may tell of whom the body tells, and is erased with that.
    """

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[UUID]
    endpoint_id: Mapped[UUID]
    owner_account_id: Mapped[UUID]
    number: Mapped[int] = mapped_column(SmallInteger)
    outcome: Mapped[str]
    status: Mapped[int | None]
    answer: Mapped[str | None]
    started_at: Mapped[datetime]
    duration_ms: Mapped[int]

    __table_args__ = (
        tenant_foreign_key("delivery_id", "webhook_deliveries"),
        _words("outcome", OUTCOMES),
        Index(None, "tenant_id", "delivery_id", "id"),
        {"info": {"append_only": True, "erasable": ("answer",)}},
    )


class WebhookCertification(TenantTable, Base):
    """An examination of an endpoint: probes with what should happen and what did. `score` is in per cent."""

    __tablename__ = "webhook_certifications"

    endpoint_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(default="REQUESTED")
    score: Mapped[int | None]
    probes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    requested_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        tenant_foreign_key("endpoint_id", "webhook_endpoints"),
        _words("state", ("REQUESTED", "FINISHED")),
        CheckConstraint("(state = 'FINISHED') = (score IS NOT NULL)", name="score"),
        Index(None, "tenant_id", "endpoint_id", "id"),
    )
