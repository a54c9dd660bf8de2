"""The npm package graphql-http's audits of GraphQL over HTTP, against a running server."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[3]
FOLDER: Final = ROOT / "var" / "npm"
SCRIPT: Final = ROOT / "tests" / "graph" / "audits.mjs"
PACKAGES: Final = ("graphql-http@1.23.1", "graphql@16.11.0")


class AuditsUnavailable(Exception):
    """Node or npm or the package is not to be had here; the text says which."""


def install() -> Path:
    """The folder with the audits installed; raises `AuditsUnavailable`."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise AuditsUnavailable("needs Node and npm")
    if not (FOLDER / "node_modules" / "graphql-http").is_dir():
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / "package.json").write_text('{"private": true}\n')
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=180, check=False)  # noqa: S603 - constants
        if done.returncode:
            raise AuditsUnavailable(f"npm cannot install {PACKAGES[0]}: {done.stderr[-300:]}")
    return FOLDER


def run(url: str, bearer: str) -> list[dict[str, Any]]:
    """Every audit with its `status` (`ok`, `notice`, `warn`, `error`) and the reason where it is not `ok`."""
    folder = install()
    command = ["node", str(SCRIPT), url, bearer]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)  # noqa: S603 - ours
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
