"""A street of households with tags of each sensitivity, and whoever holds changes against rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from cityloom.core.ids import encode_id
from cityloom.events.sequencer import Sequencer
from cityloom.modules.registry import service as registry
from cityloom.modules.tags import models as m
from cityloom.modules.tags import service
from cityloom.privacy import service as privacy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from cityloom.core.principal import Principal
    from cityloom.core.work import Works
    from cityloom.modules.registry.models import Resident
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.front import Front

READS = ("areas.area.read", *(f"registry.{thing}.read" for thing in ("building", "dwelling", "household", "resident")))
SENSITIVITIES = {"plain": "OPEN", "kept": "RESTRICTED", "secret": "SENSITIVE"}
TAGS = {"resident": "resd", "tag": "ctag", "row": "rtag", "rule": "trul"}


@dataclass
class Street:
    """A tenant with tags `plain`, `kept` and `secret`, and people in the grids s1c1g1, s1c2g1 and s2c1g1."""

    tree: AreaTree
    works: Works
    tags: dict[str, m.Tag] = field(default_factory=dict)
    people: dict[str, Resident] = field(default_factory=dict)
    households: dict[str, UUID] = field(default_factory=dict)
    dwellings: dict[str, UUID] = field(default_factory=dict)

    @classmethod
    async def settle(cls, front: Front, tree: AreaTree) -> Street:
        """Two people in each grid, in one household."""
        made = cls(tree, front.works)
        async with front.works.begin(tree.administrator) as work:
            for code, sensitivity in SENSITIVITIES.items():
                made.tags[code] = await service.create_tag(
                    work, code=code, title_zh=code, title_en=code, tag_class="SERVICE", sensitivity=sensitivity
                )
        for grid in ("s1c1g1", "s1c2g1", "s2c1g1"):
            await made.household(grid, grid, 1950, 1990)
        return made

    async def household(self, name: str, grid: str, *years: int | None) -> None:
        """A household in a dwelling of its own, with people `name`0, `name`1 … born in these years."""
        async with self.works.begin(self.tree.administrator) as work:
            building = await registry.create_building(work, area_id=self.tree.id(grid), code=f"B-{name}", name="3号楼")
            dwelling = await registry.create_dwelling(work, building_id=building.id, number="301", use="OWNED")
            household = await registry.create_household(work, number=f"H-{name}", dwelling_id=dwelling.id)
            self.dwellings[name], self.households[name] = dwelling.id, household.id
            for at, year in enumerate(years):
                born = None if year is None else date(year, 6, 1)
                person = await registry.create_resident(
                    work, household_id=household.id, name="李小明", sex="FEMALE" if at % 2 else "MALE", birth_on=born
                )
                self.people[f"{name}{at}"] = person

    async def assign(self, person: str, *codes: str, **more: Any) -> list[m.ResidentTag]:
        """Give somebody tags."""
        async with self.works.begin(self.tree.administrator) as work:
            return [
                await service.assign_tag(work, resident_id=self.people[person].id, tag_id=self.tags[code].id, **more)
                for code in codes
            ]

    async def purposes(self, *codes: str) -> None:
        """Purposes of the register that people consent to, and that show nothing protected."""
        for code in codes:
            await self.purpose(code, basis="CONSENT", fields=[])

    async def purpose(
        self, code: str, *, basis: str = "LEGAL_DUTY", fields: Sequence[str] = ("tags.resident.sensitive",)
    ) -> None:
        """A purpose of the register."""
        async with self.works.begin(self.tree.administrator) as work:
            await privacy.create_purpose(
                work,
                code=code,
                title_zh=code,
                title_en=code,
                basis=basis,
                fields=list(fields),
                daily_quota=5,
                lasts_minutes=30,
            )

    async def publish(self, code: str, definition: dict[str, Any]) -> m.TagRule:
        """Give a tag, made where it is needed, a rule that is applied at once."""
        async with self.works.begin(self.tree.administrator) as work:
            if code not in self.tags:
                given = {"title_zh": code, "title_en": code, "tag_class": "IDENTITY", "sensitivity": "OPEN"}
                self.tags[code] = await service.create_tag(work, code=code, **given)  # type: ignore[arg-type] # texts
            rule = await service.publish_rule(work, tag_id=self.tags[code].id, definition=definition)
        async with self.works.begin(self.tree.administrator) as work:
            await service.apply_pending(work)
        return rule

    async def catch_up(self) -> int:
        """Hold everything that has happened against the rules."""
        done = 0
        await Sequencer(self.works).drain(self.tree.tenant_id)
        while True:
            async with self.works.begin(self.tree.administrator) as work:
                found = await service.review_changes(work)
            if not found:
                return done
            done += found

    async def who_has(self, code: str) -> set[str]:
        """Names of the people who have a tag now."""
        async with self.works.begin(self.tree.administrator) as work:
            rows = await work.session.scalars(
                select(m.ResidentTag.resident_id).where(
                    m.ResidentTag.tag_id == self.tags[code].id, m.ResidentTag.ended_at.is_(None)
                )
            )
            names = {person.id: name for name, person in self.people.items()}
            return {names[one] for one in rows}

    def id(self, kind: str, row_id: UUID) -> str:
        """A global id."""
        return encode_id(TAGS[kind], self.tree.tenant_id, row_id)

    def person(self, name: str) -> str:
        """Somebody's global id."""
        return self.id("resident", self.people[name].id)

    def tag(self, code: str) -> str:
        """A tag's global id."""
        return self.id("tag", self.tags[code].id)

    def reader(self, *more: str, at: str | None = None) -> Principal:
        """Somebody who sees residents and open tags."""
        return self.tree.someone(*READS, "tags.tag.read", *more, at=at)


@pytest.fixture
async def street(front: Front, alder: AreaTree) -> Street:
    """The tenant alder with its street."""
    return await Street.settle(front, alder)


@pytest.fixture
async def other(front: Front, birch: AreaTree) -> Street:
    """The tenant birch with the same street."""
    return await Street.settle(front, birch)
