"""A real PostgreSQL for tests: migrated once into a template, cloned for each worker.

Each test takes tenants of its own instead of rolling back: row-level security is what keeps tests apart, and what is
tested commits as it does in production.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import subprocess
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import psutil
from sqlalchemy.engine import make_url

from cityloom.core.database import APP, OPERATOR, WORKER, Database, asyncpg_arguments, role_url
from cityloom.core.embedded import EmbeddedPostgres
from cityloom.core.embedded.system import programs_folder
from cityloom.core.migrations import SCRIPTS, migrate
from cityloom.core.roles import role_password

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).resolve().parents[3]
VAR = ROOT / "var" / "test"


@contextmanager
def _locked(name: str) -> Iterator[None]:
    VAR.mkdir(parents=True, exist_ok=True)
    with (VAR / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _schema_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted(
        [
            *SCRIPTS.rglob("*.py"),
            *(ROOT / "platform").rglob("models*.py"),
            *(ROOT / "platform").rglob("models/*.py"),
            ROOT / "platform/cityloom/core/rls.py",
            ROOT / "platform/cityloom/core/database.py",
            *(ROOT / "platform/cityloom/core/tallies").glob("*.py"),
        ]
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class TestServer:
    """The PostgreSQL server that all test workers share: `TEST_DATABASE_URL`, or an embedded one in `var/test`."""

    __test__ = False

    def __init__(self) -> None:
        self.var = VAR
        with _locked("server"):
            given = os.environ.get("TEST_DATABASE_URL")
            # What a test commits need not outlive the machine; what must survive a crash is proven by `ops/chaos`.
            self.url = given or EmbeddedPostgres(VAR / "postgres", durable=False).start()

    def url_of(self, name: str) -> str:
        """The administrator's address of one database."""
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    async def _admin(self) -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(**asyncpg_arguments(make_url(self.url_of("postgres"))))

    async def template(self) -> str:
        """The name of the migrated template; made if this schema has none yet."""
        name = f"cityloom_template_{_schema_hash()}"
        with _locked("template"):
            admin = await self._admin()
            try:
                await self._drop_leftovers(admin)
                if await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate", name):
                    return name
                await admin.execute(f'DROP DATABASE IF EXISTS "{name}"')
                await admin.execute(
                    f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8 LOCALE_PROVIDER builtin '
                    "BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C.UTF-8'"
                )
                await migrate(self.url_of(name), self.var)
                await admin.execute(f'ALTER DATABASE "{name}" IS_TEMPLATE true')
            finally:
                await admin.close()
        return name

    async def _drop_leftovers(self, admin: asyncpg.Connection[asyncpg.Record]) -> None:
        for (name,) in await admin.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'cityloom\\_test\\_%'"):
            if not psutil.pid_exists(int(name.rsplit("_", 1)[1])):
                await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @asynccontextmanager
    async def clone(self, label: str) -> AsyncIterator[str]:
        """The administrator's address of a fresh copy of the template, dropped afterwards."""
        template = await self.template()
        name = f"cityloom_test_{label}_{os.getpid()}"
        admin = await self._admin()
        try:
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
            yield self.url_of(name)
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        finally:
            await admin.close()

    @asynccontextmanager
    async def restored(self, dump: Path, *options: str) -> AsyncIterator[Database]:
        """A fresh database with what a dump holds, as an administrator restores it; `options` are pg_restore's."""
        name = f"cityloom_test_restored_{dump.stem}_{os.getpid()}"
        admin = await self._admin()
        try:
            await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
            url = _plain(self.url_of(name))
            await run_program("pg_restore", "--exit-on-error", *options, "--dbname", url, str(dump))
            async with self.open(self.url_of(name)) as database:
                yield database
        finally:
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            await admin.close()

    def open(self, admin_url: str, *, read_pool: int = 4, write_pool: int = 6) -> Database:
        """The platform's own connections to a database, as the roles that production uses."""
        return Database(
            role_url(admin_url, APP, role_password(self.var, APP)),
            role_url(admin_url, OPERATOR, role_password(self.var, OPERATOR)),
            role_url(admin_url, WORKER, role_password(self.var, WORKER)),
            read_pool=read_pool,
            write_pool=write_pool,
        )


async def dump_database(admin_url: str, to: Path) -> None:
    """What an administrator keeps as a backup."""
    await run_program("pg_dump", "--format=custom", "--compress=0", f"--file={to}", _plain(admin_url))


async def run_program(name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs to its end."""
    command = [str(programs_folder() / name), *arguments]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)


def _plain(url: str) -> str:
    """An address as PostgreSQL's own programs read it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def start_server() -> TestServer:
    """Start or join the shared server."""
    return TestServer()


if __name__ == "__main__":
    print(asyncio.run(TestServer().template()))  # noqa: T201 - a command-line helper
