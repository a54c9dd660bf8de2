"""The GraphQL types of access."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import strawberry
from sqlalchemy import exists, or_
from sqlalchemy.orm import aliased

from cityloom.access import models as m
from cityloom.core.ids import encode_id
from cityloom.graph import bound as b
from cityloom.graph.api import TrustedDocument
from cityloom.graph.models import TrustedDocument as TrustedDocumentModel

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from cityloom.access.service.explanations import Explanation
    from cityloom.core.principal import Scope


@strawberry.enum(description="What an account stands for.")
class AccountKind(Enum):
    """See `Account.kind`."""

    STAFF = strawberry.enum_value("STAFF", description="A member of the city's staff.")
    RESIDENT = strawberry.enum_value("RESIDENT", description="A resident, who sees only what is their own.")
    SERVICE = strawberry.enum_value("SERVICE", description="The account of an API client; nobody signs in with it.")


@strawberry.enum(description="Where a role is held.")
class ScopeKind(Enum):
    """See `Membership.scope_kind`."""

    TENANT = strawberry.enum_value("TENANT", description="In the whole city.")
    AREA = strawberry.enum_value("AREA", description="In an area and everything that lies in it.")
    DEPARTMENT = strawberry.enum_value("DEPARTMENT", description="In a department and those below it.")
    OWN = strawberry.enum_value("OWN", description="Over what belongs to the account itself.")


@strawberry.enum(description="What a rule does.")
class RuleEffect(Enum):
    """See `Grant.effect`."""

    ALLOW = strawberry.enum_value("allow", description="Allows what the pattern names.")
    DENY = strawberry.enum_value("deny", description="Denies it, whatever other rules and roles allow.")


@strawberry.enum(description="Whether a proposal was applied.")
class ProposalState(Enum):
    """See `PolicyProposal.state`."""

    OPEN = strawberry.enum_value("OPEN", description="It was previewed, and changes nothing yet.")
    APPLIED = strawberry.enum_value("APPLIED", description="Its rules hold.")


@strawberry.enum(description="How somebody's rights differ.")
class AccessChange(Enum):
    """See `proposals.Effect`."""

    GAINS = strawberry.enum_value("GAINS", description="The account may do it then, and may not now.")
    LOSES = strawberry.enum_value("LOSES", description="The account may do it now, and may not then.")
    WIDENS = strawberry.enum_value("WIDENS", description="The account may do it in more places.")
    NARROWS = strawberry.enum_value("NARROWS", description="The account may do it in other or fewer places.")


@strawberry.enum(description="Which layer of access decided.")
class AccessLayer(Enum):
    """See `explanations.Explanation`."""

    NONE = strawberry.enum_value("NONE", description="None refuses: it is allowed.")
    ACCOUNT = strawberry.enum_value("ACCOUNT", description="The account is switched off.")
    ROLE = strawberry.enum_value("ROLE", description="No role that is held allows it, or one denies it.")
    SCOPE = strawberry.enum_value("SCOPE", description="It is allowed, but not there; or there is no such thing.")
    FIELD = strawberry.enum_value("FIELD", description="The row may be read, but not this field of it.")


@strawberry.enum(description="What would allow it.")
class NearestGrantKind(Enum):
    """See `explanations.NearestGrant`."""

    SWITCH_ON = strawberry.enum_value("SWITCH_ON", description="Switching the account on.")
    MEMBERSHIP = strawberry.enum_value("MEMBERSHIP", description="Giving the account the role, there.")
    RULE = strawberry.enum_value("RULE", description="Adding the rule.")
    REMOVE_RULE = strawberry.enum_value("REMOVE_RULE", description="Taking the denying rule away.")


@strawberry.enum(description="How much of a protected field is seen.")
class FieldLevel(Enum):
    """See `core.principal.FieldAccess`."""

    FULL = strawberry.enum_value("FULL", description="The whole value.")
    MASKED = strawberry.enum_value("MASKED", description="The masked form, for example the last four digits.")
    ABSENT = strawberry.enum_value("ABSENT", description="Nothing: selecting it answers null and an error.")


@b.output_type(description="The rows that a permission reaches: the union of what is named.")
class AccessScope:
    """See `core.principal.Scope`."""

    everywhere: bool = strawberry.field(description="The whole city.")
    area_paths: list[str] = strawberry.field(description="Areas, by their paths, each with all that lies in it.")
    department_ids: list[b.ID] = strawberry.field(description="Departments.")
    own: bool = strawberry.field(description="What belongs to the account itself.")

    @staticmethod
    def of(scope: Scope, tenant_id: UUID) -> AccessScope:
        """A scope as it is shown."""
        return AccessScope(
            everywhere=scope.everywhere,
            area_paths=[low for low, _ in scope.areas],
            department_ids=[b.ID(encode_id("dept", tenant_id, one)) for one in scope.departments],
            own=scope.own,
        )

    @staticmethod
    def of_json(stored: dict[str, Any] | None, tenant_id: UUID) -> AccessScope | None:
        """A scope as a proposal keeps it."""
        if stored is None:
            return None
        return AccessScope(
            everywhere=stored["everywhere"],
            area_paths=stored["areaPaths"],
            department_ids=[b.ID(encode_id("dept", tenant_id, UUID(one))) for one in stored["departmentIds"]],
            own=stored["own"],
        )


@b.output_type(description="What a change of rules does to one account and one permission.")
class AccessEffect:
    """See `proposals.Effect`."""

    account_id: b.ID = strawberry.field(description="The account.")
    permission: str = strawberry.field(description="The permission, `module.resource.action`.")
    change: AccessChange = strawberry.field(description="How the account's rights differ.")
    before: AccessScope | None = strawberry.field(description="Where it may do this now; null where nowhere.")
    after: AccessScope | None = strawberry.field(description="Where it may do this then; null where nowhere.")


@b.output_type(description="How many accounts a change of rules affects in one way, for one permission.")
class AccessEffectCount:
    """One line of the totals."""

    permission: str = strawberry.field(description="The permission.")
    change: AccessChange = strawberry.field(description="How rights differ.")
    accounts: int = strawberry.field(description="How many accounts.")


@b.output_type(description="Who gains and who loses what by a change of rules.")
class PolicyPreview:
    """See `proposals.Preview`."""

    accounts: int = strawberry.field(description="How many accounts are affected.")
    counts: list[AccessEffectCount] = strawberry.field(description="All effects, counted by permission and change.")
    effects: list[AccessEffect] = strawberry.field(description="The first 1,000 effects one by one.")

    @staticmethod
    def of(stored: dict[str, Any], tenant_id: UUID) -> PolicyPreview:
        """A preview as a proposal keeps it."""
        return PolicyPreview(
            accounts=stored["accounts"],
            counts=[
                AccessEffectCount(permission=name, change=AccessChange(change), accounts=count)
                for change, counted in stored["permissions"].items()
                for name, count in counted.items()
            ],
            effects=[
                AccessEffect(
                    account_id=b.ID(encode_id("acct", tenant_id, UUID(one["accountId"]))),
                    permission=one["permission"],
                    change=AccessChange(one["change"]),
                    before=AccessScope.of_json(one["before"], tenant_id),
                    after=AccessScope.of_json(one["after"], tenant_id),
                )
                for one in stored["effects"]
            ],
        )


@b.output_type(description="The smallest change that would allow what is refused.")
class NearestGrant:
    """See `explanations.NearestGrant`."""

    kind: NearestGrantKind = strawberry.field(description="What to do.")
    role: str | None = strawberry.field(description="The role that it concerns.")
    area_path: str | None = strawberry.field(description="The area, by its path, where the role would be needed.")
    rule: str | None = strawberry.field(description="The rule to add or to take away.")


@b.output_type(description="Why an account may or may not do something.")
class AccessExplanation:
    """See `explanations.Explanation`."""

    decision_id: str = strawberry.field(description="Names this decision in the audit log.")
    account_id: b.ID = strawberry.field(description="The account.")
    action: str = strawberry.field(description="The permission, or the protected field, that was asked for.")
    is_allowed: bool = strawberry.field(description="Whether the account may do it.")
    layer: AccessLayer = strawberry.field(description="Which layer refuses.")
    role: str | None = strawberry.field(description="The role by which it was decided.")
    rule: str | None = strawberry.field(description="The rule by which it was decided; null where none is stated.")
    scope: AccessScope | None = strawberry.field(description="Where the account may do it; null where nowhere.")
    field_level: FieldLevel | None = strawberry.field(description="For a protected field: how much of it is seen.")
    nearest_grant: NearestGrant | None = strawberry.field(description="What would allow it, where it is refused.")

    @staticmethod
    def of(found: Explanation, tenant_id: UUID) -> AccessExplanation:
        """An explanation as it is shown."""
        near = found.nearest
        return AccessExplanation(
            decision_id=str(found.decision_id),
            account_id=b.ID(encode_id("acct", tenant_id, found.account_id)),
            action=found.permission,
            is_allowed=found.is_allowed,
            layer=AccessLayer(found.layer),
            role=found.role,
            rule=found.rule,
            scope=AccessScope.of(found.scope, tenant_id) if found.scope else None,
            field_level=FieldLevel(found.field_access.value) if found.field_access else None,
            nearest_grant=NearestGrant(
                kind=NearestGrantKind(near.kind), role=near.role, area_path=near.area_path, rule=near.rule
            )
            if near
            else None,
        )


@b.bound(
    m.Department,
    tag="dept",
    module="access",
    read="access.department.read",
    orderings={"CODE": (m.Department.code,), "NAME": (m.Department.name,)},
)
class Department(b.Node):
    """A department of the city (条), which may lie below another."""

    code: str = b.column(m.Department.code, "Its code, unique in the city.", filters=b.TEXT)
    name: str = b.column(m.Department.name, "Its name.", filters=b.TEXT)
    parent: Department | None = b.one(m.Department.parent_id, "The department that it is part of; null at the top.")
    children: b.Connection[Department] = b.connection(m.Department.parent_id, "The departments that are part of it.")


def _reached_account(account: type[m.Account], reach: b.Reach) -> ColumnElement[bool]:
    """Oneself, and whoever holds a role within the reader's areas or departments."""
    held = aliased(m.Membership)
    lies_within = or_(reach.areas(held.area_path), reach.departments(held.department_id))
    return or_(reach.caller(account.id), exists().where(held.account_id == account.id, lies_within))


