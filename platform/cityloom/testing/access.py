"""Cities with areas, roles and accounts for tests of access and above: short ways to rows, bearers and principals."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cityloom.access import models as m
from cityloom.access.authentication import Authenticator
from cityloom.access.catalogue import Catalogue
from cityloom.access.changes import begin_change
from cityloom.access.passwords import LoginThrottles, Passwords
from cityloom.access.policy import TEMPLATE_PREFIX, GrantRule, parse_rule
from cityloom.access.service.sessions import Logins, open_session
from cityloom.access.snapshots import AccessSnapshots
from cityloom.core.ids import new_id
from cityloom.core.work import Work, Works
from cityloom.modules.areas.models import Area, AreaKind
from cityloom.settings import Settings
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.models import Tenant
from cityloom.testing.rights import principal as stated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cityloom.core.database import Database
    from cityloom.core.principal import Principal
    from cityloom.testing.clock import ManualClock


@dataclass
class City:
    """One tenant of a test: short ways to rows, and bearers of its accounts."""

    id: UUID
    slug: str
    world: World
    areas: dict[str, Area] = field(default_factory=dict)
    roles: dict[str, UUID] = field(default_factory=dict)
    accounts: dict[str, UUID] = field(default_factory=dict)

    @asynccontextmanager
    async def work(self, principal: Principal | None = None) -> AsyncIterator[Work]:
        """A unit of work: of the principal, or of one who may do everything."""
        async with self.world.works.begin(principal or stated(self.id)) as work:
            yield work

    async def area(self, path: str) -> Area:
        """The area at a path such as `1.2.`, with those above it."""
        if path not in self.areas:
            parent_path = path[: path[:-1].rfind(".") + 1]
            parent = await self.area(parent_path) if parent_path else None
            async with self.work() as work:
                row = Area(
                    id=new_id(),
                    code=f"A{path}",
                    name=f"Area {path}",
                    kind="GRID",
                    label=len(self.areas) + 1,
                    parent_id=parent.id if parent else None,
                    path=path,
                    depth=path.count(".") - 1,
                    position=0,
                )
                work.session.add(row)
            self.areas[path] = row
        return self.areas[path]

    async def role(self, code: str, *rules: str) -> UUID:
        """A role with rules such as `allow registry.*` or `template:grid_worker`."""
        async with self.work() as work:
            await begin_change(work, rules=True)
            role = m.Role(id=new_id(), code=code, title_zh=code, title_en=code)
            work.session.add(role)
            await work.session.flush()
            for text in rules:
                if text.startswith(TEMPLATE_PREFIX):
                    work.session.add(m.RoleLink(role_id=role.id, template=text.removeprefix(TEMPLATE_PREFIX)))
                elif text.startswith("role:"):
                    work.session.add(m.RoleLink(role_id=role.id, parent_role_id=self.roles[text.removeprefix("role:")]))
                else:
                    effect, pattern = text.split()
                    rule = parse_rule(f"p, {code}, {pattern}, {effect}")
                    assert isinstance(rule, GrantRule)
                    work.session.add(m.Grant(role_id=role.id, pattern=rule.pattern, effect=rule.effect))
        self.roles[code] = role.id
        return role.id

    async def account(self, login: str, *held: tuple[str, str | None], **values: str | bool | None) -> UUID:
        """An account holding roles: `(role, "1.2.")` at an area, `(role, None)` tenant-wide, `(role, "own")`."""
        areas = {where: await self.area(where) for _, where in held if where is not None and where != "own"}
        async with self.work() as work:
            await begin_change(work)
            row = m.Account(id=new_id(), login=login, name=login, created_at=work.now(), **values)
            work.session.add(row)
            await work.session.flush()
            for role, where in held:
                area = areas.get(where or "")
                work.session.add(
                    m.Membership(
                        account_id=row.id,
                        role_id=self.roles[role],
                        granted_at=work.now(),
                        scope_kind="TENANT" if where is None else "OWN" if where == "own" else "AREA",
                        area_id=area.id if area else None,
                        area_path=area.path if area else None,
                    )
                )
        self.accounts[login] = row.id
        return row.id

    async def bearer(self, login: str) -> str:
        """A session's token."""
        async with self.work() as work:
            return (await open_session(work, self.accounts[login])).token

    async def principal(self, login: str) -> Principal:
        """The principal of an account, through the front door."""
        return await self.world.authenticator.principal(await self.bearer(login))


@dataclass
class World:
    """What app.py builds, for tests."""

    database: Database
    clock: ManualClock
    catalogue: Catalogue
    directory: TenantDirectory
    snapshots: AccessSnapshots
    authenticator: Authenticator
    works: Works
    logins: Logins
    written: list[Work] = field(default_factory=list)

    async def city(self, prefix: str = "alder") -> City:
        """A new tenant."""
        tenant_id = new_id()
        slug = f"{prefix}-{tenant_id.hex[-8:]}"
        now = self.clock.now()
        async with self.database.operator_sessions.begin() as session:
            names = {"slug": slug, "name_zh": slug, "name_en": slug}
            tenant = Tenant(id=tenant_id, **names, state="ACTIVE", created_at=now, state_changed_at=now)
            session.add(tenant)
        city = City(tenant_id, slug, self)
        async with city.work() as work:
            work.session.add(AreaKind(code="GRID", title_zh="网格", title_en="Grid", level=1))
        return city


@asynccontextmanager
async def open_world(
    database: Database, clock: ManualClock, catalogue: Catalogue, passwords: Passwords
) -> AsyncIterator[World]:
    """One process's collaborators of access over a database."""
    directory = TenantDirectory(database, [])
    written: list[Work] = []

    async def write(work: Work) -> None:
        written.append(replace(work, outbox=[*work.outbox], audited=[*work.audited]))

    async with AccessSnapshots(database, catalogue) as snapshots:
        services: dict[type, Any] = {AccessSnapshots: snapshots, Passwords: passwords, Settings: Settings()}
        works = Works(database, clock=clock, writers=(write,), services=services)
        logins = Logins(works, directory, passwords, LoginThrottles(database, clock))
        services[Logins] = logins
        authenticator = Authenticator(database, snapshots, directory, clock=clock, environment="development")
        yield World(database, clock, catalogue, directory, snapshots, authenticator, works, logins, written)
        await authenticator.close()


async def _follow(admin_url: str, bearer: str, permission: str) -> None:
    """Another process: says `allowed`, then `refused` as soon as the bearer's permission is gone here."""
    from cityloom.access.module import MODULE
    from cityloom.core.module import Module, Permission
    from cityloom.core.text import Text
    from cityloom.installed import import_models
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.database import TestServer

    import_models()
    title = Text(permission, permission)
    declared = Module("other", title, title, permissions=(Permission(permission, title),))
    clock = ManualClock()
    async with (
        TestServer().open(admin_url) as database,
        open_world(database, clock, Catalogue.of((MODULE, declared)), Passwords()) as world,
    ):
        changed = asyncio.Event()
        world.snapshots.watch(lambda _: changed.set())
        for word in ("allowed", "refused"):
            principal = await world.authenticator.principal(bearer)
            is_allowed = principal.rights.scope(permission) is not None
            assert is_allowed == (word == "allowed")
            print(word, flush=True)  # noqa: T201 - read by the test that started this process
            if is_allowed:
                await changed.wait()


if __name__ == "__main__":
    asyncio.run(_follow(*sys.argv[1:4]))
