"""Modules, limits and states of a tenant, as operators change them and as every process sees them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from cityloom.audit.models import AuditRecord
from cityloom.core.ids import new_id
from cityloom.events.models import OutboxRecord
from cityloom.tenancy.directory import TIME_TO_LIVE, TenantDirectory
from cityloom.tenancy.errors import (
    LimitOutOfBounds,
    LimitUnknown,
    ModuleAlwaysOn,
    ModuleNeedsOthers,
    ModuleStillNeeded,
    ModuleUnknown,
    SettingsRefused,
    TenantNotFound,
    TenantStateUnfit,
    TenantSuspended,
)
from cityloom.tenancy.models import OperatorAction, TenantModule
from cityloom.tenancy.packs import InvalidPack
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from cityloom.core.database import Database
    from cityloom.core.errors import Refusal
    from cityloom.tenancy.packs import PackSource
    from cityloom.tenancy.service import TenantService

PACK = """\
slug = "{slug}"
names = {{ zh = "桤木", en = "Alder" }}

[modules.lanterns]
enabled = true

[modules.streets]
enabled = true
"""


@pytest.fixture
async def tenant_id(service: TenantService, slug: str, source: Callable[..., PackSource]) -> UUID:
    return (await service.apply(source(PACK.format(slug=slug)), actor="tester")).tenant_id


async def traces(service: TenantService, tenant_id: UUID) -> list[str]:
    """Events, audit entries and operators' actions so far."""
    async with service.works.begin(system_principal(tenant_id)) as work:
        found = [row.type for row in await work.session.scalars(select(OutboxRecord))]
        found += [row.action for row in await work.session.scalars(select(AuditRecord))]
    async with service.database.operator_sessions() as session:
        actions = await session.scalars(select(OperatorAction).where(OperatorAction.tenant_id == tenant_id))
        return sorted([*found, *(row.action for row in actions)])


async def test_a_module_is_switched_on_with_settings_and_off_again(
    service: TenantService, directory: TenantDirectory, slug: str, tenant_id: UUID
) -> None:
    before = await traces(service, tenant_id)
    await service.enable_module(slug, "festivals", actor="tester")
    await service.enable_module(slug, "lanterns", settings={"brightness": 9}, actor="tester")
    config = await directory.get(tenant_id)
    assert "festivals" in config.modules
    assert config.settings("lanterns").brightness == 9
    await service.disable_module(slug, "festivals", actor="tester")
    assert "festivals" not in (await directory.get(tenant_id)).modules
    added = list(await traces(service, tenant_id))
    for one in before:
        added.remove(one)
    assert added == [
        "module.disable",
        "module.enable",
        "module.enable",
        *["tenancy.module.disable", "tenancy.module.enable", "tenancy.module.enable"],
        *["tenancy.module.switched.v1"] * 3,
    ]


async def test_settings_stay_when_a_module_is_switched_off_and_on(
    service: TenantService, directory: TenantDirectory, slug: str, tenant_id: UUID
) -> None:
    await service.enable_module(slug, "lanterns", settings={"colours": ["red", "gold"]}, actor="tester")
    await service.disable_module(slug, "lanterns", actor="tester")
    await service.enable_module(slug, "lanterns", actor="tester")
    assert (await directory.get(tenant_id)).settings("lanterns").colours == ("red", "gold")


