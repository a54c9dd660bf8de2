"""Endpoints are examined: a careful one passes everything, a careless one nothing that matters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from cityloom.webhooks.certifying import Certifier

if TYPE_CHECKING:
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.webhooks import PostOffice, Receiver
    from cityloom.webhooks.sender import Sender

SHOWN = """query ($id: ID!) { webhookEndpoint(id: $id) { certifications(first: 1) {
  state score probes { name isPassed actual hint } } } }"""


@pytest.fixture
def clock(clock: ManualClock) -> ManualClock:
    """The real time: libraries refuse other signatures."""
    clock.set(datetime.now(UTC))
    return clock


async def examined(office: PostOffice, sender: Sender, endpoint: str) -> dict[str, object]:
    """Have an endpoint examined, and read the result through the API."""
    await office.ask("webhookEndpointCertify", "WebhookCertification", id=endpoint)
    certifier = Certifier(office.front.works, sender)
    ((tenant_id, endpoint_id),) = [one for one in await certifier.wanted() if one[0] == office.city.id]
    await certifier.certify(tenant_id, endpoint_id)
    assert office.city.id not in [tenant for tenant, _ in await certifier.wanted()]
    found = await office.front.data(office.integrator, SHOWN, {"id": endpoint})
    (result,) = found["webhookEndpoint"]["certifications"]
    assert result["state"] == "FINISHED"
    shown: dict[str, object] = result
    return shown


async def test_a_receiver_that_uses_the_library_passes_everything(
    office: PostOffice, receiver: Receiver, sender: Sender
) -> None:
    made = await office.endpoint(receiver.url)
    webhook = Webhook(made["keys"][0]["secret"])

    async def careful(request: web.Request) -> web.StreamResponse:
        try:
            webhook.verify(await request.read(), dict(request.headers))
        except (WebhookVerificationError, ValueError):
            return web.Response(status=400)
        return web.Response(status=204)

    receiver.answers = [careful] * 100
    result = await examined(office, sender, made["id"])
    probes = result["probes"]
    assert isinstance(probes, list)
    assert [probe["name"] for probe in probes if not probe["isPassed"]] == []
    assert len(probes) >= 20
    assert result["score"] == 100


async def test_a_receiver_that_believes_everybody_gets_nothing_and_hints(
    office: PostOffice, receiver: Receiver, sender: Sender
) -> None:
    made = await office.endpoint(receiver.url)
    result = await examined(office, sender, made["id"])
    assert result["score"] == 0
    probes = result["probes"]
    assert isinstance(probes, list)
    failed = {probe["name"]: probe["hint"] for probe in probes if not probe["isPassed"]}
    assert {"signature_missing", "body_altered", "timestamp_old", "timestamp_future"} <= failed.keys()
    assert all(failed.values())
    assert "duplicate" not in failed
