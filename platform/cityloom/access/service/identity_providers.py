"""Whose tokens are believed for which city: operators say so, because issuer and audience alone lead to the tenant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import select, text

from cityloom.access import events
from cityloom.access import models as m
from cityloom.access.changes import begin_change
from cityloom.access.errors import IdentityProviderTaken
from cityloom.core.errors import InvalidInput, NotFound
from cityloom.core.events import AuditEntry
from cityloom.tenancy.errors import TenantStateUnfit
from cityloom.tenancy.events import TENANT_TAG
from cityloom.tenancy.models import OperatorAction
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from cityloom.core.work import Works
    from cityloom.tenancy.models import Tenant

#: Claims may be plain names or, as some providers have it, URLs.
_CLAIM = re.compile(r"[A-Za-z][A-Za-z0-9_:./-]{0,199}\Z")
_LONGEST_ADDRESS = 500
_LONGEST_AUDIENCE = 200
_OPEN_STATES = frozenset({"ONBOARDING", "ACTIVE", "SUSPENDED"})
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('cityloom.identity_providers', 0))")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProviderDraft:
    """An issuer as an operator states it; `login_claim` names the claim that carries the login of an account."""

    issuer: str
    audience: str
    jwks_uri: str
    subject_claim: str = "sub"
    login_claim: str | None = None


async def identity_providers(works: Works, tenant: Tenant) -> list[m.IdentityProvider]:
    """The providers of a tenant, disabled ones too, by issuer and audience."""
    query = select(m.IdentityProvider).where(m.IdentityProvider.tenant_id == tenant.id)
    async with works.database.operator_sessions() as session:
        rows = await session.scalars(query.order_by(m.IdentityProvider.issuer, m.IdentityProvider.audience))
        return list(rows)


async def register_identity_provider(
    works: Works, tenant: Tenant, draft: IdentityProviderDraft, *, is_production: bool, actor: str
) -> m.IdentityProvider:
    """Believe an issuer's tokens for this audience and tenant; one that is registered is changed and enabled again.

    Refuses addresses that are not https (http only outside production), and (`IdentityProviderTaken`) an issuer and
    audience that lead to another tenant already. Holds in every process within a second.
    """
    if tenant.state not in _OPEN_STATES:
        raise TenantStateUnfit(state=tenant.state, needed="ACTIVE")
    _check(draft, is_production=is_production)
    async with works.database.operator_sessions.begin() as session:
        # Two operators at once would both find nobody there.
        await session.execute(_LOCK)
        row = await _find(session, draft.issuer, draft.audience)
        if row is None:
            row = m.IdentityProvider(tenant_id=tenant.id, issuer=draft.issuer, audience=draft.audience)
            session.add(row)
        elif row.tenant_id != tenant.id:
            raise IdentityProviderTaken(issuer=draft.issuer, audience=draft.audience, path=("audience",))
        row.jwks_uri, row.subject_claim, row.login_claim = draft.jwks_uri, draft.subject_claim, draft.login_claim
        row.is_enabled = True
        _log(session, works, row, "identity_provider.register", actor)
    await _tell(works, row, "access.identity_provider.register", actor)
    return row


async def disable_identity_provider(
    works: Works, tenant: Tenant, issuer: str, audience: str, *, actor: str
) -> m.IdentityProvider:
    """Believe the issuer's tokens no more, those that were issued before included; again is no error.

    Refuses (`NotFound`) what is not registered for this tenant. Holds in every process within a second.
    """
    async with works.database.operator_sessions.begin() as session:
        await session.execute(_LOCK)
        row = await _find(session, issuer, audience)
        if row is None or row.tenant_id != tenant.id:
            raise NotFound(thing="identity provider", thing_zh="身份提供方", path=("issuer",))
        if not row.is_enabled:
            return row
        row.is_enabled = False
        _log(session, works, row, "identity_provider.disable", actor)
    await _tell(works, row, "access.identity_provider.disable", actor)
    return row


async def _find(session: AsyncSession, issuer: str, audience: str) -> m.IdentityProvider | None:
    query = select(m.IdentityProvider).where(
        m.IdentityProvider.issuer == issuer, m.IdentityProvider.audience == audience
    )
    return (await session.scalars(query)).one_or_none()


def _log(session: AsyncSession, works: Works, row: m.IdentityProvider, action: str, actor: str) -> None:
    session.add(
        OperatorAction(
            tenant_id=row.tenant_id, actor=actor, action=action, facts=_state(row), acted_at=works.clock.now()
        )
    )


async def _tell(works: Works, row: m.IdentityProvider, action: str, actor: str) -> None:
    """The city sees in its own audit log what was done for it; every process reads the providers anew."""
    async with works.begin(system_principal(row.tenant_id)) as work:
        await begin_change(work)
        work.emit(
            events.IdentityProviderChanged(
                subject_id=row.tenant_id, issuer=row.issuer, audience=row.audience, is_enabled=row.is_enabled
            )
        )
        work.audit(
            AuditEntry(
                action=action,
                object_tag=TENANT_TAG,
                object_id=row.tenant_id,
                purpose=f"operator {actor}",
                after=_state(row),
            )
        )


def _state(row: m.IdentityProvider) -> dict[str, object]:
    return {
        "issuer": row.issuer,
        "audience": row.audience,
        "jwks_uri": row.jwks_uri,
        "subject_claim": row.subject_claim,
        "login_claim": row.login_claim,
        "is_enabled": row.is_enabled,
    }


def _check(draft: IdentityProviderDraft, *, is_production: bool) -> None:
    _check_address("issuer", draft.issuer, is_production=is_production)
    _check_address("jwksUri", draft.jwks_uri, is_production=is_production)
    if (
        not draft.audience.strip()
        or draft.audience != draft.audience.strip()
        or len(draft.audience) > _LONGEST_AUDIENCE
    ):
        raise InvalidInput(
            f"受众为 1 至 {_LONGEST_AUDIENCE} 个字符,首尾不含空格。",
            f"An audience has 1 to {_LONGEST_AUDIENCE} characters, without spaces at its ends.",
            path=("audience",),
        )
    for field, claim in (("subjectClaim", draft.subject_claim), ("loginClaim", draft.login_claim)):
        if claim is not None and not _CLAIM.match(claim):
            raise InvalidInput(
                "声明名称以字母开头,只能包含字母、数字和 _ : . / -,最多 200 个字符。",
                "The name of a claim begins with a letter and has letters, digits and `_ : . / -`, at most 200.",
                path=(field,),
            )


def _check_address(field: str, value: str, *, is_production: bool) -> None:
    """An issuer is compared letter by letter with what tokens say (OpenID Connect Core 1.0, 2), so nothing is mended.

    Keys that are read over http could be anybody's.
    """
    schemes = ("https",) if is_production else ("https", "http")
    try:
        parts = urlsplit(value)
        fits = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    # The parser silently drops what must not be in an address at all.
    fits = fits and value.isascii() and value.isprintable() and " " not in value and len(value) <= _LONGEST_ADDRESS
    if not fits or parts.fragment or "@" in parts.netloc or (field == "issuer" and parts.query):
        wanted = " 或 ".join(f"{scheme}://" for scheme in schemes)
        raise InvalidInput(
            f"须为以 {wanted} 开头的完整地址,不含用户名、片段(签发者亦不含查询串),最多 {_LONGEST_ADDRESS} 个字符。",
            f"It must be a full address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}, without"
            f" user name, fragment or (for an issuer) query, of at most {_LONGEST_ADDRESS} characters.",
            path=(field,),
        )
