"""The GraphQL inputs of webhooks, and what its mutations answer beside rows."""

from __future__ import annotations

import strawberry
from strawberry.types.unset import UNSET

from cityloom.graph import bound as b
from cityloom.webhooks.api.words import WebhookKeyAlgorithm, WebhookOrdering

_EVENTS = (
    "Types of events: `cases.case.closed.v1`, `cases.*`, `*.*.created.v1`, `**`; `*` is one word, at the end the rest."
)
_DOCUMENT = (
    "A GraphQL query with the variables `$subject: ID!` or `$event: ID!` or both: its answer is `data.selection` of"
    " each body, as you may see it when the delivery is made."
)
_RATE = "Deliveries a second at most, from 1 to 10,000; nothing: no limit."


@b.input_type(description="A condition on one fact of an event: `eq`, or `in`.")
class WebhookFactInput:
    """See `matching.satisfies`."""

    name: str = strawberry.field(description="The name of the fact, as in the body.")
    eq: b.JSON | None = strawberry.field(default=UNSET, description="The fact is this; null: it is null or not there.")
    in_: list[b.JSON] | None = strawberry.field(name="in", default=None, description="The fact is one of these.")


@b.input_type(description="What an event must be like to be delivered; all of it.")
class WebhookFilterInput:
    """See `matching.satisfies`."""

    facts: list[WebhookFactInput] = strawberry.field(default_factory=list, description="All of these hold.")
    changed: list[str] = strawberry.field(default_factory=list, description="One of these fields has changed.")


@b.input_type(description="A header of your own.")
class WebhookHeaderInput:
    """See `endpoints.create_endpoint`."""

    name: str = strawberry.field(description="Its name; not one that the platform sets.")
    value: str = strawberry.field(description="Its value: visible ASCII; it is stored encrypted and not shown again.")


@b.input_type(description="A webhook endpoint to create.")
class WebhookEndpointCreateInput:
    """See `endpoints.create_endpoint`."""

    url: str = strawberry.field(description="Where to send: https, port 443 or 8443, a public address.")
    events: list[str] = strawberry.field(description=_EVENTS)
    filter: WebhookFilterInput | None = strawberry.field(default=None, description="What events must be like.")
    document: str | None = strawberry.field(default=None, description=_DOCUMENT)
    ordering: WebhookOrdering = strawberry.field(
        default=WebhookOrdering.PER_SUBJECT, description="Which deliveries wait for each other."
    )
    rate_limit: int | None = strawberry.field(default=None, description=_RATE)
    headers: list[WebhookHeaderInput] = strawberry.field(default_factory=list, description="Headers of your own.")
    description: str = strawberry.field(default="", description="What it is for, at most 500 characters.")


@b.input_type(description="What to change of a webhook endpoint; what is left out stays.")
class WebhookEndpointChangeInput:
    """See `endpoints.change_endpoint`."""

    id: b.ID = strawberry.field(description="The endpoint.")
    version: int | None = strawberry.field(
        default=None, description="The `version` that you read; the change is refused as STALE if it is another one."
    )
    url: str | None = strawberry.field(default=UNSET, description="Where to send.")
    events: list[str] | None = strawberry.field(default=UNSET, description=_EVENTS)
    filter: WebhookFilterInput | None = strawberry.field(default=UNSET, description="What events must be like.")
    document: str | None = strawberry.field(default=UNSET, description=_DOCUMENT)
    ordering: WebhookOrdering | None = strawberry.field(
        default=UNSET, description="Which deliveries wait for each other; can be changed while none is open."
    )
    rate_limit: int | None = strawberry.field(default=UNSET, description=_RATE)
    headers: list[WebhookHeaderInput] | None = strawberry.field(
        default=UNSET, description="All headers of your own, anew; null: none."
    )
    description: str | None = strawberry.field(default=UNSET, description="What it is for.")


@b.input_type(description="A webhook endpoint to pause.")
class WebhookEndpointPauseInput:
    """See `endpoints.pause_endpoint`."""

    id: b.ID = strawberry.field(description="The endpoint.")


