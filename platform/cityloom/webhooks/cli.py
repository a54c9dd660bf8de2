"""`cityloom webhooks`: what an operator can ask about all endpoints."""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cityloom.settings import Settings
    from cityloom.webhooks.documents import Broken

webhooks_app = typer.Typer(no_args_is_help=True, help="Webhook endpoints of all cities.")


@webhooks_app.callback()
def root() -> None:
    """Webhook endpoints of all cities."""


@webhooks_app.command()
def verify() -> None:
    """Name every endpoint whose stored document no longer fits the API; ends with 1 if there is one."""
    from cityloom.settings import Settings

    raise typer.Exit(1 if told_broken(Settings.from_environment(os.environ)) else 0)


def told_broken(settings: Settings) -> int:
    """Print every endpoint whose document is broken, and how many there are; answers how many."""
    from cityloom.storage import storage

    with storage(settings) as url:
        found = asyncio.run(_broken(settings, url))
    for one in found:
        typer.echo(str(one))
    typer.echo(f"{len(found)} 个端点的文档已失效 · {len(found)} documents of endpoints are broken")
    return len(found)


async def _broken(settings: Settings, url: str) -> list[Broken]:
    from cityloom.webhooks.documents import broken

    # The composition root is above this slice, so it is found by name.
    platform = import_module("cityloom.app").platform
    async with platform(settings, url) as opened:
        return await broken(opened.works)
