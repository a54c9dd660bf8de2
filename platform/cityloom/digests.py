"""What a start was made from, as digests: equal digests mean that there is nothing to do."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cityloom.settings import Settings

_PACKAGE = Path(__file__).resolve().parent


def digests(settings: Settings) -> dict[str, str]:
    """A digest of the schema, and one of each pack with the base packs that it may extend."""
    schema = [
        *_PACKAGE.rglob("models*.py"),
        *_PACKAGE.glob("core/*.py"),
        *(_PACKAGE.parents[1] / "migrations").rglob("*.py"),
    ]
    found = {"schema": _digest(schema)}
    bases = sorted((settings.tenants / "packs").rglob("*.*"))
    for manifest in sorted(settings.tenants.glob("*/tenant.toml")):
        found[f"pack {manifest.parent.name}"] = _digest([*bases, *manifest.parent.rglob("*.*")])
    return found


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in paths if path.is_file()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
