"""A load generator in a process of its own: closed loop, HTTP/1.1 keep-alive, no more Python per answer than needed.

`python load.py` reads a job as JSON from standard input, and writes what it saw as JSON. `ceiling` measures what the
generator itself can do, against a server that sends fixed bytes.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Job:
    """Requests (whole, as bytes in base64) that are sent in turn over some connections for some seconds."""

    port: int
    requests: list[str]
    connections: int
    seconds: float
    warm_seconds: float = 0.0


@dataclass(frozen=True)
class Load:
    """What was seen: requests a second, milliseconds of latency, bytes of a body, CPU of the generator itself."""

    requests: int
    seconds: float
    per_second: float
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    body_bytes: float
    failures: int
    generator_cpu_ms: float
    first_failure: str = ""


def http_request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A whole POST request."""
    given = {"Host": "localhost", "Content-Type": "application/json", "Accept": "application/json", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {path} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


class _Run:
    def __init__(self, requests: Sequence[bytes]) -> None:
        self.requests, self.next = requests, 0
        self.latencies: list[float] = []
        self.bytes = self.failures = 0
        self.first_failure = ""
        self.is_counting = False
        self.is_over = False

    def take(self) -> bytes:
        request = self.requests[self.next % len(self.requests)]
        self.next += 1
        return request

    def answered(self, head: bytes, body: bytes, seconds: float) -> None:
        if not self.is_counting:
            return
        self.latencies.append(seconds)
        self.bytes += len(body)
        if not head.startswith(b"HTTP/1.1 200") or b'"errors"' in body[-400:] + body[:200]:
            self.failures += 1
            self.first_failure = self.first_failure or (head[:40] + body[:300]).decode("utf-8", "replace")


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self.run = run
        self.received = bytearray()
        self.needed = -1
        self.head = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment] # a stream's transport
        self.send()

    def send(self) -> None:
        self.sent_at = time.perf_counter()
        self.transport.write(self.run.take())

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.needed < 0:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return
            self.head = bytes(self.received[:end])
            lower = self.head.lower()
            at = lower.find(b"content-length:")
            if at < 0:
                raise ValueError(f"an answer without content-length: {self.head!r}")
            self.needed = end + 4 + int(lower[at + 15 : (lower.find(b"\r\n", at) + 1 or len(lower) + 1) - 1])
            self.body_from = end + 4
        if len(self.received) >= self.needed:
            now = time.perf_counter()
            self.run.answered(self.head, bytes(self.received[self.body_from : self.needed]), now - self.sent_at)
            del self.received[: self.needed]
            self.needed = -1
            if not self.run.is_over:
                self.send()


async def _load(job: Job) -> Load:
    run = _Run([b64decode(request) for request in job.requests])
    loop = asyncio.get_running_loop()
    transports = []
    for _ in range(job.connections):
        transport, _protocol = await loop.create_connection(lambda: _Connection(run), "127.0.0.1", job.port)
        transports.append(transport)
    await asyncio.sleep(job.warm_seconds)
    run.is_counting = True
    cpu, began = _cpu_seconds(), time.perf_counter()
    await asyncio.sleep(job.seconds)
    run.is_counting, run.is_over = False, True
    seconds, cpu = time.perf_counter() - began, _cpu_seconds() - cpu
    await asyncio.sleep(0.05)
    for transport in transports:
        transport.close()
    found = sorted(run.latencies)
    count = len(found)
    if not count:
        raise RuntimeError("no answer within the time of the measurement")

    def quantile(q: float) -> float:
        return round(found[min(count - 1, int(q * count))] * 1000, 3)

    return Load(
        requests=count,
        seconds=round(seconds, 3),
        per_second=round(count / seconds, 1),
        mean_ms=round(sum(found) / count * 1000, 3),
        p50_ms=quantile(0.50),
        p95_ms=quantile(0.95),
        p99_ms=quantile(0.99),
        body_bytes=round(run.bytes / count, 1),
        failures=run.failures,
        generator_cpu_ms=round(cpu / count * 1000, 4),
        first_failure=run.first_failure,
    )


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run_load(
    port: int, requests: Sequence[bytes], *, connections: int, seconds: float, warm_seconds: float = 0.0
) -> Load:
    """Run one job in a process of its own."""
    job = Job(port, [b64encode(r).decode() for r in requests], connections, seconds, warm_seconds)
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(json.dumps(asdict(job)).encode())
    if process.returncode:
        raise RuntimeError("the load generator failed, see above")
    return Load(**json.loads(out))


class _Fixed(asyncio.Protocol):
    """Answers every request that arrives whole with the same bytes."""

    answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment] # a stream's transport

    def data_received(self, data: bytes) -> None:
        del data
        self.transport.write(self.answer)


async def ceiling(body_bytes: int, *, connections: int, seconds: float) -> Load:
    """What the generator can do with answers of this size, on a server that only sends."""
    body = b"x" * body_bytes
    _Fixed.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    server = await asyncio.get_running_loop().create_server(_Fixed, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        return await run_load(port, [http_request("/", b"{}", {})], connections=connections, seconds=seconds)


if __name__ == "__main__":
    job = Job(**json.load(sys.stdin))
    json.dump(asdict(uvloop.run(_load(job))), sys.stdout)
