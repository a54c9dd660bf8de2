"""The real application over this worker's database, with two cities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cityloom.app import create_app, platform
from cityloom.settings import Settings
from cityloom.testing.clock import ManualClock
from cityloom.testing.database import ROOT, VAR
from cityloom.testing.twins import plant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cityloom.app import Platform
    from cityloom.testing.twins import Twin


@pytest.fixture(scope="module")
def files_clock() -> ManualClock:
    """The clock of the platform of these tests."""
    return ManualClock()


@pytest.fixture(scope="module")
async def cities(
    admin_url: str, files_clock: ManualClock, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Platform, Twin, Twin, Path]]:
    """The platform, two twin cities, and the folder in which it keeps files."""
    folder = tmp_path_factory.mktemp("files")
    settings = Settings(var=VAR, tenants=ROOT / "tenants", files=str(folder))
    async with platform(settings, admin_url, clock=files_clock) as opened:
        app = create_app(opened)
        async with app.router.lifespan_context(app):
            alder, birch = await plant(opened, app, "alder"), await plant(opened, app, "birch")
            yield opened, alder, birch, folder
