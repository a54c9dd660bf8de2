"""What is known of every request: a span, a duration, a status, and an id to ask about; never its content."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind

from cityloom.core import logs, telemetry

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_duration = telemetry.Durations(
    "cityloom.http.duration",
    "Time from the request's head to the end of its answer.",
    ("http.route", "http.response.status_code"),
)
_ROUTES = frozenset({"/graphql", "/platform/graphql", "/healthz", "/readyz", "/metrics", "/", "/console/graphiql"})


class Observed:
    """Wraps the application: continues the caller's trace, answers `x-request-id`, and counts."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Observe one HTTP request; everything else passes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        traceparent = next((value for name, value in scope["headers"] if name == b"traceparent"), b"").decode("latin-1")
        route = scope["path"] if scope["path"] in _ROUTES else "other"
        request_id = secrets.token_hex(8)
        status = 500
        began = time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        attributes = {"http.route": route, "http.request.method": scope["method"]}
        try:
            with (
                logs.context(request_id=request_id),
                telemetry.span("http request", attributes, kind=SpanKind.SERVER, traceparent=traceparent or None),
            ):
                try:
                    await self._app(scope, receive, observed)
                finally:
                    telemetry.describe({"http.response.status_code": status})
        finally:
            _duration.record(time.perf_counter() - began, route, status)
