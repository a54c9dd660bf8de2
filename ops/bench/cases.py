"""The benchmarks of cases: whole lifecycles over HTTP against their bare SQL, and the boards of a command centre."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import sys
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import psutil
from cases_load import REPORT, Job, Move, run_lifecycles, step
from city import VAR, unbounded
from contest import ROOT, Cpu, console
from rich.progress import Progress
from rich.table import Table
from servers import Server, answering, free_port
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from cityloom.access import models as access
from cityloom.access.changes import begin_change
from cityloom.access.service.sessions import open_session
from cityloom.app import platform
from cityloom.core.clock import SystemClock
from cityloom.core.database import APP, asyncpg_arguments
from cityloom.core.embedded.system import programs_folder
from cityloom.core.ids import encode_id
from cityloom.core.migrations import migrate, role_password
from cityloom.core.tallies.keeping import catch_up
from cityloom.modules.areas.models import Area
from cityloom.modules.cases import models as m
from cityloom.serving import DATABASE_VARIABLE
from cityloom.settings import Settings
from cityloom.storage import storage
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

HERE = Path(__file__).parent
FOLDER = VAR / "cases"
_FILL = (HERE / "cases_fill.sql").read_text("utf-8")
_SHIFTS = (HERE / "cases_shifts.sql").read_text("utf-8")
_CHUNK = 20_000
#: Lifecycles a second on two cores; the least share of the bare SQL's rate; milliseconds of a board.
TARGET, RATIO, BOARD_MS = 100.0, 0.5, 100.0


@dataclass(frozen=True)
class CasesCity:
    """The city with its cases, and who does what in a lifecycle."""

    tenant_id: UUID
    bearers: dict[str, str]
    accounts: dict[str, UUID]
    ids: dict[str, str]
    rows: dict[str, UUID]
    cases: int


def settings() -> Settings:
    """A server of its own: what is measured writes."""
    return Settings.from_environment(os.environ | {"CITYLOOM_VAR": str(FOLDER)})


@asynccontextmanager
async def prepared(slug: str, cases: int) -> AsyncIterator[tuple[Settings, str, CasesCity]]:
    """The city with at least so many cases; migrations carry over those of earlier runs."""
    found = settings()
    with storage(found) as admin_url:
        await migrate(admin_url, found.var)
        yield found, admin_url, await _city(found, admin_url, slug, cases)


async def _city(found: Settings, admin_url: str, slug: str, cases: int) -> CasesCity:
    async with platform(found, admin_url) as opened:
        if slug not in {overview.tenant.slug for overview in await opened.tenants.overviews()}:
            console.print(f"onboarding {slug}")
            await opened.tenants.apply(opened.tenants.folder(slug), actor="bench")
        tenant_id = (await opened.directory.by_slug(slug)).id
        await _fill(admin_url, tenant_id, cases)
        async with opened.works.begin(system_principal(tenant_id)) as work:
            await begin_change(work)
            await unbounded(work)
            bearers: dict[str, str] = {}
            accounts: dict[str, UUID] = {}
            for login in ("admin", "grid-01-1", "community-01", "urban-officer"):
                account = await work.session.scalar(select(access.Account.id).where(access.Account.login == login))
                if account is None:
                    raise LookupError(login)
                accounts[login] = account
                bearers[login] = (await open_session(work, account, lifetime=timedelta(days=1))).token
            membership = await work.session.scalar(
                select(access.Membership.area_id).where(access.Membership.account_id == accounts["grid-01-1"])
            )
            rows: dict[str, Any] = {
                "area": membership,
                "matter": await work.session.scalar(select(m.Matter.id).where(m.Matter.code == "E01002")),
                "dept": await work.session.scalar(
                    select(access.Department.id).where(access.Department.code == "urban")
                ),
                "workflow": await work.session.scalar(
                    select(m.WorkflowVersion.id).where(
                        m.WorkflowVersion.code == "whistle", m.WorkflowVersion.is_current
                    )
                ),
            }
            path = await work.session.scalar(select(Area.path).where(Area.id == membership))
            count = await work.session.scalar(select(func.count()).select_from(m.Case)) or 0
        tags = {"area": "area", "matter": "matr", "dept": "dept"}
        ids = {name: encode_id(tag, tenant_id, rows[name]) for name, tag in tags.items()}
        return CasesCity(tenant_id, bearers, accounts, ids | {"path": str(path)}, rows, count)


async def _fill(admin_url: str, tenant_id: UUID, cases: int) -> None:
    """Cases from the first that is missing on, without checking their foreign keys one by one."""
    connection = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        # Those that were filled, not those that earlier runs have reported: they have no number.
        done = await connection.fetchval(
            "SELECT count(*) FROM cases WHERE tenant_id = $1 AND description LIKE 'case %'", tenant_id
        )
        if done >= cases:
            return
        console.print(f"filling {cases - done:,} cases: once, some minutes")
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        last = SystemClock().now() - timedelta(hours=1)
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("cases", total=cases, completed=done)
            for first in range(done + 1, cases + 1, _CHUNK):
                end = min(first + _CHUNK - 1, cases)
                await connection.execute(_FILL, tenant_id, first, end, cases, last)
                progress.update(task, completed=end)
        await catch_up(connection, tenant_id)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


@dataclass(frozen=True)
class Turn:
    """One turn of one contestant: lifecycles a second, and milliseconds of CPU of one lifecycle on both sides."""

    per_second: float
    server_cpu_ms: float
    database_cpu_ms: float
    seen: dict[str, Any]

    @property
    def quiet_per_second(self) -> float:
        """What two cores that do nothing else would do: their time over the CPU that one lifecycle takes."""
        return 2_000 / (self.server_cpu_ms + self.database_cpu_ms)


async def lifecycle(slug: str, cases: int, rounds: int, seconds: float, connections: int) -> dict[str, Any]:
    """Lifecycles over HTTP against pgbench that runs their bare SQL on the same tables, in turn."""
    async with prepared(slug, cases) as (found, admin_url, city), serving(found, admin_url) as server:
        postmaster = _postmaster(found)
        moves = _moves(city)
        turns: dict[str, list[Turn]] = {"Cityloom": [], "bare SQL (pgbench)": []}

        async def ours(length: float) -> Turn:
            cpu, before = Cpu(server.pid, None), _all_cpu(postmaster)
            seen = await run_lifecycles(Job(server.port, moves, connections, length))
            (spent, _), database = cpu.spent(), _all_cpu(postmaster) - before
            each = 1000 / seen.lifecycles
            return Turn(seen.lifecycles / seen.seconds, spent * each, database * each, asdict(seen))

        async def bare(length: float) -> Turn:
            before = _all_cpu(postmaster)
            done, taken = await _pgbench(found, admin_url, city, length, connections)
            each = (_all_cpu(postmaster) - before) * 1000 / done
            return Turn(done / taken, 0.0, each, {"lifecycles": done, "seconds": taken})

        # Until every connection of the server has planned every statement for any values: the sixth time it does.
        await ours(15.0)
        await bare(min(3.0, seconds))
        for number in range(rounds):
            pair = [("Cityloom", ours), ("bare SQL (pgbench)", bare)]
            for name, run in pair if number % 2 == 0 else reversed(pair):
                turns[name].append(await run(seconds))
        return _shown(city, turns)


def _postmaster(found: Settings) -> int:
    return int((found.var / "postgres" / "data" / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])


def _all_cpu(pid: int) -> float:
    """CPU seconds of a process, of those below it, and of those that were there once: pgbench's connections end."""
    root = psutil.Process(pid)
    spent = 0.0
    for process in root.children():
        # One that has ended meanwhile counts with its parent, whose figures are read last.
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent += times.user + times.system
    own = root.cpu_times()
    return spent + own.user + own.system + own.children_user + own.children_system


