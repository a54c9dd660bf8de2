"""A city's own fields in its pack, and what today's reads do not pay for."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from graphql import parse
from sqlalchemy import select

from cityloom import installed
from cityloom.access.catalogue import Catalogue
from cityloom.access.snapshots import AccessSnapshots
from cityloom.core.errors import Refusal
from cityloom.graph.compiler import Compiler
from cityloom.graph.schema import Contracts
from cityloom.modules.registry import models as m
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.packs import InvalidPack, PackSource
from cityloom.tenancy.service import TenantService
from cityloom.tenancy.system import system_principal
from cityloom.testing.rights import principal

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Works
    from cityloom.testing.areas import AreaTree

TENANTS = Path(__file__).parents[3] / "tenants"
HEADER = "thing,code,title_zh,title_en,kind,required,choices,sensitivity,position\n"
DIALECT = "RESIDENT,dialect,方言,Dialect,CHOICE,false,{},PLAIN,1\n"
LIFT = "BUILDING,lift,电梯编号,Lift,TEXT,false,,PLAIN,0\n"


def pack(slug: str, *rows: str) -> PackSource:
    """A small city with these fields."""
    names = '{ zh = "桤木市", en = "Alder" }'
    files = {
        "tenant.toml": f'slug = "{slug}"\nnames = {names}\nextends = "packs/community-base"\n',
        "areas.csv": "code,name,kind,parent,valid_from,valid_to,longitude,latitude\n",
        "accounts.csv": "login,name,locale,is_developer,enabled\nadmin,管理员,zh,true,true\n",
        "memberships.csv": "login,role,area,department,own\nadmin,city_administrator,,,false\n",
        **({"fields.csv": HEADER + "".join(rows)} if rows else {}),
    }
    return PackSource({name: text.encode() for name, text in files.items()})


async def fields(works: Works, tenant_id: UUID) -> dict[str, tuple[list[str], bool]]:
    """Choices, and whether retired, by code."""
    async with works.begin(system_principal(tenant_id)) as work:
        rows = await work.session.scalars(select(m.CustomField))
        return {row.code: (row.choices, row.is_retired) for row in rows}


async def test_fields_are_data_and_are_retired_not_removed(works: Works) -> None:
    modules, slug = installed.modules(), f"alder-{secrets.token_hex(6)}"
    works.services[TenantDirectory] = TenantDirectory(works.database, modules)
    async with AccessSnapshots(works.database, Catalogue.of(modules)) as snapshots:
        works.services[AccessSnapshots] = snapshots
        installation = TenantService(works, modules, TENANTS)
        source = pack(slug, LIFT, DIALECT.format("客家话|赣语"))
        done = await installation.apply(source, actor="tests")
        assert await fields(works, done.tenant_id) == {"dialect": (["客家话", "赣语"], False), "lift": ([], False)}
        assert not (await installation.apply(source, actor="tests")).plan, "applied again it changes nothing"
        await installation.apply(pack(slug, DIALECT.format("客家话|赣语|其他")), actor="tests")
        now = await fields(works, done.tenant_id)
        assert now == {"dialect": (["客家话", "赣语", "其他"], False), "lift": ([], True)}
        for row, reason in (
            (DIALECT.format("客家话"), "FIELD_CHOICES_WRONG"),
            (DIALECT.format("").replace("CHOICE", "TEXT"), "FIELD_KIND_FIXED"),
        ):
            with pytest.raises(Refusal) as refused:
                await installation.apply(pack(slug, row), actor="tests")
            assert refused.value.reason == reason
        with pytest.raises(InvalidPack):
            await installation.apply(pack(slug, DIALECT.format("")), actor="tests")
        assert await fields(works, done.tenant_id) == now
        await installation.apply(pack(slug, LIFT, DIALECT.format("客家话|赣语|其他")), actor="tests")
        assert (await fields(works, done.tenant_id))["lift"] == ([], False)


def test_reads_of_today_do_not_touch_ties(alder: AreaTree) -> None:
    modules = installed.modules()
    schema = Contracts(modules, "tenant").of(frozenset(module.name for module in modules)).graphql
    text = "query($d: Date) { dwellings { nodes { residents(asOf: $d) { nodes { household { id } } } } } }"

    def sql(on: str | None) -> str:
        made = Compiler().plan(schema, parse(text), None, {"d": on}, principal(alder.tenant_id))
        assert made.plan.sql is not None
        return made.plan.sql

    assert "_stays" not in sql(None)
    assert sql("2025-01-01").count("resident_stays") > 0
