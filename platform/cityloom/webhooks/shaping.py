"""Documents that shape bodies: checked when they are stated, run for each event as the endpoint's owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cityloom.core.principal import Principal
    from cityloom.core.work import Work
    from cityloom.events.stream import StreamedEvent
    from cityloom.webhooks.fanout import Shaper


async def check_document(work: Work, document: str) -> str:
    """The document; refuses what is not valid, too expensive, or not allowed to the caller."""
    raise NotImplementedError


class _None:
    async def shape(self, principal: Principal, document: str, events: Sequence[StreamedEvent]) -> list[bytes | None]:
        """Nothing."""
        return [None for _ in events]


def shaper_of(services: Mapping[type, Any]) -> Shaper:
    """What runs documents in this process."""
    return _None()