@b.bound(
    m.Account,
    tag="acct",
    module="access",
    read="access.account.read",
    scope=b.ScopeRule(rows=_reached_account),
    orderings={"LOGIN": (m.Account.login,), "NAME": (m.Account.name,), "CREATED": (m.Account.id,)},
)
class Account(b.Node):
    """Somebody, or a program, that can be given roles.

    Who may read accounts in one area only sees those that hold a role there, and their own.
    """

    login: str = b.column(m.Account.login, "What is signed in with, as `login@city`.", filters=b.TEXT)
    name: str = b.column(m.Account.name, "The name that others see.", filters=b.TEXT)
    kind: AccountKind = b.column(m.Account.kind, "What the account stands for.", filters=b.EXACT)
    locale: str = b.column(m.Account.locale, "The language of its messages: `zh` or `en`.")
    is_active: bool = b.column(m.Account.is_active, "Whether it can be used.", filters=b.EXACT)
    is_developer: bool = b.column(m.Account.is_developer, "Whether it may introspect the API.", filters=b.EXACT)
    created_at: datetime = b.column(m.Account.created_at, "Since when there is this account.")
    memberships: b.Connection[Membership] = b.connection(m.Membership.account_id, "The roles that it holds.")


@b.bound(
    m.AccessDecision,
    tag="deci",
    module="access",
    read="access.policy.explain",
    scope=b.ScopeRule(owner=m.AccessDecision.account_id),
)
class AccessDecision(b.Node):
    """A refusal for want of a permission, as `decisionId` names it. Kept for 90 days, and so many per caller only."""

    decided_at: datetime = b.column(m.AccessDecision.decided_at, "When it was refused.")
    account: Account | None = b.one(m.AccessDecision.account_id, "Who was refused.")
    client: ApiClient | None = b.one(m.AccessDecision.client_id, "By which API client; null where by none.")
    permissions: list[str] = b.column(
        m.AccessDecision.permissions, "The permissions or protected fields that were wanting; ask `explainAccess` why."
    )
    reason: str = b.column(m.AccessDecision.reason, "The exact refusal, for example `FORBIDDEN` or `FIELD_FORBIDDEN`.")
    field: str | None = b.column(m.AccessDecision.field, "The mutation that was refused; null for reads.")
    area_path: str | None = b.column(
        m.AccessDecision.place_path, "The path that the area had where it was to be done; null where it was about none."
    )
    rights_version: b.BigInt = b.column(
        m.AccessDecision.rights_version, "The version of the city's access by which it was decided."
    )
    trace_id: str | None = b.column(m.AccessDecision.trace_id, "The trace of the request.")


