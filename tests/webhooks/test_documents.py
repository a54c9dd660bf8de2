"""Stored documents, and the pull that needs no tunnel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from cityloom.webhooks import models as m
from cityloom.webhooks.documents import broken_in
from cityloom.webhooks.listen import envelope, messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cityloom.testing.webhooks import PostOffice, Receiver

GOOD = "query ($event: ID!) { event(id: $event) { id } }"


async def test_a_document_that_the_schema_no_longer_takes_is_named_with_its_endpoint(
    office: PostOffice, receiver: Receiver
) -> None:
    fine = await office.endpoint(receiver.url, document=GOOD)
    made = await office.endpoint(receiver.url, document=GOOD)
    works, city = office.front.works, office.city
    assert await broken_in(works, city.id, city.slug) == []
    async with city.work() as work:
        # As a field that was removed since leaves it.
        text = "query ($event: ID!) { event(id: $event) { colour } }"
        rows = update(m.WebhookEndpoint).where(m.WebhookEndpoint.url == receiver.url).values(document=text)
        await work.session.execute(rows.execution_options(synchronize_session=False))
        await work.session.execute(
            update(m.WebhookEndpoint)
            .where(m.WebhookEndpoint.id == (await _row(office, fine["id"])))
            .values(document=GOOD)
            .execution_options(synchronize_session=False)
        )
    (found,) = await broken_in(works, city.id, city.slug)
    assert (found.city, found.endpoint_id) == (city.slug, made["id"])
    assert "colour" in found.why


async def _row(office: PostOffice, endpoint_id: str) -> object:
    from cityloom.core.ids import decode_id

    return decode_id(endpoint_id, office.city.id, "whep")


async def lines(text: bytes) -> AsyncIterator[bytes]:
    """A stream of server-sent events."""
    for line in text.splitlines(keepends=True):
        yield line


async def test_server_sent_events_are_read_whatever_stands_between_them() -> None:
    text = b':\n\nevent: next\nid: abc\ndata: {"data": {"events": {"type": "a"}}}\n\nevent: complete\n\n'
    assert [one async for one in messages(lines(text))] == [{"data": {"events": {"type": "a"}}}]


def test_the_body_is_built_in_the_order_of_a_webhooks() -> None:
    event = {"id": "e", "position": 1, "cursor": "c", "subject": None, "subjectSequence": 1, "facts": {}, "changed": []}
    event |= {"actorKind": "SYSTEM", "actor": None, "type": "a.b.c.v1", "occurredAt": "2026-01-01T00:00:00.000000Z"}
    assert envelope(event).startswith(b'{"type":"a.b.c.v1","timestamp":"2026-01-01T00:00:00.000000Z","data":{"id":"e"')
