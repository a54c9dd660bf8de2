"""Fill a city with a demo population: in chunks, each its own transaction, so that it can be resumed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlalchemy import select, text, update
from sqlalchemy.orm import aliased

from cityloom.core.errors import Refusal, RefusalCode
from cityloom.core.events import AuditEntry
from cityloom.demo import loading
from cityloom.demo.people import SMALL_RESIDENTS, plan
from cityloom.modules.areas.models import Area, AreaKind
from cityloom.modules.registry import models as m
from cityloom.modules.registry.people import keys_of
from cityloom.modules.tags.models import TagRule
from cityloom.tenancy.events import TENANT_TAG
from cityloom.tenancy.limits import demand_room
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from cityloom.core.principal import Principal
    from cityloom.core.work import Work, Works
    from cityloom.demo.people import PlannedBuilding

Scale = Literal["small", "full"]
USUAL_SEED = 20_250_101
#: Residents of one transaction: some 15 MB of rows in memory.
_CHUNK = 4_000


class NoGrids(Refusal):
    """The city has no open areas that people could live in: apply its pack first."""

    code = RefusalCode.INVALID_STATE
    zh = "该城市没有可居住的有效区域:请先应用城市包。"


class OtherPopulation(Refusal):
    """The city has the demo population of another seed ({code_found}): use that seed."""

    code = RefusalCode.INVALID_STATE
    zh = "该城市已有另一随机种子的演示人口({code_found}):请使用该种子。"


@dataclass(slots=True)
class Filled:
    """What was added; all zero where everything was there already."""

    buildings: int = 0
    dwellings: int = 0
    households: int = 0
    residents: int = 0
    organisations: int = 0
    vehicles: int = 0
    present: int = 0
    """Residents that were there already."""

    def add(self, rows: loading.Rows) -> None:
        """Count what was written."""
        self.buildings += rows.count(m.Building)
        self.dwellings += rows.count(m.Dwelling)
        self.households += rows.count(m.Household)
        self.residents += rows.count(m.Resident)
        self.organisations += rows.count(m.Organisation)
        self.vehicles += rows.count(m.Vehicle)


async def fill(
    works: Works,
    tenant_id: UUID,
    *,
    scale: Scale = "small",
    seed: int = USUAL_SEED,
    progress: Callable[[int, int], None] | None = None,
) -> Filled:
    """Fill a tenant; `progress` is told how many residents are done, and of how many.

    The same seed again adds nothing; `full` after `small` adds what is missing. No events are emitted, one audit entry
    says that it was done. Refuses (`NoGrids`, `OtherPopulation`); `TenantLimitReached` leaves what was filled before.
    """
    principal = system_principal(tenant_id)
    async with works.begin(principal) as work:
        grids = await _grids(work)
        await _demand_same_seed(work, seed)
        planned = plan(seed, len(grids), full=scale == "full")
        chunks = list(_chunks(planned))
        present = await _present(work, tenant_id, seed, chunks)
        keys = await keys_of(work)

    async def make(chunk: Sequence[PlannedBuilding]) -> loading.Rows | None:
        if chunk[0].number in present:
            return None
        return await asyncio.to_thread(loading.rows_of, tenant_id, seed, keys, grids, chunk)

    filled, total, done = Filled(), planned[-1].first_resident + planned[-1].residents, 0
    # One chunk is made while the one before it is written: PostgreSQL has a processor of its own.
    ahead = asyncio.create_task(make(chunks[0]))
    try:
        for index, chunk in enumerate(chunks):
            rows = await ahead
            if index + 1 < len(chunks):
                ahead = asyncio.create_task(make(chunks[index + 1]))
            residents = sum(one.residents for one in chunk)
            if rows is None or not await _write(works, principal, rows, chunk, seed):
                filled.present += residents
            else:
                filled.add(rows)
            done += residents
            if progress is not None:
                progress(done, total)
    finally:
        ahead.cancel()
    if filled.buildings:
        async with works.begin(principal) as work:
            after = {"scale": scale, "seed": seed, "residents": filled.residents}
            work.audit(AuditEntry(action="registry.demo.fill", object_tag=TENANT_TAG, object_id=tenant_id, after=after))
            # There is no event that rules of tags could follow: the worker holds everybody against them soon.
            await work.session.execute(update(TagRule).values(is_pending=True))
    return filled


async def _write(
    works: Works, principal: Principal, rows: loading.Rows, chunk: Sequence[PlannedBuilding], seed: int
) -> bool:
    """Write one chunk; answers False where another process has just written it."""
    async with works.begin(principal) as work:
        key = {"key": f"registry.demo.{principal.tenant_id}"}
        await work.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)
        if await _present(work, principal.tenant_id, seed, [chunk]):
            return False
        await demand_room(work, "residents", m.Resident, rows.count(m.Resident))
        await loading.load(work, rows)
    return True


async def _grids(work: Work) -> list[loading.Grid]:
    """The open areas without open areas in them, in the order of their codes; grids where there are any."""
    child = aliased(Area)
    rows = await work.session.execute(
        select(Area.id, Area.name, Area.centre_longitude, Area.centre_latitude, AreaKind.grid_class)
        .join(AreaKind, (AreaKind.tenant_id == Area.tenant_id) & (AreaKind.code == Area.kind))
        .where(
            Area.valid_until.is_(None),
            ~select(child.id).where(child.parent_id == Area.id, child.valid_until.is_(None)).exists(),
        )
        .order_by(Area.code)
    )
    found = list(rows)
    kept = [row for row in found if row.grid_class is not None] or found
    if not kept:
        raise NoGrids
    return [
        loading.Grid(row.id, row.name, (row.centre_longitude, row.centre_latitude) if row.centre_longitude else None)
        for row in kept
    ]


async def _demand_same_seed(work: Work, seed: int) -> None:
    own = loading.building_code(seed, 0).rpartition("-")[0]
    other = await work.session.scalar(
        select(m.Building.code)
        .where(m.Building.code.startswith("DEMO-"), m.Building.code.not_like(f"{own}-%"))
        .limit(1)
    )
    if other is not None:
        raise OtherPopulation(code_found=other)


def _chunks(planned: Sequence[PlannedBuilding]) -> Iterator[list[PlannedBuilding]]:
    """Buildings in turn, some thousand residents at a time; small and full populations have the same first chunks."""
    chunk: list[PlannedBuilding] = []
    residents = 0
    for one in planned:
        if chunk and (residents + one.residents > _CHUNK or one.first_resident == SMALL_RESIDENTS):
            yield chunk
            chunk, residents = [], 0
        chunk.append(one)
        residents += one.residents
    if chunk:
        yield chunk


async def _present(work: Work, tenant_id: UUID, seed: int, chunks: Sequence[Sequence[PlannedBuilding]]) -> set[int]:
    """The numbers of those first buildings of chunks that are there: a chunk is there whole or not at all."""
    firsts = {loading.row_id(tenant_id, seed, "building", chunk[0].number): chunk[0].number for chunk in chunks}
    rows = await work.session.scalars(select(m.Building.id).where(m.Building.id.in_(firsts)))
    return {firsts[found] for found in rows}
