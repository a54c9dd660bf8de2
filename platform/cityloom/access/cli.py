"""`cityloom access …`: what an auditor and an administrator of the installation need from a shell."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy import select

from cityloom.access import models as m
from cityloom.access.service.accounts import set_password
from cityloom.access.service.operators import set_operator_password
from cityloom.access.service.sessions import Logins
from cityloom.access.snapshot import verify
from cityloom.access.snapshots import AccessSnapshots
from cityloom.core.errors import NotFound
from cityloom.tenancy.cli import Shell
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.access.snapshot import Difference
    from cityloom.core.work import Works

access_app = typer.Typer(name="access", help="Accounts and rules · 账号与规则", no_args_is_help=True)


@access_app.command("verify")
def verify_rules(ctx: typer.Context, city: Annotated[str, typer.Argument(help="The city's short name.")]) -> None:
    """Compare every decision of a city's compiled rules with Casbin's own enforcer; ends with 1 if one differs."""
    shell: Shell = ctx.obj

    async def run() -> tuple[int, list[Difference]]:
        async with shell.service() as service:
            return await differences(service.works, city)

    decisions, found = asyncio.run(run())
    for one in found:
        typer.echo(f"{one.role} {one.permission}: snapshot={one.snapshot} casbin={one.casbin}")
    typer.echo(f"{decisions} 次判定,{len(found)} 处不同 · {decisions} decisions, {len(found)} differences")
    raise typer.Exit(1 if found else 0)


@access_app.command("password")
def give_password(
    ctx: typer.Context, login: Annotated[str, typer.Argument(help="`login@city`, or `operator:login`.")]
) -> None:
    """Make a new password for an account and print it, once; its sessions end."""
    shell: Shell = ctx.obj

    async def run() -> str:
        async with shell.service() as service:
            return await new_password(service.works, login)

    typer.echo(asyncio.run(run()))


async def differences(works: Works, city: str) -> tuple[int, list[Difference]]:
    """How many decisions a city's rules make over all roles and permissions, and those that Casbin makes otherwise."""
    snapshots: AccessSnapshots = works.services[AccessSnapshots]
    tenant_id = await _tenant(works, city)
    snapshot = await snapshots.snapshot(tenant_id)
    found = list(verify(snapshot, snapshots.catalogue, tenant_id.hex))
    return len(snapshot.stated) * len(snapshots.catalogue.names), found


async def new_password(works: Works, login: str) -> str:
    """A new random password for `login@city` or `operator:login`; refuses (`NotFound`) who is not there."""
    password = secrets.token_urlsafe(12)
    kind, _, operator = login.partition(":")
    if kind == "operator" and operator:
        logins: Logins = works.services[Logins]
        if not await set_operator_password(works.database, logins.passwords, operator, password):
            raise NotFound(thing="operator", thing_zh="运营人员")
        return password
    name, _, city = login.rpartition("@")
    async with works.begin(system_principal(await _tenant(works, city))) as work:
        account_id: UUID | None = await work.session.scalar(select(m.Account.id).where(m.Account.login == name))
        if account_id is None:
            raise NotFound(thing="account", thing_zh="账号")
        await set_password(work, account_id, password)
    return password


async def _tenant(works: Works, city: str) -> UUID:
    directory: TenantDirectory = works.services[TenantDirectory]
    return (await directory.by_slug(city)).id
