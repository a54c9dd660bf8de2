"""`cityloom graph explain`: what an operation becomes for a role, before anyone runs it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy import select

from cityloom.access import models as access
from cityloom.core.errors import NotFound
from cityloom.core.principal import Principal, PrincipalKind
from cityloom.graph.compiled import CompiledReads
from cityloom.graph.compiler import Compiler
from cityloom.graph.explain import explain
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from cityloom.app import Platform

graph_app = typer.Typer(name="graph", help="The GraphQL API · 接口", no_args_is_help=True)


@graph_app.callback()
def graph() -> None:
    """The GraphQL API · 接口."""


@graph_app.command("explain")
def explain_operation(
    file: Annotated[Path, typer.Argument(help="A file with one GraphQL query.", exists=True, dir_okay=False)],
    role: Annotated[str, typer.Option("--as", help="A role; its first holder is taken.")],
    city: Annotated[str, typer.Option(help="The city's short name.")],
    variables: Annotated[str, typer.Option(help="Variables as JSON.")] = "{}",
    analyse: Annotated[bool, typer.Option("--analyse", help="Run it, and show what it really took.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Print the SQL, the rights, the cost and PostgreSQL's plan of a query as a role would send it."""
    from cityloom.app import platform
    from cityloom.cli import settings
    from cityloom.storage import storage

    async def run(url: str) -> str:
        async with platform(found, url) as opened:
            return await explained(
                opened, file.read_text(), json.loads(variables), city=city, role=role, analyse=analyse
            )

    found = settings()
    with storage(found) as url:
        typer.echo(asyncio.run(run(url)))


async def explained(
    opened: Platform, text: str, variables: dict[str, Any], *, city: str, role: str, analyse: bool = False
) -> str:
    """The explanation of a query for the first holder of a role; refuses (`NotFound`) a role that nobody holds."""
    config = await opened.directory.by_slug(city)
    account_id = await _holder(opened, config.id, role)
    rights = await opened.snapshots.rights(config.id, account_id, opened.works.clock.now())
    principal = Principal(config.id, PrincipalKind.STAFF, rights, account_id=account_id, is_developer=True)
    contract = opened.tenant_api.contracts.of(config.modules)
    prepared = opened.tenant_api.documents.prepare(contract, text, developer=True)
    reads = CompiledReads(opened.works.services[Compiler], opened.database, opened.works.services)
    plan = reads.plan(contract, prepared, None, variables, principal)
    if plan is None:
        return "-- nothing in this operation is compiled"

    async def fetch_all(sql: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await opened.database.reads.fetch(sql, *arguments)
        return rows

    return (await explain(plan.query, fetch_all, analyse=analyse, context=opened.works.services)).text()


async def _holder(opened: Platform, tenant_id: UUID, role: str) -> UUID:
    async with opened.works.begin(system_principal(tenant_id)) as work:
        found = await work.session.scalar(
            select(access.Account.id)
            .join(access.Membership, access.Membership.account_id == access.Account.id)
            .join(access.Role, access.Role.id == access.Membership.role_id)
            .where(access.Role.code == role, access.Account.is_active)
            .order_by(access.Account.login)
        )
    if found is None:
        raise NotFound(thing=f"holder of the role {role}", thing_zh=f"角色 {role} 的持有人")
    return found
