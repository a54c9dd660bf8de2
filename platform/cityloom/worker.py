"""`cityloom worker`: sequences events, sends webhooks, does exports, jobs and departures; any number, anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cityloom.serving import DATABASE_VARIABLE
from cityloom.storage import storage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from cityloom.app import Platform
    from cityloom.settings import Settings

#: Connections for work that a worker needs at least: it has that many things to do at once.
_LEAST_POOL = 12
_PARENT_SECONDS = 1.0
#: How long a worker may take to write down what is on its way.
_END_SECONDS = 15


@asynccontextmanager
async def working(opened: Platform) -> AsyncIterator[None]:
    """Everything that a worker does, for as long as the block lasts."""
    from cityloom.departures.running import departing
    from cityloom.events.sequencer import sequencing
    from cityloom.exports.running import exporting
    from cityloom.imports.working import importing
    from cityloom.installed import modules
    from cityloom.jobs.service import jobs_running
    from cityloom.webhooks.addresses import Egress
    from cityloom.webhooks.sender import Sender
    from cityloom.webhooks.shaping import shaper_of
    from cityloom.webhooks.working import delivering

    settings = opened.settings
    limit = settings.webhook_timeout_seconds
    async with AsyncExitStack() as stack:
        sender = await stack.enter_async_context(Sender(Egress.of(settings), opened.works.clock, limit_seconds=limit))
        await stack.enter_async_context(delivering(opened.works, sender, shaper_of(opened.works.services)))
        await stack.enter_async_context(sequencing(opened.works))
        address = opened.database.app_url.render_as_string(hide_password=False)
        imports = importing(opened.works, ("worker", "--imports"), {DATABASE_VARIABLE: address})
        await stack.enter_async_context(imports)
        await stack.enter_async_context(exporting(opened.works))
        await stack.enter_async_context(jobs_running(opened.works, modules()))
        await stack.enter_async_context(departing(opened.works))
        yield


def worker(
    after: Annotated[str | None, typer.Option(hidden=True)] = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
    metrics: Annotated[int, typer.Option(min=0, max=65535, help="Port of this machine for /metrics; 0: none.")] = 0,
    *,
    imports: Annotated[bool, typer.Option("--imports", help="Do the imports that are asked for, then end.")] = False,
) -> None:
    """Put events in order, make deliveries of them and send these, do imports; run as many as there is need of."""
    from cityloom.core import logs
    from cityloom.settings import Settings

    settings = Settings.from_environment(os.environ)
    logs.setup(form=settings.log_format, level=settings.log_level)
    if imports:
        do_imports(settings)
        return
    run(settings, after=after, parent=parent, metrics=metrics)


def do_imports(settings: Settings) -> None:
    """Do whatever imports are asked for, at a lower priority than anything else, and end."""
    import uvloop

    from cityloom.app import platform
    from cityloom.imports.working import do_all

    async def all_of(url: str) -> None:
        async with platform(settings, url) as opened:
            await do_all(opened.works)

    os.nice(5)
    address = os.environ.get(DATABASE_VARIABLE)
    if address is not None:
        uvloop.run(all_of(address))
        return
    with storage(settings) as url:
        uvloop.run(all_of(url))


@contextmanager
def beside(settings: Settings, admin_url: str) -> Iterator[None]:
    """A worker in a process of its own, for as long as the block lasts; it ends with this process, however that ends.

    It begins when the server answers, and at a lower priority: requests come first.
    """
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    ready = f"http://{host}:{settings.port}/readyz"
    arguments = ["worker", "--after", ready, "--parent", str(os.getpid())]
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "cityloom", *arguments],
        env=os.environ
        | {DATABASE_VARIABLE: admin_url, "CITYLOOM_LOG_LEVEL": "error", "CITYLOOM_LOG_FORMAT": "console"},
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run(settings: Settings, *, after: str | None = None, parent: int | None = None, metrics: int = 0) -> None:
    """Work until SIGINT or SIGTERM, or until the process `parent` is gone; begins once the address `after` answers."""
    if after is not None:
        os.nice(5)
        _wait_for(after, parent)
    address = os.environ.get(DATABASE_VARIABLE)
    if address is not None:
        _loop(_work(settings, address, parent), metrics)
        return
    with storage(settings) as url:
        _loop(_work(settings, url, parent), metrics)


def _loop(work: Coroutine[Any, Any, None], metrics: int) -> None:
    import uvloop

    async def both() -> None:
        async with _measured(metrics):
            await work

    uvloop.run(both())


@asynccontextmanager
async def _measured(port: int) -> AsyncIterator[None]:
    """Answer `/metrics` on this machine, where a port is given."""
    if not port:
        yield
        return
    from aiohttp import web

    from cityloom.core import telemetry

    async def answer(_request: web.Request) -> web.Response:
        body, content_type = telemetry.setup().prometheus()
        return web.Response(body=body, headers={"content-type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()


async def _work(settings: Settings, admin_url: str, parent: int | None) -> None:
    from cityloom.app import platform
    from cityloom.core import logs
    from cityloom.core.database import LOST

    log = logs.logger("cityloom.worker")
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    settings = settings.model_copy(update={"write_pool": max(settings.write_pool, _LEAST_POOL)})
    while not ended.is_set() and _is_alive(parent):
        try:
            async with platform(settings, admin_url) as opened, working(opened):
                while not ended.is_set() and _is_alive(parent):
                    await _pause(ended)
        except LOST as error:
            # The database is not there yet: a worker that is started with it waits for it.
            log.warning("worker.not_begun", error=type(error).__name__)
            await _pause(ended)


async def _pause(ended: asyncio.Event) -> None:
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
