"""Whole lifecycles over HTTP from a process of its own: each connection reports a case and takes it to its closure.

`python cases_load.py` reads a job as JSON from standard input, and writes what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
import time
from dataclasses import asdict, dataclass
from uuid import uuid4

import uvloop
from load import http_request

_CASE = re.compile(rb'"case":\{"id":"([a-z0-9_]+)"')
_SELECTION = (
    "__typename ... on CaseStep { number verb fromState toState"
    " case { id state light isOpen dueAt version department { code } } } ... on Refusal { code reason message path }"
)
REPORT = (
    "mutation Report($input: CaseReportInput!, $key: String) { caseReport(input: $input, idempotencyKey: $key) {"
    " __typename ... on CaseTracking { trackingCode light isOpen stateZh case { id } }"
    " ... on Refusal { code reason message path } } }"
)


def step(name: str) -> str:
    """The mutation of one verb."""
    title = name[0].upper() + name[1:]
    return (
        f"mutation Step($input: {title}Input!, $key: String)"
        f" {{ {name}(input: $input, idempotencyKey: $key) {{ {_SELECTION} }} }}"
    )


@dataclass(frozen=True)
class Move:
    """One mutation: who sends it, what, with which input beside the id."""

    bearer: str
    query: str
    given: dict[str, str]


@dataclass(frozen=True)
class Job:
    """Lifecycles over some connections for some seconds."""

    port: int
    moves: list[Move]
    connections: int
    seconds: float


@dataclass(frozen=True)
class Seen:
    """What was seen: lifecycles that were finished, milliseconds of one and of one mutation, own CPU."""

    lifecycles: int
    mutations: int
    seconds: float
    lifecycle_p50_ms: float
    mutation_p50_ms: float
    mutation_p95_ms: float
    mutation_p99_ms: float
    generator_cpu_ms: float


class _Client:
    def __init__(self, job: Job) -> None:
        self._job = job
        self.lifecycles: list[float] = []
        self.mutations: list[float] = []

    async def run(self, until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._job.port)
        while time.perf_counter() < until:
            began = time.perf_counter()
            case = ""
            for move in self._job.moves:
                case = await self._move(reader, writer, move, case)
            self.lifecycles.append(time.perf_counter() - began)
        writer.close()

    async def _move(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, move: Move, case: str) -> str:
        given = {**move.given, "id": case} if case else move.given
        body = json.dumps({"query": move.query, "variables": {"input": given, "key": uuid4().hex}}).encode()
        began = time.perf_counter()
        writer.write(http_request("/graphql", body, {"Authorization": f"Bearer {move.bearer}"}))
        head = await reader.readuntil(b"\r\n\r\n")
        at = head.lower().index(b"content-length:") + 15
        answer = await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
        self.mutations.append(time.perf_counter() - began)
        found = _CASE.search(answer)
        if found is None or b'"errors"' in answer:
            raise RuntimeError(f"a step failed: {answer[:600]!r}")
        return found[1].decode()


async def _load(job: Job) -> Seen:
    clients = [_Client(job) for _ in range(job.connections)]
    used = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    await asyncio.gather(*(client.run(began + job.seconds) for client in clients))
    seconds = time.perf_counter() - began
    now = resource.getrusage(resource.RUSAGE_SELF)
    lifecycles = sorted(one for client in clients for one in client.lifecycles)
    mutations = sorted(one for client in clients for one in client.mutations)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime

    def quantile(values: list[float], share: float) -> float:
        return round(values[min(len(values) - 1, int(share * len(values)))] * 1000, 2)

    return Seen(
        len(lifecycles),
        len(mutations),
        round(seconds, 3),
        quantile(lifecycles, 0.5),
        quantile(mutations, 0.5),
        quantile(mutations, 0.95),
        quantile(mutations, 0.99),
        round(cpu / len(mutations) * 1000, 3),
    )


async def run_lifecycles(job: Job) -> Seen:
    """Run one job in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(json.dumps(asdict(job)).encode())
    if process.returncode:
        raise RuntimeError("the load generator failed, see above")
    return Seen(**json.loads(out))


if __name__ == "__main__":
    given = json.load(sys.stdin)
    given["moves"] = [Move(**move) for move in given["moves"]]
    json.dump(asdict(uvloop.run(_load(Job(**given)))), sys.stdout)
