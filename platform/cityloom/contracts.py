"""`cityloom schema`: what clients and cities rely on, as files: SDL whole and per module, events, packs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

PACK_SCHEMA = "pack.schema.json"
EVENTS = "events"


def schema(
    folder: Annotated[Path, typer.Argument(help="Where the files are.")] = Path("schema"),
    check: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--check", help="Write nothing; end with 1 where a file is not up to date.")
    ] = False,
) -> None:
    """Write the contracts as files; refuses a breaking change of the API that the changelog does not name."""
    from cityloom.events import contract
    from cityloom.events.catalogue import EventCatalogue
    from cityloom.graph import sdl
    from cityloom.graph.schema import Contracts
    from cityloom.installed import modules
    from cityloom.settings import Settings
    from cityloom.tenancy.cli import schema_text

    installed = modules()
    tenant, platform = Contracts(installed, "tenant"), Contracts(installed, "platform")
    pack = schema_text(installed, Settings.from_environment(os.environ).tenants)
    path = folder / PACK_SCHEMA
    texts = {path: pack} | {
        folder / EVENTS / name: text for name, text in contract.files(EventCatalogue.of(installed)).items()
    }
    stale = [name for name, text in texts.items() if not name.is_file() or name.read_text(encoding="utf-8") != text]
    stray = set((folder / EVENTS).glob("*.json")) - set(texts)
    told = sorted(name.relative_to(folder).as_posix() for name in {*stale, *stray})
    if check:
        names = [*sdl.drift(folder, tenant, platform), *told]
        typer.echo("\n".join(f"{name}: 与代码不一致 · not what the code says" for name in names) or "一致 · up to date")
        raise typer.Exit(1 if names or not _documents_hold() else 0)
    written = {name.name: name.read_text(encoding="utf-8") for name in (folder / EVENTS).glob("*.json")}
    made = {name.name: text for name, text in texts.items() if name.parent.name == EVENTS}
    sdl.demand_announced(folder, contract.breaking_changes(written, made))
    names = [*sdl.write(folder, tenant, platform), *told]
    for name in stray:
        name.unlink()
    for name in stale:
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_text(texts[name], encoding="utf-8")
    typer.echo("\n".join(f"{name}: 已更新 · written" for name in names) or "一致 · up to date")
    raise typer.Exit(0 if _documents_hold() else 1)


def _documents_hold() -> bool:
    """Whether every stored document of a webhook fits the API as it is now, where a database is reachable."""
    from cityloom.core.database import LOST
    from cityloom.settings import Settings
    from cityloom.webhooks.cli import told_broken

    settings = Settings.from_environment(os.environ)
    if settings.database_url is None and not (settings.var / "postgres" / "data" / "postmaster.pid").exists():
        return True
    try:
        return not told_broken(settings)
    except LOST:
        typer.echo("数据库不可用,未核对已存文档 · no database to verify stored documents in")
        return True
