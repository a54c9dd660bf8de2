"""Contestants in turn (A B A B …) on one machine, over one database, in one run: medians, spread and ratios."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from load import Load, run_load
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).resolve().parents[2]
ANSWERS = ROOT / "bench"
#: Wide enough for the tables where the output goes into a file.
console = Console(width=None if sys.stdout.isatty() else 150)


@dataclass(frozen=True)
class Contestant:
    """One way of answering: whole HTTP requests that are sent in turn to a port, and the process that answers."""

    name: str
    port: int
    requests: Sequence[bytes]
    pid: int


@dataclass(frozen=True)
class Round:
    """One turn of one contestant: what was seen, and milliseconds of CPU per request on both sides."""

    load: Load
    server_cpu_ms: float
    database_cpu_ms: float | None


@dataclass(frozen=True)
class Target:
    """The first contestant's median rate over another's: at least this."""

    against: str
    at_least: float


@dataclass
class Result:
    """One bench as it is printed and written."""

    name: str
    what: str
    rounds: dict[str, list[Round]]
    targets: Sequence[Target] = ()
    notes: dict[str, Any] = field(default_factory=dict)

    def median(self, name: str, figure: str) -> float:
        """The median over the rounds of one figure of the load."""
        return statistics.median(getattr(r.load, figure) for r in self.rounds[name])

    def ratios(self, against: str) -> tuple[float, float, float]:
        """Median, smallest and largest ratio of rates, round by round, of the first contestant to another."""
        first = next(iter(self.rounds))
        found = [
            ours.load.per_second / theirs.load.per_second
            for ours, theirs in zip(self.rounds[first], self.rounds[against], strict=True)
        ]
        return statistics.median(found), min(found), max(found)


class Cpu:
    """CPU seconds of a server with its children, and of all processes of a PostgreSQL server (where it is ours)."""

    def __init__(self, pid: int, postmaster: int | None) -> None:
        self._pid, self._postmaster = pid, postmaster
        self._server, self._database = _seconds(pid), _seconds(postmaster)

    def spent(self) -> tuple[float, float | None]:
        """Seconds since the beginning."""
        server = _since(self._server, _seconds(self._pid))
        return server, _since(self._database, _seconds(self._postmaster)) if self._postmaster else None


def _seconds(pid: int | None) -> dict[int, float]:
    """CPU seconds of a process and all below it."""
    if pid is None:
        return {}
    root = psutil.Process(pid)
    found = {}
    for process in [root, *root.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        found[process.pid] = times.user + times.system
    return found


def _since(before: dict[int, float], after: dict[int, float]) -> float:
    """What was spent in between by those that are still there; parallel workers of PostgreSQL come and go uncounted."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


async def contest(
    contestants: Sequence[Contestant],
    *,
    rounds: int,
    seconds: float,
    connections: int,
    postmaster: int | None,
) -> dict[str, list[Round]]:
    """Each contestant once per round, in turn; the order is reversed in every second round."""
    found: dict[str, list[Round]] = {c.name: [] for c in contestants}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("warming", total=None)
        for contestant in contestants:
            await run_load(contestant.port, contestant.requests, connections=connections, seconds=min(2.0, seconds))
        for number in range(rounds):
            for contestant in contestants if number % 2 == 0 else reversed(contestants):
                progress.update(task, description=f"round {number + 1} of {rounds}: {contestant.name}")
                found[contestant.name].append(await _turn(contestant, seconds, connections, postmaster))
    return found


async def _turn(contestant: Contestant, seconds: float, connections: int, postmaster: int | None) -> Round:
    cpu = Cpu(contestant.pid, postmaster)
    load = await run_load(contestant.port, contestant.requests, connections=connections, seconds=seconds)
    if load.failures:
        raise RuntimeError(f"{contestant.name}: {load.failures} of {load.requests} failed: {load.first_failure}")
    server, database = cpu.spent()
    each = 1000 / load.requests
    return Round(load, round(server * each, 3), None if database is None else round(database * each, 3))


def environment(**more: str) -> dict[str, Any]:
    """What the figures depend on: machine, versions, the state of the source."""
    packages = (
        "granian",
        "uvloop",
        "asyncpg",
        "sqlalchemy",
        "strawberry-graphql",
        "graphql-core",
        "starlette",
        "orjson",
        "pycasbin",
    )
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    memory = psutil.virtual_memory().total >> 30
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {_processor()}, {psutil.cpu_count()} CPUs, {memory} GiB",
        "system": platform.platform(),
        "load_before": round(psutil.getloadavg()[0], 2),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "commit": commit.stdout.strip(),
        **more,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def show(result: Result) -> None:
    """The table of a contest."""
    table = Table(title=f"{result.name}: {result.what}", title_justify="left")
    for heading in (
        "",
        "requests/s",
        "spread",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "server CPU ms",
        "database CPU ms",
        "body kB",
        "ratio",
        "target",
    ):
        table.add_column(heading, justify="left" if not heading else "right")
    targets = {target.against: target.at_least for target in result.targets}
    first = next(iter(result.rounds))
    for name, rounds in result.rounds.items():
        rates = [r.load.per_second for r in rounds]
        ratio, low, high = result.ratios(name)
        wanted = targets.get(name)
        verdict = "" if wanted is None else f"≥ {wanted:g} {'met' if ratio >= wanted else 'MISSED'}"
        table.add_row(
            name,
            f"{statistics.median(rates):,.0f}",
            f"{min(rates):,.0f}–{max(rates):,.0f}",
            *(f"{result.median(name, f'p{q}_ms'):.1f}" for q in (50, 95, 99)),
            f"{statistics.median(r.server_cpu_ms for r in rounds):.2f}",
            _median_text([r.database_cpu_ms for r in rounds]),
            f"{result.median(name, 'body_bytes') / 1000:.1f}",
            "" if name == first else f"{ratio:.2f} ({low:.2f}–{high:.2f})",
            verdict,
        )
    console.print(table)
    for key, note in result.notes.items():
        console.print(f"  {key}: {note}", highlight=False)


def _median_text(values: Iterable[float | None]) -> str:
    known = [v for v in values if v is not None]
    return f"{statistics.median(known):.2f}" if known else "–"


def write(name: str, content: dict[str, Any]) -> Path:
    """Write one bench's figures to `bench/NAME.json`."""
    ANSWERS.mkdir(exist_ok=True)
    path = ANSWERS / f"{name}.json"
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n", "utf-8")
    return path


def as_json(result: Result) -> dict[str, Any]:
    """A contest's figures, whole."""
    first = next(iter(result.rounds))
    return {
        "what": result.what,
        "rounds": {name: [asdict(r) for r in rounds] for name, rounds in result.rounds.items()},
        "median_per_second": {name: result.median(name, "per_second") for name in result.rounds},
        "ratios": {
            name: dict(zip(("median", "low", "high"), result.ratios(name), strict=True))
            for name in result.rounds
            if name != first
        },
        "targets": {t.against: t.at_least for t in result.targets},
        "notes": result.notes,
    }
