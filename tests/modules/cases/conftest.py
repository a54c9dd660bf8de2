"""An office with a workflow in the tree of `alder`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cityloom.testing.cases import Office

if TYPE_CHECKING:
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.front import Front


@pytest.fixture
async def office(alder: AreaTree, front: Front) -> Office:
    """Who handles cases in alder."""
    return await Office.open(alder, front)
