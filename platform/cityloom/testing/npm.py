"""Packages of npm for tests: clients that nobody here wrote."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parents[3] / "var" / "npm"


class NpmUnavailable(Exception):
    """Node or npm or a package is not to be had here; the text says which."""


def installed(name: str, packages: tuple[str, ...]) -> Path:
    """A folder with these packages (`name@version`) in its `node_modules`; raises `NpmUnavailable`."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NpmUnavailable("needs Node and npm")
    folder = FOLDER / f"{name}-{hashlib.sha256(repr(packages).encode()).hexdigest()[:8]}"
    done = folder / "installed"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n')
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)  # noqa: S603 - constants
        if ran.returncode:
            raise NpmUnavailable(f"npm cannot install {', '.join(packages)}: {ran.stderr[-300:]}")
        done.touch()
    return folder
