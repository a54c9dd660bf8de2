"""Limits hold where rows are made: exactly near them, without counting far from them, and across area walls."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from sqlalchemy import event, func, select, text

from cityloom.access import models as access
from cityloom.access.service import accounts, clients
from cityloom.core.errors import RefusalCode
from cityloom.demo.population import fill
from cityloom.graph import trusted
from cityloom.graph.documents import document_id
from cityloom.graph.models import TrustedDocument
from cityloom.modules.areas import models as areas
from cityloom.modules.areas import service as area_service
from cityloom.modules.registry import models as registry
from cityloom.modules.registry import service as registry_service
from cityloom.tenancy.configuration import put_limit
from cityloom.tenancy.errors import TenantLimitReached, TenantNotFound
from cityloom.tenancy.limits import demand_room
from cityloom.tenancy.packs import PackSource
from cityloom.testing.areas import AreaTree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from cityloom.app import Platform
    from cityloom.core.database import Database, TenantTable
    from cityloom.core.work import Work

PERMISSIONS = ("registry.resident.create", "registry.resident.read", "registry.household.read")


@pytest_asyncio.fixture
async def tree(opened: Platform) -> AreaTree:
    """A tenant of the real platform."""
    return await AreaTree.plant(opened.works)


async def household(tree: AreaTree, grid: str) -> UUID:
    async with tree.works.begin(tree.administrator) as work:
        code = secrets.token_hex(4)
        building = await registry_service.create_building(
            work, area_id=tree.id(grid), code=code, name="1号楼", storeys=6
        )
        dwelling = await registry_service.create_dwelling(
            work, building_id=building.id, number="301", floor=3, use="OWNED"
        )
        return (await registry_service.create_household(work, number=code, dwelling_id=dwelling.id)).id


async def limit(tree: AreaTree, name: str, table: type[TenantTable], room: int) -> int:
    """Set a limit so that so many more rows fit; answers it."""
    async with tree.works.begin(tree.administrator) as work:
        present = await work.session.scalar(select(func.count(table.id))) or 0
        await put_limit(work, name, present + room)
    return present + room


async def count(tree: AreaTree, table: type[TenantTable]) -> int:
    async with tree.works.begin(tree.administrator) as work:
        return await work.session.scalar(select(func.count(table.id))) or 0


Make = Callable[["Work"], Awaitable[object]]


async def makers(tree: AreaTree) -> dict[str, tuple[type[TenantTable], Make]]:
    home = await household(tree, "s1c1g1")

    async def account(work: Work) -> object:
        draft = accounts.AccountDraft(login=f"a-{secrets.token_hex(4)}", name="A")
        return await accounts.create_account(work, draft)

    async def client(work: Work) -> object:
        return await clients.create_client(work, secrets.token_hex(4), ["registry.*"])

    async def area(work: Work) -> object:
        name = secrets.token_hex(4)
        return await area_service.create_area(work, code=name, name=name, kind="GRID", parent_id=tree.id("s1c1"))

    async def resident(work: Work) -> object:
        return await registry_service.create_resident(work, household_id=home, name="王小明")

    async def document(work: Work) -> object:
        body = f"query Q{secrets.token_hex(4)} {{ __typename }}"
        return await trusted.register(work, [trusted.Entry((document_id(body),), body)], None)

    return {
        "accounts": (access.Account, account),
        "api_clients": (access.ApiClient, client),
        "areas": (areas.Area, area),
        "residents": (registry.Resident, resident),
        "trusted_documents": (TrustedDocument, document),
    }


@pytest.mark.parametrize("name", ["accounts", "api_clients", "areas", "residents", "trusted_documents"])
async def test_the_last_one_that_fits_is_made_and_no_more(tree: AreaTree, name: str) -> None:
    table, make = (await makers(tree))[name]
    value = await limit(tree, name, table, 1)
    async with tree.works.begin(tree.administrator) as work:
        await make(work)
    with pytest.raises(TenantLimitReached) as refused:
        async with tree.works.begin(tree.administrator) as work:
            await make(work)
    assert refused.value.code is RefusalCode.LIMIT_EXCEEDED
    assert refused.value.details == {"limit": name, "value": value, "actual": value + 1}
    assert await count(tree, table) == value


async def test_an_api_client_needs_room_for_its_account(tree: AreaTree) -> None:
    _, make = (await makers(tree))["api_clients"]
    await limit(tree, "accounts", access.Account, 0)
    with pytest.raises(TenantLimitReached) as refused:
        async with tree.works.begin(tree.administrator) as work:
            await make(work)
    assert refused.value.details["limit"] == "accounts"
    assert await count(tree, access.ApiClient) == 0


async def test_what_the_caller_cannot_see_counts_and_stays_unseen(tree: AreaTree) -> None:
    here, there = await household(tree, "s1c1g1"), await household(tree, "s2c1g1")
    async with tree.works.begin(tree.administrator) as work:
        for _ in range(3):
            await registry_service.create_resident(work, household_id=there, name="李四")
    value = await limit(tree, "residents", registry.Resident, 1)
    worker = tree.someone(*PERMISSIONS, at="s1c1g1")
    async with tree.works.begin(worker) as work:
        await registry_service.create_resident(work, household_id=here, name="王小明")
        # The wall is as it was, though more was counted than the worker may read.
        assert len((await work.session.scalars(select(registry.Resident))).all()) == 1
        wall = await work.session.execute(text("SELECT current_setting('app.area_lo'), current_setting('app.area_hi')"))
        assert tuple(wall.one()) == worker.rights.wall
    with pytest.raises(TenantLimitReached) as refused:
        async with tree.works.begin(worker) as work:
            await registry_service.create_resident(work, household_id=here, name="王小明")
    assert refused.value.details["actual"] == value + 1


async def test_two_at_once_do_not_both_take_the_last_place(tree: AreaTree) -> None:
    _, make = (await makers(tree))["areas"]
    value = await limit(tree, "areas", areas.Area, 1)
    both_have_begun = asyncio.Barrier(2)

    async def add() -> None:
        async with tree.works.begin(tree.administrator) as work:
            await work.session.execute(text("SELECT 1"))
            await both_have_begun.wait()
            await make(work)

    found = await asyncio.gather(add(), add(), return_exceptions=True)
    assert [type(one) for one in found if one is not None] == [TenantLimitReached]
    assert await count(tree, areas.Area) == value


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that count anything."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "count(" in statement.lower():
            found.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_far_from_a_limit_nothing_is_counted_for_each_row(opened: Platform, tree: AreaTree) -> None:
    async def add(number: int) -> None:
        async with tree.works.begin(tree.administrator) as work:
            await demand_room(work, "residents", registry.Resident, number)

    with counted(opened.database) as statements:
        for _ in range(5):
            await add(1)
        assert len(statements) == 1
        await add(101)
        assert len(statements) == 2, "many at once are always counted"
        await limit(tree, "residents", registry.Resident, 50)
        statements.clear()
        await add(1)
        assert len(statements) == 1, "a lower limit holds at once"


PACK = """\
slug = "{slug}"
names = {{ zh = "桤木", en = "Alder" }}
division_code = "222401"
extends = "packs/grid-city"

