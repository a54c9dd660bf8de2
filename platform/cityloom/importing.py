"""`cityloom import CITY FILE`: check or take over a file from the command line, with the rights of an account."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import select

from cityloom.access.acting import acting_as
from cityloom.access.models import Account
from cityloom.app import platform
from cityloom.core import logs
from cityloom.core.errors import NotFound
from cityloom.imports import models as m
from cityloom.imports import service
from cityloom.imports.running import run_import
from cityloom.settings import Settings
from cityloom.storage import storage
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.app import Platform
    from cityloom.core.principal import Principal

_SHOWN = 20


def import_file(
    city: Annotated[str, typer.Argument(help="The city's short name.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV text or an XLSX workbook.")],
    account: Annotated[str, typer.Option("--as", help="Login of the account whose rights hold for every row.")],
    target: Annotated[str, typer.Option(help="What it is imported into.")] = "registry",
    rule: Annotated[str, typer.Option(help="SKIP, UPDATE or REFUSE what is registered already.")] = "SKIP",
    mapping: Annotated[str | None, typer.Option(help="A mapping of headers that the city keeps by this name.")] = None,
    *,
    apply: Annotated[bool, typer.Option("--apply/--dry-run", help="Take the rows over, or only check them.")] = False,
    skip_refused: Annotated[bool, typer.Option("--skip-refused", help="Take over the rows without errors.")] = False,
) -> None:
    """Check a file, or take all of its rows over at once; ends with 1 where rows have errors."""
    if rule not in m.RULES:
        raise typer.BadParameter(", ".join(m.RULES), param_hint="--rule")
    settings = Settings.from_environment(os.environ)
    logs.setup(form="console", level="warning")
    console = Console()

    async def run(url: str) -> m.Import:
        async with platform(settings, url) as opened:
            importer = await _importer(opened, city, account)
            id_ = await _upload(opened, importer, file, target, console)
            async with opened.works.begin(importer) as work:
                if apply:
                    await service.apply_import(work, id_, rule=rule, mapping_name=mapping, skips_refused=skip_refused)
                else:
                    await service.check_import(work, id_, rule=rule, mapping_name=mapping)
            await _work(opened, importer, id_, console)
            return await _tell(opened, importer, id_, console)

    with storage(settings) as url:
        row = asyncio.run(run(url))
    if row.state == "FAILED" or (row.rows_refused and not (row.state == "COMPLETED" and skip_refused)):
        raise typer.Exit(1)


async def _importer(opened: Platform, city: str, login: str) -> Principal:
    config = await opened.directory.by_slug(city)
    async with opened.works.begin(system_principal(config.id)) as work:
        found = await work.session.scalar(select(Account.id).where(Account.login == login))
        if found is None:
            raise NotFound(thing="account", thing_zh="账号")
        return await acting_as(work, found, None)


async def _upload(opened: Platform, importer: Principal, file: Path, target: str, console: Console) -> UUID:
    async with opened.works.begin(importer) as work:
        into, keys, limits = await service.demand_upload(work, target)
    with file.open("rb") as body, console.status(f"{file.name}: 读取 · reading"):
        async with service.receive(body, keys, limits.most_rows) as received, opened.works.begin(importer) as work:
            row = await service.upload(work, into, received)
    _tell_headers(row, console)
    return row.id


def _tell_headers(row: m.Import, console: Console) -> None:
    for sheet in row.sheets:
        console.print(f"{sheet['name']}: {sheet['rows']:,} 行 rows, {row.encoding}", highlight=False)
        headers = zip(sheet["headers"], sheet["columns"], strict=True)
        unknown = [header for header, column in headers if header and column is None]
        if unknown:
            console.print(f"  未识别的表头 · headers not known: {', '.join(unknown)}", markup=False)


async def _work(opened: Platform, importer: Principal, id_: UUID, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("校验与写入 · checking", total=None)
        done = await run_import(
            opened.works,
            importer.tenant_id,
            id_,
            progress=lambda rows, total: bar.update(task, completed=rows, total=total),
        )
    if not done:
        console.print("由后台进程执行 · a worker does it: see `import` in the API")


async def _tell(opened: Platform, importer: Principal, id_: UUID, console: Console) -> m.Import:
    async with opened.works.begin(importer) as work:
        row = await work.session.get_one(m.Import, (importer.tenant_id, id_))
        found = await work.session.scalars(
            select(m.ImportFinding)
            .where(m.ImportFinding.import_id == id_)
            .order_by(m.ImportFinding.sheet, m.ImportFinding.row, m.ImportFinding.id)
            .limit(_SHOWN)
        )
        table = Table("行 row", "列 column", "代码 code", "级别", "说明")
        for one in found:
            message = one.message_zh if importer.locale == "zh" else one.message_en
            table.add_row(str(one.row), one.column or "", one.code, one.severity, message)
    if table.row_count:
        console.print(table)
    console.print(
        f"{row.state}{f' ({row.failure})' if row.failure else ''}: 新增 new {row.rows_new:,}, "
        f"变更 changed {row.rows_changed:,}, 不变 unchanged {row.rows_unchanged:,}, "
        f"跳过 skipped {row.rows_skipped:,}, 拒绝 refused {row.rows_refused:,}",
        highlight=False,
    )
    return row
