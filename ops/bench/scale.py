"""`scale.tenants`: every county of a division table as a tenant; what that costs to make, at rest, and to each of them.

Two databases of one server: in one a city alone, in the other the same city among all counties.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import documents
import psutil
from city import prepare
from contest import ROOT, Contestant, Cpu, Result, as_json, console, contest, environment, show, write
from counties import read_counties
from reads import Options, Ring, cursor_before, sample
from servers import CITYLOOM, HERE, free_port, serving
from sqlalchemy.engine import make_url

from cityloom.app import platform
from cityloom.core.database import asyncpg_arguments
from cityloom.core.ids import encode_id
from cityloom.core.migrations import migrate
from cityloom.installed import modules
from cityloom.jobs.service import needed
from cityloom.serving import DATABASE_VARIABLE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from counties import County

    from cityloom.settings import Settings

AMONG, ALONE = "among all counties", "alone"
#: Times that one answer may take among all the others, over what it takes alone.
TARGET = 1.1
#: Seconds between looks at whether the worker has caught up with new cities, how long that may take, and how long both
#: are watched at rest.
LOOK, PATIENCE, RESTING = 10.0, 1_800.0, 60.0
_POINTS = 500


@dataclass(frozen=True)
class Onboarding:
    """What making the tenants cost; `each_ms` are wall-clock milliseconds of single tenants, in their order."""

    tenants: int
    areas: int
    seconds: float
    process_cpu_seconds: float
    database_cpu_seconds: float | None
    each_ms: Sequence[float]

    def stated(self) -> dict[str, Any]:
        """The figures, with the first and the last hundred apart: does it get slower?"""
        first, last = self.each_ms[:100], self.each_ms[-100:]
        return {
            "tenants": self.tenants,
            "areas": self.areas,
            "seconds": round(self.seconds, 1),
            "process_cpu_seconds": round(self.process_cpu_seconds, 1),
            "database_cpu_seconds": self.database_cpu_seconds and round(self.database_cpu_seconds, 1),
            "median_ms": round(statistics.median(self.each_ms), 1) if self.each_ms else None,
            "median_ms_of_first_100": round(statistics.median(first), 1) if first else None,
            "median_ms_of_last_100": round(statistics.median(last), 1) if last else None,
        }


async def onboard(settings: Settings, admin_url: str, counties: Sequence[County], postmaster: int | None) -> Onboarding:
    """Apply the packs of those counties that are no tenants yet, one after the other, as `cityloom tenants apply`."""
    await migrate(admin_url, settings.var)
    async with platform(settings, admin_url) as opened:
        known = {overview.tenant.slug for overview in await opened.tenants.overviews()}
        missing = [county for county in counties if county.slug not in known]
        each: list[float] = []
        own, cpu, began = time.process_time(), Cpu(postmaster, None) if postmaster else None, time.perf_counter()
        for at, county in enumerate(missing):
            started = time.perf_counter()
            await opened.tenants.apply(county.pack(), actor="bench")
            each.append((time.perf_counter() - started) * 1000)
            if (at + 1) % 250 == 0:
                console.print(f"  {at + 1} of {len(missing)} tenants, {time.perf_counter() - began:.0f} s")
        return Onboarding(
            len(missing),
            sum(len(county.areas) for county in missing),
            time.perf_counter() - began,
            time.process_time() - own,
            cpu.spent()[0] if cpu else None,
            each,
        )


async def run(settings: Settings, admin_url: str, given: argparse.Namespace, postmaster: int | None) -> None:
    """Onboard, rest, compare, write."""
    counties = read_counties(given.divisions)[: given.tenants]
    console.print(f"scale.tenants: {len(counties):,} counties with {sum(len(one.areas) for one in counties):,} areas")
    made = await onboard(settings, admin_url, counties, postmaster)
    single_url = await _single(admin_url)
    among = await prepare(settings, admin_url, slug=given.city, scale=given.scale)
    alone = await prepare(settings, single_url, slug=given.city, scale=given.scale)
    sizes = {AMONG: await _size(admin_url), ALONE: await _size(single_url)}
    rest = await at_rest(settings, admin_url, postmaster)
    figures: dict[str, Any] = {
        "name": "scale.tenants",
        "environment": environment(),
        "command": " ".join(["cityloom", "bench", *sys.argv[1:]]),
        "onboarding": made.stated(),
        "database_bytes": sizes,
        "at_rest": rest,
    }
    if made.tenants:
        console.print(
            f"scale.tenants: {made.tenants:,} tenants with {made.areas:,} areas onboarded in {made.seconds:,.0f} s, "
            f"{made.seconds / made.tenants * 1000:.0f} ms each",
            highlight=False,
        )
    size = (sizes[AMONG] - sizes[ALONE]) / len(counties) / 1000
    console.print(f"scale.tenants: {sizes[AMONG] / 1e9:.2f} GB, {size:.0f} kB for each tenant", highlight=False)
    for name, figure in rest.items():
        console.print(f"scale.tenants: {name} at rest: {figure}", highlight=False)
    options = Options(given.rounds, given.seconds, given.connections, postmaster)
    async with (
        serving(admin_url, among, [CITYLOOM], settings.var) as many,
        serving(single_url, alone, [CITYLOOM], settings.var) as one,
    ):
        rings = {AMONG: Ring(admin_url, among, many, options), ALONE: Ring(single_url, alone, one, options)}
        for name in ("nested", "point", "page", "aggregate"):
            result = await _compare(name, rings, documents.FAR_PAGE if given.scale == "full" else 2)
            show(result)
            figures[name] = as_json(result)
    write("scale.tenants", figures)


async def _compare(name: str, rings: dict[str, Ring], far: int) -> Result:
    """One read of the city in both databases, in turn."""
    contestants = [await _asking(name, label, ring, far) for label, ring in rings.items()]
    options = next(iter(rings.values())).options
    rounds = await contest(
        contestants,
        rounds=options.rounds,
        seconds=options.seconds,
        connections=options.connections if name in {"nested", "point"} else 1,
        postmaster=options.postmaster,
    )
    result = Result(f"scale.tenants {name}", "one city among all counties, and alone", rounds)
    slower = [among.load.p50_ms / alone.load.p50_ms for among, alone in zip(rounds[AMONG], rounds[ALONE], strict=True)]
    ratio = statistics.median(slower)
    verdict = "met" if ratio <= TARGET else "MISSED"
    spread = f"{min(slower):.2f}-{max(slower):.2f}"
    result.notes["p50 among all over p50 alone"] = f"{ratio:.2f} ({spread}), target ≤ {TARGET:g} {verdict}"
    return result


async def _asking(name: str, label: str, ring: Ring, far: int) -> Contestant:
    street, city, tenant_id = ring.city.staff["street"], ring.city.staff["city"], ring.city.tenant_id
    match name:
        case "nested":
            bodies, staff = [{"query": documents.NESTED, "variables": {"use": documents.USE}}], street
        case "point":
            rows = await sample(ring.admin_url, tenant_id, street, _POINTS)
            ids = [encode_id("resd", tenant_id, row) for row in rows]
            bodies, staff = [{"query": documents.POINT, "variables": {"id": one}} for one in ids], street
        case "page":
            after = await cursor_before(ring, city, far)
            page = documents.PAGE % ("totalCount", "")
            bodies, staff = [{"query": page, "variables": {"sex": documents.SEX, "after": after}}], city
        case _:
            bodies, staff = [{"query": documents.AGGREGATE}], city
    return ring.contestant(label, CITYLOOM, "/graphql", bodies, staff)


async def _single(admin_url: str) -> str:
    """The address of an empty database beside the other, made where there is none."""
    name = "cityloom_alone"
    url = make_url(admin_url).set(database=name).render_as_string(hide_password=False)
    connection = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(
                f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8 LOCALE_PROVIDER builtin '
                "BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C.UTF-8'"
            )
    finally:
        await connection.close()
    return url


async def _size(admin_url: str) -> int:
    connection = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        await connection.execute("VACUUM ANALYZE")
        return int(await connection.fetchval("SELECT pg_database_size(current_database())"))
    finally:
        await connection.close()


async def at_rest(settings: Settings, admin_url: str, postmaster: int | None) -> dict[str, dict[str, float]]:
    """What a server and a worker cost while nothing happens: CPU in hundredths of a processor, memory in MB."""
    with (
        _process(settings, admin_url, str(HERE / "serve.py"), "cityloom.app:create_app") as server,
        _process(settings, admin_url, "-m", "cityloom", "worker") as worker,
    ):
        pids = {"server": server, "worker": worker}
        catching_up = await _caught_up(settings, admin_url)
        before = {name: Cpu(pid, postmaster) for name, pid in pids.items()}
        await asyncio.sleep(RESTING)
        spent = {name: cpu.spent() for name, cpu in before.items()}
        found = {
            name: {"cpu_percent": round(spent[name][0] / RESTING * 100, 2), "memory_mb": _memory(pid)}
            for name, pid in pids.items()
        }
    database = spent["worker"][1]
    if database is not None:
        found["database"] = {"cpu_percent": round(database / RESTING * 100, 2)}
    return {"catching up": {"seconds": round(catching_up)}, **found}


async def _caught_up(settings: Settings, admin_url: str) -> float:
    """Wait until no job waits in any city: all of them are new at once, which no day after that is like."""
    began = time.perf_counter()
    async with platform(settings, admin_url) as opened, asyncio.timeout(PATIENCE):
        jobs = [(module, job) for module in modules() for job in module.jobs]
        cities = [overview.tenant.id for overview in await opened.tenants.overviews()]
        while any(ids for _, ids in await needed(opened.works, jobs, cities, opened.works.clock.now())):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(LOOK)
    return time.perf_counter() - began


def _memory(pid: int) -> float:
    """Megabytes that a process and those below it have to themselves."""
    root = psutil.Process(pid)
    return round(sum(one.memory_full_info().uss for one in [root, *root.children(recursive=True)]) / 1e6)


@contextmanager
def _process(settings: Settings, admin_url: str, *arguments: str) -> Iterator[int]:
    environ = os.environ | {
        DATABASE_VARIABLE: admin_url,
        "CITYLOOM_VAR": str(settings.var),
        "CITYLOOM_TENANTS": str(ROOT / "tenants"),
        "CITYLOOM_LOG_LEVEL": "error",
        "PORT": str(free_port()),
        "PYTHONPATH": str(ROOT / "platform"),
    }
    process = subprocess.Popen([sys.executable, *arguments], env=environ, cwd=ROOT)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(timeout=60)
