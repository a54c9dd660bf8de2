"""The GraphQL inputs of access, and what its mutations answer where that is no row."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry
from strawberry.types.unset import UNSET

from cityloom.access.api.shapes import AccountKind, RuleEffect, ScopeKind
from cityloom.graph import bound as b


@strawberry.enum(description="A language of messages.")
class AccountLocale(Enum):
    """See `core.text.Locale`."""

    ZH = strawberry.enum_value("zh", description="Chinese.")
    EN = strawberry.enum_value("en", description="English.")


@b.input_type(description="A login and password.")
class SessionCreateInput:
    """See `sessions.Logins.log_in`."""

    login: str = strawberry.field(description="`login@city`, for example `wang@yourcity`.")
    password: str = strawberry.field(description="The password.")


@b.input_type(description="A session to end: exactly one of both.")
class SessionRevokeInput:
    """See `sessions.revoke_session`."""

    token: str | None = strawberry.field(default=None, description="The session's own bearer.")
    id: b.ID | None = strawberry.field(default=None, description="The session's id.")


@b.output_type(description="A new session. The token is shown only here.")
class SessionCreated:
    """See `sessions.NewSession`."""

    id: b.ID = strawberry.field(description="The session's id, with which it can be ended.")
    account_id: b.ID = strawberry.field(description="Who has signed in.")
    token: str = strawberry.field(description="Send it as `Authorization: Bearer …`.")
    expires_at: datetime = strawberry.field(description="When the session ends.")


@b.output_type(description="A session that has ended.")
class SessionRevoked:
    """See `sessions.revoke_session`."""

    id: b.ID = strawberry.field(description="The session.")
    revoked_at: datetime = strawberry.field(description="When it was ended.")


@b.input_type(description="Who somebody is at the city's identity provider.")
class OidcIdentityInput:
    """Issuer and subject of OpenID Connect."""

    issuer: str = strawberry.field(description="The claim `iss` of their tokens.")
    subject: str = strawberry.field(description="The claim that names them, usually `sub`.")


@b.input_type(description="A new account; it has no role yet.")
class AccountCreateInput:
    """See `accounts.create_account`."""

    login: str = strawberry.field(
        description="Lower-case letters, digits, dots, underscores, hyphens; at most 63 characters; unique in the city."
    )
    name: str = strawberry.field(description="The name that others see, 1 to 200 characters.")
    kind: AccountKind = strawberry.field(default=AccountKind.STAFF, description="What the account stands for.")
    locale: AccountLocale = strawberry.field(default=AccountLocale.ZH, description="The language of its messages.")
    is_developer: bool = strawberry.field(default=False, description="Whether it may introspect the API.")
    password: str | None = strawberry.field(
        default=None, description="10 to 256 characters; or nothing for who signs in elsewhere."
    )
    identity: OidcIdentityInput | None = strawberry.field(
        default=None, description="Who it is at the city's identity provider."
    )


@b.input_type(description="A change of an account; what is not sent stays as it is.")
class AccountChangeInput:
    """See `accounts.change_account`."""

    id: b.ID = strawberry.field(description="The account.")
    name: str | None = strawberry.field(default=UNSET, description="Its new name.")
    locale: AccountLocale | None = strawberry.field(default=UNSET, description="Its new language.")
    is_active: bool | None = strawberry.field(default=UNSET, description="False switches it off and ends its sessions.")
    is_developer: bool | None = strawberry.field(default=UNSET, description="Whether it may introspect the API.")
    identity: OidcIdentityInput | None = strawberry.field(
        default=UNSET, description="Who it is at the city's identity provider."
    )


@b.input_type(description="A new password.")
class PasswordSetInput:
    """See `accounts.set_password`."""

    account_id: b.ID | None = strawberry.field(default=None, description="Whose; one's own where nothing is sent.")
    password: str = strawberry.field(description="10 to 256 characters, without the login in it.")
    current_password: str | None = strawberry.field(
        default=None, description="The present one; needed to change one's own."
    )


@b.output_type(description="A password that was set; all sessions of the account have ended.")
class PasswordWasSet:
    """See `accounts.set_password`."""

    account_id: b.ID = strawberry.field(description="The account.")


@b.input_type(description="A role for an account.")
class MembershipGrantInput:
    """See `memberships.grant_membership`."""

    account_id: b.ID = strawberry.field(description="Who is to hold the role.")
    role: str = strawberry.field(description="The code of the role.")
    scope_kind: ScopeKind = strawberry.field(description="Where it is to be held.")
    area_id: b.ID | None = strawberry.field(default=None, description="The area, where the scope is AREA.")
    department_id: b.ID | None = strawberry.field(
        default=None, description="The department, where the scope is DEPARTMENT."
    )
    starts_at: datetime | None = strawberry.field(default=None, description="Since when; at once where none is sent.")
    ends_at: datetime | None = strawberry.field(default=None, description="Until when; for good where none is sent.")


@b.input_type(description="A membership to end.")
class MembershipRevokeInput:
    """See `memberships.revoke_membership`."""

    id: b.ID = strawberry.field(description="The membership.")


@b.output_type(description="A membership that was taken away.")
class MembershipRevoked:
    """See `memberships.revoke_membership`."""

    id: b.ID = strawberry.field(description="The former membership.")
    account_id: b.ID = strawberry.field(description="Who held it.")


@b.input_type(description="A new role.")
class RoleCreateInput:
    """See `roles.create_role`."""

    code: str = strawberry.field(description="Lower-case letters, digits and underscores; unique in the city.")
    title_zh: str = strawberry.field(description="What it is called in Chinese.")
    title_en: str = strawberry.field(description="What it is called in English.")
    template: str | None = strawberry.field(
        default=None, description="The code of a shipped template whose rules it takes over; see `roleTemplates`."
    )


@b.input_type(description="Other titles for a role.")
class RoleChangeInput:
    """See `roles.change_role`."""

    id: b.ID = strawberry.field(description="The role.")
    title_zh: str = strawberry.field(description="What it is called in Chinese.")
    title_en: str = strawberry.field(description="What it is called in English.")


@b.input_type(description="A role to delete.")
class RoleDeleteInput:
    """See `roles.delete_role`."""

    id: b.ID = strawberry.field(description="The role; nobody may hold it any more.")


@b.output_type(description="A role that was deleted.")
class RoleDeleted:
    """See `roles.delete_role`."""

    id: b.ID = strawberry.field(description="The former role.")


@b.input_type(description="One rule of a role.")
class RoleRuleInput:
    """See `roles.grant_to_role`."""

    role: str = strawberry.field(description="The code of the role.")
    permission: str = strawberry.field(description="A permission, the beginning of some followed by `.*`, or `*`.")
    effect: RuleEffect = strawberry.field(default=RuleEffect.ALLOW, description="Whether the rule allows or denies.")


@b.input_type(description="A change of rules to rehearse.")
class PolicyProposeInput:
    """See `proposals.propose`."""

    add: list[str] = strawberry.field(
        default_factory=list, description="Rules to add: `p, role, permission, allow|deny` or `g, role, parent`."
    )
    remove: list[str] = strawberry.field(default_factory=list, description="Rules to take away, in the same form.")
    reason: str = strawberry.field(description="Why the rules should change.")


@b.input_type(description="A rehearsed change to carry out.")
class PolicyApplyInput:
    """See `proposals.apply_proposal`."""

    id: b.ID = strawberry.field(description="The proposal.")


@b.input_type(description="A new API client.")
class ApiClientCreateInput:
    """See `clients.create_client`."""

    name: str = strawberry.field(description="Its name, unique in the city, 1 to 100 characters.")
    permissions: list[str] = strawberry.field(description="Patterns that cap its roles, for example `registry.*`.")


@b.input_type(description="A change of an API client; what is not sent stays as it is.")
class ApiClientChangeInput:
    """See `clients.change_client`."""

    id: b.ID = strawberry.field(description="The client.")
    permissions: list[str] | None = strawberry.field(default=UNSET, description="Other patterns that cap its roles.")
    is_active: bool | None = strawberry.field(default=UNSET, description="False switches all of its keys off.")


@b.input_type(description="A new key of an API client.")
class ApiKeyCreateInput:
    """See `clients.create_key`."""

    client_id: b.ID = strawberry.field(description="The client.")
    expires_at: datetime | None = strawberry.field(
        default=None, description="When it ends, within two years; in one year where nothing is sent."
    )


@b.output_type(description="A new key. It is shown only here.")
class ApiKeyCreated:
    """See `clients.NewKey`."""

    id: b.ID = strawberry.field(description="The key's id, with which it can be revoked.")
    key: str = strawberry.field(description="Send it as `X-API-Key: …` or `Authorization: Bearer …`.")
    expires_at: datetime = strawberry.field(description="When it ends.")


@b.input_type(description="A key to end.")
class ApiKeyRevokeInput:
    """See `clients.revoke_key`."""

    id: b.ID = strawberry.field(description="The key.")
