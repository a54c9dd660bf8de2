"""`cityloom privacy …`: what who runs the platform does for privacy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import select

from cityloom.privacy import models as m
from cityloom.privacy.errors import RotationRunning
from cityloom.privacy.service import carry_on, reapply, start_rotation
from cityloom.privacy.service.erasure import BATCH as ERASURES
from cityloom.privacy.service.retention import BATCH as RETAINED
from cityloom.privacy.service.retention import carry_out, due, unknown_kinds
from cityloom.tenancy.cli import Shell
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Works

privacy_app = typer.Typer(name="privacy", help="Privacy · 个人信息保护", no_args_is_help=True)
_out = Console(highlight=False)
#: Between two looks at a rotation that waits for other processes.
_WAIT_SECONDS = 5
City = Annotated[str, typer.Argument(help="The city's short name.")]


@privacy_app.command("rotate")
def rotate(
    ctx: typer.Context,
    city: City,
    *,
    wait: Annotated[bool, typer.Option(help="Stay until it is done; the platform's jobs go on with it anyway.")] = True,
) -> None:
    """Rotate a city's keys: everything is sealed again by its cipher, then the old keys are destroyed."""
    shell: Shell = ctx.obj

    async def run() -> None:
        async with shell.service() as service:
            tenant = await service.tenant(city)
            try:
                async with service.works.begin(system_principal(tenant.id)) as work:
                    await start_rotation(work)
            except RotationRunning:
                typer.echo("轮换已在进行 · it is running already")
            if wait:
                await _watch(service.works, tenant.id)

    asyncio.run(run())


async def _watch(works: Works, tenant_id: UUID) -> None:
    with Progress(console=_out) as progress:
        task = progress.add_task("轮换 · rotating", total=None)
        while True:
            async with works.begin(system_principal(tenant_id)) as work:
                done = await carry_on(work)
            async with works.begin(system_principal(tenant_id)) as work:
                newest = select(m.KeyRotation).order_by(m.KeyRotation.started_at.desc()).limit(1)
                rotation = (await work.session.scalars(newest)).one()
            progress.update(task, total=max(rotation.total, rotation.done, 1), completed=rotation.done)
            if rotation.finished_at is not None:
                break
            if not done:
                await asyncio.sleep(_WAIT_SECONDS)
    shred_at = "-" if rotation.shred_at is None else rotation.shred_at.isoformat(timespec="minutes")
    typer.echo(f"{rotation.done} 行已重新加密,旧密钥已销毁;备份密钥将于 {shred_at} 销毁")
    typer.echo(f"{rotation.done} rows sealed again, old keys destroyed; those of backups will be at {shred_at}")


@privacy_app.command("reapply")
def reapply_erasures(ctx: typer.Context, city: City) -> None:
    """After a restore: erase again whom the ledger outside of the database names and the backup still had."""
    shell: Shell = ctx.obj

    async def run() -> int:
        async with shell.service() as service:
            tenant = await service.tenant(city)
            count = 0
            while True:
                async with service.works.begin(system_principal(tenant.id)) as work:
                    done = await reapply(work)
                count += done
                if done < ERASURES:
                    return count

    count = asyncio.run(run())
    typer.echo(f"{count} 人的信息已再次清除 · {count} people erased again")


@privacy_app.command("retention")
def retention(
    ctx: typer.Context,
    city: City,
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Let go what is due; only counted otherwise.")] = False,
) -> None:
    """Count what a city has kept as long as it may, by kind; with --apply let it go now."""
    shell: Shell = ctx.obj

    async def run() -> list[str]:
        async with shell.service() as service:
            tenant = await service.tenant(city)
            async with service.works.begin(system_principal(tenant.id)) as work:
                for one in await due(work):
                    days = "-" if one.days is None else str(one.days)
                    title = one.kind.title[shell.locale]
                    typer.echo(f"{one.kind.name:24} {days:>6}  {one.count:>9}  {title}")
                unknown = await unknown_kinds(work)
            while apply:
                async with service.works.begin(system_principal(tenant.id)) as work:
                    if await carry_out(work) < RETAINED:
                        break
        return unknown

    unknown = asyncio.run(run())
    for name in unknown:
        typer.echo(f"{name}: 没有此类数据 · there is no such kind", err=True)
    raise typer.Exit(1 if unknown else 0)
