"""Access in a pack: applied, applied again, exported, and wrong in every way that it can be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from sqlalchemy import select

from cityloom.access import models as m
from cityloom.access.cli import differences, new_password
from cityloom.access.errors import LastAdministratorKept, PermissionUnknown, RoleStillHeldInPack
from cityloom.access.service import accounts
from cityloom.access.service.sessions import open_session
from cityloom.core.errors import Refusal
from cityloom.core.ids import new_id
from cityloom.core.principal import Scope, subtree
from cityloom.installed import modules
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.packs import InvalidPack, PackSource
from cityloom.tenancy.service import TenantService
from cityloom.tenancy.system import system_principal
from cityloom.testing.access import World, open_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from cityloom.access.catalogue import Catalogue
    from cityloom.access.passwords import Passwords
    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock

FILES = {
    "areas.csv": (
        "code,name,kind,parent,valid_from,valid_to,longitude,latitude\nA,Alder,CITY,,,,,\nA1,West,GRID,A,,,,\n"
    ),
    "roles.csv": (
        "code,title_zh,title_en,description_zh,description_en\n"
        "boss,管理员,Boss,,\ndesk,窗口,Desk,,\nworker,网格员,Worker,,\n"
    ),
    "policy.csv": (
        "g, boss, template:city_administrator\ng, desk, worker\n"
        "p, worker, access.account.read, allow\np, worker, access.role.*, deny\n"
    ),
    "departments.csv": "code,name,parent\nfire,消防,safety\nsafety,应急,\n",
    "accounts.csv": (
        "login,name,locale,is_developer,enabled\nadmin,李,zh,true,true\nwang,王,en,false,true\nzhao,赵,zh,false,false\n"
    ),
    "memberships.csv": (
        "login,role,area,department,own\n"
        "admin,boss,,,false\nwang,desk,,safety,false\nwang,worker,A1,,false\nzhao,worker,,,true\n"
    ),
}


@pytest_asyncio.fixture
async def world(
    database: Database, clock: ManualClock, installed: Catalogue, passwords: Passwords
) -> AsyncIterator[World]:
    async with open_world(database, clock, installed, passwords) as opened:
        opened.works.services[TenantDirectory] = opened.directory = TenantDirectory(database, modules())
        yield opened


@pytest.fixture
def service(world: World, tmp_path: Path) -> TenantService:
    return TenantService(world.works, modules(), tmp_path)


@pytest.fixture
def slug() -> str:
    return f"alder-{new_id().hex[-10:]}"


def pack(slug: str, **changes: str) -> PackSource:
    """The pack, with some files different: `roles="…"` is `roles.csv`."""
    toml = (
        f'slug = "{slug}"\nnames = {{ zh = "桤木", en = "Alder" }}\n\n'
        '[[area_kinds]]\ncode = "CITY"\ntitle = { zh = "市", en = "City" }\nlevel = 1\n\n'
        '[[area_kinds]]\ncode = "GRID"\ntitle = { zh = "网格", en = "Grid" }\nlevel = 2\n'
    )
    files = {"tenant.toml": toml, **FILES, **{f"{name}.csv": text for name, text in changes.items()}}
    return PackSource({name: text.encode() for name, text in files.items()})


async def account_of(world: World, tenant_id: UUID, login: str) -> UUID:
    async with world.works.begin(system_principal(tenant_id)) as work:
        return (await work.session.scalars(select(m.Account.id).where(m.Account.login == login))).one()


async def test_a_pack_gives_people_their_rights_once_and_is_exported_as_it_was(
    world: World, service: TenantService, slug: str
) -> None:
    tenant_id = (await service.apply(pack(slug), actor="tester")).tenant_id
    wang = await account_of(world, tenant_id, "wang")
    rights = await world.snapshots.rights(tenant_id, wang, world.clock.now())
    async with world.works.begin(system_principal(tenant_id)) as work:
        departments = {d.code: d.id for d in await work.session.scalars(select(m.Department))}
    scope = rights.scope("access.account.read")
    assert scope == Scope(
        areas=(subtree(await _path(world, tenant_id)),), departments=tuple(sorted(departments.values()))
    )
    assert not (await service.apply(pack(slug), actor="tester")).plan
    exported = await service.export(slug)
    assert {name: exported[name].decode() for name in FILES} == FILES
    decisions, found = await differences(world.works, slug)
    assert (decisions > 100, found) == (True, [])


async def _path(world: World, tenant_id: UUID) -> str:
    async with world.works.begin(system_principal(tenant_id)) as work:
        found = (
            await work.session.scalars(select(m.Membership.area_path).where(m.Membership.scope_kind == "AREA"))
        ).one()
        assert found is not None
        return found


async def test_what_was_made_through_the_api_stays(world: World, service: TenantService, slug: str) -> None:
    tenant_id = (await service.apply(pack(slug), actor="tester")).tenant_id
    async with world.works.begin(system_principal(tenant_id)) as work:
        await accounts.create_account(work, accounts.AccountDraft(login="own", name="Own"))
    plan = await service.plan(pack(slug))
    assert not plan


async def test_who_leaves_the_pack_is_switched_off_and_signed_out(
    world: World, service: TenantService, slug: str
) -> None:
    tenant_id = (await service.apply(pack(slug), actor="tester")).tenant_id
    wang = await account_of(world, tenant_id, "wang")
    async with world.works.begin(system_principal(tenant_id)) as work:
        bearer = (await open_session(work, wang)).token
    await world.authenticator.principal(bearer)
    without = {
        name: "".join(line for line in FILES[f"{name}.csv"].splitlines(keepends=True) if not line.startswith("wang"))
        for name in ("accounts", "memberships")
    }
    await service.apply(pack(slug, **without), actor="tester")
    with pytest.raises(Refusal, match="credential"):
        await world.authenticator.principal(bearer)
    assert not (await service.plan(pack(slug, **without)))
    await service.apply(pack(slug), actor="tester")
    assert await account_of(world, tenant_id, "wang") == wang
    assert not (await service.plan(pack(slug)))


async def test_a_pack_cannot_take_the_last_administrator_or_a_role_that_is_held(
    world: World, service: TenantService, slug: str
) -> None:
    tenant_id = (await service.apply(pack(slug), actor="tester")).tenant_id
    assert await new_password(world.works, f"admin@{slug}")
    gone = FILES["memberships.csv"].replace("admin,boss,,,false\n", "")
    before = await service.export(slug)
    with pytest.raises(LastAdministratorKept):
        await service.apply(pack(slug, memberships=gone), actor="tester")
    async with world.works.begin(system_principal(tenant_id)) as work:
        wang = await account_of(world, tenant_id, "wang")
        role = (await work.session.scalars(select(m.Role.id).where(m.Role.code == "desk"))).one()
        work.session.add(m.Membership(account_id=wang, role_id=role, scope_kind="TENANT", granted_at=work.now()))
    fewer = {
        "roles": FILES["roles.csv"].replace("desk,窗口,Desk,,\n", ""),
        "policy": FILES["policy.csv"].replace("g, desk, worker\n", ""),
        "memberships": FILES["memberships.csv"].replace("wang,desk,,safety,false\n", ""),
    }
    with pytest.raises(RoleStillHeldInPack):
        await service.apply(pack(slug, **fewer), actor="tester")
    assert await service.export(slug) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "place"),
    [
        ("policy", "g, desk, worker", "g, desk, clerk", 2, "target"),
        ("policy", "g, desk, worker", "g, desk, desk", 2, ""),
        ("policy", "p, worker, access.role.*, deny", "p, worker, *.read, allow", 4, ""),
        ("policy", "p, worker, access.role.*, deny", "p, worker, access.role.*, perhaps", 4, "effect"),
        ("policy", "p, worker, access.role.*, deny", "p, guest, access.role.*, deny", 4, "role"),
        ("departments", "safety,应急,", "safety,应急,fire", 2, "parent"),
        ("departments", "fire,消防,safety", "fire,消防,police", 2, "parent"),
        ("roles", "worker,网格员", "Worker!,网格员", 4, "code"),
        ("accounts", "wang,王,en", "wang,王,fr", 3, "locale"),
        ("accounts", "wang,王,en,false", "wang,王,en,perhaps", 3, "is_developer"),
        ("memberships", "wang,worker,A1,,false", "wang,worker,A9,,false", 4, "area"),
        ("memberships", "wang,worker,A1,,false", "li,worker,A1,,false", 4, "login"),
        ("memberships", "wang,worker,A1,,false", "wang,king,A1,,false", 4, "role"),
        ("memberships", "wang,worker,A1,,false", "wang,worker,A1,,true", 4, "area"),
        ("memberships", "wang,desk,,safety,false", "wang,desk,,army,false", 3, "department"),
    ],
)
async def test_what_is_wrong_is_named_by_file_and_line(
    service: TenantService, slug: str, file: str, old: str, new: str, line: int, place: str
) -> None:
    text = FILES[f"{file}.csv"]
    assert old in text
    with pytest.raises(InvalidPack) as refusal:
        await service.apply(pack(slug, **{file: text.replace(old, new)}), actor="tester")
    places = {(p["file"], p["line"], p["place"]) for p in refusal.value.details["problems"]}
    assert (f"{file}.csv", line, place) in places, places


async def test_a_rule_over_no_permission_is_refused_and_nothing_is_made(
    service: TenantService, world: World, slug: str
) -> None:
    with pytest.raises(PermissionUnknown):
        await service.apply(
            pack(slug, policy=FILES["policy.csv"].replace("access.account.read", "moon.crater.read")), actor="tester"
        )
    with pytest.raises(Refusal):
        await world.directory.by_slug(slug)
