"""`registry.import`: 500,000 residents from a CSV through the real import, against COPY of the same finished rows.

The contestants take turns on one database: the import (upload, checks, encryption, indexes, one transaction that
publishes), and PostgreSQL's COPY, as administrator, of the rows that the import has made, in its binary form, into the
same tables with the same keys, checks and indexes, in one transaction. Before each turn the tables are emptied and a
checkpoint is made.

The rows are all that the import makes: those of people and houses, what they are searched by, and since when they hang
together. `copy_parts_s` says how long COPY took for each table, for whoever wants to compare with some of them.
"""

from __future__ import annotations

import csv
import statistics
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from contest import console
from sqlalchemy import select
from sqlalchemy.engine import make_url

from cityloom.access import models as access
from cityloom.access.acting import acting_as
from cityloom.app import platform
from cityloom.core.database import asyncpg_arguments
from cityloom.core.migrations import migrate
from cityloom.demo.papers import identity_number, phone_number
from cityloom.demo.people import build, plan
from cityloom.imports import models as imports
from cityloom.imports import service
from cityloom.imports.running import Times, run_import
from cityloom.imports.targets import Targets
from cityloom.modules.areas.models import Area
from cityloom.modules.registry import models as m
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from uuid import UUID

    from cityloom.app import Platform
    from cityloom.core.principal import Principal
    from cityloom.settings import Settings

SEED, TARGET = 20_250_101, 3.0
#: All that the import writes, holders first, as foreign keys want it.
TABLES = tuple(
    model.__tablename__
    for model in (
        m.Building,
        m.BuildingToken,
        m.Dwelling,
        m.DwellingUsage,
        m.Household,
        m.HouseholdStay,
        m.Resident,
        m.ResidentStay,
        m.ResidentNameToken,
    )
)
HEADERS = (
    "网格编码",
    "楼栋编码",
    "楼栋名称",
    "楼层数",
    "单元",
    "房号",
    "所在楼层",
    "房屋用途",
    "面积",
    "户号",
    "姓名",
    "身份证号",
    "出生日期",
    "性别",
    "手机号",
    "与户主关系",
)
_USES = {"OWNED": "自住", "RENTED": "出租", "HOMESTAY": "民宿", "VACANT": "空置", "BUSINESS": "经营"}
_RELATIONS = {"HEAD": "户主", "SPOUSE": "配偶", "CHILD": "子女", "PARENT": "父母"}


async def run(settings: Settings, admin_url: str, slug: str, scale: str, rounds: int) -> dict[str, Any]:
    """The figures."""
    await migrate(admin_url, settings.var)
    async with platform(settings, admin_url) as opened, _administrator(admin_url) as admin:
        if slug not in {overview.tenant.slug for overview in await opened.tenants.overviews()}:
            await opened.tenants.apply(opened.tenants.folder(slug), actor="bench")
        tenant_id = (await opened.directory.by_slug(slug)).id
        importer = await _importer(opened, tenant_id)
        file = settings.var / f"people-{scale}.csv"
        rows = await _write(opened, tenant_id, file, scale)
        console.print(f"{file.stat().st_size / 1e6:.0f} MB of CSV, {rows:,} rows", highlight=False)
        imported, copied, parts, copied_parts = [], [], [], []
        for _ in range(rounds):
            await _empty(admin)
            took, times = await _import(opened, importer, file)
            imported.append(took)
            parts.append(times)
            counts = await _counts(admin)
            await _copy_out(admin, settings.var)
            await _empty(admin)
            copied_parts.append(await _copy_in(admin, settings.var))
            copied.append(sum(copied_parts[-1].values()))
            again = await _counts(admin)
            if again != counts:
                raise RuntimeError(f"COPY wrote {again}, the import {counts}")
            console.print(f"  import {imported[-1]:.1f} s, COPY {copied[-1]:.1f} s", highlight=False)
    ratio = statistics.median(imported) / statistics.median(copied)
    _show(counts, imported, copied, ratio)
    _show_parts("import", parts)
    _show_parts("COPY", copied_parts)
    return {
        "rows": counts,
        "import_s": imported,
        "copy_s": copied,
        "ratio": ratio,
        "target": TARGET,
        "parts_s": parts,
        "copy_parts_s": copied_parts,
    }


def _show(counts: dict[str, int], imported: list[float], copied: list[float], ratio: float) -> None:
    for table, count in counts.items():
        console.print(f"  {table}: {count:,}", highlight=False)
    met = "met" if ratio <= TARGET else "MISSED"
    console.print(
        f"registry.import: {statistics.median(imported):.1f} s, COPY {statistics.median(copied):.1f} s, "
        f"ratio {ratio:.2f}, target ≤ {TARGET:g} {met}",
        highlight=False,
    )


