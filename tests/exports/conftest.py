"""A city whose people export, and a worker that runs what they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from cityloom.testing.exports import open_city

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from cityloom.testing.exports import ExportCity


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def city(admin_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ExportCity]:
    """One city for all tests here."""
    async with open_city(admin_url, tmp_path_factory.mktemp("exports")) as found:
        yield found
