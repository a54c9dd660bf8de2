"""Commands over cases."""

from __future__ import annotations

import asyncio
import os

import typer

from cityloom.settings import Settings

cases_app = typer.Typer(name="cases", no_args_is_help=True, help="Cases: clocks.")


@cases_app.callback()
def _cases() -> None:
    """Cases: clocks."""


@cases_app.command("run-due")
def run_due() -> None:
    """Write warnings, missed deadlines and escalations of all cities that are due by now."""
    from cityloom.audit.service import write_entries
    from cityloom.core.work import Works
    from cityloom.events.service import write_outbox
    from cityloom.jobs.service import Jobs
    from cityloom.modules.cases.module import MODULE
    from cityloom.storage import connections, storage

    settings = Settings.from_environment(os.environ)

    async def run(url: str) -> int:
        async with connections(settings, url) as database:
            return await Jobs(Works(database, writers=(write_outbox, write_entries)), [MODULE]).run_due()

    with storage(settings) as url:
        count = asyncio.run(run(url))
    typer.echo(f"{count} 件事件的时钟已更新 · clocks of {count} cases brought up to date")
