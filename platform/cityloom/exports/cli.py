"""`cityloom export`: a whole list as a file from a shell, as an account may have it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy import select

from cityloom.access.acting import acting_as
from cityloom.access.models import Account
from cityloom.core.errors import NotFound
from cityloom.exports import models as m
from cityloom.exports.errors import ExportNotReady
from cityloom.exports.running import Exporter
from cityloom.exports.sealing import unsealed
from cityloom.exports.service import Asked, download_export, file_key_of, request_export
from cityloom.exports.writing import file_name
from cityloom.files.store import FileStore
from cityloom.tenancy.cli import Shell
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cityloom.core.principal import Principal
    from cityloom.core.work import Works

#: How often to look whether another worker is done with it, in seconds.
_LOOK_SECONDS = 0.2
#: The exit code where a second person is needed first.
PENDING = 3


@dataclass(frozen=True, slots=True)
class Exported:
    """An export that has ended, or waits; `content` gives its file."""

    name: str
    state: str
    rows: int | None
    content: AsyncIterator[bytes] | None = None


def export(
    ctx: typer.Context,
    city: Annotated[str, typer.Argument(help="The city's short name.")],
    document: Annotated[Path, typer.Argument(help="A file with one GraphQL query.", exists=True, dir_okay=False)],
    login: Annotated[str, typer.Option("--as", help="The login of the account that asks: its rights hold.")],
    purpose: Annotated[str, typer.Option(help="What the file is needed for; it stands in it.")],
    form: Annotated[str, typer.Option("--format", help="CSV, XLSX or JSONL.")] = "CSV",
    variables: Annotated[str, typer.Option(help="Variables as JSON.")] = "{}",
    folder: Annotated[Path, typer.Option("--to", help="The folder to write into.", file_okay=False)] = Path(),
) -> None:
    """Take a query's list whole, as a file; ends with 3 where a second person has to approve it first."""
    shell: Shell = ctx.obj
    if form.upper() not in m.FORMATS:
        raise typer.BadParameter(", ".join(m.FORMATS), param_hint="--format")
    asked = Asked(document.read_text(), purpose, form.upper(), json.loads(variables), shell.locale)

    async def run() -> Exported:
        async with shell.service() as service:
            found = await exported(service.works, city, login, asked)
            if found.content is not None:
                with (folder / found.name).open("wb") as file:
                    async for block in found.content:
                        file.write(block)
            return found

    found = asyncio.run(run())
    if found.content is None:
        typer.echo(f"等待第二人审批 · it waits for a second person: {found.name}")
        raise typer.Exit(PENDING)
    typer.echo(f"{folder / found.name}: {found.rows} 行 · rows")


async def exported(works: Works, city: str, login: str, asked: Asked) -> Exported:
    """Ask for an export as an account, run it here, and open its file.

    Refuses what `request_export` and `download_export` refuse, and (`ExportNotReady`) one that failed.
    """
    directory: TenantDirectory = works.services[TenantDirectory]
    tenant_id = (await directory.by_slug(city)).id
    async with works.begin(system_principal(tenant_id)) as work:
        account_id = await work.session.scalar(select(Account.id).where(Account.login == login))
        if account_id is None:
            raise NotFound(thing="account", thing_zh="账号")
        principal = await acting_as(work, account_id, None)
    async with works.begin(principal) as work:
        made = await request_export(work, asked)
    if made.state == "PENDING":
        return Exported(made.watermark, made.state, None)
    return await _fetched(works, principal, await _ended(works, principal, made))


async def _ended(works: Works, principal: Principal, made: m.Export) -> m.Export:
    exporter = Exporter(works)
    while True:
        has_run = await exporter.run_one(principal.tenant_id)
        async with works.begin(system_principal(principal.tenant_id)) as work:
            found = await work.session.get_one(m.Export, (principal.tenant_id, made.id))
        if found.state not in {"QUEUED", "RUNNING"}:
            return found
        if not has_run:
            await asyncio.sleep(_LOOK_SECONDS)


async def _fetched(works: Works, principal: Principal, made: m.Export) -> Exported:
    if made.state != "READY":
        raise ExportNotReady(state=made.failure or made.state)
    async with works.begin(principal) as work:
        made, _ = await download_export(work, made.id)
    store: FileStore = works.services[FileStore]
    content = unsealed(await file_key_of(works.services, made), store)
    return Exported(file_name(made.format, made.watermark), made.state, made.row_count, content)
