"""The enums of webhooks, stored as the texts of their values."""

from __future__ import annotations

from enum import Enum

import strawberry


@strawberry.enum(description="Whether an endpoint is sent to.")
class WebhookEndpointState(Enum):
    """See `models.STATES`."""

    ACTIVE = strawberry.enum_value("ACTIVE", description="What happens is sent there.")
    PAUSED = strawberry.enum_value("PAUSED", description="Nothing is sent; what happens is collected.")
    CLOSED = strawberry.enum_value("CLOSED", description="Ended for good; its log can be read.")


@strawberry.enum(description="Why an endpoint is paused.")
class WebhookPauseReason(Enum):
    """See `models.PAUSES`."""

    OWNER = strawberry.enum_value("OWNER", description="Somebody paused it.")
    GONE = strawberry.enum_value("GONE", description="It answered 410 Gone.")


@strawberry.enum(description="Which deliveries wait for each other.")
class WebhookOrdering(Enum):
    """See `models.ORDERINGS`."""

    PER_SUBJECT = strawberry.enum_value(
        "PER_SUBJECT", description="Those about the same thing: one that is stuck does not hold up the others."
    )
    PER_ENDPOINT = strawberry.enum_value("PER_ENDPOINT", description="All of the endpoint, one at a time.")


@strawberry.enum(description="How a key signs.")
class WebhookKeyAlgorithm(Enum):
    """See `models.ALGORITHMS`."""

    HMAC_SHA256 = strawberry.enum_value("HMAC_SHA256", description="`v1`, by a secret that both sides know.")
    ED25519 = strawberry.enum_value("ED25519", description="`v1a`, by a pair: the receiver needs the public key only.")


@strawberry.enum(description="What a delivery is.")
class WebhookDeliveryKind(Enum):
    """See `models.KINDS`."""

    EVENT = strawberry.enum_value("EVENT", description="An event of the city's stream.")
    TEST = strawberry.enum_value("TEST", description="A test that somebody asked for.")
    PROOF = strawberry.enum_value("PROOF", description="A body signed by one key alone, to prove that it is known.")


@strawberry.enum(description="How far a delivery is.")
class WebhookDeliveryState(Enum):
    """See `models.DELIVERY_STATES`."""

    WAITING = strawberry.enum_value("WAITING", description="It waits for an older one of its order.")
    DUE = strawberry.enum_value("DUE", description="It is tried at `dueAt`, or is being tried.")
    DELIVERED = strawberry.enum_value("DELIVERED", description="The receiver answered with a status from 200 to 299.")
    EXHAUSTED = strawberry.enum_value(
        "EXHAUSTED", description="It was not accepted within eight days; it is kept and can be replayed."
    )
    WITHDRAWN = strawberry.enum_value(
        "WITHDRAWN", description="Its endpoint was closed before, or somebody of whom it told was erased."
    )


@strawberry.enum(description="What came of a try.")
class WebhookOutcome(Enum):
    """See `models.OUTCOMES`."""

    DELIVERED = strawberry.enum_value("DELIVERED", description="A status from 200 to 299.")
    REFUSED = strawberry.enum_value("REFUSED", description="Another status.")
    THROTTLED = strawberry.enum_value(
        "THROTTLED", description="429, 502, 503 or 504: the endpoint is left alone for a while."
    )
    GONE = strawberry.enum_value("GONE", description="410: the endpoint is paused.")
    REDIRECTED = strawberry.enum_value("REDIRECTED", description="A redirect; none is followed.")
    TIMED_OUT = strawberry.enum_value("TIMED_OUT", description="No whole answer within 15 seconds.")
    UNREACHABLE = strawberry.enum_value("UNREACHABLE", description="No connection, or it was cut.")
    TLS_FAILED = strawberry.enum_value("TLS_FAILED", description="Its certificate is not to be trusted.")
    ADDRESS_REFUSED = strawberry.enum_value(
        "ADDRESS_REFUSED", description="Its name leads to an address that is not public."
    )
    MALFORMED = strawberry.enum_value("MALFORMED", description="What it answered is not HTTP, or too large.")


@strawberry.enum(description="How far an examination is.")
class WebhookCertificationState(Enum):
    """See `models.WebhookCertification`."""

    REQUESTED = strawberry.enum_value("REQUESTED", description="A worker will begin soon, or is at it.")
    FINISHED = strawberry.enum_value("FINISHED", description="`score` and `probes` are there.")
