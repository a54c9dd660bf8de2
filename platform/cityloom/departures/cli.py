"""`cityloom departure …`: a city leaves, from a shell."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cityloom.audit.checkpoints import Checkpoints
from cityloom.departures import service as departures
from cityloom.departures.errors import BundleMissing, NotLeaving
from cityloom.departures.running import Departures
from cityloom.departures.verifier import Reading, is_signed
from cityloom.tenancy.cli import Shell, actor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cityloom.core.work import Works
    from cityloom.departures.models import TenantDeparture

departure_app = typer.Typer(name="departure", help="A city leaves · 城市退出", no_args_is_help=True)
_WAIT_SECONDS = 2.0
Found = TypeVar("Found")
City = Annotated[str, typer.Argument(help="The city's short name.")]
Key = Annotated[str | None, typer.Option(help="The platform's public key (base64); this installation's if none.")]


@departure_app.command("begin")
def begin(
    ctx: typer.Context,
    city: City,
    confirm: Annotated[str, typer.Option(prompt="Short name once more · 再次输入短名称", help="The name once more.")],
    reason: Annotated[str, typer.Option(prompt=True, help="Why; is recorded, and stands in the certificate.")],
    to: Annotated[
        Path | None, typer.Option(help="The folder below which workers write the bundle; the setting's if none.")
    ] = None,
) -> None:
    """Let a city leave: nobody gets in any more, and workers write a bundle of all its data."""

    async def ask(works: Works) -> TenantDeparture:
        return await departures.ask_to_leave(works, city, confirm=confirm, reason=reason, folder=to, actor=actor())

    _show(_with(ctx, ask))


@departure_app.command("stay")
def stay(ctx: typer.Context, city: City) -> None:
    """Take a departure back, as long as no key is destroyed."""
    _show(_with(ctx, lambda works: departures.take_back(works, city, actor=actor())))


@departure_app.command("erase")
def erase(
    ctx: typer.Context,
    city: City,
    manifest: Annotated[str, typer.Option(prompt=True, help="SHA-256 of the manifest.json that was handed over.")],
) -> None:
    """Confirm that the bundle was checked and handed over, and have the city destroyed."""
    _show(_with(ctx, lambda works: departures.confirm_erasure(works, city, manifest_hash=manifest, actor=actor())))


@departure_app.command("status")
def status(ctx: typer.Context, city: City) -> None:
    """Show how far a departure is."""
    _show(_with(ctx, lambda works: _known(works, city)))


@departure_app.command("run")
def run(
    ctx: typer.Context,
    city: City,
    *,
    wait: Annotated[bool, typer.Option(help="Stay until it has to be confirmed, or is over.")] = True,
) -> None:
    """Carry a departure out here, as workers do; another process that is killed in it is succeeded."""

    async def carry_on(works: Works) -> TenantDeparture:
        running, before = Departures(works), ""
        while True:
            await running.carry_on((found := await _known(works, city)).id)
            found = await _known(works, city)
            if found.step != before:
                typer.echo(_line(found))
            before = found.step
            if not wait or found.ended_at is not None or found.step == "EXPORTED":
                return found
            await asyncio.sleep(_WAIT_SECONDS)

    _show(_with(ctx, carry_on))


@departure_app.command("certificate")
def certificate(
    ctx: typer.Context,
    city: City,
    to: Annotated[Path, typer.Option(file_okay=False, help="The folder for certificate.json and certificate.sig.")],
) -> None:
    """Write the certificate of a city that is gone, and its signature."""
    found = _with(ctx, lambda works: _known(works, city))
    if found.certificate is None or found.signature is None:
        raise BundleMissing(slug=city, step=found.step)
    to.mkdir(parents=True, exist_ok=True)
    (to / "certificate.json").write_bytes(found.certificate.encode())
    (to / "certificate.sig").write_bytes(base64.b64decode(found.signature))
    typer.echo(str(to / "certificate.json"))


@departure_app.command("verify-certificate")
def verify_certificate(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="certificate.json; .sig lies beside it.")],
    key: Key = None,
) -> None:
    """Prove that a certificate is as it was signed, and print what an auditor asks the database; ends with 1 if not."""
    content = file.read_bytes()
    if not is_signed(content, file.with_suffix(".sig").read_bytes(), key or _own_key(ctx)):
        typer.echo("签名无效 · it was not signed by this key", err=True)
        raise typer.Exit(1)
    stated = json.loads(content)
    typer.echo(f"{stated['tenant']['slug']}  {stated['rows_deleted']['total']} rows  {stated['verified']['at']}\n")
    typer.echo(stated["verified"]["by"] + ";")


@departure_app.command("verify-bundle")
def verify_bundle(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The folder of the bundle.")],
    key: Key = None,
) -> None:
    """Read a whole bundle and prove that it is as it was written, its audit log included; ends with 1 where it is not.

    With --key it needs no database and no installation.
    """
    reading = Reading(folder, key or _own_key(ctx))
    faults = reading.read()
    for fault in faults:
        typer.echo(fault, err=True)
    typer.echo(
        f"{reading.parts} parts, {reading.rows} rows, {reading.byte_size} bytes, {len(faults)} faults\n"
        f"manifest {reading.manifest_hash}"
    )
    raise typer.Exit(1 if faults else 0)


def _own_key(ctx: typer.Context) -> str:
    async def public(works: Works) -> str:
        outside: Checkpoints = works.services[Checkpoints]
        return outside.signer.public

    return _with(ctx, public)


def _with(ctx: typer.Context, verb: Callable[[Works], Awaitable[Found]]) -> Found:
    shell: Shell = ctx.obj

    async def run() -> Found:
        async with shell.service() as service:
            return await verb(service.works)

    return asyncio.run(run())


async def _known(works: Works, city: str) -> TenantDeparture:
    found = await departures.departure_of(works, city)
    if found is None:
        raise NotLeaving(slug=city)
    return found


def _line(found: TenantDeparture) -> str:
    done, total = departures.progress(found)
    failure = f"  ({found.failure})" if found.failure else ""
    return f"{found.slug}  {found.step}  {done}/{total}{failure}"


def _show(found: TenantDeparture) -> None:
    typer.echo(_line(found))
    typer.echo(f"  {found.folder}")
    if found.manifest_hash:
        typer.echo(f"  manifest {found.manifest_hash}")
