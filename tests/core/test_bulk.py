"""Rows by the thousand: one INSERT of arrays, through every policy and check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from sqlalchemy import select, text

from cityloom.core.bulk import insert_rows, insert_text, keep_uncounted, table_of
from cityloom.core.ids import new_id
from cityloom.core.work import Works
from cityloom.modules.registry import models as m
from cityloom.testing.areas import AreaTree

if TYPE_CHECKING:
    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock

BUILDINGS = insert_text(
    table_of(m.Building), ("id", "area_id", "code", "name", "storeys"), same=("created_at", "changed_at")
)


@pytest.fixture
async def tree(database: Database, clock: ManualClock) -> AreaTree:
    """A tenant with eight grids."""
    return await AreaTree.plant(Works(database, clock=clock))


def building(tree: AreaTree, at: str, code: str, storeys: int | None = None) -> tuple[Any, ...]:
    """A row of a building."""
    return new_id(), tree.id(at), code, f"{code}号楼", storeys


async def test_rows_take_the_path_of_their_area_and_what_all_of_them_share(tree: AreaTree) -> None:
    async with tree.works.begin(tree.administrator) as work:
        now = work.now()
        await insert_rows(work, BUILDINGS, [], now, now)
        rows = [building(tree, "s1c1g1", "A", 6), building(tree, "s2c1g2", "B")]
        await insert_rows(work, BUILDINGS, rows, now, now)
    async with tree.works.begin(tree.administrator) as work:
        found = (await work.session.scalars(select(m.Building).order_by(m.Building.code))).all()
    paths = [tree.areas["s1c1g1"].path, tree.areas["s2c1g2"].path]
    assert [(one.id, one.area_path, one.storeys, one.changed_at) for one in found] == [
        (rows[0][0], paths[0], 6, now), (rows[1][0], paths[1], None, now),
    ]  # fmt: skip


async def test_what_may_not_be_written_one_by_one_is_not_written_in_bulk(tree: AreaTree) -> None:
    walled = tree.someone("registry.building.create", at="s1")
    nowhere = (new_id(), new_id(), "C", "C号楼", None)
    refused = (
        (walled, building(tree, "s2c1g1", "C"), asyncpg.InsufficientPrivilegeError),
        (tree.administrator, nowhere, asyncpg.InsufficientPrivilegeError),
        (tree.administrator, building(tree, "s1c1g1", "C", 900), asyncpg.CheckViolationError),
    )
    for caller, row, error in refused:
        with pytest.raises(error):
            async with tree.works.begin(caller) as work:
                await insert_rows(work, BUILDINGS, [building(tree, "s1c1g1", "D"), row], work.now(), work.now())
    async with tree.works.begin(tree.administrator) as work:
        assert (await work.session.scalars(select(m.Building))).all() == []


async def test_tables_without_any_row_are_not_counted_while_they_are_filled(tree: AreaTree) -> None:
    held = (
        "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'ShareUpdateExclusiveLock' "
        "AND relation = CAST(:table AS regclass)"
    )
    async with tree.works.begin(tree.administrator) as work:
        # No test leaves a row in a staging table.
        await keep_uncounted(work, "registry_staged_answers")
        assert await work.session.scalar(text(held), {"table": "registry_staged_answers"}) == 1
        # Another one does not wait for it for long, and goes on.
        async with tree.works.begin(tree.administrator) as other:
            await other.session.execute(text("SET LOCAL lock_timeout = '20ms'"))
            await keep_uncounted(other, "registry_staged_answers")
            assert await other.session.scalar(text(held), {"table": "registry_staged_answers"}) == 0
