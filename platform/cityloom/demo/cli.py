"""`cityloom demo`: fill a city with people who do not exist."""

from __future__ import annotations

import asyncio
import os
import time
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cityloom.app import platform
from cityloom.core import logs
from cityloom.demo.population import USUAL_SEED, Filled, fill
from cityloom.settings import Settings
from cityloom.storage import storage


class Scale(StrEnum):
    """How many people."""

    SMALL = "small"
    FULL = "full"


def demo(
    city: Annotated[str, typer.Argument(help="The city's short name.")],
    scale: Annotated[
        Scale, typer.Option(help="small: 5,000 residents. full: 500,000 residents in 5,947 buildings.")
    ] = Scale.SMALL,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same people.")] = USUAL_SEED,
) -> None:
    """Fill a city with a made-up population; a second time changes nothing."""
    settings = Settings.from_environment(os.environ)
    logs.setup(form="console", level="warning")
    console = Console()
    begun = time.perf_counter()
    with storage(settings) as url:
        filled = asyncio.run(_run(settings, url, city, scale, seed, console))
    took = time.perf_counter() - begun
    if filled.residents == 0:
        console.print(f"{city}:已有该演示人口,无变化 · nothing to change, {filled.present:,} residents are there")
        return
    rate = filled.residents / took
    console.print(
        f"{city}: {filled.residents:,} 居民 residents, {filled.households:,} 户 households, "
        f"{filled.dwellings:,} 房屋 dwellings, {filled.buildings:,} 楼栋 buildings; "
        f"{took:.1f} s, {rate:,.0f} residents/s"
    )


async def _run(settings: Settings, url: str, city: str, scale: Scale, seed: int, console: Console) -> Filled:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    async with platform(settings, url) as opened:
        config = await opened.directory.by_slug(city)
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(f"{city} 演示人口 · demo population", total=None)
            return await fill(
                opened.works,
                config.id,
                scale=scale.value,
                seed=seed,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
