"""The city that is measured: a real pack with its full demo population, in a database of the benchmarks' own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
from contest import ROOT, console
from sqlalchemy import delete, func, select
from sqlalchemy.engine import make_url

from cityloom.access import models as access
from cityloom.access.changes import begin_change
from cityloom.access.service.sessions import open_session
from cityloom.app import platform
from cityloom.core.database import APP, asyncpg_arguments
from cityloom.core.ids import new_id
from cityloom.core.migrations import migrate, role_password
from cityloom.demo.population import fill
from cityloom.modules.areas.models import Area
from cityloom.modules.registry.models import Dwelling, Resident
from cityloom.tenancy.limits import LIMITS
from cityloom.tenancy.models import TenantLimit
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from cityloom.app import Platform
    from cityloom.core.work import Work
    from cityloom.settings import Settings

VAR = ROOT / "var" / "bench"
#: The role that staff of each scope hold in the pack.
ROLES = {"city": "city_administrator", "street": "street_lead", "community": "community_worker", "grid": "grid_worker"}
#: Depth of the area that each scope is over.
DEPTHS = {"city": 0, "street": 1, "community": 2, "grid": 3}


@dataclass(frozen=True)
class Staff:
    """Somebody with a scope: their credential, and the area they work in."""

    bearer: str
    area_id: UUID
    area_path: str
    residents: int


@dataclass(frozen=True)
class City:
    """The city as contestants need it."""

    tenant_id: UUID
    staff: dict[str, Staff]
    residents: int
    dwellings: int


def connect_arguments(admin_url: str, var: Path) -> dict[str, str]:
    """How another program connects as the application's role, whose password `var` has."""
    found = asyncpg_arguments(make_url(admin_url))
    known = {name: found[name] for name in ("host", "port", "database")}
    return {**known, "user": APP, "password": role_password(var, APP)}


async def prepare(settings: Settings, admin_url: str, *, slug: str, scale: str) -> City:
    """Have the city exist with its population and staff; the first time takes minutes, later ones a second."""
    await migrate(admin_url, settings.var)
    async with platform(settings, admin_url) as opened:
        known = {overview.tenant.slug for overview in await opened.tenants.overviews()}
        if slug not in known:
            console.print(f"onboarding {slug}")
            await opened.tenants.apply(opened.tenants.folder(slug), actor="bench")
        tenant_id = (await opened.directory.by_slug(slug)).id
        if await _count(opened, tenant_id, Resident) == 0:
            console.print(f"filling {slug} at scale {scale}: once, some minutes")
            await fill(opened.works, tenant_id, scale=scale)
            await _analyze(admin_url)
        return City(
            tenant_id,
            await staff_of(opened, tenant_id),
            await _count(opened, tenant_id, Resident),
            await _count(opened, tenant_id, Dwelling),
        )


async def staff_of(opened: Platform, tenant_id: UUID) -> dict[str, Staff]:
    """Somebody of each scope in a city that has its population, signed in."""
    async with opened.works.begin(system_principal(tenant_id)) as work:
        await begin_change(work)
        await unbounded(work)
        return {scope: await _staff(work, scope) for scope in ROLES}


async def _count(opened: Platform, tenant_id: UUID, model: type[Resident | Dwelling]) -> int:
    async with opened.works.begin(system_principal(tenant_id)) as work:
        return await work.session.scalar(select(func.count()).select_from(model)) or 0


async def _analyze(admin_url: str) -> None:
    connection = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def unbounded(work: Work) -> None:
    """The bucket of costs is for clients who share a city, not for finding out how much it can do."""
    names = ("cost_per_minute", "client_cost_per_minute", "operation_cost")
    await work.session.execute(delete(TenantLimit).where(TenantLimit.name.in_(names)))
    work.session.add_all(TenantLimit(name=name, value=LIMITS[name].most) for name in names)


async def _staff(work: Work, scope: str) -> Staff:
    """An account of the benchmarks' own over the area of middling size at the scope's depth."""
    login = f"bench-{scope}"
    area, residents = await _middling(work, DEPTHS[scope])
    account = await work.session.scalar(select(access.Account).where(access.Account.login == login))
    if account is None:
        account = access.Account(id=new_id(), login=login, name=login, created_at=work.now())
        role = await work.session.scalar(select(access.Role.id).where(access.Role.code == ROLES[scope]))
        work.session.add(account)
        await work.session.flush()
        work.session.add(
            access.Membership(
                account_id=account.id,
                role_id=role,
                scope_kind="AREA",
                area_id=area.id,
                area_path=area.path,
                granted_at=work.now(),
            )
        )
    opened = await open_session(work, account.id, lifetime=timedelta(days=1))
    return Staff(opened.token, area.id, area.path, residents)


async def _middling(work: Work, depth: int) -> tuple[Area, int]:
    """The area with the median number of residents among those of a depth that have any."""
    count = (
        select(func.count())
        .select_from(Resident)
        .where(Resident.area_path >= Area.path, Resident.area_path < func.left(Area.path, -1).concat("/"))
        .scalar_subquery()
    )
    rows = (
        await work.session.execute(select(Area, count.label("n")).where(Area.depth == depth).order_by("n", Area.id))
    ).all()
    inhabited = [(row[0], row[1]) for row in rows if row[1]]
    return inhabited[len(inhabited) // 2]