@b.bound(m.Grant, module="access", read="access.role.read", orderings={"PATTERN": (m.Grant.pattern,)})
class RoleRule:
    """A rule of a role: Casbin's `p, role, pattern, allow|deny`."""

    pattern: str = b.column(m.Grant.pattern, "A permission, the beginning of some followed by `.*`, or `*` for all.")
    effect: RuleEffect = b.column(m.Grant.effect, "Whether it allows or denies.")


@b.bound(m.RoleLink, module="access", read="access.role.read", orderings={"CREATED": (m.RoleLink.id,)})
class RoleParent:
    """What a role takes its rules from besides its own: Casbin's `g, role, parent`."""

    role: Role | None = b.one(m.RoleLink.parent_role_id, "A role of the city; null where it is a shipped template.")
    template: str | None = b.column(m.RoleLink.template, "The code of a shipped template; null where it is a role.")


@b.bound(m.Role, tag="role", module="access", read="access.role.read", orderings={"CODE": (m.Role.code,)})
class Role(b.Node):
    """A role of the city; what it may do is said by its rules and those of its parents."""

    code: str = b.column(m.Role.code, "Its code, unique in the city.", filters=b.TEXT)
    title_zh: str = b.column(m.Role.title_zh, "What it is called in Chinese.")
    title_en: str = b.column(m.Role.title_en, "What it is called in English.")
    description_zh: str = b.column(m.Role.description_zh, "What it is for, in Chinese.")
    description_en: str = b.column(m.Role.description_en, "What it is for, in English.")
    rules: list[RoleRule] = b.many(m.Grant.role_id, "Its own rules.", limit=100)
    parents: list[RoleParent] = b.many(m.RoleLink.role_id, "What it inherits rules from.", limit=20)
    memberships: b.Connection[Membership] = b.connection(m.Membership.role_id, "Who holds it.")


