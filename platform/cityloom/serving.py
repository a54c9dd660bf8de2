"""Serving HTTP: granian processes that open the platform themselves."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
from typing import TYPE_CHECKING

from granian import Granian
from granian.constants import Interfaces, Loops

from cityloom.core.errors import Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from cityloom.settings import Settings

#: Tells a serving process to end subscriptions: it is about to be stopped.
LET_GO = signal.SIGUSR1
#: Names the database for the serving processes; see `cityloom.app`.
DATABASE_VARIABLE = "CITYLOOM_SERVING_DATABASE"


class PortTaken(Refusal):
    """Port {port} on {host} is taken by another program: stop that one, or choose another with PORT=…."""

    code = RefusalCode.UNAVAILABLE
    zh = "{host} 的端口 {port} 已被其他程序占用:请停止该程序,或用 PORT=… 指定其他端口。"


def demand_port(settings: Settings) -> None:
    """Refuses (`PortTaken`) where the port cannot be listened on."""
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            raise PortTaken(host=settings.host, port=settings.port) from None


def base_url(settings: Settings) -> str:
    """The address that clients use."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return settings.public_url or f"http://{host}:{settings.port}"


class _Server(Granian):  # type: ignore[misc,valid-type] # what Granian is, depends on the interpreter
    """Granian, which waits for open connections when it stops: workers are told to end what stays open by itself."""

    def _stop_workers(self) -> None:
        for worker in self.wrks:
            with contextlib.suppress(ProcessLookupError, AttributeError):
                os.kill(worker.inner.pid, LET_GO)
        super()._stop_workers()


def serve(
    settings: Settings,
    admin_url: str,
    *,
    on_started: Callable[[], None] | None = None,
    workers: int = 1,
    application: str = "cityloom.app:create_app",
) -> None:
    """Serve until SIGINT or SIGTERM; the workers inherit the environment and open the platform each for itself.

    `application` is a factory; the benchmarks serve their contestants in the same way.
    """
    os.environ[DATABASE_VARIABLE] = admin_url
    # The workers are forked: what they load at their start is kept for good, and looking through it again and again
    # for garbage is a tenth of the time. `cityloom.app` switches the collector on again.
    gc.disable()
    server = _Server(
        application,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        factory=True,
        workers=workers,
        loop=Loops.uvloop,
        log_enabled=False,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
    )
    if on_started is not None:
        server.on_startup(on_started)
    server.serve()