[limits]
{limit} = 1
"""
AREAS = """\
code,name,kind,parent,valid_from,valid_to,longitude,latitude
222401,桤木,CITY,,,,,
222401001,一街,STREET,222401,,,,
"""
ACCOUNTS = "login,name,locale,is_developer,enabled\nli,Li,zh,false,true\nwang,Wang,zh,false,true\n"


@pytest.mark.parametrize("name", ["areas", "accounts"])
async def test_a_pack_beyond_a_limit_changes_nothing(opened: Platform, slug: str, name: str) -> None:
    files: dict[str, Any] = {
        "tenant.toml": PACK.format(slug=slug, limit=name),
        "areas.csv": AREAS,
        "accounts.csv": ACCOUNTS,
    }
    source = PackSource({path: content.encode() for path, content in files.items()})
    with pytest.raises(TenantLimitReached) as refused:
        await opened.tenants.apply(source, actor="test")
    assert refused.value.details == {"limit": name, "value": 1, "actual": 2}
    with pytest.raises(TenantNotFound):
        await opened.tenants.tenant(slug)


async def test_the_demo_stops_at_the_limit(tree: AreaTree) -> None:
    await limit(tree, "residents", registry.Resident, 10)
    with pytest.raises(TenantLimitReached):
        await fill(tree.works, tree.tenant_id, scale="small")
    assert await count(tree, registry.Resident) == 0
