"""`cityloom webhooks`: what an operator can ask about all endpoints."""

from __future__ import annotations

import asyncio
import os

import typer

webhooks_app = typer.Typer(no_args_is_help=True, help="Webhook endpoints of all cities.")


@webhooks_app.callback()
def root() -> None:
    """Webhook endpoints of all cities."""


@webhooks_app.command()
def verify() -> None:
    """Name every endpoint whose stored document no longer fits the API; ends with 1 if there is one."""
    from cityloom.settings import Settings
    from cityloom.storage import storage

    settings = Settings.from_environment(os.environ)
    with storage(settings) as url:
        found = asyncio.run(_verify(settings, url))
    for line in found:
        typer.echo(line)
    typer.echo(f"{len(found)} 个端点的文档已失效 · {len(found)} documents of endpoints are broken")
    raise typer.Exit(1 if found else 0)


async def _verify(settings: object, url: str) -> list[str]:
    from importlib import import_module

    from cityloom.webhooks.documents import broken

    # The composition root is above this slice, so it is found by name.
    platform = import_module("cityloom.app").platform
    async with platform(settings, url) as opened:
        return [str(one) for one in await broken(opened.works)]
