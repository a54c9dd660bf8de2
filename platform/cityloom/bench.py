"""`cityloom bench`: hands over to the benchmarks in `ops/bench/`, scripts of the checkout that are not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

BENCHMARKS = Path(__file__).resolve().parents[2] / "ops" / "bench"


bench_app = typer.Typer(add_completion=False)


# Options are the benchmarks' own, `--help` too.
@bench_app.command(
    "bench",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def bench(context: typer.Context) -> None:
    """Measure against hand-written SQL, PostGraphile 5, plain Strawberry and Casbin; `cityloom bench --help`."""
    if not BENCHMARKS.is_dir():
        typer.echo("性能测试只能在代码检出目录中运行 · benchmarks run from a checkout only", err=True)
        raise typer.Exit(2)
    raise typer.Exit(subprocess.run([sys.executable, str(BENCHMARKS), *context.args], check=False).returncode)  # noqa: S603 - our own script
