"""Each mutation: done by who may, refused with nothing changed to who may not, absent to another city."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from cityloom.audit.models import AuditRecord
from cityloom.core.ids import encode_id, new_id
from cityloom.core.principal import Scope
from cityloom.testing.front import anonymous
from cityloom.testing.probes import Probe, mutation
from cityloom.testing.rights import StatedRights, principal
from cityloom.testing.webhooks import PostOffice
from cityloom.webhooks import models as m

if TYPE_CHECKING:
    from cityloom.testing.access import World
    from cityloom.testing.front import Front
    from cityloom.testing.webhooks import Receiver
    from cityloom.webhooks.sender import Sender

URL = "http://127.0.0.1:9/hook"
CREATE = mutation("webhookEndpointCreate", "WebhookEndpointCreated")


def change(name: str, type_: str = "WebhookEndpoint") -> str:
    """A document for one mutation of an endpoint."""
    return mutation(f"webhookEndpoint{name}", type_)


#: Mutations that name an endpoint, what they answer, and what else they are sent.
ON_ENDPOINT: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Change", "WebhookEndpoint", {"description": "another"}),
    ("Pause", "WebhookEndpoint", {}),
    ("Delete", "WebhookEndpoint", {}),
    ("KeyRotate", "WebhookKeyCreated", {}),
    ("Test", "WebhookDelivery", {}),
    ("Certify", "WebhookCertification", {}),
)


@pytest.mark.parametrize(("name", "type_", "more"), ON_ENDPOINT)
async def test_four_callers_and_another_city(
    office: PostOffice, world: World, front: Front, sender: Sender, name: str, type_: str, more: dict[str, Any]
) -> None:
    made = await office.endpoint(URL)
    probe = Probe(front, office.city.id)
    text, variables = change(name, type_), {"input": {"id": made["id"], **more}}
    city = office.city.id
    assert (await probe.refused(anonymous(city), text, variables))[0] == "FORBIDDEN"
    assert (await probe.refused(principal(city, StatedRights()), text, variables))[0] == "FORBIDDEN"
    elsewhere = StatedRights({"webhooks.endpoint.change": Scope(areas=(("1.", "1/"),))})
    assert (await probe.refused(principal(city, elsewhere), text, variables))[0] == "NOT_FOUND"
    other = await PostOffice.open(await world.city("birch"), front, sender)
    assert (await probe.refused(other.integrator, text, variables))[0] == "NOT_FOUND"
    await probe.done(office.integrator, text, variables)


async def test_an_endpoint_is_created_with_a_key_of_either_algorithm(office: PostOffice, front: Front) -> None:
    probe = Probe(front, office.city.id)
    variables = {"input": {"url": URL, "events": ["cases.*"]}}
    assert (await probe.refused(anonymous(office.city.id), CREATE, variables))[0] == "FORBIDDEN"
    assert (await probe.refused(principal(office.city.id, StatedRights()), CREATE, variables))[0] == "FORBIDDEN"
    text = mutation("webhookEndpointCreate", "WebhookEndpointCreated", "id keys { algorithm secret publicKey }")
    found = await probe.done(office.integrator, text, variables)
    assert [key["algorithm"] for key in found["keys"]] == ["HMAC_SHA256", "ED25519"]
    assert found["keys"][0]["secret"].startswith("whsec_")
    assert found["keys"][1]["publicKey"].startswith("whpk_")


@pytest.mark.parametrize(
    ("given", "reason", "path"),
    [
        ({"url": "ftp://example.com/"}, "URL_REFUSED", ["input", "url"]),
        ({"events": ["nothing.*"]}, "EVENT_PATTERN_UNKNOWN", ["input", "events", "0"]),
        ({"events": []}, "TOO_MANY_PATTERNS", ["input", "events"]),
        ({"rateLimit": 0}, "RATE_LIMIT_WRONG", ["input", "rateLimit"]),
        ({"description": "x" * 501}, "DESCRIPTION_TOO_LONG", ["input", "description"]),
        ({"headers": [{"name": "X-A", "value": "a\r\nX-B: b"}]}, "HEADER_REFUSED", ["input", "headers"]),
        ({"headers": [{"name": "X-A", "value": "a\nb"}]}, "HEADER_REFUSED", ["input", "headers"]),
        ({"headers": [{"name": "X A", "value": "a"}]}, "HEADER_REFUSED", ["input", "headers"]),
        ({"headers": [{"name": "Host", "value": "a"}]}, "HEADER_REFUSED", ["input", "headers"]),
        ({"headers": [{"name": "Webhook-Id", "value": "a"}]}, "HEADER_REFUSED", ["input", "headers"]),
        ({"document": "{ areas(first: 1) { nodes { id } } }", "events": ["grid.*"]}, None, None),
        ({"document": "{ nothing }"}, "SHAPE_REFUSED", ["input", "document"]),
        ({"document": "mutation { webhookEndpointDelete }"}, "SHAPE_REFUSED", ["input", "document"]),
        ({"filter": {"facts": [{"name": "a"}]}}, "INVALID_INPUT", ["input", "filter", "facts", "0"]),
        ({"filter": {"facts": [{"name": "a", "in": []}]}}, "CONDITIONS_WRONG", ["input", "filter"]),
    ],
)
async def test_what_cannot_be_an_endpoint_is_refused(
    office: PostOffice, front: Front, given: dict[str, Any], reason: str | None, path: list[Any] | None
) -> None:
    probe = Probe(front, office.city.id)
    variables = {"input": {"url": URL, "events": ["grid.*"], **given}}
    if reason is None:
        await probe.done(office.integrator, CREATE, variables)
        return
    answer = await front.data(office.integrator, CREATE, variables)
    found = answer["webhookEndpointCreate"]
    assert (found.get("reason"), found.get("path")) == (reason, path)


async def test_whoever_reads_for_the_whole_city_sees_no_body_and_no_answer_of_others(
    office: PostOffice, front: Front, receiver: Receiver
) -> None:
    made = await office.endpoint(receiver.url)
    receiver.answers = [500]
    await office.happen(None)
    await office.settle()
    text = """query ($id: ID!) { webhookEndpoint(id: $id) { deliveries(first: 5) { edges { node {
      state content { body } attempts(first: 5) { edges { node { outcome status answer { text } } } } } } } } }"""
    shown = {}
    for name, who in (("owner", office.integrator), ("administrator", principal(office.city.id))):
        found = await front.data(who, text, {"id": made["id"]})
        (edge,) = found["webhookEndpoint"]["deliveries"]["edges"]
        (attempt,) = edge["node"]["attempts"]["edges"]
        shown[name] = (edge["node"]["content"], attempt["node"]["answer"], attempt["node"]["status"])
    assert shown["owner"][0]["body"] == receiver.received[0].body.decode()
    assert shown["owner"][1:] == ({"text": "no"}, 500)
    assert shown["administrator"] == (None, None, 500)


async def test_lists_are_filtered_and_ordered(office: PostOffice, front: Front) -> None:
    for port in (3, 1, 2):
        await office.endpoint(f"http://127.0.0.1:{port}/")
    text = """{ webhookEndpoints(first: 10, orderBy: [{by: URL}], where: {state: {eq: ACTIVE}}) {
      edges { node { url keys { algorithm } lane { sequence } } } } }"""
    found = await front.data(office.integrator, text)
    nodes = [edge["node"] for edge in found["webhookEndpoints"]["edges"]]
    assert [node["url"] for node in nodes] == [f"http://127.0.0.1:{port}/" for port in (1, 2, 3)]
    assert {key["algorithm"] for key in nodes[0]["keys"]} == {"HMAC_SHA256", "ED25519"}


async def test_a_closed_endpoint_keeps_its_log_and_gets_nothing_more(office: PostOffice, receiver: Receiver) -> None:
    made = await office.endpoint(receiver.url)
    await office.happen(None)
    await office.settle()
    await office.happen(None)
    await office.collect()
    await office.ask("webhookEndpointDelete", "WebhookEndpoint", id=made["id"])
    await office.happen(None)
    await office.settle()
    assert [row["state"] for row in await office.deliveries()] == ["DELIVERED", "WITHDRAWN"]
    assert len(receiver.received) == 1
    probe = Probe(office.front, office.city.id)
    assert (await probe.refused(office.integrator, change("Pause"), {"input": {"id": made["id"]}}))[1] == (
        "ENDPOINT_CLOSED"
    )


async def test_one_a_range_or_what_is_named_is_replayed(office: PostOffice, receiver: Receiver) -> None:
    made = await office.endpoint(receiver.url)
    await office.happen(*[None] * 6)
    await office.settle()
    first = {one.headers["webhook-sequence"]: (one.id, one.body) for one in receiver.received}
    await office.ask("webhookEndpointReplay", "WebhookEndpoint", id=made["id"], firstSequence=2, lastSequence=4)
    await office.deliver()
    row = (await office.deliveries())[5]
    one = encode_id("whdl", office.city.id, row["id"])
    await office.ask("webhookEndpointReplay", "WebhookEndpoint", id=made["id"], deliveryIds=[one])
    await office.deliver()
    again = [found.headers["webhook-sequence"] for found in receiver.received[6:]]
    assert sorted(again[:3]) == ["2", "3", "4"]
    assert again[3:] == [str(row["sequence"])]
    assert all(first[found.headers["webhook-sequence"]] == (found.id, found.body) for found in receiver.received)
    probe = Probe(office.front, office.city.id)
    for named in ({"onlyMissing": True}, {"deliveryIds": [encode_id("whdl", office.city.id, new_id())]}):
        variables = {"input": {"id": made["id"], **named}}
        assert (await probe.refused(office.integrator, change("Replay"), variables))[1] == "NOTHING_TO_REPLAY"


async def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(office: PostOffice, receiver: Receiver) -> None:
    await office.happen(None, None)
    await office.collect()
    before = await office.front.footprint(office.city.id)
    found = await office.ask(
        "webhookEndpointDryRun",
        "WebhookDryRun",
        "matched samples { eventType body }",
        events=["grid.*"],
        document="query ($subject: ID!) { node(id: $subject) { id } }",
        limit=1,
    )
    assert found["matched"] == 2
    assert len(found["samples"]) == 1
    assert await office.front.footprint(office.city.id) == before
    assert not receiver.received


async def test_a_limit_of_the_city_holds(office: PostOffice, front: Front) -> None:
    from cityloom.tenancy.models import TenantLimit

    async with office.city.work() as work:
        work.session.add(TenantLimit(name="webhook_endpoints", value=1))
    made = await office.endpoint(URL)
    probe = Probe(front, office.city.id)
    variables = {"input": {"url": URL, "events": ["grid.*"]}}
    assert (await probe.refused(office.integrator, CREATE, variables))[1] == "TENANT_LIMIT_REACHED"
    await office.ask("webhookEndpointDelete", "WebhookEndpoint", id=made["id"])
    await probe.done(office.integrator, CREATE, variables)


async def test_the_audit_log_never_holds_a_header_or_a_secret(office: PostOffice) -> None:
    made = await office.endpoint(URL, headers=[{"name": "X-Token", "value": "canary-value"}])
    async with office.city.work() as work:
        entries = (await work.session.scalars(select(AuditRecord))).all()
        stored = (await work.session.scalars(select(m.WebhookEndpoint))).one()
    assert stored.header_names == ["X-Token"]
    texts = [str(vars(entry)) for entry in entries]
    assert texts
    assert not any("canary-value" in text or made["keys"][0]["secret"] in text for text in texts)
