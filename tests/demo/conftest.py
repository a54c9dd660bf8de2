"""A tenant to be filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cityloom.testing.areas import AreaTree
from cityloom.testing.front import Front

if TYPE_CHECKING:
    from pathlib import Path

    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock


@pytest.fixture
def front(database: Database, clock: ManualClock, tmp_path: Path) -> Front:
    """GraphQL for principals with stated rights, over the test's clock."""
    return Front(database, clock, tmp_path / "keys")


@pytest.fixture
async def alder(front: Front) -> AreaTree:
    """A tenant with eight grids."""
    return await AreaTree.plant(front.works)
