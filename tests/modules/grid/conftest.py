"""Tenants with posts, and squares for boundaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cityloom.modules.areas import service as areas
from cityloom.testing.grid import Roster
from cityloom.testing.probes import Probe

if TYPE_CHECKING:
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.front import Front

#: A square of about 500 m in WGS-84.
WEST, SOUTH, SIDE = 129.5, 42.9, 0.0045


def square(west: float = WEST, south: float = SOUTH, side: float = SIDE) -> dict[str, Any]:
    """A square boundary, in degrees."""
    east, north = west + side, south + side
    return {
        "type": "Polygon",
        "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
    }


@pytest.fixture
async def roster(alder: AreaTree) -> Roster:
    """The posts of the tenant; `lead` and `worker` in the first grid, which has a boundary, `boss` in its street."""
    async with alder.works.begin(alder.administrator) as work:
        await areas.set_boundary(work, alder.id("s1c1g1"), square())
    made = await Roster.of(alder)
    await made.hold("lead", "GRID_LEAD", "s1c1g1")
    await made.hold("worker", "GRID_WORKER", "s1c1g1")
    await made.hold("boss", "LEAD", "s1")
    return made


@pytest.fixture
def probe(front: Front, alder: AreaTree) -> Probe:
    """Mutations of the tenant `alder`."""
    return Probe(front, alder.tenant_id)
