"""One HTTP client for all deliveries: bounded in time and size, follows nothing, connects to checked addresses only."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from yarl import URL

from cityloom.webhooks.schedule import GONE, THROTTLING, parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from cityloom.core.clock import Clock
    from cityloom.webhooks.addresses import Egress

#: The whole of a try, from the look-up of the name to the last byte that is read (seconds).
LIMIT_SECONDS = 15.0
#: What is kept of an answer, and what is read of it before the connection is given up (bytes).
KEPT, READ = 1_024, 16_384
_AGENT = "Cityloom-Webhooks/1"
_OK = range(200, 300)
_REDIRECTS = range(300, 400)
_SHOWN_STATUS = range(100, 600)


class AddressRefused(OSError):
    """A name leads to an address that may not be connected to."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one try. `answer` is for the endpoint's owner alone."""

    outcome: str
    started_at: datetime
    duration_ms: int
    status: int | None = None
    answer: str | None = None
    retry_after: timedelta | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has it."""
        return self.outcome == "DELIVERED"


class Sender:
    """Sends bytes to URLs: `async with Sender(egress, clock) as sender`.

    One per process. It never raises for what a receiver or the network does; that is in the result.
    """

    def __init__(
        self,
        egress: Egress,
        clock: Clock,
        *,
        limit_seconds: float = LIMIT_SECONDS,
        trust: ssl.SSLContext | None = None,
        resolver: aiohttp.abc.AbstractResolver | None = None,
    ) -> None:
        self._egress = egress
        self._clock = clock
        self.limit_seconds = limit_seconds
        self._limit = aiohttp.ClientTimeout(total=limit_seconds)
        self._trust = trust
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            limit=0,
            ssl=self._trust or ssl.create_default_context(),
            resolver=self._resolver,
            socket_factory=self._socket,
            ttl_dns_cache=10,
            keepalive_timeout=30,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._limit,
            auto_decompress=False,
            trust_env=False,
            max_headers=64,
            headers={"user-agent": _AGENT, "accept-encoding": "identity"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _socket(self, info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """A socket for this very address; here it is decided, after every look-up and for literal addresses too."""
        family, kind, protocol, _, address = info
        if not self._egress.allows(str(address[0])):
            raise AddressRefused("this address may not be connected to")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)  # noqa: FBT003 - the standard library asks for it so
        return made

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Result:
        """POST the bytes; only an answer with a status from 200 to 299 counts as delivered."""
        if self._session is None:
            raise RuntimeError("use `async with Sender(…)`")
        started_at, began = self._clock.now(), time.perf_counter()
        status, answer, retry_after = None, None, None
        try:
            async with self._session.post(
                URL(url, encoded=True),
                data=body,
                headers={"content-type": "application/json", **headers},
                allow_redirects=False,
            ) as response:
                status = response.status if response.status in _SHOWN_STATUS else None
                retry_after = parse_retry_after(response.headers.get("retry-after"), started_at)
                answer = await _beginning(response)
            outcome = outcome_of(response.status)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            outcome = _failure(error)
        duration = round((time.perf_counter() - began) * 1000)
        return Result(outcome, started_at, duration, status, answer, retry_after)


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The first kilobyte; a longer answer is cut, its connection closed, however much more there is."""
    read = bytearray()
    while len(read) < READ:
        chunk = await response.content.readany()
        if not chunk:
            break
        read += chunk
    if not response.content.at_eof():
        response.close()
    # PostgreSQL keeps no NUL in texts.
    return bytes(read[:KEPT]).decode(errors="replace").replace("\x00", "�")


def outcome_of(status: int) -> str:
    """What a status means for a delivery."""
    if status in _OK:
        return "DELIVERED"
    if status == GONE:
        return "GONE"
    if status in THROTTLING:
        return "THROTTLED"
    return "REDIRECTED" if status in _REDIRECTS else "REFUSED"


def _failure(error: Exception) -> str:
    """What is told of a failure: its kind, and nothing of the network behind it."""
    if isinstance(error, asyncio.TimeoutError):
        return "TIMED_OUT"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused):
            return "ADDRESS_REFUSED"
        cause = cause.__cause__
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "TLS_FAILED"
    if isinstance(error, aiohttp.InvalidURL):
        return "ADDRESS_REFUSED"
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError | ValueError):
        return "MALFORMED"
    return "UNREACHABLE"
