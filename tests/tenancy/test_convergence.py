"""Whatever a city is and whatever its pack says next: one application makes it so, and a second has nothing to do.

A pack that is refused leaves the city as it was.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom import installed
from cityloom.access.catalogue import Catalogue
from cityloom.access.snapshots import AccessSnapshots
from cityloom.tenancy.errors import TenantLimitReached
from cityloom.tenancy.packs import InvalidPack, PackSource
from cityloom.tenancy.service import TenantService
from cityloom.testing.examples import examples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cityloom.core.work import Works

TENANTS = Path(__file__).parents[2] / "tenants"
LIMITS = ("accounts", "areas", "residents")
TEMPLATES = ("grid_worker", "analyst", "auditor")


@pytest.fixture(scope="module")
def tenants() -> Path:
    return TENANTS


@pytest.fixture
async def installation(works: Works, tenants: Path) -> AsyncIterator[TenantService]:
    modules = installed.modules()
    async with AccessSnapshots(works.database, Catalogue.of(modules)) as snapshots:
        works.services[AccessSnapshots] = snapshots
        yield TenantService(works, modules, tenants)


@dataclass(frozen=True)
class Stated:
    """What a random pack states."""

    name: str
    limits: dict[str, int]
    registry: bool | None
    extends: bool
    parents: dict[int, int]
    titles: dict[int, str]
    boundaries: frozenset[int]
    roles: dict[str, frozenset[str]]
    workers: dict[str, int | None]

    def source(self, slug: str) -> PackSource:
        """The files, in no particular order of lines."""
        lines = [f'slug = "{slug}"', f'names = {{ zh = "{self.name}", en = "{self.name}" }}']
        if self.extends:
            lines.append('extends = "packs/community-base"')
        lines += [f"limits.{name} = {value}" for name, value in self.limits.items()]
        if self.registry is not None:
            lines.append(f"modules.registry.enabled = {str(self.registry).lower()}")
        for level in range(1, 9):
            title = f'title = {{ zh = "第{level}级", en = "Level {level}" }}'
            lines += ["[[area_kinds]]", f'code = "L{level}"', title, f"level = {level}"]
        nodes = {0, *self.parents}
        areas = ["name,code,kind,parent"]
        features = []
        for node in sorted(nodes, reverse=True):
            parent = self.parents.get(node)
            areas.append(
                f"{self.titles.get(node, 'x')},A{node},L{self.level(node)},{'' if parent is None else f'A{parent}'}"
            )
            if node in self.boundaries:
                ring = f"[[{node},1],[{node + 1},1],[{node + 1},2],[{node},1]]"
                features.append(
                    f'{{"type":"Feature","properties":{{"code":"A{node}"}},'
                    f'"geometry":{{"type":"Polygon","coordinates":[{ring}]}}}}'
                )
        roles = [f"{code},{code},{code},," for code in self.roles]
        rules = [f"g, {code}, template:{one}" for code, some in self.roles.items() for one in some]
        holders = {
            login: node for login, node in self.workers.items() if self.roles and (node is None or node in nodes)
        }
        first = min(self.roles) if self.roles else ""
        members = [f"{login},{first},{'' if node is None else f'A{node}'},,false" for login, node in holders.items()]
        files = {
            "tenant.toml": "\n".join(lines) + "\n",
            "areas.csv": "\n".join(areas) + "\n",
            "areas.geojson": '{"type":"FeatureCollection","features":[' + ",".join(features) + "]}",
            "roles.csv": "\n".join(["code,title_zh,title_en,description_zh,description_en", *roles]) + "\n",
            "policy.csv": "\n".join(rules) + "\n",
            "accounts.csv": "\n".join(["login,name", *(f"{login},{login}" for login in holders)]) + "\n",
            "memberships.csv": "\n".join(["login,role,area,department,own", *members]) + "\n",
        }
        return PackSource({name: text.encode() for name, text in files.items()})

    def level(self, node: int) -> int:
        parent = self.parents.get(node)
        return 1 if parent is None else 1 + self.level(parent)


@st.composite
def trees(draw: st.DrawFn) -> dict[int, int]:
    """Parents of nodes 1 to 7; node 0 is the top. A node's parent has a smaller number, so nothing runs in a circle."""
    nodes = sorted(draw(st.frozensets(st.integers(1, 7), max_size=7)))
    parents: dict[int, int] = {}
    for node in nodes:
        parents[node] = draw(st.sampled_from([0, *parents]))
    return parents


STATED = st.builds(
    Stated,
    name=st.sampled_from(["桤木", "桦木", "Alder"]),
    limits=st.dictionaries(st.sampled_from(LIMITS), st.integers(0, 1000)),
    registry=st.sampled_from([None, True, False]),
    extends=st.booleans(),
    parents=trees(),
    titles=st.dictionaries(st.integers(0, 7), st.sampled_from(["延吉", "a b", "é"])),
    boundaries=st.frozensets(st.integers(0, 7)),
    roles=st.dictionaries(st.sampled_from(["amber", "beryl"]), st.frozensets(st.sampled_from(TEMPLATES), min_size=1)),
    workers=st.dictionaries(st.sampled_from(["wang", "li"]), st.none() | st.integers(0, 7)),
)


@examples(5, shares_fixtures=True)
@given(st.lists(STATED, min_size=2, max_size=3))
async def test_any_sequence_of_packs_converges(installation: TenantService, stated: list[Stated]) -> None:
    slug = f"alder-{secrets.token_hex(6)}"
    applied = None
    for one in stated:
        source = one.source(slug)
        try:
            plan = await installation.plan(source)
            done = await installation.apply(source, actor="tester", expected=plan.digest)
        except (InvalidPack, TenantLimitReached):
            # What the city's other modules need was switched off, or it has more of something than it may have.
            assert one.registry is False or any(one.limits.get(name, 1000) < 8 for name in LIMITS)
            if applied is not None:
                assert await installation.export(slug) == applied
            continue
        wanted = installation.engine.canonical(installation.engine.check(source))
        assert done.plan == plan
        assert not await installation.plan(source)
        applied = await installation.export(slug)
        assert applied == wanted
        again = await installation.apply(PackSource(wanted), actor="tester")
        assert not again.plan
