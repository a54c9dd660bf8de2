"""`cityloom schema`: the contracts as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def schema_command(
    folder: Annotated[Path, typer.Argument(help="Where the files are.")] = Path("schema"),
    check: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--check", help="Write nothing; end with 1 where a file is not up to date.")
    ] = False,
) -> None:
    """Write the SDL of both APIs, whole and per module; refuses a breaking change that the changelog does not name."""
    from cityloom.graph import sdl
    from cityloom.graph.schema import Contracts
    from cityloom.installed import modules

    installed = modules()
    tenant, platform = Contracts(installed, "tenant"), Contracts(installed, "platform")
    if check:
        names = sdl.drift(folder, tenant, platform)
        typer.echo("\n".join(f"{name}: 与代码不一致 · not what the code says" for name in names) or "一致 · up to date")
        raise typer.Exit(1 if names else 0)
    names = sdl.write(folder, tenant, platform)
    typer.echo("\n".join(f"{name}: 已更新 · written" for name in names) or "一致 · up to date")
