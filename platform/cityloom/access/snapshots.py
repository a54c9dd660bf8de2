"""Snapshots of each tenant in this process, and how changes reach it: a notification, and a look every second."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import asyncpg
from sqlalchemy import select

from cityloom.access import models as m
from cityloom.access.errors import AccessUnavailable
from cityloom.access.policy import TEMPLATE_PREFIX, GrantRule, LinkRule
from cityloom.access.rights import Held, SnapshotRights, make_rights
from cityloom.access.snapshot import Snapshot, compile_snapshot
from cityloom.core.database import SERVER_SETTINGS, Context, asyncpg_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from cityloom.access.catalogue import Catalogue
    from cityloom.access.policy import Rule
    from cityloom.core.database import Database

CHANNEL = "cityloom_access"
POLL_SECONDS = 1.0
#: Older knowledge than this is not acted upon: everything is refused.
CONTACT_SECONDS = 5.0
PATIENCE_SECONDS = 1.0
_CACHED_RIGHTS = 20_000

_VERSIONS = "SELECT tenant_id, version FROM access_versions WHERE tenant_id = ANY($1)"


@dataclass(slots=True)
class _Known:
    """What this process knows of one tenant."""

    version: int
    snapshot: Snapshot
    rights: dict[tuple[UUID, UUID | None], SnapshotRights] = field(default_factory=dict)
    memo: dict[bytes, Any] = field(default_factory=dict)


class AccessSnapshots:
    """The access rules of all tenants as this process knows them; refuses everything when they may be out of date.

    `async with AccessSnapshots(database, catalogue)` keeps them current. A change made anywhere is known here within a
    second; after five seconds without contact to the database every look-up refuses (`AccessUnavailable`).
    """

    def __init__(
        self, database: Database, catalogue: Catalogue, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.catalogue = catalogue
        self._database = database
        self._monotonic = monotonic
        self._known: dict[UUID, _Known] = {}
        self._newest: dict[UUID, int] = {}
        self._contact: float | None = None
        self._listening: asyncio.Task[None] | None = None
        self._first_contact = asyncio.Event()
        self._renewed: asyncio.Future[None] = asyncio.Future()
        self._watchers: list[Callable[[UUID], None]] = []

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen(), name="access-listener")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._first_contact.wait(), CONTACT_SECONDS)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
            self._listening = None

    def watch(self, callback: Callable[[UUID], None]) -> None:
        """Call back with the tenant's id whenever its access changes: for subscriptions and caches of others."""
        self._watchers.append(callback)

    async def demand_contact(self) -> None:
        """Refuse (`AccessUnavailable`) where the rules may be out of date.

        A process that was only held up (by load, or asleep) is given a second to make contact first.
        """
        if self.is_current:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._renewed), PATIENCE_SECONDS)
        if not self.is_current:
            raise AccessUnavailable

    @property
    def is_current(self) -> bool:
        """Whether the rules are known to be current: for readiness."""
        return self._contact is not None and self._monotonic() - self._contact <= CONTACT_SECONDS

    def changed(self, tenant_id: UUID, version: int) -> None:
        """Forget what is older than this version of a tenant: after a change of our own, or when told of another's."""
        if version <= self._newest.get(tenant_id, -1):
            return
        self._newest[tenant_id] = version
        known = self._known.get(tenant_id)
        if known is None or known.version < version:
            self._known.pop(tenant_id, None)
        # Also where the rules were read meanwhile: what watchers keep may be older.
        for callback in self._watchers:
            callback(tenant_id)

    async def memo(self, tenant_id: UUID) -> dict[bytes, Any]:
        """A place to remember what was derived from a tenant's access; empty again after any change of it."""
        return (await self._current(tenant_id)).memo

    async def snapshot(self, tenant_id: UUID) -> Snapshot:
        """The tenant's compiled rules, current."""
        return (await self._current(tenant_id)).snapshot

    async def rights(
        self,
        tenant_id: UUID,
        account_id: UUID,
        at: datetime,
        *,
        client_id: UUID | None = None,
        cap: tuple[str, ...] | None = None,
    ) -> SnapshotRights:
        """What an account may do now; where it is an API client's account, no more than `cap`."""
        known = await self._current(tenant_id)
        cached = known.rights.get((account_id, client_id))
        if cached is not None and (cached.valid_until is None or at < cached.valid_until):
            return cached
        async with self._database.session(Context(tenant_id)) as session:
            held = await held_by(session, account_id)
        rights = make_rights(known.snapshot, self.catalogue, held, version=known.version, at=at, cap=cap)
        if len(known.rights) >= _CACHED_RIGHTS:
            known.rights.clear()
        known.rights[account_id, client_id] = rights
        return rights

    async def _current(self, tenant_id: UUID) -> _Known:
        await self.demand_contact()
        known = self._known.get(tenant_id)
        while known is None:
            async with self._database.session(Context(tenant_id)) as session:
                version, rules_version = await read_version(session)
                loaded = _Known(version, await load_snapshot(session, self.catalogue, version=rules_version))
            # A change that was heard of while we read may not be in what we read.
            if version >= self._newest.get(tenant_id, 0):
                known = self._known[tenant_id] = loaded
        return known

    async def _listen(self) -> None:
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                await self._follow()
            await asyncio.sleep(POLL_SECONDS / 4)

    async def _follow(self) -> None:
        """One connection's life: notifications are acted upon at once, and the versions are read every second."""
        connection = await asyncpg.connect(
            **asyncpg_arguments(self._database.operator_url),
            server_settings=SERVER_SETTINGS | {"app.operator": "on", "application_name": "cityloom-access"},
            timeout=CONTACT_SECONDS,
            command_timeout=POLL_SECONDS * 2,
        )
        try:
            await connection.add_listener(CHANNEL, self._notified)
            while True:
                asked_at = self._monotonic()
                for tenant_id, version in await connection.fetch(_VERSIONS, list(self._known)):
                    self.changed(UUID(bytes=tenant_id.bytes), version)
                self._contact = asked_at
                self._first_contact.set()
                renewed, self._renewed = self._renewed, asyncio.Future()
                renewed.set_result(None)
                await asyncio.sleep(POLL_SECONDS)
        finally:
            connection.terminate()

    def _notified(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        tenant, _, version = payload.partition(" ")
        self.changed(UUID(tenant), int(version))


async def read_version(session: AsyncSession) -> tuple[int, int]:
    """The tenant's version and version of rules; (0, 0) before the first change."""
    row = (await session.execute(select(m.AccessVersion.version, m.AccessVersion.rules_version))).one_or_none()
    return (row[0], row[1]) if row else (0, 0)


async def held_by(session: AsyncSession, account_id: UUID) -> list[Held]:
    """The memberships of one account, in any order; of an inactive account none."""
    return (await held_by_all(session, account_id)).get(account_id, [])


async def held_by_all(session: AsyncSession, account_id: UUID | None = None) -> dict[UUID, list[Held]]:
    """The memberships of all active accounts of the tenant, or of one."""
    query = (
        select(
            m.Membership.account_id,
            m.Role.code,
            m.Membership.scope_kind,
            m.Membership.area_path,
            m.Membership.department_id,
            m.Membership.starts_at,
            m.Membership.ends_at,
        )
        .join(m.Role, (m.Role.tenant_id == m.Membership.tenant_id) & (m.Role.id == m.Membership.role_id))
        .join(m.Account, (m.Account.tenant_id == m.Membership.tenant_id) & (m.Account.id == m.Membership.account_id))
        .where(m.Account.is_active)
        .order_by(m.Membership.id)
    )
    found: dict[UUID, list[Held]] = {}
    for row in await session.execute(query if account_id is None else query.where(m.Account.id == account_id)):
        found.setdefault(row[0], []).append(Held(*row[1:]))
    return found


async def load_rules(session: AsyncSession) -> list[Rule]:
    """The tenant's own rules, in a stable order."""
    codes: dict[UUID, str] = {row[0]: row[1] for row in await session.execute(select(m.Role.id, m.Role.code))}
    rules: list[Rule] = [
        GrantRule(codes[g.role_id], g.pattern, "allow" if g.effect == "allow" else "deny")
        for g in (await session.scalars(select(m.Grant))).all()
    ]
    for link in (await session.scalars(select(m.RoleLink))).all():
        parent = codes[link.parent_role_id] if link.parent_role_id else TEMPLATE_PREFIX + str(link.template)
        rules.append(LinkRule(codes[link.role_id], parent))
    return sorted(rules, key=str)


async def load_snapshot(session: AsyncSession, catalogue: Catalogue, *, version: int) -> Snapshot:
    """Read and compile the tenant's rules in this transaction."""
    rules = await load_rules(session)
    parents = (await session.execute(select(m.Department.id, m.Department.parent_id))).all()
    return compile_snapshot(catalogue, rules, version=version, departments=_subtrees([(r[0], r[1]) for r in parents]))


def _subtrees(parents: Sequence[tuple[UUID, UUID | None]]) -> dict[UUID, tuple[UUID, ...]]:
    children: dict[UUID, list[UUID]] = {}
    for child, parent in parents:
        if parent is not None:
            children.setdefault(parent, []).append(child)
    found = {}
    for department, _ in parents:
        below, queue = {department: None}, [department]
        while queue:
            for child in children.get(queue.pop(), ()):
                if child not in below:
                    below[child] = None
                    queue.append(child)
        found[department] = tuple(below)
    return found
