"""`cityloom worker`: sequences events, fans them out, and sends webhooks; any number may run on any machines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
import urllib.request
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from cityloom.storage import storage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cityloom.app import Platform
    from cityloom.settings import Settings

#: Connections for work that a worker needs at least: it has that many things to do at once.
_LEAST_POOL = 12
_PARENT_SECONDS = 1.0


@asynccontextmanager
async def working(opened: Platform) -> AsyncIterator[None]:
    """Everything that a worker does, for as long as the block lasts."""
    from cityloom.events.sequencer import sequencing
    from cityloom.webhooks.addresses import Egress
    from cityloom.webhooks.sender import Sender
    from cityloom.webhooks.shaping import shaper_of
    from cityloom.webhooks.working import delivering

    async with AsyncExitStack() as stack:
        sender = await stack.enter_async_context(Sender(Egress.of(opened.settings), opened.works.clock))
        await stack.enter_async_context(delivering(opened.works, sender, shaper_of(opened.works.services)))
        await stack.enter_async_context(sequencing(opened.works))
        yield


def run(settings: Settings, *, after: str | None = None, parent: int | None = None) -> None:
    """Work until SIGINT or SIGTERM, or until the process `parent` is gone; begins once the address `after` answers."""
    if after is not None:
        _wait_for(after, parent)
    from cityloom.serving import DATABASE_VARIABLE

    address = os.environ.get(DATABASE_VARIABLE)
    if address is not None:
        _loop(settings, address, parent)
        return
    with storage(settings) as url:
        _loop(settings, url, parent)


def _loop(settings: Settings, admin_url: str, parent: int | None) -> None:
    import uvloop

    uvloop.run(_work(settings, admin_url, parent))


async def _work(settings: Settings, admin_url: str, parent: int | None) -> None:
    from cityloom.app import platform

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    settings = settings.model_copy(update={"write_pool": max(settings.write_pool, _LEAST_POOL)})
    async with platform(settings, admin_url) as opened, working(opened):
        while not ended.is_set() and _is_alive(parent):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PARENT_SECONDS):
                    await ended.wait()


def _is_alive(parent: int | None) -> bool:
    return parent is None or os.getppid() == parent


def _wait_for(address: str, parent: int | None) -> None:
    """Until it answers: a server that is starting needs the processor more."""
    while _is_alive(parent):
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310 - our own server
            if answer.status == 200:  # noqa: PLR2004 - OK
                return
        time.sleep(0.2)
