"""Fixtures that every test may use: a server for all, a database per worker, tenants per test."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import settings

from cityloom.installed import import_models, modules
from cityloom.testing.clock import ManualClock
from cityloom.testing.database import ROOT, VAR, TestServer, start_server
from cityloom.testing.examples import UNTIMED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.applications import Starlette

    from cityloom.app import Platform
    from cityloom.core.database import Database
    from cityloom.testing.twins import Twin


settings.load_profile(UNTIMED)

# What is loaded lives as long as the run: looking through it again and again for garbage is a fifth of the time.
gc.disable()
# Foreign keys name tables of other slices: the metadata is whole or it is of no use.
import_models()
modules()
gc.freeze()
gc.enable()


@pytest.fixture(scope="session")
def server() -> TestServer:
    """The PostgreSQL server that the workers share."""
    return start_server()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def admin_url(server: TestServer) -> AsyncIterator[str]:
    """Administrator's address of this worker's own database: for catalogue checks, never for what the app does."""
    async with server.clone(os.environ.get("PYTEST_XDIST_WORKER", "main")) as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database(server: TestServer, admin_url: str) -> AsyncIterator[Database]:
    """The platform's connections to this worker's database."""
    async with server.open(admin_url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def opened(admin_url: str) -> AsyncIterator[Platform]:
    """The whole platform over this worker's database."""
    from cityloom.app import platform
    from cityloom.settings import Settings

    async with platform(Settings(var=VAR, tenants=ROOT / "tenants"), admin_url) as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(opened: Platform) -> AsyncIterator[Starlette]:
    """The application over `opened`, in this process."""
    from cityloom.app import create_app

    made = create_app(opened)
    async with made.router.lifespan_context(made):
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def alder(opened: Platform, app: Starlette) -> Twin:
    """A small city with a canary in every text."""
    from cityloom.testing.twins import plant

    return await plant(opened, app, "alder")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def birch(opened: Platform, app: Starlette) -> Twin:
    """Alder's twin, which must never be seen from there."""
    from cityloom.testing.twins import plant

    return await plant(opened, app, "birch")


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test moves."""
    return ManualClock()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many probes across tenants the run made; workers hand the numbers over as properties of tests."""
    # They are known when a test is torn down; a teardown that went well is a report without a word of its own.
    reports = [report for report in terminalreporter.stats.get("", []) if report.when == "teardown"]
    probes = sum(value for report in reports for name, value in report.user_properties if name == "cross_tenant_probes")
    if probes:
        terminalreporter.write_line(f"cross-tenant probes: {probes}")
