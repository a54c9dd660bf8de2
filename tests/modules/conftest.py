"""Tenants with kinds and areas of their own, and the front door."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cityloom.testing.areas import AreaTree
from cityloom.testing.front import Front

if TYPE_CHECKING:
    from pathlib import Path

    from cityloom.core.database import Database
    from cityloom.core.work import Works
    from cityloom.testing.clock import ManualClock


@pytest.fixture
def front(database: Database, clock: ManualClock, tmp_path: Path) -> Front:
    """GraphQL for principals with stated rights, over the test's clock."""
    return Front(database, clock, tmp_path / "keys")


@pytest.fixture
def works(front: Front) -> Works:
    """Units of work with the test's clock, writing events and audit entries."""
    return front.works


@pytest.fixture
async def alder(works: Works) -> AreaTree:
    """A tenant with a small tree: city, two streets, two communities each, two grids in each."""
    return await AreaTree.plant(works)


@pytest.fixture
async def birch(works: Works) -> AreaTree:
    """Another tenant with the same tree and the same codes."""
    return await AreaTree.plant(works)
