"""What happens reaches its receivers: once each, in order, numbered and linked, and again until it is accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from cityloom.testing.webhooks import EVENT
from cityloom.webhooks import signing

if TYPE_CHECKING:
    from cityloom.testing.webhooks import PostOffice, Receiver


async def test_an_event_reaches_its_endpoint_signed_numbered_and_linked(office: PostOffice, receiver: Receiver) -> None:
    made = await office.endpoint(receiver.url)
    await office.happen(None)
    await office.settle()
    (found,) = receiver.received
    body = orjson.loads(found.body)
    assert body["type"] == EVENT
    assert found.headers["webhook-sequence"] == "1"
    start = signing.genesis(made["id"])
    assert found.headers["webhook-previous-hash"] == start.hex()
    assert found.id == signing.chained_id(1, signing.link(start, 1, found.body))
    (row,) = await office.deliveries()
    assert (row["state"], row["tries"], bytes(row["body"])) == ("DELIVERED", 1, found.body)
    (attempt,) = await office.attempts()
    assert (attempt["outcome"], attempt["status"]) == ("DELIVERED", 204)