def _shown(city: CasesCity, turns: dict[str, list[Turn]]) -> dict[str, Any]:
    table = Table(title=f"cases.lifecycle: six mutations over HTTP, {city.cases:,} cases", title_justify="left")
    for heading in (
        "",
        "lifecycles/s",
        "spread",
        "server CPU ms",
        "database CPU ms",
        "quiet 2 cores",
        "ratio",
        "target",
    ):
        table.add_column(heading, justify="left" if not heading else "right")
    ratios = [a.per_second / b.per_second for a, b in zip(*turns.values(), strict=True)]
    ratio = statistics.median(ratios)
    for name, found in turns.items():
        rates = [turn.per_second for turn in found]
        is_ours = name == "Cityloom"
        rate = statistics.median(rates)
        verdict = f"≥ {TARGET:g}/s {'met' if rate >= TARGET else 'MISSED'}"
        against = f"≥ {RATIO:g} {'met' if ratio >= RATIO else 'MISSED'}"
        table.add_row(
            name,
            f"{rate:,.1f}",
            f"{min(rates):,.1f}–{max(rates):,.1f}",
            f"{statistics.median(t.server_cpu_ms for t in found):.2f}",
            f"{statistics.median(t.database_cpu_ms for t in found):.2f}",
            f"{statistics.median(t.quiet_per_second for t in found):,.0f}",
            "" if is_ours else f"{ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f})",
            verdict if is_ours else against,
        )
    console.print(table)
    return {
        "cases": city.cases,
        "rounds": {name: [asdict(turn) | {"quiet": turn.quiet_per_second} for turn in t] for name, t in turns.items()},
        "ratio": {"median": ratio, "low": min(ratios), "high": max(ratios)},
    }


