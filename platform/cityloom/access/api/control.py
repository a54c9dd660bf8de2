"""Access on the control plane: operators' own sessions, and the identity providers of cities."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from cityloom.access import models as m
from cityloom.access.authentication import NO_TENANT, caller_address
from cityloom.access.service import identity_providers as providers
from cityloom.access.service import operators
from cityloom.access.service.sessions import Logins
from cityloom.access.tokens import parse_token
from cityloom.core.errors import InvalidInput
from cityloom.core.ids import decode_id, encode_id
from cityloom.graph import bound as b
from cityloom.graph.context import GraphContext, OperatorWork, demand_operator
from cityloom.graph.given import given
from cityloom.settings import Settings
from cityloom.tenancy.service import TenantService

if TYPE_CHECKING:
    from uuid import UUID

SESSIONS, READ, CHANGE = (
    "platform.operator.session",
    "platform.identity_provider.read",
    "platform.identity_provider.change",
)
SESSION_TAG = "oses"


@b.output_type(description="An issuer (OpenID Connect) whose tokens are believed for one city.")
class IdentityProvider:
    """See `models.IdentityProvider`."""

    issuer: str = strawberry.field(description="The claim `iss` of its tokens, letter by letter.")
    audience: str = strawberry.field(description="What the claim `aud` must hold; leads, with the issuer, to the city.")
    jwks_uri: str = strawberry.field(description="Where its public keys are read (JWK Set).")
    subject_claim: str = strawberry.field(description="The claim by which an account is known, usually `sub`.")
    login_claim: str | None = strawberry.field(
        description="The claim that carries the login of accounts without a subject of their own; null: none does."
    )
    is_enabled: bool = strawberry.field(description="Whether its tokens are believed.")

    @staticmethod
    def of(row: m.IdentityProvider) -> IdentityProvider:
        """A provider as operators see it."""
        return IdentityProvider(
            issuer=row.issuer,
            audience=row.audience,
            jwks_uri=row.jwks_uri,
            subject_claim=row.subject_claim,
            login_claim=row.login_claim,
            is_enabled=row.is_enabled,
        )


@b.output_type(description="A session of an operator that is open.")
class OperatorSession:
    """See `models.OperatorSignIn`."""

    id: b.ID = strawberry.field(description="With which it can be revoked.")
    created_at: datetime = strawberry.field(description="When it was opened.")
    expires_at: datetime = strawberry.field(description="When it ends by itself.")


@b.output_type(description="The operator who asks.")
class OperatorMe:
    """See `models.Operator`."""

    login: str = strawberry.field(description="What is signed in with.")
    name: str = strawberry.field(description="The operator's name.")
    locale: str = strawberry.field(description="The language of this answer's messages.")
    sessions: list[OperatorSession] = strawberry.field(description="Open sessions, newest first, at most 50.")


@b.input_type(description="An operator's credentials.")
class OperatorSessionCreateInput:
    """See `operators.log_in_operator`."""

    login: str = strawberry.field(description="The operator's login, without any city.")
    password: str = strawberry.field(description="The password.")


@b.output_type(description="A new session at the control plane. Its token is shown only here.")
class OperatorSessionCreated:
    """See `operators.NewOperatorSession`."""

    id: b.ID = strawberry.field(description="With which it can be revoked.")
    token: str = strawberry.field(description="Send it as `Authorization: Bearer …` to the control plane.")
    expires_at: datetime = strawberry.field(description="When it ends by itself.")


@b.input_type(description="The session to end, by one of the two.")
class OperatorSessionRevokeInput:
    """See `operators.revoke_operator_session`."""

    token: str | None = strawberry.field(default=None, description="The token of the session.")
    id: b.ID | None = strawberry.field(default=None, description="The session's id.")


@b.output_type(description="A session of an operator that has ended.")
class OperatorSessionRevoked:
    """See `operators.revoke_operator_session`."""

    id: b.ID = strawberry.field(description="The former session.")
    revoked_at: datetime = strawberry.field(description="When it ended.")


@b.input_type(description="An identity provider of a city. One that is registered already is changed and enabled.")
class IdentityProviderRegisterInput:
    """See `identity_providers.register_identity_provider`."""

    slug: str = strawberry.field(description="The tenant's short name.")
    issuer: str = strawberry.field(description="The claim `iss` of its tokens; https, outside development.")
    audience: str = strawberry.field(description="What the claim `aud` must hold: an audience of this city alone.")
    jwks_uri: str = strawberry.field(description="Where its public keys are read; https, outside development.")
    subject_claim: str = strawberry.field(default="sub", description="The claim by which an account is known.")
    login_claim: str | None = strawberry.field(
        default=None,
        description="A claim that carries logins: for accounts that have no subject of their own. Name it only where"
        " the provider lets nobody choose it.",
    )


@b.input_type(description="An identity provider to believe no more.")
class IdentityProviderDisableInput:
    """See `identity_providers.disable_identity_provider`."""

    slug: str = strawberry.field(description="The tenant's short name.")
    issuer: str = strawberry.field(description="Its issuer.")
    audience: str = strawberry.field(description="Its audience.")


async def _me(info: strawberry.Info) -> OperatorMe:
    context: GraphContext = info.context
    demand_operator(context.principal, SESSIONS)
    tenants: TenantService = context.services[TenantService]
    operator_id: UUID = context.principal.account_id or NO_TENANT
    works = tenants.works
    operator, rows = await operators.operator_with_sessions(works.database, operator_id, clock=works.clock)
    return OperatorMe(
        login=operator.login,
        name=operator.name,
        locale=context.locale,
        sessions=[
            OperatorSession(id=_session_id(row.id), created_at=row.created_at, expires_at=row.expires_at)
            for row in rows
        ],
    )


async def _providers(
    info: strawberry.Info, slug: Annotated[str, strawberry.argument(description="The tenant's short name.")]
) -> list[IdentityProvider]:
    context: GraphContext = info.context
    demand_operator(context.principal, READ)
    tenants: TenantService = context.services[TenantService]
    rows = await providers.identity_providers(tenants.works, await tenants.tenant(slug))
    return [IdentityProvider.of(row) for row in rows]


@b.query(module="access")
class AccessControlQuery:
    """Reads of the control plane."""

    operator_me: OperatorMe = strawberry.field(resolver=_me, description="The operator who asks.")
    identity_providers: list[IdentityProvider] = strawberry.field(
        resolver=_providers, description="A city's identity providers, disabled ones too."
    )


def _session_id(row_id: UUID) -> b.ID:
    return b.ID(encode_id(SESSION_TAG, NO_TENANT, row_id))


async def _create_session(work: OperatorWork, input: OperatorSessionCreateInput) -> OperatorSessionCreated:  # noqa: A002 - the argument's name in GraphQL
    logins: Logins = work.services[Logins]
    made = await operators.log_in_operator(
        logins.database,
        logins.passwords,
        logins.throttles,
        input.login.strip().lower(),
        input.password,
        clock=work.clock,
        address=caller_address.get(),
    )
    return OperatorSessionCreated(id=_session_id(made.id), token=made.token, expires_at=made.expires_at)


async def _revoke_session(work: OperatorWork, input: OperatorSessionRevokeInput) -> OperatorSessionRevoked:  # noqa: A002 - the argument's name in GraphQL
    actor = demand_operator(work.principal, SESSIONS)
    if (input.token is None) == (input.id is None):
        raise InvalidInput("请填写 token 或 id 之一。", "Send either `token` or `id`.", path=("token",))
    session_id = None if input.id is None else decode_id(input.id, NO_TENANT, SESSION_TAG, path=("id",))
    if input.token is not None:
        token = parse_token(input.token)
        session_id = token.id if token is not None and token.kind == "operator" else None
    logins: Logins = work.services[Logins]
    row = await operators.revoke_operator_session(logins.database, session_id, actor=actor, clock=work.clock)
    return OperatorSessionRevoked(id=_session_id(row.id), revoked_at=row.revoked_at or work.clock.now())


async def _register(work: OperatorWork, input: IdentityProviderRegisterInput) -> IdentityProvider:  # noqa: A002 - the argument's name in GraphQL
    actor = demand_operator(work.principal, CHANGE)
    tenants: TenantService = work.services[TenantService]
    settings: Settings = work.services[Settings]
    row = await providers.register_identity_provider(
        tenants.works,
        await tenants.tenant(input.slug),
        providers.IdentityProviderDraft(**given(input, without=("slug",))),
        is_production=settings.environment != "development",
        actor=actor,
    )
    return IdentityProvider.of(row)


async def _disable(work: OperatorWork, input: IdentityProviderDisableInput) -> IdentityProvider:  # noqa: A002 - the argument's name in GraphQL
    actor = demand_operator(work.principal, CHANGE)
    tenants: TenantService = work.services[TenantService]
    tenant = await tenants.tenant(input.slug)
    row = await providers.disable_identity_provider(tenants.works, tenant, input.issuer, input.audience, actor=actor)
    return IdentityProvider.of(row)


@b.mutation_root(module="access")
class AccessControlMutation:
    """Changes of the control plane."""

    operator_session_create: OperatorSessionCreated = b.mutation(
        _create_session, "Sign in as an operator, with login and password; needs no credential.", keys=False
    )
    operator_session_revoke: OperatorSessionRevoked = b.mutation(
        _revoke_session,
        "End an operator's session: one's own, or another's that is no longer to be trusted.",
        keys=False,
    )
    identity_provider_register: IdentityProvider = b.mutation(
        _register,
        "Believe an issuer's tokens for one city and audience. Refused (CONFLICT) where they lead to another city.",
        keys=False,
    )
    identity_provider_disable: IdentityProvider = b.mutation(
        _disable,
        "Believe an issuer's tokens no more, those it issued before included. Holds within a second.",
        keys=False,
    )
