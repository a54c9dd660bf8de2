"""Cities with areas, roles and accounts, each test its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from cityloom.access.catalogue import Catalogue
from cityloom.access.passwords import Passwords
from cityloom.core.module import Module, Permission
from cityloom.core.text import Text
from cityloom.installed import modules
from cityloom.testing.access import City, World, open_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock

NAMES = (
    "registry.resident.read",
    "registry.resident.create",
    "registry.resident.phone.full",
    "registry.resident.phone.masked",
    "registry.dwelling.read",
    "registry.dwelling.create",
    "areas.area.read",
    "areas.area.move",
)


def made_up_module() -> Module:
    """A slice that declares permissions, as higher slices do."""
    title = Text("测试", "Test")
    return Module(
        name="registry", title=title, description=title, permissions=tuple(Permission(name, title) for name in NAMES)
    )


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """The permissions of access itself and of a made-up registry."""
    from cityloom.access.module import MODULE

    return Catalogue.of((MODULE, made_up_module()))


@pytest.fixture(scope="session")
def installed() -> Catalogue:
    """The permissions of all installed modules."""
    return Catalogue.of(modules())


@pytest.fixture(scope="session")
def passwords() -> Iterator[Passwords]:
    """Threads that hash."""
    hasher = Passwords()
    yield hasher
    hasher.close()


@pytest_asyncio.fixture
async def world(
    database: Database, clock: ManualClock, catalogue: Catalogue, passwords: Passwords
) -> AsyncIterator[World]:
    """What app.py builds, for tests."""
    async with open_world(database, clock, catalogue, passwords) as opened:
        yield opened


@pytest_asyncio.fixture
async def city(world: World) -> City:
    """A tenant of the test's own."""
    return await world.city()
