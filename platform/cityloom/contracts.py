"""`cityloom schema`: what clients and cities rely on, as files: SDL whole and per module, and the form of a pack."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

PACK_SCHEMA = "pack.schema.json"


def schema(
    folder: Annotated[Path, typer.Argument(help="Where the files are.")] = Path("schema"),
    check: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--check", help="Write nothing; end with 1 where a file is not up to date.")
    ] = False,
) -> None:
    """Write the contracts as files; refuses a breaking change of the API that the changelog does not name."""
    from cityloom.graph import sdl
    from cityloom.graph.schema import Contracts
    from cityloom.installed import modules
    from cityloom.settings import Settings
    from cityloom.tenancy.cli import schema_text

    installed = modules()
    tenant, platform = Contracts(installed, "tenant"), Contracts(installed, "platform")
    pack = schema_text(installed, Settings.from_environment(os.environ).tenants)
    path = folder / PACK_SCHEMA
    stale = [PACK_SCHEMA] if not path.is_file() or path.read_text(encoding="utf-8") != pack else []
    if check:
        names = [*sdl.drift(folder, tenant, platform), *stale]
        typer.echo("\n".join(f"{name}: 与代码不一致 · not what the code says" for name in names) or "一致 · up to date")
        raise typer.Exit(1 if names else 0)
    names = [*sdl.write(folder, tenant, platform), *stale]
    path.write_text(pack, encoding="utf-8")
    typer.echo("\n".join(f"{name}: 已更新 · written" for name in names) or "一致 · up to date")
