"""The real platform over this worker's database, and the two cities that must not know of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from cityloom.app import create_app, platform
from cityloom.settings import Settings
from cityloom.testing.database import ROOT, VAR
from cityloom.testing.twins import plant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.applications import Starlette

    from cityloom.app import Platform
    from cityloom.testing.twins import Twin


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def opened(admin_url: str) -> AsyncIterator[Platform]:
    async with platform(Settings(var=VAR, tenants=ROOT / "tenants"), admin_url) as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(opened: Platform) -> AsyncIterator[Starlette]:
    made = create_app(opened)
    async with made.router.lifespan_context(made):
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def alder(opened: Platform, app: Starlette) -> Twin:
    return await plant(opened, app, "alder")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def birch(opened: Platform, app: Starlette) -> Twin:
    return await plant(opened, app, "birch")


@pytest.fixture
def probed(record_property: Callable[[str, object], None]) -> Iterator[Callable[[int], None]]:
    """Counts probes across tenants; their number is printed at the end of the run."""
    count = 0

    def add(probes: int) -> None:
        nonlocal count
        count += probes

    yield add
    record_property("cross_tenant_probes", count)
