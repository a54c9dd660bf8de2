"""`cityloom bench`: hands over to the benchmarks in `ops/bench/`, scripts of the checkout that are not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

BENCHMARKS = Path(__file__).resolve().parents[2] / "ops" / "bench"


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help="For example `reads.nested`, `reads` or `start`; all of them by default.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each contestant.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of a turn.")] = 5.0,
    connections: Annotated[int, typer.Option(min=1, help="Clients that ask at once.")] = 8,
    scale: Annotated[str, typer.Option(help="Demo population that is measured: small or full.")] = "full",
    divisions: Annotated[
        Path | None, typer.Option(help="The division table of `scale.tenants`; looked for beside the checkout.")
    ] = None,
    tenants: Annotated[int | None, typer.Option(min=1, help="Counties that `scale.tenants` takes.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="A peer to leave out: postgraphile or plain.")] = None,
) -> None:
    """Measure against hand-written SQL, PostGraphile 5, plain Strawberry and Casbin; writes `bench/NAME.json`."""
    if not BENCHMARKS.is_dir():
        typer.echo("性能测试只能在代码检出目录中运行 · benchmarks run from a checkout only", err=True)
        raise typer.Exit(2)
    options = {"--rounds": rounds, "--seconds": seconds, "--connections": connections, "--scale": scale}
    given = options | {"--divisions": divisions, "--tenants": tenants}
    arguments = [part for name, value in given.items() if value is not None for part in (name, str(value))]
    left_out = [part for peer in without or () for part in ("--without", peer)]
    command = [sys.executable, str(BENCHMARKS), *(names or ()), *arguments, *left_out]
    raise typer.Exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - our own script
