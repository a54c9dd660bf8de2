"""`webhooks.fanout`: deliveries a second of one worker, time to the first attempt, and what a hanging tenant costs.

The worker is a process of its own, as `cityloom worker` runs it; so is the receiver. Events are written through units
of work, sequenced, fanned out, signed by two keys, sent, and written down: nothing is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import psutil
from contest import ROOT, console, environment, write
from sqlalchemy import select

from cityloom.access import models as access
from cityloom.app import platform
from cityloom.core.ids import new_id
from cityloom.core.migrations import migrate
from cityloom.core.principal import Principal, PrincipalKind
from cityloom.modules.grid.events import ShiftCancelled
from cityloom.serving import DATABASE_VARIABLE
from cityloom.tenancy.system import system_principal
from cityloom.webhooks.service import close_endpoint, create_endpoint

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.app import Platform
    from cityloom.settings import Settings

CITIES = ("yanji", "gaoping", "longgang")
BURST_EVENTS, ENDPOINTS = 1_500, 5
RATE, STEADY_SECONDS = 40, 8.0
HANGING = 20
TARGET_RATE, TARGET_MS, TARGET_RISE = 1_000, 100.0, 1.10


@dataclass
class Bench:
    """The platform, and the two processes that are measured."""

    opened: Platform
    tenants: list[UUID]
    receiver: str
    worker: psutil.Process
    client: httpx.AsyncClient

    async def endpoint(self, tenant_id: UUID, path: str) -> UUID:
        """An endpoint of a city's administrator for shifts."""
        async with self.opened.works.begin(await _owner(self.opened, tenant_id)) as work:
            made = await create_endpoint(work, url=f"{self.receiver}{path}", events=["grid.shift.*"])
            return made.row.id

    async def close(self, tenant_id: UUID, endpoint_ids: list[UUID]) -> None:
        """Close endpoints, so that the next phase has none but its own."""
        for endpoint_id in endpoint_ids:
            async with self.opened.works.begin(await _owner(self.opened, tenant_id)) as work:
                await close_endpoint(work, endpoint_id)

    async def happen(self, tenant_id: UUID, count: int) -> None:
        """So many events of as many subjects in one unit of work."""
        async with self.opened.works.begin(system_principal(tenant_id)) as work:
            for _ in range(count):
                work.emit(ShiftCancelled(subject_id=new_id(), account_id=new_id()))

    async def wait_for(self, prefix: str, count: int, *, seconds: float = 90) -> list[tuple[str, float, float]]:
        """Wait until so much has come to paths of this beginning, and answer what."""
        deadline = time.monotonic() + seconds
        while (found := (await self.client.get(f"{self.receiver}/count{prefix}")).json()) < count:
            if time.monotonic() > deadline:
                raise SystemExit(f"{found} of {count} deliveries came to {prefix}")
            await asyncio.sleep(0.25)
        arrivals = (await self.client.get(f"{self.receiver}/arrivals")).json()
        return [tuple(one) for one in arrivals if one[0].startswith(prefix)]


async def _owner(opened: Platform, tenant_id: UUID) -> Principal:
    async with opened.works.begin(system_principal(tenant_id)) as work:
        account_id = await work.session.scalar(select(access.Account.id).where(access.Account.login == "admin"))
    if account_id is None:
        raise SystemExit("the city has no account `admin`")
    rights = await opened.snapshots.rights(tenant_id, account_id, opened.works.clock.now())
    return Principal(tenant_id, PrincipalKind.STAFF, rights, account_id=account_id)


async def burst(bench: Bench, mark: str) -> dict[str, float]:
    """Everything at once: deliveries a second from the first to the last, and the worker's CPU for each."""
    tenant_id = bench.tenants[0]
    endpoints = [await bench.endpoint(tenant_id, f"/{mark}/{at}") for at in range(ENDPOINTS)]
    cpu = sum(bench.worker.cpu_times()[:2])
    for _ in range(BURST_EVENTS // 100):
        await bench.happen(tenant_id, 100)
    total = BURST_EVENTS * ENDPOINTS
    found = await bench.wait_for(f"/{mark}/", total)
    spent = sum(bench.worker.cpu_times()[:2]) - cpu
    times = sorted(arrived for _, arrived, _ in found)
    await bench.close(tenant_id, endpoints)
    return {"per_second": (total - 1) / (times[-1] - times[0]), "worker_cpu_ms": spent / total * 1000}


async def steady(bench: Bench, tenant_id: UUID, mark: str) -> list[float]:
    """Single events at a steady rate: milliseconds from when each happened to its first attempt."""
    endpoint = await bench.endpoint(tenant_id, f"/{mark}")
    await asyncio.sleep(1)
    count = int(RATE * STEADY_SECONDS)
    began = time.monotonic()
    for at in range(count):
        await bench.happen(tenant_id, 1)
        await asyncio.sleep(max(0.0, began + (at + 1) / RATE - time.monotonic()))
    found = await bench.wait_for(f"/{mark}", count)
    await bench.close(tenant_id, [endpoint])
    return sorted((arrived - happened) * 1000 for _, arrived, happened in found)


async def neighbour(bench: Bench, tenant_id: UUID, path: str, stop: asyncio.Event) -> None:
    """Another tenant with many endpoints, to which something happens twice a second."""
    endpoints = [await bench.endpoint(tenant_id, f"{path}/{at}") for at in range(HANGING)]
    while not stop.is_set():
        await bench.happen(tenant_id, 1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await stop.wait()
    await bench.close(tenant_id, endpoints)


async def beside(bench: Bench, path: str, mark: str) -> list[float]:
    """What one tenant sees beside another whose endpoints answer, or hang."""
    stop = asyncio.Event()
    other = asyncio.create_task(neighbour(bench, bench.tenants[2], path, stop))
    await asyncio.sleep(3)
    found = await steady(bench, bench.tenants[1], mark)
    stop.set()
    await other
    return found


def percentile(values: list[float], share: float) -> float:
    """The value below which this share lies."""
    return values[min(len(values) - 1, int(len(values) * share))]


def _start_receiver() -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "ops" / "bench" / "webhook_receiver.py")], stdout=subprocess.PIPE, text=True
    )
    if process.stdout is None:
        raise SystemExit("the receiver did not start")
    return process, f"http://127.0.0.1:{process.stdout.readline().strip()}"


