"""A city with an integrator, a worker that moves when it is told to, and receivers on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from cityloom.access.catalogue import Catalogue
from cityloom.access.passwords import Passwords
from cityloom.access.snapshots import AccessSnapshots
from cityloom.events.catalogue import EventCatalogue
from cityloom.graph.shaping import Shaping
from cityloom.installed import modules
from cityloom.settings import Settings
from cityloom.testing.access import World, open_world
from cityloom.testing.front import Front
from cityloom.testing.webhooks import PostOffice, Receiver, receiving
from cityloom.webhooks.addresses import Egress
from cityloom.webhooks.sender import Sender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock


@pytest_asyncio.fixture
async def world(database: Database, clock: ManualClock) -> AsyncIterator[World]:
    """What decides who may do what."""
    passwords = Passwords()
    async with open_world(database, clock, Catalogue.of(modules()), passwords) as opened:
        yield opened
    passwords.close()


@pytest_asyncio.fixture
async def front(database: Database, clock: ManualClock, world: World, tmp_path: Path) -> Front:
    """The API of this database."""
    found = Front(database, clock, tmp_path)
    found.services |= {
        AccessSnapshots: world.snapshots,
        EventCatalogue: EventCatalogue.of(modules()),
        Settings: Settings(),
        Shaping: found.shaping(),
    }
    return found


@pytest_asyncio.fixture
async def sender(clock: ManualClock) -> AsyncIterator[Sender]:
    """A sender that may reach this machine, as in development."""
    async with Sender(Egress.of(Settings()), clock, limit_seconds=2) as opened:
        yield opened


@pytest_asyncio.fixture
async def office(world: World, front: Front, sender: Sender) -> PostOffice:
    """A city of the test's own with its post office."""
    return await PostOffice.open(await world.city(), front, sender)


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Somebody who receives."""
    async with receiving() as opened:
        yield opened
