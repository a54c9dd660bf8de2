"""Signing in and out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from cityloom.access import events, tokens
from cityloom.access import models as m
from cityloom.access.authentication import NO_TENANT
from cityloom.access.changes import begin_change
from cityloom.access.errors import LoginRefused
from cityloom.access.passwords import LoginThrottles, Passwords
from cityloom.access.rights import NO_RIGHTS
from cityloom.core.database import Context
from cityloom.core.errors import Forbidden, NotFound
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.core.principal import Principal, PrincipalKind
from cityloom.core.work import Works
from cityloom.tenancy.directory import TenantConfig, TenantDirectory
from cityloom.tenancy.errors import TenantNotFound

if TYPE_CHECKING:
    from cityloom.core.database import Database
    from cityloom.core.work import Work

SESSION_LIFETIME = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session as its owner is told of it, once."""

    id: UUID
    tenant_id: UUID
    account_id: UUID
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Logins:
    """What signing in with a password works with; one per process, in `work.services[Logins]`."""

    works: Works
    directory: TenantDirectory
    passwords: Passwords
    throttles: LoginThrottles

    @property
    def database(self) -> Database:
        """Where accounts are."""
        return self.works.database

    async def log_in(self, name: str, password: str, *, address: str | None = None) -> NewSession:
        """Sign in as `login@city`; refuses (`LoginRefused`, `TooManyLogins`) without saying what was wrong.

        The city in the name is part of the credential. What is unknown takes as long as what is wrong. Who is right is
        told where the city leaves (`TenantLeaving`).
        """
        login, _, slug = name.strip().lower().rpartition("@")
        await self.throttles.attempt(f"{login[:63]}@{slug[:63]}", address)
        tenant = await self._tenant(slug)
        account = await self._account(tenant.id, login) if tenant is not None else None
        stored = account.password_hash if account is not None and account.is_active else None
        if not await self.passwords.verify(stored, password) or tenant is None or account is None:
            raise LoginRefused
        tenant.demand_open()
        await self.throttles.succeeded(f"{login[:63]}@{slug[:63]}", address)
        themselves = Principal(tenant.id, PrincipalKind.STAFF, NO_RIGHTS, account_id=account.id)
        async with self.works.begin(themselves) as work:
            made = await open_session(work, account.id)
            work.emit(events.SessionCreated(subject_id=made.id, account_id=account.id))
            work.audit(AuditEntry(action="access.session.create", object_tag="sesn", object_id=made.id))
        return made

    async def _tenant(self, slug: str) -> TenantConfig | None:
        try:
            return await self.directory.by_slug(slug)
        except TenantNotFound:
            return None

    async def _account(self, tenant_id: UUID, login: str) -> m.Account | None:
        async with self.database.session(Context(tenant_id)) as session:
            found: m.Account | None = await session.scalar(select(m.Account).where(m.Account.login == login))
            return found


async def open_session(work: Work, account_id: UUID, *, lifetime: timedelta = SESSION_LIFETIME) -> NewSession:
    """A new session of an account, whose proof has been seen elsewhere; the caller is the platform itself."""
    row_id, now = new_id(), work.now()
    token = tokens.session_token(work.tenant_id, row_id)
    work.session.add(
        m.SignIn(
            id=row_id,
            account_id=account_id,
            token_hash=tokens.digest(token),
            created_at=now,
            expires_at=now + lifetime,
        )
    )
    await work.session.flush()
    return NewSession(row_id, work.tenant_id, account_id, token, now + lifetime)


async def revoke_session(work: Work, session_id: UUID | None) -> m.SignIn:
    """End a session: one's own, or with `access.session.revoke` that of another account; again is no error."""
    row = await work.session.get(m.SignIn, (work.tenant_id, session_id)) if session_id else None
    scope = work.rights.scope("access.session.revoke")
    is_others = row is not None and row.account_id != work.principal.account_id
    if work.tenant_id == NO_TENANT or (is_others and (scope is None or not scope.everywhere)):
        raise Forbidden(permission="access.session.revoke")
    if row is None:
        raise NotFound(thing="session", thing_zh="会话")
    if row.revoked_at is None:
        await begin_change(work)
        row.revoked_at = work.now()
        work.emit(events.SessionRevoked(subject_id=row.id, account_id=row.account_id))
        work.audit(AuditEntry(action="access.session.revoke", object_tag="sesn", object_id=row.id))
    return row


async def revoke_sessions_of(work: Work, account_id: UUID) -> int:
    """End all sessions of an account, as part of a change that has begun; answers how many."""
    rows = await work.session.scalars(
        select(m.SignIn).where(m.SignIn.account_id == account_id, m.SignIn.revoked_at.is_(None))
    )
    ended = 0
    for row in rows:
        row.revoked_at = work.now()
        ended += 1
    return ended