async def run(settings: Settings, admin_url: str, rounds: int) -> None:
    """Measure, print, write."""
    await migrate(admin_url, settings.var)
    environ = os.environ | {
        DATABASE_VARIABLE: admin_url,
        "CITYLOOM_VAR": str(settings.var),
        "PYTHONPATH": str(ROOT / "platform"),
        "CITYLOOM_LOG_LEVEL": "error",
    }
    receiver, url = await asyncio.to_thread(_start_receiver)
    worker = await asyncio.to_thread(
        partial(subprocess.Popen, [sys.executable, "-m", "cityloom", "worker"], env=environ)
    )
    try:
        async with platform(settings, admin_url) as opened:
            tenants = []
            for name in CITIES:
                done = await opened.tenants.apply(opened.tenants.folder(name), actor="bench")
                tenants.append(done.tenant_id)
            async with httpx.AsyncClient(timeout=60, verify=False) as client:  # noqa: S501 - plain HTTP on this machine
                await _measure(Bench(opened, tenants, url, psutil.Process(worker.pid), client), rounds)
    finally:
        worker.terminate()
        receiver.kill()
        worker.wait(timeout=30)


async def _measure(bench: Bench, rounds: int) -> None:
    # The first deliveries load what the worker needs.
    await steady(bench, bench.tenants[1], "warm")
    bursts = [await burst(bench, f"burst{number}") for number in range(rounds)]
    alone, answering, hanging = [], [], []
    for number in range(rounds):
        alone.append(await steady(bench, bench.tenants[1], f"alone{number}"))
        answering.append(await beside(bench, f"/answer{number}", f"beside-answers{number}"))
        hanging.append(await beside(bench, f"/hang{number}", f"beside-hangs{number}"))
    rate = statistics.median(one["per_second"] for one in bursts)
    cpu = statistics.median(one["worker_cpu_ms"] for one in bursts)
    p50, p99 = (statistics.median(percentile(one, share) for one in alone) for share in (0.5, 0.99))
    near50, near99 = (statistics.median(percentile(one, share) for one in answering) for share in (0.5, 0.99))
    hang50, hang99 = (statistics.median(percentile(one, share) for one in hanging) for share in (0.5, 0.99))
    rise = hang99 / near99
    first = f"{rate:,.0f} deliveries/s of one worker ({cpu:.2f} ms of its CPU each), target ≥ {TARGET_RATE:,}"
    second = f"happened to first attempt: p50 {p50:.0f} ms, p99 {p99:.0f} ms, target p99 ≤ {TARGET_MS:.0f} ms"
    third = (
        f"beside {HANGING} endpoints of another tenant that answer: p50 {near50:.0f} ms, p99 {near99:.0f} ms; "
        f"that hang: p50 {hang50:.0f} ms, p99 {hang99:.0f} ms; {rise:.2f}×, target < {TARGET_RISE:.2f}×"
    )
    verdicts = (rate >= TARGET_RATE, p99 <= TARGET_MS, rise < TARGET_RISE)
    for line, is_met in zip((first, second, third), verdicts, strict=True):
        console.print(f"webhooks.fanout: {line} {'met' if is_met else 'MISSED'}", highlight=False)
    figures: dict[str, Any] = {"name": "webhooks.fanout", "environment": environment(), "bursts": bursts}
    figures |= {
        "alone_ms": alone,
        "beside_answering_ms": answering,
        "beside_hanging_ms": hanging,
        "per_second": rate,
        "p99_ms": p99,
        "rise": rise,
    }
    write("webhooks.fanout", figures)