def _show_parts(what: str, parts: list[dict[str, float]]) -> None:
    for name in parts[0]:
        console.print(f"  {what}, {name}: {statistics.median(one[name] for one in parts):.1f} s", highlight=False)


@asynccontextmanager
async def _administrator(admin_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        yield connection
    finally:
        await connection.close()


async def _importer(opened: Platform, tenant_id: UUID) -> Principal:
    """The city's administrator, whose rights hold for every row."""
    async with opened.works.begin(system_principal(tenant_id)) as work:
        account = await work.session.scalar(
            select(access.Membership.account_id)
            .join(access.Role, access.Role.id == access.Membership.role_id)
            .where(access.Role.code == "city_administrator")
            .limit(1)
        )
        if account is None:
            raise RuntimeError("the city has no administrator")
        return await acting_as(work, account, None)


async def _write(opened: Platform, tenant_id: UUID, file: Path, scale: str) -> int:
    """Write the population as one wide sheet; the same every time."""
    async with opened.works.begin(system_principal(tenant_id)) as work:
        top = select(Area.parent_id).where(Area.parent_id.is_not(None))
        leaves = select(Area.code).where(Area.id.not_in(top), Area.valid_until.is_(None)).order_by(Area.code)
        grids = list(await work.session.scalars(leaves))
    count = 0
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(HEADERS)
        for planned in plan(SEED, len(grids), full=scale == "full"):
            for row in _rows(planned, grids):
                writer.writerow(row)
                count += 1
    return count


def _rows(planned: Any, grids: list[str]) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - a planned building
    house, code = build(SEED, planned), f"B{planned.number + 1:05d}"
    for place, home in enumerate(house.homes):
        dwelling = (grids[planned.grid], code, f"{planned.number + 1}号楼", house.storeys, home.unit, home.number)
        dwelling += (home.floor, _USES[home.use], home.size_dm2 / 100)
        if not home.people:
            yield (*dwelling, *[""] * 7)
        for one in home.people:
            yield (
                *dwelling,
                f"{code}-{place + 1:03d}",
                one.name,
                identity_number(one.number, one.born_on, one.sex),
                one.born_on.isoformat(),
                "男" if one.sex == "MALE" else "女",
                phone_number(one.number) if one.has_phone else "",
                _RELATIONS[one.relationship],
            )


async def _empty(admin: asyncpg.Connection[asyncpg.Record]) -> None:
    await admin.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
    await admin.execute("VACUUM imports, import_chunks, import_findings")
    await admin.execute("CHECKPOINT")


async def _import(opened: Platform, importer: Principal, file: Path) -> tuple[float, dict[str, float]]:
    """What the endpoint, the mutation and the worker do, one after the other."""
    ring: KeyRing = opened.works.services[KeyRing]
    targets: Targets = opened.works.services[Targets]
    times = Times()
    began = time.perf_counter()
    with file.open("rb") as body:
        async with times.of("upload: read, seal, keep"):
            keys = await ring.of(importer.tenant_id)
            async with service.receive(body, keys, 5_000_000) as received, opened.works.begin(importer) as work:
                row = await service.upload(work, targets.demand("registry"), received)
    async with opened.works.begin(importer) as work:
        await service.apply_import(work, row.id)
    if not await run_import(opened.works, importer.tenant_id, row.id, times=times):
        raise RuntimeError("nothing was imported")
    took = time.perf_counter() - began
    async with opened.works.begin(importer) as work:
        done = await work.session.get_one(imports.Import, (importer.tenant_id, row.id))
        if done.state != "COMPLETED" or done.rows_refused:
            raise RuntimeError(f"the import is {done.state}, {done.rows_refused} rows refused, {done.failure}")
    return took, times.seconds


async def _counts(admin: asyncpg.Connection[asyncpg.Record]) -> dict[str, int]:
    return {table: await admin.fetchval(f'SELECT count(*) FROM "{table}"') for table in TABLES}  # noqa: S608 - our own


async def _copy_out(admin: asyncpg.Connection[asyncpg.Record], folder: Path) -> None:
    for table in TABLES:
        await admin.copy_from_table(table, output=folder / f"{table}.copy", format="binary")


async def _copy_in(admin: asyncpg.Connection[asyncpg.Record], folder: Path) -> dict[str, float]:
    """Seconds by table, and those of the commit, which checks that all lie where their areas do."""
    times = Times()
    transaction = admin.transaction()
    await transaction.start()
    # As the import does (`bulk.keep_uncounted`): once autovacuum has counted them empty, foreign keys take hours.
    await admin.execute(f"LOCK TABLE {', '.join(TABLES)} IN SHARE UPDATE EXCLUSIVE MODE")
    for table in TABLES:
        async with times.of(table):
            await admin.copy_to_table(table, source=folder / f"{table}.copy", format="binary")
    async with times.of("commit"):
        await transaction.commit()
    for table in TABLES:
        (folder / f"{table}.copy").unlink()
    return times.seconds