REFUSED: dict[str, tuple[Callable[[Any, str], Awaitable[object]], type[Refusal]]] = {
    "off while needed": (lambda s, slug: s.disable_module(slug, "streets", actor="t"), ModuleStillNeeded),
    "core off": (lambda s, slug: s.disable_module(slug, "tenancy", actor="t"), ModuleAlwaysOn),
    "unknown module": (lambda s, slug: s.enable_module(slug, "moons", actor="t"), ModuleUnknown),
    "unknown setting": (
        lambda s, slug: s.enable_module(slug, "lanterns", settings={"width": 1}, actor="t"),
        SettingsRefused,
    ),
    "setting out of bounds": (
        lambda s, slug: s.enable_module(slug, "lanterns", settings={"brightness": 11}, actor="t"),
        SettingsRefused,
    ),
    "unknown limit": (lambda s, slug: s.set_limit(slug, "moons", 3, actor="t"), LimitUnknown),
    "limit too high": (lambda s, slug: s.set_limit(slug, "areas", 10**12, actor="t"), LimitOutOfBounds),
    "unknown tenant": (lambda s, _: s.suspend("birch-none", reason="x", actor="t"), TenantNotFound),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused_changes_nothing(name: str, service: TenantService, slug: str, tenant_id: UUID) -> None:
    verb, refusal = REFUSED[name]
    before = await service.export(slug), await traces(service, tenant_id)
    with pytest.raises(refusal) as caught:
        await verb(service, slug)
    assert caught.value.message("zh") != caught.value.message("en")
    assert (await service.export(slug), await traces(service, tenant_id)) == before


@pytest.mark.usefixtures("tenant_id")
async def test_a_module_whose_needs_are_off_is_not_switched_on(service: TenantService, slug: str) -> None:
    await service.disable_module(slug, "lanterns", actor="tester")
    with pytest.raises(ModuleNeedsOthers) as caught:
        await service.enable_module(slug, "festivals", actor="tester")
    assert caught.value.details["missing"] == "lanterns"


async def test_a_pack_whose_modules_lack_what_they_need_is_refused(
    service: TenantService, slug: str, source: Callable[..., PackSource]
) -> None:
    given = source(
        PACK.format(slug=slug).replace("[modules.streets]\nenabled = true", "[modules.streets]\nenabled = false")
    )
    with pytest.raises(InvalidPack) as caught:
        await service.plan(given)
    (problem,) = caught.value.problems
    assert (problem.line, problem.place) == (4, "modules.lanterns")
    assert "streets" in problem.en


async def test_switching_related_modules_at_the_same_time_leaves_no_module_without_its_needs(
    service: TenantService, directory: TenantDirectory, slug: str, tenant_id: UUID
) -> None:
    results = await asyncio.gather(
        service.enable_module(slug, "festivals", actor="a"),
        service.disable_module(slug, "lanterns", actor="b"),
        return_exceptions=True,
    )
    assert sum(isinstance(result, (ModuleNeedsOthers, ModuleStillNeeded)) for result in results) == 1
    modules = (await directory.get(tenant_id)).modules
    assert "festivals" not in modules or "lanterns" in modules


async def test_a_limit_is_set_and_given_back(
    service: TenantService, directory: TenantDirectory, slug: str, tenant_id: UUID
) -> None:
    default = (await directory.get(tenant_id)).limit("areas")
    await service.set_limit(slug, "areas", 7, actor="tester")
    assert (await directory.get(tenant_id)).limit("areas") == 7
    await service.set_limit(slug, "areas", None, actor="tester")
    assert (await directory.get(tenant_id)).limit("areas") == default


async def test_a_suspended_tenant_is_read_but_not_changed_until_it_is_resumed(
    service: TenantService, directory: TenantDirectory, slug: str, tenant_id: UUID, source: Callable[..., PackSource]
) -> None:
    await service.suspend(slug, reason="unpaid", actor="tester")
    config = await directory.get(tenant_id)
    with pytest.raises(TenantSuspended):
        config.demand_writable()
    assert await service.export(slug)
    with pytest.raises(TenantStateUnfit):
        await service.apply(source(PACK.format(slug=slug)), actor="tester")
    with pytest.raises(TenantStateUnfit):
        await service.enable_module(slug, "festivals", actor="tester")
    told = await traces(service, tenant_id)
    await service.suspend(slug, reason="again", actor="tester")
    assert await traces(service, tenant_id) == told
    assert (await service.tenant(slug)).state_reason == "unpaid"

    await service.resume(slug, actor="tester")
    (await directory.get(tenant_id)).demand_writable()
    assert (await traces(service, tenant_id)).count("tenancy.tenant.state_changed.v1") == 2


async def test_another_process_hears_of_a_change_at_once(
    service: TenantService, database: Database, slug: str, tenant_id: UUID
) -> None:
    """The time to live of the other process's answer stands still, so that only the notice can make it look again."""
    heard = asyncio.Event()

    class Watched(TenantDirectory):
        def forget(self, tenant_id: UUID) -> None:
            super().forget(tenant_id)
            heard.set()

    other = Watched(database, tuple(service.modules.values()), timer=lambda: 0.0)
    async with other.listening():
        assert (await other.get(tenant_id)).state == "ACTIVE"
        # The first round only shows that the listener is there: it reads anew when it begins to listen.
        for reason in ("first", "second"):
            for change, state in (
                (service.suspend(slug, reason=reason, actor="tester"), "SUSPENDED"),
                (service.resume(slug, actor="tester"), "ACTIVE"),
            ):
                heard.clear()
                await change
                async with asyncio.timeout(10):
                    while (await other.get(tenant_id)).state != state:
                        await heard.wait()
                        heard.clear()


async def test_without_notices_an_answer_is_believed_for_its_time_to_live_only(
    service: TenantService, database: Database, slug: str, tenant_id: UUID
) -> None:
    now = [0.0]
    other = TenantDirectory(database, tuple(service.modules.values()), timer=lambda: now[0])
    assert (await other.get(tenant_id)).is_writable
    await service.suspend(slug, reason="x", actor="tester")
    now[0] = TIME_TO_LIVE - 0.1
    assert (await other.get(tenant_id)).is_writable
    now[0] = TIME_TO_LIVE + 0.1
    assert not (await other.get(tenant_id)).is_writable


async def test_many_askers_read_a_tenant_once(service: TenantService, database: Database, tenant_id: UUID) -> None:
    other = TenantDirectory(database, tuple(service.modules.values()))
    found = await asyncio.gather(*(other.get(tenant_id) for _ in range(20)))
    assert len({id(one) for one in found}) == 1


async def test_there_is_no_tenant_that_nobody_made(directory: TenantDirectory) -> None:
    with pytest.raises(TenantNotFound):
        await directory.get(new_id())
    with pytest.raises(TenantNotFound):
        await directory.by_slug("birch-none")


async def test_settings_that_no_longer_suit_a_module_do_not_take_the_city_down(
    service: TenantService, database: Database, tenant_id: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    """A release that asks more of settings than the one under which they were stored."""
    async with service.works.begin(system_principal(tenant_id)) as work:
        row = (await work.session.scalars(select(TenantModule).where(TenantModule.module == "lanterns"))).one()
        row.settings = {"brightness": 99}
    config = await TenantDirectory(database, tuple(service.modules.values())).get(tenant_id)
    assert config.settings("lanterns").brightness == 3
    assert "lanterns" in config.modules
    assert "brightness" in caplog.text