def _moves(city: CasesCity) -> list[Move]:
    grid, community, officer = (city.bearers[login] for login in ("grid-01-1", "community-01", "urban-officer"))
    report = {"matterId": city.ids["matter"], "areaId": city.ids["area"], "description": "rubbish", "source": "GRID"}
    return [
        Move(grid, REPORT, report),
        Move(community, step("caseDispatch"), {"departmentId": city.ids["dept"]}),
        Move(officer, step("caseAccept"), {}),
        Move(officer, step("caseResolve"), {"comment": "done"}),
        Move(community, step("caseVerify"), {}),
        Move(community, step("caseClose"), {}),
    ]


async def _pgbench(
    found: Settings, admin_url: str, city: CasesCity, seconds: float, connections: int
) -> tuple[int, float]:
    arguments = asyncpg_arguments(make_url(admin_url))
    accounts = {"reporter": "grid-01-1", "worker": "community-01", "officer": "urban-officer"}
    values = {
        "tenant": city.tenant_id,
        "path": city.ids["path"],
        **city.rows,
        **{name: city.accounts[login] for name, login in accounts.items()},
    }
    options = {
        "-M": "prepared",
        "-c": connections,
        "-j": os.cpu_count(),
        "-T": round(seconds),
        "-f": HERE / "cases_lifecycle.pgbench",
        "-h": arguments["host"],
        "-p": arguments["port"],
        "-U": APP,
    }
    command = [str(programs_folder() / "pgbench"), "-n"]
    command += [str(part) for option in options.items() for part in option]
    command += [part for name, value in values.items() for part in ("-D", f"{name}={value}")]
    command.append(arguments["database"])
    environment = os.environ | {"PGPASSWORD": role_password(found.var, APP)}
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, problems = await process.communicate()
    if process.returncode:
        raise RuntimeError(problems.decode())
    text = out.decode()
    done = int(re.search(r"actually processed: (\d+)", text)[1])  # type: ignore[index] # pgbench always says so
    return done, done / float(re.search(r"tps = ([0-9.]+)", text)[1])  # type: ignore[index] # as above


@asynccontextmanager
async def serving(found: Settings, admin_url: str) -> AsyncIterator[Server]:
    """The platform, served by as many processes as there are cores."""
    port = free_port()
    environment = os.environ | {
        "PORT": str(port),
        "WORKERS": str(os.cpu_count() or 1),
        "CITYLOOM_VAR": str(found.var),
        "CITYLOOM_TENANTS": str(ROOT / "tenants"),
        "CITYLOOM_LOG_LEVEL": "warning",
        DATABASE_VARIABLE: admin_url,
        "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT / "platform")]),
    }
    command = [sys.executable, str(HERE / "serve.py"), "cityloom.app:create_app"]
    process = await asyncio.create_subprocess_exec(*command, env=environment, cwd=ROOT)
    try:
        await answering(process, port)
        yield Server("Cityloom", port, process.pid, "serve.py")
    finally:
        process.terminate()
        await process.wait()