@b.input_type(description="A webhook endpoint to resume.")
class WebhookEndpointResumeInput:
    """See `endpoints.resume_endpoint`."""

    id: b.ID = strawberry.field(description="The endpoint.")


@b.input_type(description="A webhook endpoint to close.")
class WebhookEndpointDeleteInput:
    """See `endpoints.close_endpoint`."""

    id: b.ID = strawberry.field(description="The endpoint.")


@b.input_type(description="A further key for a webhook endpoint.")
class WebhookEndpointKeyRotateInput:
    """See `keys.rotate_key`."""

    id: b.ID = strawberry.field(description="The endpoint.")
    algorithm: WebhookKeyAlgorithm = strawberry.field(
        default=WebhookKeyAlgorithm.HMAC_SHA256, description="How the new key signs."
    )


@b.input_type(description="A key that shall sign no more.")
class WebhookEndpointKeyRetireInput:
    """See `keys.retire_key`."""

    id: b.ID = strawberry.field(description="The key.")


@b.input_type(description="A test of a webhook endpoint.")
class WebhookEndpointTestInput:
    """See `deliveries.send_test`."""

    id: b.ID = strawberry.field(description="The endpoint.")
    key_id: b.ID | None = strawberry.field(
        default=None, description="Sign with this key alone: a status from 200 to 299 then proves the key."
    )


@b.input_type(description="Deliveries to send again: those named, a range, or all that are missing.")
class WebhookEndpointReplayInput:
    """See `deliveries.replay`."""

    id: b.ID = strawberry.field(description="The endpoint.")
    delivery_ids: list[b.ID] | None = strawberry.field(default=None, description="These deliveries.")
    first_sequence: b.BigInt | None = strawberry.field(default=None, description="From this number on.")
    last_sequence: b.BigInt | None = strawberry.field(default=None, description="Up to this number.")
    only_missing: bool = strawberry.field(
        default=False, description="Only those that were given up or have failed so far; alone: all of them."
    )


@b.input_type(description="A webhook endpoint to examine.")
class WebhookEndpointCertifyInput:
    """See `deliveries.certify_endpoint`."""

    id: b.ID = strawberry.field(description="The endpoint.")


@b.input_type(description="An endpoint to try on what has happened lately, without creating it.")
class WebhookEndpointDryRunInput:
    """See `trial.dry_run`."""

    events: list[str] = strawberry.field(description=_EVENTS)
    filter: WebhookFilterInput | None = strawberry.field(default=None, description="What events must be like.")
    document: str | None = strawberry.field(default=None, description=_DOCUMENT)
    limit: int = strawberry.field(default=5, description="How many bodies to show, at most 20.")


@b.output_type(description="A new key. Its secret is shown only here.")
class WebhookKeyCreated:
    """See `keys.NewKey`."""

    id: b.ID = strawberry.field(description="The key.")
    algorithm: WebhookKeyAlgorithm = strawberry.field(description="How it signs.")
    secret: str | None = strawberry.field(
        description="`whsec_…`, to verify signatures `v1` with; null for a pair, whose private half nobody is told."
    )
    public_key: str | None = strawberry.field(description="`whpk_…`, to verify signatures `v1a` with; null for HMAC.")


@b.output_type(description="A new endpoint with its first keys, whose secrets are shown only here.")
class WebhookEndpointCreated:
    """See `endpoints.NewEndpoint`."""

    id: b.ID = strawberry.field(description="The endpoint.")
    keys: list[WebhookKeyCreated] = strawberry.field(description="A key of either algorithm; both sign.")


@b.output_type(description="A body that would have been sent.")
class WebhookSample:
    """See `trial.DryRun`."""

    position: b.BigInt = strawberry.field(description="The event's position in the stream.")
    event_type: str = strawberry.field(description="Its type.")
    body: str = strawberry.field(description="The body, byte for byte.")


@b.output_type(description="What an endpoint would have got of the newest events.")
class WebhookDryRun:
    """See `trial.DryRun`."""

    looked_at: int = strawberry.field(description="How many events were looked at, at most 1,000.")
    matched: int = strawberry.field(description="How many of them would have been delivered.")
    samples: list[WebhookSample] = strawberry.field(description="The bodies of the newest of these, oldest first.")
