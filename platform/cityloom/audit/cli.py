"""`cityloom audit …`: for who has to prove that the audit log is as it was written."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityloom.audit.checkpoints import Checkpoints
from cityloom.audit.verifier import INSERTED, SEALS, Verifier
from cityloom.tenancy.cli import Shell
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cityloom.core.work import Works

audit_app = typer.Typer(name="audit", help="The audit log · 审计日志", no_args_is_help=True)


@audit_app.command("verify")
def verify(
    ctx: typer.Context,
    city: Annotated[str, typer.Argument(help="The city's short name.")],
    key: Annotated[
        list[str] | None,
        typer.Option(help="A public key that may have signed (base64); this installation's where none is given."),
    ] = None,
    witness: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The last checkpoint that you have kept.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Where to write the newest checkpoint: the next witness.")
    ] = None,
) -> None:
    """Read a city's whole log and prove that it is as it was written; ends with 1 where it is not."""
    shell: Shell = ctx.obj

    async def run() -> tuple[Verifier, list[bytes]]:
        async with shell.service() as service:
            return await read(service.works, city, key or (), None if witness is None else witness.read_bytes())

    verifier, checkpoints = asyncio.run(run())
    faults = verifier.end()
    for one in faults:
        typer.echo(f"{one.kind:10} {one.position or '-':>8}  {one.zh} · {one.en}")
    typer.echo(
        f"{verifier.position} 条,{len(checkpoints)} 个检查点,{len(faults)} 处问题 · "
        f"{verifier.position} entries, {len(checkpoints)} checkpoints, {len(faults)} faults"
    )
    if keep is not None and checkpoints and not faults:
        keep.write_bytes(checkpoints[-1])
    raise typer.Exit(1 if faults else 0)


@audit_app.command("key")
def key(ctx: typer.Context) -> None:
    """Print the public key that checkpoints are verified with: keep it where this installation cannot write."""
    shell: Shell = ctx.obj

    async def run() -> str:
        async with shell.service() as service:
            checkpoints: Checkpoints = service.works.services[Checkpoints]
            return checkpoints.signer.public

    typer.echo(asyncio.run(run()))


async def read(
    works: Works, city: str, keys: Iterable[str] = (), witness: bytes | None = None
) -> tuple[Verifier, list[bytes]]:
    """A verifier that has read a city's log, and the checkpoints; memory does not grow with the log."""
    directory: TenantDirectory = works.services[TenantDirectory]
    outside: Checkpoints = works.services[Checkpoints]
    tenant_id = (await directory.by_slug(city)).id
    checkpoints = await outside.of(tenant_id)
    verifier = Verifier(tenant_id.hex, tuple(keys) or (outside.signer.public,), checkpoints, witness)
    async with works.begin(system_principal(tenant_id)) as work:
        connection = await work.connection()
        async for row in connection.cursor(SEALS, tenant_id, prefetch=1_000):
            verifier.take(row["position"], row["hash"], row["entry"])
        async for row in connection.cursor(INSERTED, tenant_id):
            verifier.insert(row["id"].hex, row["recorded_at"].isoformat())
    return verifier, checkpoints
