"""The real platform over this worker's database, with a clock of its own for each story."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cityloom.app import create_app, platform
from cityloom.settings import Settings
from cityloom.testing.clock import ManualClock
from cityloom.testing.database import ROOT, VAR
from cityloom.testing.scenarios import Story

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@pytest.fixture
async def story(admin_url: str) -> AsyncIterator[Callable[[str], Awaitable[Story]]]:
    """Begins the story of a city."""
    # Far enough from midnight, on a Monday: 2 March 2026, 09:00 in China.
    clock = ManualClock()
    async with platform(Settings(var=VAR, tenants=ROOT / "tenants"), admin_url, clock=clock) as opened:
        app = create_app(opened)
        async with app.router.lifespan_context(app):

            async def begin(city: str) -> Story:
                return await Story.begin(opened, app, clock, ROOT / "tenants" / city)

            yield begin
