"""The root query fields of access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import select

from cityloom.access import models as m
from cityloom.access.api.shapes import (
    AccessDecision,
    AccessExplanation,
    AccessScope,
    Account,
    AccountKind,
    ApiClient,
    Department,
    FieldLevel,
    Membership,
    PolicyProposal,
    Role,
)
from cityloom.access.authentication import NO_TENANT
from cityloom.access.service.explanations import Place, explain_access, place_of_account
from cityloom.access.snapshots import AccessSnapshots
from cityloom.core.database import Context
from cityloom.core.ids import decode_id, encode_id, split_id
from cityloom.core.work import Work, Works
from cityloom.graph import bound as b

if TYPE_CHECKING:
    from cityloom.access.catalogue import Catalogue
    from cityloom.graph.bound.bindings import BoundType
    from cityloom.graph.context import GraphContext


@b.output_type(description="Something that can be allowed or denied.")
class PermissionInfo:
    """See `core.module.Permission`."""

    name: str = strawberry.field(description="`module.resource.action`, or a level of a protected field.")
    title_zh: str = strawberry.field(description="What it is called in Chinese.")
    title_en: str = strawberry.field(description="What it is called in English.")


@b.output_type(description="A role as shipped with the platform; the city's roles can take its rules over.")
class RoleTemplateInfo:
    """See `catalogue.RoleTemplate`."""

    code: str = strawberry.field(description="Its code: a role has its rules by the line `g, role, template:<code>`.")
    title_zh: str = strawberry.field(description="What it is called in Chinese.")
    title_en: str = strawberry.field(description="What it is called in English.")
    permissions: list[str] = strawberry.field(description="The permissions that it gives.")


@b.output_type(description="A permission that the caller has, and where.")
class MyPermission:
    """One entry of `me.permissions`."""

    name: str = strawberry.field(description="The permission.")
    scope: AccessScope = strawberry.field(description="Where it holds.")


@b.output_type(description="How much of a protected field the caller sees.")
class MyField:
    """One entry of `me.fields`."""

    name: str = strawberry.field(description="The protected field, for example `registry.resident.phone`.")
    level: FieldLevel = strawberry.field(description="How much of it.")


@b.output_type(description="Who the caller is, and what they may do: what a user interface needs to know first.")
class Me:
    """See `me`."""

    account_id: b.ID = strawberry.field(description="The account.")
    login: str = strawberry.field(description="Its login.")
    name: str = strawberry.field(description="Its name.")
    kind: AccountKind = strawberry.field(description="What it stands for.")
    locale: str = strawberry.field(description="The language of this answer's messages.")
    is_developer: bool = strawberry.field(description="Whether it may introspect the API.")
    roles: list[str] = strawberry.field(description="Codes of the roles that it holds, in any scope.")
    permissions: list[MyPermission] = strawberry.field(description="What it may do, by name.")
    fields: list[MyField] = strawberry.field(description="The protected fields that it sees, by name.")


def _catalogue(context: GraphContext) -> Catalogue:
    snapshots: AccessSnapshots = context.services[AccessSnapshots]
    return snapshots.catalogue


async def _me(info: strawberry.Info) -> Me | None:
    context: GraphContext = info.context
    principal, works = context.principal, context.services[Works]
    if principal.account_id is None or principal.tenant_id == NO_TENANT:
        return None
    async with works.database.session(Context(principal.tenant_id)) as session:
        account = await session.get_one(m.Account, (principal.tenant_id, principal.account_id))
        roles = await session.scalars(
            select(m.Role.code)
            .join(m.Membership, m.Membership.role_id == m.Role.id)
            .where(m.Membership.account_id == account.id)
            .distinct()
            .order_by(m.Role.code)
        )
        codes = list(roles)
    catalogue, rights = _catalogue(context), principal.rights
    scopes = {name: rights.scope(name) for name in sorted(catalogue.names)}
    levels = {name: rights.field(name) for name in sorted(catalogue.protected_fields)}
    return Me(
        account_id=b.ID(encode_id("acct", principal.tenant_id, account.id)),
        login=account.login,
        name=account.name,
        kind=AccountKind(account.kind),
        locale=principal.locale,
        is_developer=principal.is_developer,
        roles=codes,
        permissions=[
            MyPermission(name=name, scope=AccessScope.of(scope, principal.tenant_id))
            for name, scope in scopes.items()
            if scope is not None
        ],
        fields=[MyField(name=name, level=FieldLevel(level.value)) for name, level in levels.items()],
    )


async def _permissions(info: strawberry.Info) -> list[PermissionInfo]:
    found = _catalogue(info.context).permissions
    return [PermissionInfo(name=n, title_zh=found[n].title.zh, title_en=found[n].title.en) for n in sorted(found)]


async def _templates(info: strawberry.Info) -> list[RoleTemplateInfo]:
    catalogue = _catalogue(info.context)
    return [
        RoleTemplateInfo(
            code=code,
            title_zh=template.title.zh,
            title_en=template.title.en,
            permissions=sorted(catalogue.template_permissions(code)),
        )
        for code, template in catalogue.templates.items()
    ]


async def _explain(
    info: strawberry.Info,
    account_id: Annotated[b.ID, strawberry.argument(description="Whose rights; everybody may ask about themselves.")],
    action: Annotated[
        str, strawberry.argument(description="A permission, or a protected field such as `registry.resident.phone`.")
    ],
    id: Annotated[  # noqa: A002 - the argument's name in GraphQL
        b.ID | None, strawberry.argument(description="The thing that it is about; nothing: whether at all, anywhere.")
    ] = None,
) -> AccessExplanation:
    context: GraphContext = info.context
    async with context.begin(context.principal) as work:
        account = decode_id(account_id, work.tenant_id, "acct", path=("accountId",))
        place, is_about_object = (None, False) if id is None else await _place(info, work, id)
        found = await explain_access(work, account, action, place, is_about_object=is_about_object)
    return AccessExplanation.of(found, context.principal.tenant_id)


async def _place(info: strawberry.Info, work: Work, value: str) -> tuple[Place | None, bool]:
    """Where a thing lies; the second value is false for things that lie nowhere, which any grant reaches."""
    tag, row_id = split_id(value, work.tenant_id, path=("id",))
    bound = _bound_of(info, tag)
    if bound is None or row_id is None:
        return None, True
    rule = bound.scope
    columns: list[Any] = [rule and rule.area, rule and rule.department, rule and rule.owner]
    wanted = [column for column in columns if column is not None]
    row = (await work.session.execute(select(bound.model.id, *wanted).where(bound.model.id == row_id))).one_or_none()
    if row is None:
        return None, True
    if bound.model is m.Account:
        return await place_of_account(work, row_id), True
    values = iter(row[1:])
    found = [next(values) if column is not None else None for column in columns]
    area_path, department_id, owner_id = found
    return Place(area_path, department_id, owner_id), rule is not None


def _bound_of(info: strawberry.Info, tag: str) -> BoundType | None:
    schema = info._raw_info.schema  # noqa: SLF001 - Strawberry offers no other way to the schema's types
    for type_ in schema.type_map.values():
        definition = type_.extensions.get("strawberry-definition")
        bound = b.bound_type_of(getattr(definition, "origin", None))
        if bound is not None and bound.tag == tag:
            return bound
    return None


@b.query(module="access")
class AccessQuery:
    """Accounts, roles, who holds them, and why somebody may or may not."""

    me: Me | None = strawberry.field(
        resolver=_me, description="Who the caller is and what they may do; null without a credential."
    )
    permissions: list[PermissionInfo] = strawberry.field(
        resolver=_permissions, description="Everything that can be allowed or denied, by name."
    )
    role_templates: list[RoleTemplateInfo] = strawberry.field(
        resolver=_templates, description="The roles that are shipped with the platform."
    )
    explain_access: AccessExplanation = strawberry.field(
        resolver=_explain,
        description="Why an account may or may not do something: layer, rule, scope, and what would allow it.",
    )
    access_decision: AccessDecision | None = b.root_one(
        AccessDecision, "A refusal by the `decisionId` that its caller was told; null where there is none."
    )
    account: Account | None = b.root_one(Account, "One account by its id.")
    accounts: b.Connection[Account] = b.root_connection(Account, "The city's accounts.")
    department: Department | None = b.root_one(Department, "One department by its id.")
    departments: b.Connection[Department] = b.root_connection(Department, "The city's departments.")
    role: Role | None = b.root_one(Role, "One role by its id.")
    roles: b.Connection[Role] = b.root_connection(Role, "The city's roles.")
    memberships: b.Connection[Membership] = b.root_connection(Membership, "Who holds which role, and where.")
    api_client: ApiClient | None = b.root_one(ApiClient, "One API client by its id.")
    api_clients: b.Connection[ApiClient] = b.root_connection(ApiClient, "The city's API clients.")
    policy_proposal: PolicyProposal | None = b.root_one(PolicyProposal, "One proposal by its id.")
    policy_proposals: b.Connection[PolicyProposal] = b.root_connection(PolicyProposal, "Proposed changes of rules.")