_BOARDS = {
    "open cases by light, with those overdue": (
        "{ caseStats(by: [LIGHT], where: {isOpen: {eq: true}}) { keys count overdue } }"
    ),
    "open cases by department and light": (
        "{ caseStats(by: [DEPARTMENT, LIGHT], where: {isOpen: {eq: true}}) { keys count overdue } }"
    ),
    "open cases by area": "{ caseStats(by: [AREA], where: {isOpen: {eq: true}}) { keys count overdue } }",
    "open cases by matter": "{ caseStats(by: [MATTER], where: {isOpen: {eq: true}}) { keys count overdue } }",
    "30 days by hour of the report": "{ caseStats(by: [HOUR], where: {reportedAt: {gte: $since}}) { keys count } }",
    "30 days' closures by department, times, percentiles, satisfaction, reopened": (
        "{ caseStats(by: [DEPARTMENT], where: {closedAt: {gte: $since}}) { keys count late reopened responded"
        " responseSeconds responseSecondsMedian responseSecondsP90 closureSeconds closureSecondsMedian"
        " closureSecondsP90 rated satisfied } }"
    ),
    "all cases of two years by light": "{ caseStats(by: [LIGHT]) { keys count } }",
    "on shift by area": "{ workerPositionStats(by: [AREA]) { keys count } }",
    "a hundred of those on shift, with name, area and place": (
        "{ workerPositions(first: 100) { totalCount nodes { longitude latitude recordedAt worker { name }"
        " area { name } } } }"
    ),
}


async def _put_on_shift(admin_url: str, tenant_id: UUID) -> None:
    """Everybody whom Yanji has (1,480), on a shift that began an hour ago, somewhere in a grid."""
    connection = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(_SHIFTS, tenant_id)
        await connection.execute("ANALYZE worker_positions, grid_workers")
    finally:
        await connection.close()


async def boards(slug: str, cases: int, rounds: int) -> dict[str, Any]:
    """What a command centre asks, by the administrator of the whole city: milliseconds over HTTP, one at a time."""
    async with prepared(slug, cases) as (found, admin_url, city), serving(found, admin_url) as server:
        await _put_on_shift(admin_url, city.tenant_id)
        table = Table(title=f"cases.boards: {city.cases:,} cases, whole city, one client", title_justify="left")
        for heading in ("", "p50 ms", "spread", "CPU ms", "groups", "target"):
            table.add_column(heading, justify="left" if not heading else "right")
        figures: dict[str, Any] = {}
        postmaster = _postmaster(found)
        since = (SystemClock().now() - timedelta(days=30)).isoformat()
        headers = {"Authorization": f"Bearer {city.bearers['admin']}"}
        async with httpx.AsyncClient(headers=headers, timeout=60) as client:
            for name, query in _BOARDS.items():
                body: dict[str, Any] = {"query": query}
                if "$since" in query:
                    body = {"query": f"query ($since: DateTime!) {query}", "variables": {"since": since}}
                taken: list[float] = []
                spent = 0.0
                for number in range(rounds + 2):
                    if number == 2:  # the first ones compile and read from the disk
                        spent = _all_cpu(postmaster) + _all_cpu(server.pid)
                    began = time.perf_counter()
                    answer = (await client.post(f"http://127.0.0.1:{server.port}/graphql", json=body)).json()
                    taken.append((time.perf_counter() - began) * 1000)
                    if answer.get("errors"):
                        raise RuntimeError(answer["errors"])
                taken = taken[2:]
                each = (_all_cpu(postmaster) + _all_cpu(server.pid) - spent) * 1000 / rounds
                middle = statistics.median(taken)
                (found_rows,) = answer["data"].values()
                groups = len(found_rows if isinstance(found_rows, list) else found_rows["nodes"])
                figures[name] = {
                    "p50_ms": middle, "low": min(taken), "high": max(taken), "cpu_ms": each, "groups": groups
                }  # fmt: skip
                verdict = f"≤ {BOARD_MS:g} ms {'met' if middle <= BOARD_MS else 'MISSED'}"
                table.add_row(
                    name, f"{middle:.1f}", f"{min(taken):.1f}–{max(taken):.1f}", f"{each:.1f}", str(groups), verdict
                )
        console.print(table)
        return {"cases": city.cases, "boards": figures}
