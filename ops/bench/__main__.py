"""`python ops/bench NAME …` or `cityloom bench NAME …`: run benchmarks, print their tables, write `bench/NAME.json`."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cases
import decide
import imports
import load
import reads
import registry
import scale
import start
import uvloop
import webhooks
from city import VAR, prepare
from contest import as_json, console, environment, show, write
from servers import CITYLOOM, HANDWRITTEN, PLAIN, POSTGRAPHILE, install_postgraphile, serving

from cityloom.core import logs
from cityloom.settings import Settings
from cityloom.storage import storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

NAMES = (
    *reads.BENCHES,
    "registry.reads",
    "cases.lifecycle",
    "cases.boards",
    "access.decide",
    "start",
    "webhooks.fanout",
    "registry.import",
    "scale.tenants",
)
#: Where the published division table lies beside a checkout.
DIVISIONS = Path("../shared/data/divisions/china-2023.csv.xz")


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="cityloom bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"any of {', '.join(NAMES)}, or a beginning such as `reads`; all of them by default",
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a turn")
    parser.add_argument("--connections", type=int, default=8, help="clients that ask at once")
    parser.add_argument("--cases", type=int, default=1_000_000, help="how many cases the city of `cases` has")
    parser.add_argument("--keys", type=int, default=200, help="different keys of each question of `registry.reads`")
    parser.add_argument("--records", type=int, default=0, help="residents of a second, larger city of `registry.reads`")
    parser.add_argument("--city", default="yanji", help="the pack that is measured")
    parser.add_argument("--scale", default="full", choices=("small", "full"), help="its demo population")
    parser.add_argument("--divisions", type=Path, default=DIVISIONS, help="the division table of `scale`, as .csv.xz")
    parser.add_argument("--tenants", type=int, default=None, help="how many counties `scale` takes; all by default")
    parser.add_argument(
        "--without", action="append", default=[], choices=("postgraphile", "plain"), help="leave out a peer"
    )
    given = parser.parse_args()
    wanted = [
        name for name in NAMES if not given.names or any(name == g or name.startswith(f"{g}.") for g in given.names)
    ]
    if not wanted:
        parser.error(f"there is no bench of that name; there are {', '.join(NAMES)}")
    if "scale.tenants" in wanted and not given.divisions.is_file():
        if given.names:
            parser.error(f"there is no division table {given.divisions}: name it with --divisions")
        console.print(f"scale.tenants is left out: there is no division table {given.divisions}", highlight=False)
        wanted.remove("scale.tenants")
    logs.setup(form="console", level="warning")
    for name in wanted:
        if name in _OTHERS:
            _OTHERS[name](name, given)
    if any(name in reads.BENCHES for name in wanted):
        with _populated(given) as (settings, admin_url):
            uvloop.run(_reads(settings, admin_url, [name for name in wanted if name in reads.BENCHES], given))


def _lifecycle(name: str, given: argparse.Namespace) -> None:
    _write(name, uvloop.run(cases.lifecycle(given.city, given.cases, given.rounds, given.seconds, given.connections)))


def _webhooks(_name: str, given: argparse.Namespace) -> None:
    with _stored("webhooks") as (settings, admin_url):
        uvloop.run(webhooks.run(settings, admin_url, min(given.rounds, 3)))


def _scale(_name: str, given: argparse.Namespace) -> None:
    with _stored("scale") as (settings, admin_url):
        uvloop.run(scale.run(settings, admin_url, given, _postmaster(settings)))


def _import(name: str, given: argparse.Namespace) -> None:
    with _stored("imports") as (settings, admin_url):
        _write(name, uvloop.run(imports.run(settings, admin_url, given.city, given.scale, min(given.rounds, 3))))


def _registry_reads(name: str, given: argparse.Namespace) -> None:
    with _populated(given) as (settings, admin_url):
        _write(name, uvloop.run(_registry(settings, admin_url, given)))


@contextmanager
def _stored(name: str) -> Iterator[tuple[Settings, str]]:
    """A database of the bench's own."""
    settings = Settings.from_environment(os.environ | {"CITYLOOM_VAR": str(VAR / name)})
    with storage(settings) as admin_url:
        yield settings, admin_url


def _populated(given: argparse.Namespace) -> AbstractContextManager[tuple[Settings, str]]:
    """The database of a pack's demo population; each scale has its own, so that none is taken for another."""
    return _stored(f"{given.city}-{given.scale}")


#: What needs no servers beside each other.
_OTHERS: dict[str, Callable[[str, argparse.Namespace], None]] = {
    "access.decide": lambda _name, _given: decide.run(),
    "start": lambda _name, _given: start.run(),
    "cases.lifecycle": _lifecycle,
    "cases.boards": lambda name, given: _write(name, uvloop.run(cases.boards(given.city, given.cases, given.rounds))),
    "webhooks.fanout": _webhooks,
    "scale.tenants": _scale,
    "registry.import": _import,
    "registry.reads": _registry_reads,
}


def _write(name: str, figures: dict[str, Any]) -> None:
    command = " ".join(["cityloom", "bench", *sys.argv[1:]])
    path = write(name, {"name": name, "environment": environment(), "command": command, **figures})
    console.print(f"  → {path.relative_to(path.parents[1])}", highlight=False)


async def _registry(settings: Settings, admin_url: str, given: argparse.Namespace) -> dict[str, Any]:
    city = await prepare(settings, admin_url, slug=given.city, scale=given.scale)
    return await registry.run(settings, admin_url, city, keys=given.keys, records=given.records)


async def _reads(settings: Settings, admin_url: str, names: list[str], given: argparse.Namespace) -> None:
    city = await prepare(settings, admin_url, slug=given.city, scale=given.scale)
    await reads.prepare_peers(admin_url)
    contestants = [CITYLOOM, HANDWRITTEN]
    version = None if "postgraphile" in given.without else install_postgraphile()
    if version is not None:
        contestants.append(POSTGRAPHILE)
    if "plain" not in given.without:
        contestants.append(PLAIN)
    surroundings = environment(postgraphile=version or "left out")
    top = await load.ceiling(50_000, connections=given.connections, seconds=2)
    console.print(
        f"load generator: {top.per_second:,.0f} answers/s of 50 kB at most, {top.generator_cpu_ms:.3f} ms of CPU each",
        highlight=False,
    )
    async with serving(admin_url, city, contestants, settings.var) as servers:
        options = reads.Options(given.rounds, given.seconds, given.connections, _postmaster(settings))
        ring = reads.Ring(admin_url, city, servers, options)
        for name in names:
            result = await reads.BENCHES[name](ring)
            show(result)
            path = write(
                name,
                {
                    "name": name,
                    "environment": surroundings,
                    "city": {"slug": given.city, "residents": city.residents, "dwellings": city.dwellings},
                    "options": asdict(options),
                    "command": " ".join(["cityloom", "bench", *sys.argv[1:]]),
                    "servers": {server.name: server.command for server in servers.values()},
                    "load_generator": asdict(top),
                    **as_json(result),
                },
            )
            console.print(f"  → {path.relative_to(path.parents[1])}", highlight=False)


def _postmaster(settings: Settings) -> int | None:
    """The process of the embedded server, to count its CPU; another server's is not ours to see."""
    if settings.database_url:
        return None
    return int((settings.var / "postgres" / "data" / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])


if __name__ == "__main__":
    main()
