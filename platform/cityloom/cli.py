"""The command line. Commands import what they need when they run, so that each starts quickly."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated

import typer

from cityloom.core.errors import Refusal
from cityloom.settings import Settings, SettingsError

app = typer.Typer(
    name="cityloom", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
database = typer.Typer(no_args_is_help=True, help="The database: schema, isolation, distribution.")
app.add_typer(database, name="db")


def settings() -> Settings:
    """The settings of this process."""
    return Settings.from_environment(os.environ)


@app.command()
def up(workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that serve.")] = 1) -> None:
    """Start everything: database, schema, the cities' packs, demo people, and the server."""
    from cityloom.core import logs
    from cityloom.up import up as run

    found = settings()
    logs.setup(form="console", level="warning")
    run(found, workers=workers)


@database.command()
def migrate() -> None:
    """Bring roles, schema, grants and row-level policies up to date; safe to run again."""
    from cityloom.core.migrations import migrate as run
    from cityloom.storage import storage

    found = settings()
    with storage(found) as url:
        asyncio.run(run(url, found.var))
    typer.echo("数据库已是最新 · the database is up to date")


@database.command()
def verify() -> None:
    """Print every place where the database does not keep tenants apart as it should; ends with 1 if there is one."""
    import asyncpg
    from sqlalchemy.engine import make_url

    from cityloom.core.database import asyncpg_arguments
    from cityloom.core.isolation import findings
    from cityloom.installed import import_models
    from cityloom.storage import storage

    async def run(url: str) -> int:
        connection = await asyncpg.connect(**asyncpg_arguments(make_url(url)))
        try:
            found = await findings(connection)
        finally:
            await connection.close()
        for finding in found:
            typer.echo(f"{finding.check:10} {finding.place}: {finding.what}")
        return len(found)

    import_models()
    with storage(settings()) as url:
        count = asyncio.run(run(url))
    typer.echo(f"{count} 处发现 · {count} findings")
    raise typer.Exit(1 if count else 0)


@database.command()
def distribute(
    only_print: Annotated[bool, typer.Option("--print", help="Print the calls instead of running them.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Tell Citus how tables are spread by tenant: one call per table."""
    from cityloom.core import distribute as citus
    from cityloom.installed import import_models

    import_models()
    if only_print:
        for call in citus.calls():
            typer.echo(f"{call};")
        return

    from sqlalchemy.engine import make_url
    from sqlalchemy.ext.asyncio import create_async_engine

    from cityloom.storage import storage

    async def run(url: str) -> int:
        engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(citus.distribute)
        finally:
            await engine.dispose()

    with storage(settings()) as url:
        typer.echo(f"{asyncio.run(run(url))} 张表已分布 · tables distributed")


def main() -> None:
    """Run the command line; a refusal is one line in both languages and exit code 2."""
    try:
        app(standalone_mode=True)
    except Refusal as refusal:
        typer.echo(f"{refusal.message('zh')}\n{refusal.message('en')}", err=True)
        sys.exit(2)
    except SettingsError as error:
        typer.echo(f"环境变量有误 · bad environment variable: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


__all__ = ["app", "main"]
