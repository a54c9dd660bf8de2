"""Packs and the database: plan, apply, export, and that nothing is ever half done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from cityloom.audit.models import AuditRecord
from cityloom.events.models import OutboxRecord
from cityloom.tenancy.errors import PlanStale, TenantNotFound
from cityloom.tenancy.models import PackApplication, Tenant
from cityloom.tenancy.packs import InvalidPack
from cityloom.tenancy.service import TenantService
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from cityloom.core.work import Works
    from cityloom.tenancy.directory import TenantDirectory
    from cityloom.tenancy.packs import PackSource


def pack(slug: str, more: str = "") -> str:
    return f"""\
slug = "{slug}"
names = {{ zh = "桤木", en = "Alder" }}
extends = "packs/lantern-base"
{more}"""


ON = """
[modules.festivals]
enabled = true

[modules.lanterns.settings]
brightness = 7

[limits]
accounts = 700
areas = 10
"""


async def counts(service: TenantService, tenant_id: UUID) -> tuple[int, int, int]:
    async with service.works.begin(system_principal(tenant_id)) as work:
        events = await work.session.scalar(select(func.count()).select_from(OutboxRecord))
        entries = await work.session.scalar(select(func.count()).select_from(AuditRecord))
    async with service.database.operator_sessions() as session:
        query = select(func.count()).select_from(PackApplication).where(PackApplication.tenant_id == tenant_id)
        applied = await session.scalar(query)
    return events or 0, entries or 0, applied or 0


async def test_a_pack_makes_a_tenant_and_a_second_time_changes_nothing(
    service: TenantService, directory: TenantDirectory, slug: str, source: Callable[..., PackSource]
) -> None:
    given = source(pack(slug, ON))
    first = await service.apply(given, actor="tester")
    assert first.plan.is_new
    config = await directory.by_slug(slug)
    assert config.state == "ACTIVE"
    assert config.modules == {"tenancy", "streets", "lanterns", "festivals"}
    assert config.settings("lanterns").brightness == 7
    assert config.settings("lanterns").colours == ("red",)
    assert (config.limit("accounts"), config.limit("areas"), config.locale) == (700, 10, "en")
    before = await counts(service, first.tenant_id)
    assert before == (1, 1, 1)

    second = await service.apply(given, actor="tester")
    assert not second.plan
    assert await counts(service, first.tenant_id) == before


async def test_export_of_an_applied_pack_is_the_pack_byte_for_byte(
    service: TenantService, slug: str, source: Callable[..., PackSource]
) -> None:
    given = source(pack(slug, ON))
    await service.apply(given, actor="tester")
    assert await service.export(slug) == given.files


async def test_what_the_base_states_and_the_city_does_not_want_is_exported_as_removed(
    service: TenantService, slug: str, source: Callable[..., PackSource]
) -> None:
    given = source(pack(slug, '\n[remove]\nmodules = ["lanterns"]\n'))
    applied = await service.apply(given, actor="tester")
    assert {c.key for c in applied.plan.changes} == {("streets",), ("accounts",)}
    assert await service.export(slug) == given.files


async def test_a_plan_says_what_apply_does(
    service: TenantService, slug: str, source: Callable[..., PackSource]
) -> None:
    await service.apply(source(pack(slug, ON)), actor="tester")
    changed = source(pack(slug, "\n[modules.lanterns.settings]\nbrightness = 9\n").replace("Alder", "Alder Town"))
    plan = await service.plan(changed)
    assert [(c.table, c.sign, c.key) for c in plan.changes] == [
        ("tenant", "~", (slug,)),
        ("modules", "~", ("lanterns",)),
        ("modules", "-", ("festivals",)),
        ("limits", "~", ("accounts",)),
        ("limits", "-", ("areas",)),
    ]
    assert plan.counts()["limits"] == {"+": 0, "~": 1, "-": 1}
    assert plan.changes[3].fields == {"value": (700, 500)}
    done = await service.apply(changed, actor="tester", expected=plan.digest)
    assert done.plan == plan
    assert not await service.plan(changed)
    assert (await service.tenant(slug)).name_en == "Alder Town"


async def test_a_plan_that_is_no_longer_true_is_refused(
    service: TenantService, slug: str, source: Callable[..., PackSource]
) -> None:
    given = source(pack(slug, ON))
    with pytest.raises(PlanStale):
        await service.apply(given, actor="tester", expected="0" * 64)
    with pytest.raises(TenantNotFound):
        await service.tenant(slug)


async def test_a_bad_pack_changes_nothing(service: TenantService, slug: str, source: Callable[..., PackSource]) -> None:
    applied = await service.apply(source(pack(slug, ON)), actor="tester")
    before = await counts(service, applied.tenant_id)
    exported = await service.export(slug)
    with pytest.raises(InvalidPack):
        await service.apply(source(pack(slug, ON.replace("areas = 10", 'areas = "ten"'))), actor="tester")
    assert await service.export(slug) == exported
    assert await counts(service, applied.tenant_id) == before


async def test_concurrent_applications_of_one_city_leave_one_of_them(
    service: TenantService, works: Works, slug: str, source: Callable[..., PackSource]
) -> None:
    """Two processes (two services) with different packs: afterwards the city is exactly one of the two."""
    other = TenantService(works, tuple(service.modules.values()), service.tenants)
    packs = [source(pack(slug, f"\n[limits]\naccounts = {number}\nareas = {number}\n")) for number in range(1, 7)]
    await asyncio.gather(
        *((service if index % 2 else other).apply(one, actor="tester") for index, one in enumerate(packs))
    )
    assert await service.export(slug) in [one.files for one in packs]
    async with service.database.operator_sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Tenant).where(Tenant.slug == slug)) == 1


async def test_an_application_that_was_cut_off_is_finished_by_the_next(
    service: TenantService, slug: str, source: Callable[..., PackSource]
) -> None:
    """As after a process that died between the commit of the city's rows and that of the directory."""
    given = source(pack(slug, ON))
    await service.apply(given, actor="tester")
    async with service.database.operator_sessions.begin() as session:
        await session.execute(update(Tenant).where(Tenant.slug == slug).values(state="ONBOARDING"))
    assert not (await service.apply(given, actor="tester")).plan
    assert (await service.tenant(slug)).state == "ACTIVE"
    assert await service.export(slug) == given.files
