"""What `cityloom up` does before it serves: schema, packs, demo population, credentials of the demo roles."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from cityloom.access import models as access
from cityloom.access.service.operators import ensure_operator, open_operator_session
from cityloom.access.service.sessions import open_session
from cityloom.app import platform
from cityloom.core.database import asyncpg_arguments
from cityloom.core.migrations import migrate
from cityloom.demo.population import fill
from cityloom.digests import digests
from cityloom.modules.registry.models import Resident
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from cityloom.app import Platform
    from cityloom.settings import Settings

CREDENTIAL_LIFETIME = timedelta(days=30)


@dataclass
class Onboarded:
    """What is in place: digests of what it was made from, and a bearer for every demo role."""

    digests: dict[str, str] = field(default_factory=dict)
    tenants: dict[str, dict[str, str]] = field(default_factory=dict)
    operator: str = ""
    expires_at: str = ""


async def onboard(
    settings: Settings, admin_url: str, before: Onboarded, *, say: Callable[[str, str], None]
) -> Onboarded:
    """Bring the database to what the checkout states, and make fresh credentials.

    A pack that is as it was when it was last applied is left alone: what the city changed since at run time stays.
    """
    say("数据库结构与隔离策略", "schema, roles and row-level policies")
    await migrate(admin_url, settings.var)
    after = Onboarded(digests=digests(settings))
    populated = False
    async with platform(settings, admin_url) as opened:
        known = {overview.tenant.slug for overview in await opened.tenants.overviews()}
        for name in await _staying(opened):
            key = f"pack {name}"
            if name not in known or before.digests.get(key) != after.digests.get(key):
                say(f"接入城市 {name}", f"onboarding {name}")
                done = await opened.tenants.apply(opened.tenants.folder(name), actor="up")
                added, changed, removed = (done.plan.total(sign) for sign in "+~-")
                counts = f"+{added} ~{changed} -{removed}"
                say(f"{name}:{counts}", f"{name}: {counts} rows")
            populated |= await _populate(opened, name, say)
        say("演示角色凭证", "credentials of the demo roles")
        await _credentials(opened, after)
    if populated:
        await _analyse(admin_url)
    return after


async def _analyse(admin_url: str) -> None:
    """Give the planner figures now: autovacuum comes a minute later, and first queries would be planned blind."""
    connection = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def _staying(opened: Platform) -> list[str]:
    """The packs on the server, but those of cities that leave or are gone: these are not brought back."""
    left = {one.tenant.slug for one in await opened.tenants.overviews() if one.tenant.state in {"LEAVING", "GONE"}}
    return [name for name in opened.tenants.folders() if name not in left]


async def _populate(opened: Platform, slug: str, say: Callable[[str, str], None]) -> bool:
    config = await opened.directory.by_slug(slug)
    if "registry" not in config.modules:
        return False
    async with opened.works.begin(system_principal(config.id)) as work:
        if await work.session.scalar(select(func.count()).select_from(Resident).limit(1)):
            return False
    say(f"{slug}:生成演示人口", f"{slug}: demo population")
    await fill(opened.works, config.id, scale="small")
    return True


async def _credentials(opened: Platform, after: Onboarded) -> None:
    after.expires_at = (datetime.now(UTC) + CREDENTIAL_LIFETIME).isoformat(timespec="seconds")
    operator_id = await ensure_operator(opened.database, "operator", name="Demo operator", clock=opened.works.clock)
    after.operator = await open_operator_session(
        opened.database, operator_id, clock=opened.works.clock, lifetime=CREDENTIAL_LIFETIME
    )
    for name in await _staying(opened):
        config = await opened.directory.by_slug(name)
        async with opened.works.begin(system_principal(config.id)) as work:
            holders = await _first_holders(work.session)
            after.tenants[name] = {
                role: (await open_session(work, account_id, lifetime=CREDENTIAL_LIFETIME)).token
                for role, account_id in holders.items()
            }


async def _first_holders(session: Any) -> dict[str, UUID]:  # noqa: ANN401 - the work's session
    """The first account, by login, that holds each role of the tenant."""
    rows = await session.execute(
        select(access.Role.code, access.Account.id)
        .join(access.Membership, access.Membership.role_id == access.Role.id)
        .join(access.Account, access.Account.id == access.Membership.account_id)
        .where(access.Account.is_active)
        .order_by(access.Role.code, access.Account.login)
    )
    found: dict[str, UUID] = {}
    for role, account_id in rows:
        found.setdefault(role, account_id)
    return found


def dump(onboarded: Onboarded, url: str) -> bytes:
    """The content of `var/up.json`."""
    return orjson.dumps(
        {
            "url": url,
            "graphql": f"{url}/graphql",
            "control": f"{url}/platform/graphql",
            "tenants": onboarded.tenants,
            "operator": onboarded.operator,
            "expires_at": onboarded.expires_at,
            "digests": onboarded.digests,
        },
        option=orjson.OPT_INDENT_2,
    )
