"""The tree stays whole under every sequence of changes of its shape: compared with a small model."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from cityloom.core.errors import Refusal
from cityloom.core.principal import subtree
from cityloom.modules.areas import models as m
from cityloom.modules.areas import restructure, service
from cityloom.modules.registry import models as registry
from cityloom.modules.registry import service as registry_service
from cityloom.testing.areas import AreaTree
from cityloom.testing.examples import examples

if TYPE_CHECKING:
    from cityloom.core.work import Work, Works
    from cityloom.testing.clock import ManualClock

LEVELS = {"CITY": 1, "STREET": 2, "COMMUNITY": 3, "GRID": 4, "MICRO": 5}
KINDS = list(LEVELS)


@dataclass
class Node:
    """An area of the model: no paths, no depths, only who lies in whom."""

    id: UUID
    kind: str
    parent: UUID | None
    is_open: bool = True
    rows: set[str] = field(default_factory=set)


class Model:
    """What the tree should be, kept the simplest way there is."""

    def __init__(self) -> None:
        self.nodes: dict[UUID, Node] = {}

    def below(self, one: UUID) -> set[UUID]:
        found, todo = set[UUID](), [one]
        while todo:
            at = todo.pop()
            found.add(at)
            todo += [n.id for n in self.nodes.values() if n.parent == at]
        return found

    def open_children(self, one: UUID) -> list[Node]:
        return [n for n in self.nodes.values() if n.parent == one and n.is_open]

    def rows_below(self, one: UUID) -> set[str]:
        return {row for id_ in self.below(one) for row in self.nodes[id_].rows}

    def may_move(self, one: UUID, to: UUID) -> bool:
        a, b = self.nodes[one], self.nodes[to]
        return (
            a.is_open and b.is_open and a.parent != to and to not in self.below(one) and LEVELS[b.kind] < LEVELS[a.kind]
        )

    def may_merge(self, sources: list[UUID], to: UUID) -> bool:
        if len(set(sources)) != len(sources) or to in sources:
            return False
        levels = {LEVELS[self.nodes[one].kind] for one in (*sources, to)}
        return len(levels) == 1 and all(self.nodes[one].is_open for one in (*sources, to))


def numbers() -> st.SearchStrategy[list[tuple[str, int, int, int]]]:
    step = st.tuples(
        st.sampled_from(["create", "move", "move", "merge", "split", "close", "put"]),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
    )
    return st.lists(step, min_size=4, max_size=18)


async def _check(work: Work, model: Model) -> None:
    rows = {a.id: a for a in await work.session.scalars(select(m.Area).execution_options(populate_existing=True))}
    assert rows.keys() == model.nodes.keys()
    for node in model.nodes.values():
        area = rows[node.id]
        assert area.parent_id == node.parent
        assert (area.valid_until is None) == node.is_open
        above = rows[node.parent].path if node.parent else ""
        assert area.path.startswith(above)
        assert area.path.count(".") == above.count(".") + 1
        assert area.depth == area.path.count(".") - 1
        low, high = subtree(area.path)
        assert {a.id for a in rows.values() if low <= a.path < high} == model.below(node.id)
    assert len({a.path for a in rows.values()}) == len(rows)
    buildings = await work.session.scalars(select(registry.Building).execution_options(populate_existing=True))
    placed = {b.code: (b.area_id, b.area_path) for b in buildings}
    assert placed == {row: (n.id, rows[n.id].path) for n in model.nodes.values() for row in n.rows}


def _allowed(model: Model, verb: str, picks: list[int], ids: list[UUID]) -> bool:
    """Whether the step has to succeed; where not, it has to be refused."""
    one, two, three = ids
    a = model.nodes[one]
    match verb:
        case "create":
            return a.is_open and LEVELS[KINDS[picks[1] % len(KINDS)]] > LEVELS[a.kind]
        case "move":
            return model.may_move(one, two)
        case "merge":
            return model.may_merge([one] if picks[2] % 3 else [one, three], two)
        case "close":
            inside = model.below(one) - {one}
            return a.is_open and not model.rows_below(one) and not any(model.nodes[n].is_open for n in inside)
        case _:
            return a.is_open


async def _step(work: Work, model: Model, verb: str, picks: list[int], ids: list[UUID], count: int) -> None:
    one, two, three = ids
    a = model.nodes[one]
    match verb:
        case "create":
            kind = KINDS[picks[1] % len(KINDS)]
            made = await service.create_area(work, code=f"N{count}", name="x", kind=kind, parent_id=one)
            model.nodes[made.id] = Node(made.id, kind, one)
        case "move":
            plan = await restructure.plan_move(work, one, two)
            assert plan.counts["areas"] == len(model.below(one))
            assert plan.counts.get("buildings", 0) == len(model.rows_below(one))
            await restructure.apply_move(work, one, two, plan.fingerprint)
            a.parent = two
        case "merge":
            sources = [one] if picks[2] % 3 else [one, three]
            plan = await restructure.plan_merge(work, sources, two)
            await restructure.apply_merge(work, sources, two, plan.fingerprint)
            for source in sources:
                for child in model.open_children(source):
                    child.parent = two
                model.nodes[two].rows |= model.nodes[source].rows
                model.nodes[source].rows = set()
                model.nodes[source].is_open = False
        case "split":
            children = model.open_children(one)
            share = children[: picks[1] % (len(children) + 1)]
            parts = [
                restructure.Part(f"A{count}", "a", child_ids=tuple(c.id for c in share)),
                restructure.Part(f"B{count}", "b", takes_rest=True),
            ]
            plan = await restructure.plan_split(work, one, parts)
            made_a, made_b = await restructure.apply_split(work, one, parts, plan.fingerprint)
            model.nodes[made_a.id] = Node(made_a.id, a.kind, a.parent)
            model.nodes[made_b.id] = Node(made_b.id, a.kind, a.parent, rows=a.rows)
            for child in children:
                child.parent = made_a.id if child in share else made_b.id
            a.rows, a.is_open = set(), False
        case "close":
            await service.close_area(work, one)
            a.is_open = False
        case _:
            await registry_service.create_building(work, area_id=one, code=f"B{count}", name="x")
            a.rows.add(f"B{count}")


@given(steps=numbers())
@examples(10, shares_fixtures=True)
async def test_any_sequence_leaves_the_tree_that_the_model_says(
    works: Works, steps: list[tuple[str, int, int, int]]
) -> None:
    tree = await AreaTree.plant(works, streets=2, communities=1, grids=1)
    model = Model()
    for area in tree.areas.values():
        model.nodes[area.id] = Node(area.id, area.kind, area.parent_id)
    for count, step in enumerate(steps):
        verb, *picks = step
        known = sorted(model.nodes)
        ids = [known[pick % len(known)] for pick in picks]
        if _allowed(model, verb, picks, ids):
            async with works.begin(tree.administrator) as work:
                await _step(work, model, verb, picks, ids, count)
        else:
            with pytest.raises(Refusal):
                async with works.begin(tree.administrator) as work:
                    await _step(work, model, verb, picks, ids, count)
    async with works.begin(tree.administrator) as work:
        await _check(work, model)


async def test_a_plan_that_is_stale_is_refused_and_changes_nothing(
    works: Works, alder: AreaTree, clock: ManualClock
) -> None:
    async with works.begin(alder.administrator) as work:
        plan = await restructure.plan_move(work, alder.id("s1c1"), alder.id("s2"))
    clock.advance(days=1)
    async with works.begin(alder.administrator) as work:
        await service.change_area(work, alder.id("s1c1g1"), name="改名")
    with pytest.raises(Refusal) as refused:
        async with works.begin(alder.administrator) as work:
            await restructure.apply_move(work, alder.id("s1c1"), alder.id("s2"), plan.fingerprint)
    assert refused.value.code.value == "STALE"
    async with works.begin(alder.administrator) as work:
        area = await work.session.get(m.Area, (alder.tenant_id, alder.id("s1c1")))
        assert area is not None
        assert area.parent_id == alder.id("s1")


async def test_rows_that_change_all_day_do_not_make_a_plan_stale(works: Works, alder: AreaTree) -> None:
    async with works.begin(alder.administrator) as work:
        plan = await restructure.plan_move(work, alder.id("s1c1"), alder.id("s2"))
    async with works.begin(alder.administrator) as work:
        await registry_service.create_building(work, area_id=alder.id("s1c1g1"), code="B1", name="1号楼")
    async with works.begin(alder.administrator) as work:
        await restructure.apply_move(work, alder.id("s1c1"), alder.id("s2"), plan.fingerprint)
    async with works.begin(alder.administrator) as work:
        building = await work.session.scalar(select(registry.Building))
        area = await work.session.get(m.Area, (alder.tenant_id, alder.id("s1c1g1")))
        assert building is not None
        assert area is not None
        assert building.area_path == area.path


async def test_a_move_carries_every_table_and_other_tenants_nothing(
    works: Works, alder: AreaTree, birch: AreaTree
) -> None:
    for tree in (alder, birch):
        async with works.begin(tree.administrator) as work:
            grid = tree.id("s1c1g1")
            building = await registry_service.create_building(work, area_id=grid, code="B1", name="1号楼")
            dwelling = await registry_service.create_dwelling(work, building_id=building.id, number="101", use="OWNED")
            household = await registry_service.create_household(work, number="H1", dwelling_id=dwelling.id)
            await registry_service.create_resident(work, household_id=household.id, name="王小明")
    async with works.begin(alder.administrator) as work:
        plan = await restructure.plan_move(work, alder.id("s1c1"), alder.id("s2"))
        assert plan.counts == {
            "areas": 3,
            "buildings": 1,
            "dwellings": 1,
            "dwelling_usages": 1,
            "households": 1,
            "household_stays": 1,
            "residents": 1,
            "resident_stays": 1,
        }
        await restructure.apply_move(work, alder.id("s1c1"), alder.id("s2"), plan.fingerprint)
    for tree, where in ((alder, "s2"), (birch, "s1")):
        async with works.begin(tree.administrator) as work:
            for model in (registry.Building, registry.Dwelling, registry.Household, registry.Resident):
                row = await work.session.scalar(select(model))
                assert row is not None
                assert row.area_path.startswith(tree.areas[where].path)


async def test_history_leads_from_an_area_to_its_successors(works: Works, alder: AreaTree, clock: ManualClock) -> None:
    async with works.begin(alder.administrator) as work:
        parts = [restructure.Part("P1", "一"), restructure.Part("P2", "二", takes_rest=True)]
        plan = await restructure.plan_split(work, alder.id("s1c1"), parts)
        first, second = await restructure.apply_split(work, alder.id("s1c1"), parts, plan.fingerprint)
    clock.advance(days=400)
    async with works.begin(alder.administrator) as work:
        plan = await restructure.plan_merge(work, [first.id], second.id)
        await restructure.apply_merge(work, [first.id], second.id, plan.fingerprint)
    async with works.begin(alder.administrator) as work:
        changes = list(await work.session.scalars(select(m.AreaChange).order_by(m.AreaChange.id)))
        told = [(c.kind, c.area_id, c.successor_id) for c in changes]
        assert told == [
            ("SPLIT", alder.id("s1c1"), first.id),
            ("SPLIT", alder.id("s1c1"), second.id),
            ("MERGED", first.id, second.id),
        ]
        assert changes[2].happened_on - changes[0].happened_on == timedelta(days=400)


async def test_a_code_names_one_area_on_any_day(works: Works, alder: AreaTree, clock: ManualClock) -> None:
    async def create(**values: object) -> m.Area:
        async with works.begin(alder.administrator) as work:
            return await service.create_area(
                work,
                code="N1",
                name="新",
                kind="GRID",
                parent_id=alder.id("s1c1"),
                **values,  # type: ignore[arg-type] # what is tried
            )

    first = await create()
    with pytest.raises(Refusal) as refused:
        await create()
    assert (refused.value.reason, refused.value.path) == ("AREA_CODE_TAKEN", ("code",))
    clock.advance(days=3)
    async with works.begin(alder.administrator) as work:
        await service.close_area(work, first.id)
    second = await create()
    assert second.code == first.code
    assert second.path != first.path
