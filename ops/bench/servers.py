"""Starts the contestants' servers and stops them again: those in Python on granian, PostGraphile on Node."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from city import connect_arguments
from contest import ROOT, console

from cityloom.core.principal import subtree
from cityloom.serving import DATABASE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from city import City

HERE = Path(__file__).parent
NODE = ROOT / "var" / "peers" / "postgraphile"
PATIENCE_SECONDS = 60
CITYLOOM, HANDWRITTEN, POSTGRAPHILE, PLAIN = "Cityloom", "hand-written SQL", "PostGraphile 5", "plain Strawberry"
FACTORIES = {CITYLOOM: "cityloom.app:create_app", HANDWRITTEN: "handwritten:create_app", PLAIN: "plain:create_app"}


@dataclass(frozen=True)
class Server:
    """One contestant's server."""

    name: str
    port: int
    pid: int
    command: str


def install_postgraphile() -> str | None:
    """Have PostGraphile and its Node in the ignored folder; its version, or None where there is no npm."""
    manifest = NODE / "node_modules" / "postgraphile" / "package.json"
    if not manifest.exists():
        npm = shutil.which("npm")
        if npm is None:
            console.print("[yellow]There is no npm on this machine: PostGraphile is left out.[/yellow]")
            return None
        console.print("installing PostGraphile 5 and Node 22: once, about a minute")
        NODE.mkdir(parents=True, exist_ok=True)
        wanted = {"private": True, "dependencies": {"node": "22", "postgraphile": "5"}}
        (NODE / "package.json").write_text(json.dumps(wanted), "utf-8")
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=NODE, check=True)
    shutil.copy(HERE / "postgraphile.mjs", NODE / "server.mjs")
    version: str = json.loads(manifest.read_text("utf-8"))["version"]
    return version


@asynccontextmanager
async def serving(admin_url: str, city: City, names: Sequence[str], var: Path) -> AsyncIterator[dict[str, Server]]:
    """The servers of these contestants, all warm at once; idle ones cost nothing. `var` has the roles' passwords."""
    running: list[asyncio.subprocess.Process] = []
    found: dict[str, Server] = {}
    try:
        for name in names:
            port = free_port()
            command, environment, folder = (
                _node(admin_url, city, port, var) if name == POSTGRAPHILE else _python(admin_url, name, port, var)
            )
            process = await asyncio.create_subprocess_exec(*command, env=os.environ | environment, cwd=folder)
            running.append(process)
            await answering(process, port)
            found[name] = Server(
                name, port, process.pid, " ".join(Path(part).name if "/" in part else part for part in command)
            )
        yield found
    finally:
        for process in running:
            if process.returncode is None:
                process.terminate()
        for process in running:
            try:
                await asyncio.wait_for(process.wait(), 15)
            except TimeoutError:
                process.kill()


def _python(admin_url: str, name: str, port: int, var: Path) -> tuple[list[str], dict[str, str], Path]:
    environment = {
        "PORT": str(port),
        "CITYLOOM_VAR": str(var),
        "CITYLOOM_TENANTS": str(ROOT / "tenants"),
        "CITYLOOM_LOG_LEVEL": "warning",
        DATABASE_VARIABLE: admin_url,
        "PYTHONPATH": str(HERE),
    }
    return [sys.executable, str(HERE / "serve.py"), FACTORIES[name]], environment, ROOT


def _node(admin_url: str, city: City, port: int, var: Path) -> tuple[list[str], dict[str, str], Path]:
    bearers = {}
    for staff in city.staff.values():
        low, high = subtree(staff.area_path)
        bearers[staff.bearer] = {"app.tenant_id": str(city.tenant_id), "app.area_lo": low, "app.area_hi": high}
    settings: dict[str, Any] = {
        "port": port,
        "database": connect_arguments(admin_url, var),
        "bearers": bearers,
        "asText": True,
    }
    path = var / "postgraphile.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(settings), "utf-8")
    command = [str(NODE / "node_modules" / ".bin" / "node"), "server.mjs", str(path)]
    return command, {"NODE_ENV": "production", "GRAPHILE_ENV": "production"}, NODE


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def answering(process: asyncio.subprocess.Process, port: int) -> None:
    """Wait until the server in a process answers."""
    for _ in range(PATIENCE_SECONDS * 10):
        if process.returncode is not None:
            raise RuntimeError(f"a contestant's server ended with {process.returncode}")
        try:
            async with httpx.AsyncClient() as client:
                await client.get(f"http://127.0.0.1:{port}/healthz")
        except httpx.TransportError:
            await asyncio.sleep(0.1)
        else:
            return
    raise RuntimeError(f"a contestant's server did not answer within {PATIENCE_SECONDS} s")
