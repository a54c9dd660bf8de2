"""A town of a few residents in two streets, and the purposes that it has registered."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from cityloom.core.ids import encode_id
from cityloom.core.principal import Principal, PrincipalKind, Scope
from cityloom.demo.papers import identity_number, phone_number
from cityloom.modules.registry import service as registry
from cityloom.privacy import service
from cityloom.testing.areas import AreaTree
from cityloom.testing.front import Front
from cityloom.testing.rights import StatedRights

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from cityloom.core.database import Database
    from cityloom.core.work import Works
    from cityloom.modules.registry import models as m
    from cityloom.testing.clock import ManualClock

PHONE, IDENTITY, BIRTH = (f"registry.resident.{name}" for name in ("phone", "identity_number", "birth_on"))
READ = "registry.resident.read"
REFUSAL = "... on Refusal { refused: code reason path message details }"


@dataclass
class Town:
    """Residents by grid, with the numbers that were given to them."""

    front: Front
    tree: AreaTree
    residents: dict[str, m.Resident] = field(default_factory=dict)
    papers: dict[str, dict[str, str]] = field(default_factory=dict)
    households: dict[str, UUID] = field(default_factory=dict)

    async def settle(self, *grids: str) -> Town:
        """One resident in each grid, and the purposes."""
        async with self.front.works.begin(self.tree.administrator) as work:
            for number, grid in enumerate(grids):
                building = await registry.create_building(
                    work, area_id=self.tree.id(grid), code=f"B{number}", name="1号楼"
                )
                dwelling = await registry.create_dwelling(work, building_id=building.id, number="301", use="OWNED")
                household = await registry.create_household(work, number=f"H{number}", dwelling_id=dwelling.id)
                self.households[grid] = household.id
                self.papers[grid] = {
                    "identity_number": identity_number(number, date(1980, 2, 29), "MALE"),
                    "phone": phone_number(number),
                }
                self.residents[grid] = await registry.create_resident(
                    work,
                    household_id=household.id,
                    name="王小明",
                    **self.papers[grid],  # type: ignore[arg-type] # the two texts
                )
            await service.create_purpose(
                work,
                code="HOME_VISIT",
                title_zh="入户走访",
                title_en="Home visits",
                basis="LEGAL_DUTY",
                basis_text="城市居民委员会组织法",
                fields=[PHONE, BIRTH],
                daily_quota=3,
                lasts_minutes=30,
            )
            await service.create_purpose(
                work,
                code="ARCHIVE",
                title_zh="依申请查阅",
                title_en="Requests of people",
                basis="LEGAL_DUTY",
                fields=[PHONE, BIRTH, IDENTITY],
                daily_quota=5,
                lasts_minutes=10,
            )
            await service.create_purpose(
                work,
                code="CARE",
                title_zh="关爱服务",
                title_en="Care",
                basis="CONSENT",
                fields=[PHONE],
                daily_quota=5,
                lasts_minutes=10,
            )
        return self

    def id(self, grid: str) -> str:
        """The global id of a resident."""
        return encode_id("resd", self.tree.tenant_id, self.residents[grid].id)

    def resident_of(self, account_id: UUID, *permissions: str) -> Principal:
        """The resident who has signed in with this account."""
        rights = StatedRights(dict.fromkeys((READ, *permissions), Scope(own=True)))
        return Principal(self.tree.tenant_id, PrincipalKind.RESIDENT, rights, account_id=account_id, locale="en")

    async def ask(self, caller: Principal, field: str, selection: str, **values: Any) -> dict[str, Any]:
        """The answer of one mutation."""
        title = field[0].upper() + field[1:]
        text = f"mutation($i: {title}Input!) {{ r: {field}(input: $i) {{ __typename {selection} {REFUSAL} }} }}"
        found: dict[str, Any] = (await self.front.data(caller, text, {"i": values}))["r"]
        return found


@pytest.fixture
def front(database: Database, clock: ManualClock, tmp_path: Path) -> Front:
    """GraphQL for principals with stated rights, over the test's clock."""
    return Front(database, clock, tmp_path / "keys")


@pytest.fixture
def works(front: Front) -> Works:
    """Units of work with the test's clock."""
    return front.works


@pytest.fixture
async def town(front: Front) -> Town:
    """Residents in `s1c1g1` and `s2c1g1`."""
    tree = await AreaTree.plant(front.works, communities=1, grids=1)
    return await Town(front, tree).settle("s1c1g1", "s2c1g1")
