"""Documents that shape bodies: checked when they are stated, run for each event as the endpoint's owner."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from cityloom.core import logs, telemetry
from cityloom.core.errors import Refusal
from cityloom.core.ids import encode_id, id_prefix
from cityloom.events.catalogue import EventCatalogue
from cityloom.events.envelope import EVENT_TAG
from cityloom.graph.shaping import Selection, Shaping

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cityloom.core.principal import Principal
    from cityloom.events.stream import StreamedEvent

#: Documents that are run at the same time for one endpoint: each takes a connection of the pool of reads.
_AT_ONCE = 4

_log = logs.logger("cityloom.webhooks")
_unshaped = telemetry.counter("cityloom.webhooks.unshaped", "Bodies without a selection, because it failed.")


async def check_document(
    services: Mapping[type, Any], principal: Principal, document: str, patterns: Iterable[str]
) -> str:
    """The document; refuses what is not valid for the types of events, too expensive, or not allowed to the owner."""
    catalogue: EventCatalogue = services[EventCatalogue]
    shaping: Shaping = services[Shaping]
    types = [catalogue.get(name) for name in catalogue.matching(*patterns)]
    tags = sorted({one.subject_tag for one in types if one is not None})
    await shaping.check(principal, document, subjects=[id_prefix(tag, principal.tenant_id) + "0" * 32 for tag in tags])
    return document


class Shaper:
    """Runs documents for events."""

    def __init__(self, shaping: Shaping) -> None:
        self._shaping = shaping

    async def shape(self, principal: Principal, document: str, events: Sequence[StreamedEvent]) -> list[Selection]:
        """The answer of the document for each event, as this principal sees it now; null where it failed.

        What fails for want of the database is raised: the batch is made again later.
        """
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(event: StreamedEvent) -> Selection:
            async with room:
                try:
                    return await self._shaping.run(
                        principal,
                        document,
                        event=encode_id(EVENT_TAG, principal.tenant_id, event.id),
                        subject=encode_id(event.subject_tag, principal.tenant_id, event.subject_id),
                    )
                except (Refusal, GraphQLError) as error:
                    # The event must arrive, whatever has become of the document or of its owner's rights.
                    _unshaped.add(1)
                    _log.warning("webhooks.not_shaped", error=type(error).__name__)
                    return Selection(b"null")

        return list(await asyncio.gather(*map(one, events)))


def shaper_of(services: Mapping[type, Any]) -> Shaper:
    """What runs documents in this process."""
    return Shaper(services[Shaping])
