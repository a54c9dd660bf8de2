"""The mutations of webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strawberry.types.unset import UNSET

from cityloom.core.errors import InvalidInput
from cityloom.core.ids import decode_id, encode_id
from cityloom.core.work import Work
from cityloom.graph import bound as b
from cityloom.graph.given import given, word
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.webhooks import models as m
from cityloom.webhooks import service
from cityloom.webhooks.api import inputs as i
from cityloom.webhooks.api.shapes import WebhookCertification, WebhookDelivery, WebhookEndpoint, WebhookKey
from cityloom.webhooks.api.words import WebhookKeyAlgorithm
from cityloom.webhooks.fanout import ENDPOINT_TAG
from cityloom.webhooks.service.deliveries import DELIVERY_TAG, KEY_TAG
from cityloom.webhooks.signing import public_text

if TYPE_CHECKING:
    from uuid import UUID

#: Names of input fields that services call otherwise.
_NEVER_NULL = ("url", "events", "ordering", "description")


def _endpoint(work: Work, value: str) -> UUID | None:
    return decode_id(value, work.tenant_id, ENDPOINT_TAG, path=("id",))


def _conditions(value: i.WebhookFilterInput | None) -> dict[str, Any] | None:
    if value is None:
        return None
    facts: dict[str, list[Any]] = {}
    for at, fact in enumerate(value.facts):
        if (fact.eq is UNSET) == (fact.in_ is None) or fact.name in facts:
            raise InvalidInput(
                "每个事实只列一次,且只给出 eq 或 in 之一。",
                "Name each fact once, with either `eq` or `in`.",
                path=("filter", "facts", at),
            )
        facts[fact.name] = [fact.eq] if fact.in_ is None else list(fact.in_)
    return {"facts": facts, "changed": list(value.changed)}


def _headers(value: list[i.WebhookHeaderInput] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for at, header in enumerate(value or ()):
        if header.name in found:
            raise InvalidInput("请求头重复。", "A header is named twice.", path=("headers", at))
        found[header.name] = header.value
    return found


def _told(work: Work, made: service.NewKey) -> i.WebhookKeyCreated:
    public = made.row.public_key
    return i.WebhookKeyCreated(
        id=b.ID(encode_id(KEY_TAG, work.tenant_id, made.row.id)),
        algorithm=WebhookKeyAlgorithm(made.row.algorithm),
        secret=made.secret if public is None else None,
        public_key=None if public is None else public_text(public),
    )


async def _create(work: Work, input: i.WebhookEndpointCreateInput) -> i.WebhookEndpointCreated:  # noqa: A002 - the argument's name in GraphQL
    made = await service.create_endpoint(
        work,
        url=input.url,
        events=input.events,
        conditions=_conditions(input.filter),
        document=input.document,
        ordering=word(input.ordering),
        rate_limit=input.rate_limit,
        headers=_headers(input.headers),
        description=input.description,
    )
    return i.WebhookEndpointCreated(
        id=b.ID(encode_id(ENDPOINT_TAG, work.tenant_id, made.row.id)), keys=[_told(work, one) for one in made.keys]
    )


async def _change(work: Work, input: i.WebhookEndpointChangeInput) -> m.WebhookEndpoint:  # noqa: A002 - the argument's name in GraphQL
    values = given(input, without=("id", "version", "filter", "headers"), never_null=_NEVER_NULL)
    if input.filter is not UNSET:
        values["conditions"] = _conditions(input.filter)
    if input.headers is not UNSET:
        values["headers"] = _headers(input.headers)
    return await service.change_endpoint(work, _endpoint(work, input.id), version=input.version, **values)


async def _pause(work: Work, input: i.WebhookEndpointPauseInput) -> m.WebhookEndpoint:  # noqa: A002 - the argument's name in GraphQL
    return await service.pause_endpoint(work, _endpoint(work, input.id))


async def _resume(work: Work, input: i.WebhookEndpointResumeInput) -> m.WebhookEndpoint:  # noqa: A002 - the argument's name in GraphQL
    return await service.resume_endpoint(work, _endpoint(work, input.id))


async def _delete(work: Work, input: i.WebhookEndpointDeleteInput) -> m.WebhookEndpoint:  # noqa: A002 - the argument's name in GraphQL
    return await service.close_endpoint(work, _endpoint(work, input.id))


async def _rotate(work: Work, input: i.WebhookEndpointKeyRotateInput) -> i.WebhookKeyCreated:  # noqa: A002 - the argument's name in GraphQL
    return _told(work, await service.rotate_key(work, _endpoint(work, input.id), word(input.algorithm)))


async def _retire(work: Work, input: i.WebhookEndpointKeyRetireInput) -> m.WebhookKey:  # noqa: A002 - the argument's name in GraphQL
    return await service.retire_key(work, decode_id(input.id, work.tenant_id, KEY_TAG, path=("id",)))


async def _test(work: Work, input: i.WebhookEndpointTestInput) -> m.WebhookDelivery:  # noqa: A002 - the argument's name in GraphQL
    key_id = None if input.key_id is None else decode_id(input.key_id, work.tenant_id, KEY_TAG, path=("keyId",))
    return await service.send_test(work, _endpoint(work, input.id), names_key=input.key_id is not None, key_id=key_id)


async def _replay(work: Work, input: i.WebhookEndpointReplayInput) -> m.WebhookEndpoint:  # noqa: A002 - the argument's name in GraphQL
    named = input.delivery_ids
    ids = None
    if named is not None:
        ids = [
            decode_id(one, work.tenant_id, DELIVERY_TAG, path=("deliveryIds", str(at))) for at, one in enumerate(named)
        ]
    elif input.first_sequence is None and input.last_sequence is None and not input.only_missing:
        raise InvalidInput(
            "请给出 deliveryIds、序号范围或 onlyMissing。",
            "Send `deliveryIds`, a range of numbers, or `onlyMissing`.",
            path=("deliveryIds",),
        )
    return await service.replay(
        work,
        _endpoint(work, input.id),
        delivery_ids=ids,
        first_sequence=input.first_sequence,
        last_sequence=input.last_sequence,
        only_missing=input.only_missing,
    )


async def _certify(work: Work, input: i.WebhookEndpointCertifyInput) -> m.WebhookCertification:  # noqa: A002 - the argument's name in GraphQL
    return await service.certify_endpoint(work, _endpoint(work, input.id))


async def _dry_run(work: Work, input: i.WebhookEndpointDryRunInput) -> i.WebhookDryRun:  # noqa: A002 - the argument's name in GraphQL
    found = await service.dry_run(
        work,
        events=input.events,
        conditions=_conditions(input.filter),
        document=input.document,
        limit=input.limit,
    )
    return i.WebhookDryRun(
        looked_at=found.looked_at,
        matched=found.matched,
        samples=[
            i.WebhookSample(position=b.BigInt(event.position), event_type=event.type, body=body.decode())
            for event, body in found.samples
        ],
    )


@mutation_root(module="webhooks")
class WebhooksMutation:
    """Changes of webhooks."""

    webhook_endpoint_create: i.WebhookEndpointCreated = mutation(
        _create, "Create an endpoint of the caller's, which gets what happens from now on; tells its secrets once."
    )
    webhook_endpoint_change: WebhookEndpoint = mutation(
        _change, "Change an endpoint; what was collected for it already keeps its bytes."
    )
    webhook_endpoint_pause: WebhookEndpoint = mutation(_pause, "Send nothing there; what happens is collected.")
    webhook_endpoint_resume: WebhookEndpoint = mutation(_resume, "Send what was collected, and go on.")
    webhook_endpoint_delete: WebhookEndpoint = mutation(
        _delete, "Close an endpoint for good; its log stays, what was not delivered is withdrawn."
    )
    webhook_endpoint_key_rotate: i.WebhookKeyCreated = mutation(
        _rotate, "Make a further key: all keys sign, and a proof signed by the new one alone is sent until accepted."
    )
    webhook_endpoint_key_retire: WebhookKey = mutation(
        _retire, "Let a key sign no more; refused until another one is proven (`provenAt`)."
    )
    webhook_endpoint_test: WebhookDelivery = mutation(_test, "Send a test, signed by all keys or by one alone.")
    webhook_endpoint_replay: WebhookEndpoint = mutation(
        _replay, "Send deliveries again, the same bytes under the same `webhook-id`."
    )
    webhook_endpoint_certify: WebhookCertification = mutation(
        _certify, "Have an endpoint examined by some twenty probes; the result is there in a minute."
    )
    webhook_endpoint_dry_run: i.WebhookDryRun = mutation(
        _dry_run,
        "Try events, filter and document on what has happened lately; sends and changes nothing.",
        changes=False,
    )