@b.bound(
    m.Membership,
    tag="memb",
    module="access",
    read="access.membership.read",
    scope=b.ScopeRule(
        area=m.Membership.area_path, department=m.Membership.department_id, owner=m.Membership.account_id
    ),
    orderings={"GRANTED": (m.Membership.id,)},
)
class Membership(b.Node):
    """An account holds a role: in the whole city, an area, a department, or over its own things."""

    account: Account | None = b.one(m.Membership.account_id, "Who holds the role.")
    role: Role | None = b.one(m.Membership.role_id, "The role.")
    scope_kind: ScopeKind = b.column(m.Membership.scope_kind, "Where it is held.", filters=b.EXACT)
    area_path: str | None = b.column(m.Membership.area_path, "The path of the area; null for other scopes.")
    department: Department | None = b.one(m.Membership.department_id, "The department; null for other scopes.")
    starts_at: datetime | None = b.column(m.Membership.starts_at, "Since when it holds; null: always.")
    ends_at: datetime | None = b.column(m.Membership.ends_at, "When it ends; null: never.", filters=b.RANGE)
    granted_at: datetime = b.column(m.Membership.granted_at, "When it was given.")
    granted_by: Account | None = b.one(m.Membership.granted_by_id, "Who gave it; null where a pack did.")


