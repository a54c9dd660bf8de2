"""From a credential to a principal; a request says nothing else about who is asking."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import or_, select, update

from cityloom.access import models as m
from cityloom.access.oidc import Issuers
from cityloom.access.rights import NO_RIGHTS
from cityloom.access.tokens import MAX_TOKEN_BYTES, Token, digest, parse_token
from cityloom.core.database import Context
from cityloom.core.errors import Unauthenticated
from cityloom.core.principal import NOWHERE, FieldAccess, Principal, PrincipalKind, Scope
from cityloom.core.text import negotiate
from cityloom.tenancy.errors import TenantNotFound

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession
    from starlette.requests import HTTPConnection

    from cityloom.access.snapshots import AccessSnapshots
    from cityloom.core.clock import Clock
    from cityloom.core.database import Database
    from cityloom.core.text import Locale
    from cityloom.tenancy.directory import TenantDirectory

#: Stands where a principal belongs to no tenant: operators and callers without a credential.
NO_TENANT = UUID(int=0)
ANONYMOUS = Principal(NO_TENANT, PrincipalKind.ANONYMOUS, NO_RIGHTS)

#: Where the request that this task answers came from: logins are counted by it.
caller_address: ContextVar[str | None] = ContextVar("caller_address", default=None)

_USED_EVERY = timedelta(minutes=5)
_CACHED = 20_000
_KINDS = {"STAFF": PrincipalKind.STAFF, "RESIDENT": PrincipalKind.RESIDENT, "SERVICE": PrincipalKind.API_CLIENT}


class OperatorRights:
    """An operator may do all of the control plane and nothing in any tenant."""

    version = 0
    fingerprint = "operator"
    wall = NOWHERE

    def scope(self, permission: str) -> Scope | None:
        """Everything of the platform itself."""
        return Scope(everywhere=True) if permission.startswith("platform.") else None

    def field(self, permission: str) -> FieldAccess:
        """Nothing of anybody."""
        del permission
        return FieldAccess.ABSENT


@dataclass(frozen=True, slots=True)
class _Found:
    """What a credential leads to."""

    account: m.Account
    expires_at: datetime
    client: m.ApiClient | None = None


@dataclass(frozen=True, slots=True)
class _Remembered:
    principal: Principal
    until: datetime


class Authenticator:
    """Makes the principal of a request: `await authenticator(request)`.

    Sessions, keys of API clients and tokens of identity providers come as `Authorization: Bearer …`, keys also as
    `X-API-Key`. Without a credential the caller is anonymous; with a bad one the request is refused
    (`Unauthenticated`), whatever is bad about it, and with any of a city that leaves (`TenantLeaving`). `operator` does
    the same for the control plane.
    """

    def __init__(
        self,
        database: Database,
        snapshots: AccessSnapshots,
        directory: TenantDirectory,
        *,
        clock: Clock,
        environment: str,
        issuers: Issuers | None = None,
        trusts_forwarded_for: bool = False,
    ) -> None:
        self._trusts_forwarded_for = trusts_forwarded_for
        self._database = database
        self._snapshots = snapshots
        self._directory = directory
        self._clock = clock
        self._environment = key_environment(environment)
        self._issuers = issuers or Issuers(database, clock)
        # A provider that is registered or disabled counts as a change of its city's access: known within a second.
        snapshots.watch(lambda _tenant_id: self._issuers.forget())

    async def close(self) -> None:
        """Close connections to identity providers."""
        await self._issuers.close()

    async def __call__(self, request: HTTPConnection) -> Principal:
        """The caller of the tenant API."""
        caller_address.set(self._address(request))
        credential = credential_of(request)
        principal = ANONYMOUS if credential is None else await self.principal(credential)
        return _in_language(principal, request)

    def _address(self, request: HTTPConnection) -> str | None:
        forwarded = _given(request, b"x-forwarded-for") if self._trusts_forwarded_for else []
        if forwarded:
            # The last one is what the nearest proxy saw; those before it are whatever the caller claims.
            return forwarded[-1].rsplit(",", 1)[-1].strip()
        client = request.scope.get("client")
        return client[0] if client else None

    async def principal(self, credential: str) -> Principal:
        """Whom a tenant's credential stands for; refuses (`Unauthenticated`) a bad one."""
        if len(credential) > MAX_TOKEN_BYTES or not credential.isascii():
            raise Unauthenticated
        token = parse_token(credential)
        if token is not None:
            return await self._by_token(token)
        identity = await self._issuers.verify(credential) if credential.count(".") == 2 else None  # noqa: PLR2004 - JWT
        if identity is None:
            raise Unauthenticated
        await self._demand_open(identity.tenant_id)
        memo = await self._snapshots.memo(identity.tenant_id)
        remembered = memo.get(key := digest(credential))
        if isinstance(remembered, _Remembered) and self._clock.now() < remembered.until:
            return remembered.principal
        async with self._database.session(Context(identity.tenant_id)) as session:
            subject = (m.Account.oidc_issuer == identity.issuer) & (m.Account.oidc_subject == identity.subject)
            login = m.Account.oidc_issuer.is_(None) & (m.Account.login == (identity.login or ""))
            accounts = (await session.scalars(select(m.Account).where(or_(subject, login)))).all()
        accounts = [a for a in accounts if a.oidc_issuer] or list(accounts)
        if len(accounts) != 1 or accounts[0].kind == "SERVICE":
            raise Unauthenticated
        return await self._remember(memo, key, identity.tenant_id, _Found(accounts[0], identity.expires_at))

    async def operator(self, request: HTTPConnection) -> Principal:
        """The caller of the control plane: an operator, or nobody."""
        caller_address.set(self._address(request))
        credential = credential_of(request)
        principal = ANONYMOUS if credential is None else await self.operator_principal(credential)
        return _in_language(principal, request)

    async def operator_principal(self, credential: str) -> Principal:
        """Whom an operator's credential stands for; refuses (`Unauthenticated`) a bad one and every tenant's."""
        token = parse_token(credential)
        if token is None or token.kind != "operator":
            raise Unauthenticated
        async with self._database.operator_sessions() as session:
            row = (
                await session.execute(
                    select(m.OperatorSignIn, m.Operator)
                    .join(m.Operator, m.Operator.id == m.OperatorSignIn.operator_id)
                    .where(m.OperatorSignIn.id == token.id)
                )
            ).one_or_none()
        if row is None or not token.is_same(row[0].token_hash):
            raise Unauthenticated
        if row[0].revoked_at or row[0].expires_at <= self._clock.now() or not row[1].is_active:
            raise Unauthenticated
        locale = _locale(row[1].locale)
        return Principal(
            NO_TENANT,
            PrincipalKind.OPERATOR,
            OperatorRights(),
            account_id=row[1].id,
            locale=locale,
            is_developer=True,
        )

    async def _by_token(self, token: Token) -> Principal:
        if token.kind == "operator" or (token.kind == "client" and token.environment != self._environment):
            raise Unauthenticated
        await self._demand_open(token.tenant_id)
        memo = await self._snapshots.memo(token.tenant_id)
        remembered = memo.get(token.hash)
        if isinstance(remembered, _Remembered) and self._clock.now() < remembered.until:
            return remembered.principal
        async with self._database.session(Context(token.tenant_id)) as session:
            find = self._find_session if token.kind == "session" else self._find_client
            found = await find(session, token)
            await session.commit()
        if found is None:
            raise Unauthenticated
        return await self._remember(memo, token.hash, token.tenant_id, found)

    async def _demand_open(self, tenant_id: UUID) -> None:
        await self._snapshots.demand_contact()
        try:
            tenant = await self._directory.get(tenant_id)
        except TenantNotFound:
            raise Unauthenticated from None
        tenant.demand_open()

    async def _find_session(self, session: AsyncSession, token: Token) -> _Found | None:
        row = (
            await session.execute(
                select(m.SignIn, m.Account)
                .join(m.Account, m.Account.id == m.SignIn.account_id)
                .where(m.SignIn.id == token.id)
            )
        ).one_or_none()
        if row is None or not token.is_same(row[0].token_hash) or row[0].revoked_at is not None:
            return None
        return _Found(row[1], row[0].expires_at)

    async def _find_client(self, session: AsyncSession, token: Token) -> _Found | None:
        row = (
            await session.execute(
                select(m.ApiClientKey, m.ApiClient, m.Account)
                .join(m.ApiClient, m.ApiClient.id == m.ApiClientKey.client_id)
                .join(m.Account, m.Account.id == m.ApiClient.account_id)
                .where(m.ApiClientKey.id == token.id)
            )
        ).one_or_none()
        if row is None or not token.is_same(row[0].token_hash) or row[0].revoked_at is not None or not row[1].is_active:
            return None
        now = self._clock.now()
        if row[0].last_used_at is None or now - row[0].last_used_at > _USED_EVERY:
            await session.execute(update(m.ApiClientKey).where(m.ApiClientKey.id == token.id).values(last_used_at=now))
        return _Found(row[2], row[0].expires_at, row[1])

    async def _remember(self, memo: dict[bytes, object], key: bytes, tenant_id: UUID, found: _Found) -> Principal:
        now = self._clock.now()
        account, client = found.account, found.client
        if found.expires_at <= now or not account.is_active:
            raise Unauthenticated
        rights = await self._snapshots.rights(
            tenant_id,
            account.id,
            now,
            client_id=client.id if client else None,
            cap=tuple(client.permissions) if client else None,
        )
        principal = Principal(
            tenant_id=tenant_id,
            kind=_KINDS[account.kind],
            rights=rights,
            account_id=account.id,
            client_id=client.id if client else None,
            locale=_locale(account.locale),
            is_developer=account.is_developer,
        )
        if len(memo) >= _CACHED:
            memo.clear()
        memo[key] = _Remembered(principal, min(found.expires_at, rights.valid_until or found.expires_at))
        return principal


def credential_of(request: HTTPConnection) -> str | None:
    """The one credential of a request; refuses (`Unauthenticated`) two of them, or another scheme than Bearer."""
    authorization, keys = _given(request, b"authorization"), _given(request, b"x-api-key")
    if not authorization and not keys:
        return None
    if len(authorization) + len(keys) != 1:
        raise Unauthenticated
    if keys:
        return keys[0]
    scheme, _, credential = authorization[0].partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Unauthenticated
    return credential.strip()


def _given(request: HTTPConnection, name: bytes) -> list[str]:
    """All headers of a name in small letters; Starlette's mapping decodes the names of all at every look."""
    return [value.decode("latin-1") for given, value in request.scope["headers"] if given == name]


def key_environment(environment: str) -> str:
    """The word in keys of API clients that keeps those of a test installation out of production."""
    return {"production": "live", "development": "test"}.get(environment, environment)


def _locale(stored: str) -> Locale:
    return "en" if stored == "en" else "zh"


def _in_language(principal: Principal, request: HTTPConnection) -> Principal:
    accepted = _given(request, b"accept-language")
    if not accepted:
        return principal
    locale = negotiate(accepted[0])
    return principal if locale == principal.locale else replace(principal, locale=locale)
