"""The mutations of access."""

from __future__ import annotations

from uuid import UUID

from cityloom.access import models as m
from cityloom.access.api import inputs as i
from cityloom.access.api.shapes import Account, ApiClient, ApiClientKey, Membership, PolicyProposal, Role
from cityloom.access.authentication import caller_address
from cityloom.access.service import accounts, clients, memberships, proposals, roles, sessions
from cityloom.access.tokens import parse_token
from cityloom.core.errors import InvalidInput
from cityloom.core.ids import decode_id, encode_id
from cityloom.core.text import Text
from cityloom.core.work import Work
from cityloom.graph import bound as b
from cityloom.graph.given import given
from cityloom.graph.mutations import mutation, mutation_root

#: No row has this id.
_ABSENT = UUID(int=0)


def _id(work: Work, tag: str, value: str | None, field: str) -> UUID | None:
    return None if value is None else decode_id(value, work.tenant_id, tag, path=(field,))


def _named(work: Work, tag: str, value: str | None, field: str) -> UUID | None:
    """The row that an optional id names: one that is absent where it is another city's, None where nothing was sent."""
    return None if value is None else _id(work, tag, value, field) or _ABSENT


def _told(work: Work, tag: str, row_id: UUID) -> b.ID:
    return b.ID(encode_id(tag, work.tenant_id, row_id))


def _identity(sent: i.OidcIdentityInput | None) -> tuple[str, str] | None:
    return (sent.issuer, sent.subject) if sent else None


async def _create_session(work: Work, input: i.SessionCreateInput) -> i.SessionCreated:  # noqa: A002 - the argument's name in GraphQL
    made = await work.services[sessions.Logins].log_in(input.login, input.password, address=caller_address.get())
    return i.SessionCreated(
        id=b.ID(encode_id("sesn", made.tenant_id, made.id)),
        account_id=b.ID(encode_id("acct", made.tenant_id, made.account_id)),
        token=made.token,
        expires_at=made.expires_at,
    )


async def _revoke_session(work: Work, input: i.SessionRevokeInput) -> i.SessionRevoked:  # noqa: A002 - the argument's name in GraphQL
    if (input.token is None) == (input.id is None):
        raise InvalidInput("请填写 token 或 id 之一。", "Send either `token` or `id`.", path=("token",))
    session_id = _id(work, "sesn", input.id, "id")
    if input.token is not None:
        token = parse_token(input.token)
        is_session = token is not None and token.kind == "session" and token.tenant_id == work.tenant_id
        session_id = token.id if token is not None and is_session else None
    row = await sessions.revoke_session(work, session_id)
    return i.SessionRevoked(id=_told(work, "sesn", row.id), revoked_at=row.revoked_at or work.now())


async def _create_account(work: Work, input: i.AccountCreateInput) -> m.Account:  # noqa: A002 - the argument's name in GraphQL
    values = given(input, without=("identity",))
    return await accounts.create_account(work, accounts.AccountDraft(**values, oidc=_identity(input.identity)))


async def _change_account(work: Work, input: i.AccountChangeInput) -> m.Account:  # noqa: A002 - the argument's name in GraphQL
    values = given(input, without=("id",))
    identity = values.pop("identity", None)
    changes = accounts.AccountChanges(**values, oidc=_identity(identity))
    return await accounts.change_account(work, _id(work, "acct", input.id, "id"), changes)


async def _set_password(work: Work, input: i.PasswordSetInput) -> i.PasswordWasSet:  # noqa: A002 - the argument's name in GraphQL
    account_id = _named(work, "acct", input.account_id, "accountId")
    row = await accounts.set_password(work, account_id, input.password, current=input.current_password)
    return i.PasswordWasSet(account_id=_told(work, "acct", row.id))


async def _grant(work: Work, input: i.MembershipGrantInput) -> m.Membership:  # noqa: A002 - the argument's name in GraphQL
    values = given(input, without=("account_id", "area_id", "department_id"))
    draft = memberships.MembershipDraft(
        **values,
        account_id=_id(work, "acct", input.account_id, "accountId"),
        area_id=_named(work, "area", input.area_id, "areaId"),
        department_id=_named(work, "dept", input.department_id, "departmentId"),
    )
    return await memberships.grant_membership(work, draft)


async def _revoke(work: Work, input: i.MembershipRevokeInput) -> i.MembershipRevoked:  # noqa: A002 - the argument's name in GraphQL
    row = await memberships.revoke_membership(work, _id(work, "memb", input.id, "id"))
    return i.MembershipRevoked(id=_told(work, "memb", row.id), account_id=_told(work, "acct", row.account_id))


async def _create_role(work: Work, input: i.RoleCreateInput) -> m.Role:  # noqa: A002 - the argument's name in GraphQL
    return await roles.create_role(work, input.code, Text(input.title_zh, input.title_en), template=input.template)


