"""Two chains of the registry in neighbouring grids, and one far away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from cityloom.core.ids import encode_id
from cityloom.demo.papers import identity_number, phone_number
from cityloom.modules.registry import service

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.testing.areas import AreaTree
    from cityloom.testing.front import Front

TAGS = {"building": "bldg", "dwelling": "dwel", "household": "hshd", "resident": "resd"}


@dataclass
class Chain:
    """One building with one dwelling, household and resident."""

    tenant_id: UUID
    rows: dict[str, Any]

    def id(self, thing: str) -> str:
        """A global id."""
        return encode_id(TAGS[thing], self.tenant_id, self.rows[thing].id)


def papers(number: int, born_on: date, sex: str) -> dict[str, str]:
    """Identity number and phone that are nobody's."""
    return {"identity_number": identity_number(number, born_on, sex), "phone": phone_number(number)}


async def build(front: Front, tree: AreaTree, grid: str, number: int) -> Chain:
    """A chain in a grid."""
    from datetime import date

    async with front.works.begin(tree.administrator) as work:
        building = await service.create_building(
            work, area_id=tree.id(grid), code=f"B{number}", name="1号楼", storeys=6
        )
        dwelling = await service.create_dwelling(work, building_id=building.id, number="301", floor=3, use="OWNED")
        household = await service.create_household(work, number=f"H{number}", dwelling_id=dwelling.id)
        resident = await service.create_resident(
            work,
            household_id=household.id,
            name="王小明",
            relationship="HEAD",
            **papers(number, date(1980, 2, 29), "MALE"),  # type: ignore[arg-type] # the two texts
        )
    rows = {"building": building, "dwelling": dwelling, "household": household, "resident": resident}
    return Chain(tree.tenant_id, rows)


@dataclass
class Town:
    """A tenant with three chains: `here` in s1c1g1, `near` in s1c1g2, `far` in s2c1g1."""

    tree: AreaTree
    here: Chain
    near: Chain
    far: Chain
    near_free: str
    """A building in s1c1g2 without dwellings."""


async def settle(front: Front, tree: AreaTree) -> Town:
    """The three chains of a tenant."""
    here, near, far = [await build(front, tree, grid, n) for n, grid in enumerate(("s1c1g1", "s1c1g2", "s2c1g1"))]
    async with front.works.begin(tree.administrator) as work:
        free = await service.create_building(work, area_id=tree.id("s1c1g2"), code="FREE", name="2号楼")
    return Town(tree, here, near, far, encode_id("bldg", tree.tenant_id, free.id))


@pytest.fixture
async def town(front: Front, alder: AreaTree) -> Town:
    """The tenant alder with its three chains."""
    return await settle(front, alder)


@pytest.fixture
async def other(front: Front, birch: AreaTree) -> Town:
    """The tenant birch with the same three chains and numbers."""
    return await settle(front, birch)
