"""The real application for clients from outside, and a sequencer beside it, as a worker is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from cityloom.events.sequencer import sequencing
from cityloom.serving import DATABASE_VARIABLE
from cityloom.testing.database import ROOT, VAR
from cityloom.testing.serving import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from cityloom.app import Platform


@pytest.fixture(scope="session")
def environment(admin_url: str) -> dict[str, str]:
    """What a serving process is told."""
    return {
        DATABASE_VARIABLE: admin_url,
        "CITYLOOM_VAR": str(VAR),
        "CITYLOOM_TENANTS": str(ROOT / "tenants"),
        "CITYLOOM_LOG_LEVEL": "error",
    }


@pytest.fixture(scope="module")
def url(environment: dict[str, str]) -> Iterator[str]:
    """The address of the real application, served as `cityloom up` serves it."""
    with served("cityloom.app:create_app", environment) as address:
        yield f"{address}/graphql"


@pytest_asyncio.fixture(loop_scope="session")
async def sequenced(opened: Platform) -> AsyncIterator[None]:
    """Events get into streams while the test runs."""
    async with sequencing(opened.works):
        yield