async def _change_role(work: Work, input: i.RoleChangeInput) -> m.Role:  # noqa: A002 - the argument's name in GraphQL
    return await roles.change_role(work, _id(work, "role", input.id, "id"), title=Text(input.title_zh, input.title_en))


async def _delete_role(work: Work, input: i.RoleDeleteInput) -> i.RoleDeleted:  # noqa: A002 - the argument's name in GraphQL
    return i.RoleDeleted(id=_told(work, "role", await roles.delete_role(work, _id(work, "role", input.id, "id"))))


async def _grant_to_role(work: Work, input: i.RoleRuleInput) -> m.Role:  # noqa: A002 - the argument's name in GraphQL
    return await roles.grant_to_role(work, input.role, input.permission, str(input.effect.value))


async def _revoke_from_role(work: Work, input: i.RoleRuleInput) -> m.Role:  # noqa: A002 - the argument's name in GraphQL
    return await roles.revoke_from_role(work, input.role, input.permission, str(input.effect.value))


async def _propose(work: Work, input: i.PolicyProposeInput) -> m.PolicyProposal:  # noqa: A002 - the argument's name in GraphQL
    return await proposals.propose(work, added=input.add, removed=input.remove, reason=input.reason)


async def _apply(work: Work, input: i.PolicyApplyInput) -> m.PolicyProposal:  # noqa: A002 - the argument's name in GraphQL
    return await proposals.apply_proposal(work, _id(work, "prop", input.id, "id"))


async def _create_client(work: Work, input: i.ApiClientCreateInput) -> m.ApiClient:  # noqa: A002 - the argument's name in GraphQL
    return await clients.create_client(work, input.name, input.permissions)


async def _change_client(work: Work, input: i.ApiClientChangeInput) -> m.ApiClient:  # noqa: A002 - the argument's name in GraphQL
    return await clients.change_client(work, _id(work, "clnt", input.id, "id"), **given(input, without=("id",)))


async def _create_key(work: Work, input: i.ApiKeyCreateInput) -> i.ApiKeyCreated:  # noqa: A002 - the argument's name in GraphQL
    client_id = _id(work, "clnt", input.client_id, "clientId")
    made = await clients.create_key(work, client_id, expires_at=input.expires_at)
    return i.ApiKeyCreated(id=_told(work, "ckey", made.id), key=made.key, expires_at=made.expires_at)


async def _revoke_key(work: Work, input: i.ApiKeyRevokeInput) -> m.ApiClientKey:  # noqa: A002 - the argument's name in GraphQL
    return await clients.revoke_key(work, _id(work, "ckey", input.id, "id"))


@mutation_root(module="access")
class AccessMutation:
    """Changes of access."""

    session_create: i.SessionCreated = mutation(
        _create_session, "Sign in with login and password; needs no credential.", changes=False, keys=False
    )
    session_revoke: i.SessionRevoked = mutation(
        _revoke_session, "End a session: one's own, or another's with `access.session.revoke`."
    )
    account_create: Account = mutation(_create_account, "Create an account.")
    account_change: Account = mutation(_change_account, "Change an account, or switch it off or on.")
    password_set: i.PasswordWasSet = mutation(
        _set_password, "Set one's own password, or another's who may do no more than oneself."
    )
    membership_grant: Membership = mutation(
        _grant, "Give an account a role; refused (ABOVE_OWN_RIGHTS) beyond what one may do there oneself."
    )
    membership_revoke: i.MembershipRevoked = mutation(
        _revoke, "Take a role from an account; refused (LAST_ADMINISTRATOR) where nobody could administer the city."
    )
    role_create: Role = mutation(_create_role, "Create a role, with the rules of a shipped template or without any.")
    role_change: Role = mutation(_change_role, "Give a role other titles.")
    role_delete: i.RoleDeleted = mutation(_delete_role, "Delete a role that nobody holds, with its rules.")
    role_grant: Role = mutation(_grant_to_role, "Add a rule to a role. Holds everywhere within a second.")
    role_revoke: Role = mutation(_revoke_from_role, "Take a rule from a role. Holds everywhere within a second.")
    policy_propose: PolicyProposal = mutation(
        _propose, "Rehearse a change of rules: keeps a proposal that says who would gain and lose what."
    )
    policy_apply: PolicyProposal = mutation(
        _apply, "Carry out a proposal; refused (STALE) where its preview would be another one today."
    )
    api_client_create: ApiClient = mutation(_create_client, "Create an API client and its service account.")
    api_client_change: ApiClient = mutation(_change_client, "Cap an API client differently, or switch it off or on.")
    api_key_create: i.ApiKeyCreated = mutation(
        _create_key, "Make a key for an API client. At most two are active, so that they can be rotated."
    )
    api_key_revoke: ApiClientKey = mutation(_revoke_key, "End a key of an API client at once.")
