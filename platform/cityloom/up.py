"""`cityloom up`: from a checkout to a served platform. Imports little, so that a second start is quick."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import time
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cityloom.serving import base_url, demand_port, serve
from cityloom.storage import storage
from cityloom.worker import beside

if TYPE_CHECKING:
    from pathlib import Path

    from cityloom.settings import Settings

#: Credentials that end sooner than this are renewed at the next start.
_RENEW_BEFORE = timedelta(days=1)


def up(settings: Settings, *, workers: int = 1) -> None:
    """Start the database, bring it to what the checkout states, serve; returns when it is stopped."""
    console = Console(stderr=True, highlight=False)
    began = time.perf_counter()

    def say(zh: str, en: str) -> None:
        console.print(f"[dim]{time.perf_counter() - began:6.1f} s[/dim]  {zh} · {en}")

    demand_port(settings)
    loading = threading.Thread(target=_load, daemon=True)
    loading.start()
    path = settings.var / "up.json"
    before = _read(path)
    say("启动数据库", "starting the database" if settings.database_url is None else "using DATABASE_URL")
    with storage(settings) as admin_url:
        # Serving processes start while this one looks whether anything has to be done.
        if not asyncio.run(_is_in_place(settings, admin_url, before)):
            from cityloom.onboarding import Onboarded, dump, onboard

            known = Onboarded(digests=before.get("digests", {}))
            onboarded = asyncio.run(onboard(settings, admin_url, known, say=say))
            _write(path, dump(onboarded, base_url(settings)))
        elif before["url"] != base_url(settings):
            url = base_url(settings)
            before |= {"url": url, "graphql": f"{url}/graphql", "control": f"{url}/platform/graphql"}
            _write(path, json.dumps(before, indent=2).encode())
        say("启动服务", "starting the server")
        loading.join()
        announce = threading.Thread(target=_announce, args=(settings, console, path, say), daemon=True)
        with beside(settings, admin_url):
            serve(settings, admin_url, on_started=announce.start, workers=workers)
    console.print("已停止 · stopped")


def _load() -> None:
    """Load what the serving processes are made of, while the database starts: they are forked from this one."""
    # What is loaded is kept for good: looking through it again and again for garbage is a tenth of the time.
    gc.disable()
    import cityloom.app  # noqa: F401 - for the sake of having it loaded
    from cityloom.installed import modules

    modules()
    gc.freeze()
    gc.enable()


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(path.read_bytes())
        if isinstance(found, dict):
            return found
    return {}


def _write(path: Path, content: bytes) -> None:
    """Replace the file at once; only its owner may read it, because it holds credentials."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


async def _is_in_place(settings: Settings, admin_url: str, before: dict[str, Any]) -> bool:
    """Whether the last `up` left this very state: same checkout, same database, credentials that still hold."""
    import asyncpg

    from cityloom.digests import digests

    if before.get("digests") != digests(settings):
        return False
    if datetime.fromisoformat(before["expires_at"]) - datetime.now(UTC) < _RENEW_BEFORE:
        return False
    connection = await asyncpg.connect(admin_url)
    try:
        stored = await connection.fetch("SELECT slug FROM tenants WHERE state = 'ACTIVE'")
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()
    return set(before["tenants"]) <= {row["slug"] for row in stored}


def _announce(settings: Settings, console: Console, path: Path, say: Any) -> None:  # noqa: ANN401 - the local function of `up`
    url = base_url(settings)
    local = f"http://{'[::1]' if ':' in settings.host else settings.host}:{settings.port}"
    waited = threading.Event()
    for _ in range(600):
        with suppress(OSError), urllib.request.urlopen(f"{local}/readyz", timeout=2) as answer:  # noqa: S310 - our own address
            if answer.status == 200:  # noqa: PLR2004 - OK
                break
        waited.wait(0.05)
    else:
        console.print("[red]服务未就绪 · the server did not become ready[/red]")
        return
    say("就绪", "ready")
    told = _read(path)
    console.print(f"\nGraphQL  {url}/graphql      控制平面 · control plane  {url}/platform/graphql\n", soft_wrap=True)
    rows = [(city, role, bearer) for city, roles in told["tenants"].items() for role, bearer in roles.items()]
    rows.append(("—", "operator", told["operator"]))
    # Lines and not a table: a bearer that is broken over lines cannot be copied.
    for city, role, bearer in rows:
        console.print(f"{city:10} {role:20} {bearer}", soft_wrap=True)
    console.print(
        f"\nGraphiQL {url}/console/graphiql      凭证 · credentials {path}      Ctrl-C 停止 · stops", soft_wrap=True
    )