@b.bound(m.ApiClientKey, tag="ckey", module="access", read="access.client.read")
class ApiClientKey(b.Node):
    """A key of an API client; its secret is shown once, when it is made."""

    created_at: datetime = b.column(m.ApiClientKey.created_at, "When it was made.")
    expires_at: datetime = b.column(m.ApiClientKey.expires_at, "When it ends.")
    revoked_at: datetime | None = b.column(m.ApiClientKey.revoked_at, "When it was revoked; null where it was not.")
    last_used_at: datetime | None = b.column(
        m.ApiClientKey.last_used_at, "When it was used last, to within five minutes; null where it never was."
    )


@b.bound(m.ApiClient, tag="clnt", module="access", read="access.client.read", orderings={"NAME": (m.ApiClient.name,)})
class ApiClient(b.Node):
    """A program that calls the API with a key: it may do what its service account's roles allow, within its cap."""

    name: str = b.column(m.ApiClient.name, "Its name.", filters=b.TEXT)
    account: Account | None = b.one(m.ApiClient.account_id, "Its service account; give roles to this one.")
    permissions: list[str] = b.column(m.ApiClient.permissions, "Patterns that cap what its roles allow.")
    is_active: bool = b.column(m.ApiClient.is_active, "Whether its keys work.", filters=b.EXACT)
    created_at: datetime = b.column(m.ApiClient.created_at, "When it was made.")
    keys: list[ApiClientKey] = b.many(m.ApiClientKey.client_id, "Its keys, ended ones too.", limit=50)


@b.extend(TrustedDocument, module="access")
class TrustedDocumentAccess:
    """Whose a registered document is."""

    client: ApiClient | None = b.one(
        TrustedDocumentModel.client_id, "The API client that may ask for it; null where all callers may."
    )


def _previews(rows: list[Any], _services: object) -> list[PolicyPreview]:
    return [PolicyPreview.of(row.preview, row.tenant_id) for row in rows]


@b.bound(
    m.PolicyProposal,
    tag="prop",
    module="access",
    read="access.policy.propose",
    orderings={"PROPOSED": (m.PolicyProposal.id,)},
)
class PolicyProposal(b.Node):
    """A rehearsed change of rules, with who would gain and lose what by it."""

    state: ProposalState = b.column(m.PolicyProposal.state, "Whether it was applied.", filters=b.EXACT)
    reason: str = b.column(m.PolicyProposal.reason, "Why the rules should change.")
    added: list[str] = b.column(m.PolicyProposal.added, "Rules to add, as lines of a policy file.")
    removed: list[str] = b.column(m.PolicyProposal.removed, "Rules to take away.")
    preview: PolicyPreview = b.resolved(
        _previews,
        needs=(m.PolicyProposal.preview, m.PolicyProposal.tenant_id),
        description="Who gains and who loses what, as of when it was proposed.",
    )
    proposed_by: Account | None = b.one(m.PolicyProposal.proposed_by_id, "Who proposed it.")
    proposed_at: datetime = b.column(m.PolicyProposal.proposed_at, "When it was proposed.")
    applied_by: Account | None = b.one(m.PolicyProposal.applied_by_id, "Who applied it; null while it is open.")
    applied_at: datetime | None = b.column(m.PolicyProposal.applied_at, "When it was applied; null while it is open.")
