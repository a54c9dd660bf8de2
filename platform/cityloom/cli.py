"""The command line. Commands import what they need when they run, so that each starts quickly."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from cityloom.core.errors import Refusal
from cityloom.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cityloom.core.module import Module
    from cityloom.core.text import Locale
    from cityloom.tenancy.service import TenantService

#: Commands of slices, by the module that is imported when one is called: `up` shall not wait for what it does not need.
LATE = {
    "access": "cityloom.access.cli:access_app",
    "audit": "cityloom.audit.cli:audit_app",
    "bench": "cityloom.bench:bench_app",
    "cases": "cityloom.modules.cases.cli:cases_app",
    "demo": "cityloom.demo.cli:demo",
    "departure": "cityloom.departures.cli:departure_app",
    "export": "cityloom.exports.cli:export",
    "graph": "cityloom.explaining:graph_app",
    "import": "cityloom.importing:import_file",
    "listen": "cityloom.webhooks.listen:listen",
    "privacy": "cityloom.privacy.cli:privacy_app",
    "schema": "cityloom.contracts:schema",
    "tenants": "cityloom.tenancy.cli:tenants_app",
    "webhooks": "cityloom.webhooks.cli:webhooks_app",
    "worker": "cityloom.worker:worker",
}


class LateGroup(TyperGroup):
    """The root: its own commands, and those of `LATE`."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - a context of Typer's vendored Click
        """Names of all commands."""
        return sorted([*super().list_commands(ctx), *LATE])

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - a command of Typer's vendored Click
        """The command of this name; None where there is none."""
        if cmd_name not in LATE:
            return super().get_command(ctx, cmd_name)
        module, _, name = LATE[cmd_name].partition(":")
        found = getattr(import_module(module), name)
        if not isinstance(found, typer.Typer):
            found, command = typer.Typer(add_completion=False), found
            found.command(cmd_name)(command)
        return typer.main.get_command(found)


app = typer.Typer(
    name="cityloom", cls=LateGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
database = typer.Typer(no_args_is_help=True, help="The database: schema, isolation, distribution.")
app.add_typer(database, name="db")


def settings() -> Settings:
    """The settings of this process."""
    return Settings.from_environment(os.environ)


@app.callback()
def root(ctx: typer.Context) -> None:
    """Cityloom: one GraphQL platform that serves many cities."""
    ctx.obj = _Shell()


class _Shell:
    """What commands of slices stand on (`cityloom.tenancy.cli.Shell`), each part made when it is asked for."""

    @property
    def tenants(self) -> Path:
        """The folder of packs."""
        return settings().tenants

    @property
    def locale(self) -> Locale:
        """The language of what is printed, by LANG."""
        return "zh" if os.environ.get("LANG", "").lower().startswith("zh") else "en"

    def modules(self) -> tuple[Module, ...]:
        """The installed modules."""
        from cityloom.installed import modules

        return modules()

    @asynccontextmanager
    async def service(self) -> AsyncIterator[TenantService]:
        """The operators' verbs over the platform's database."""
        from cityloom.app import platform
        from cityloom.storage import storage

        found = settings()
        with storage(found) as url:
            async with platform(found, url) as opened:
                yield opened.tenants


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
def recount(*, repair: Annotated[bool, typer.Option("--repair", help="Put right what differs.")] = False) -> None:
    """Count anew what tallies say, in every city, and print where they differ from the rows; ends with 1 if they do."""
    import asyncpg
    from sqlalchemy.engine import make_url

    from cityloom.core.database import asyncpg_arguments
    from cityloom.core.tallies.keeping import recount_all
    from cityloom.installed import import_models
    from cityloom.storage import storage

    async def run(url: str) -> int:
        connection = await asyncpg.connect(**asyncpg_arguments(make_url(url)))
        try:
            found = await recount_all(connection, settle=repair)
        finally:
            await connection.close()
        for drift in found:
            typer.echo(f"{drift.tally} {drift.tenant_id}: {drift.changes} + {drift.sums}")
        return len(found)

    import_models()
    with storage(settings()) as url:
        count = asyncio.run(run(url))
    typer.echo(f"{count} 处差异 · {count} differences")
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
        for call in (*citus.preparations(), *citus.calls()):
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
