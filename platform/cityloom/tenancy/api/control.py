"""The control plane: operators set tenants up, and see none of their data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from cityloom.core.errors import InvalidInput
from cityloom.graph import bound as b
from cityloom.graph.context import GraphContext, OperatorWork, demand_operator
from cityloom.tenancy.api.shapes import (
    PackApplication,
    PackApplyInput,
    PackExport,
    PackFile,
    PackInput,
    PackPlan,
    Tenant,
    TenantLimitSetInput,
    TenantModuleDisableInput,
    TenantModuleEnableInput,
    TenantResumeInput,
    TenantSuspendInput,
    application_of,
    plan_of,
    tenant_of,
)
from cityloom.tenancy.packs import PackSource, Problems, read_upload
from cityloom.tenancy.service import TenantService

if TYPE_CHECKING:
    from typing import Any

    from cityloom.core.principal import Principal

READ, CHANGE = "platform.tenant.read", "platform.tenant.change"
LONGEST_REASON = 500

Slug = Annotated[str, strawberry.argument(description="The tenant's short name.")]


def _service(principal: Principal, services: dict[type, Any], permission: str) -> TenantService:
    """The verbs of operators, for an operator; refuses (`Unauthenticated`, `Forbidden`) everybody else."""
    demand_operator(principal, permission)
    found: TenantService = services[TenantService]
    return found


def _reading(info: strawberry.Info) -> tuple[TenantService, GraphContext]:
    context: GraphContext = info.context
    return _service(context.principal, context.services, READ), context


def _changing(work: OperatorWork) -> tuple[TenantService, str]:
    return _service(work.principal, work.services, CHANGE), f"operator:{work.principal.account_id}"


async def tenants(info: strawberry.Info) -> list[Tenant]:
    """All tenants."""
    service, context = _reading(info)
    return [tenant_of(one, service.modules, context.locale) for one in await service.overviews()]


async def tenant(info: strawberry.Info, slug: Slug) -> Tenant | None:
    """One tenant."""
    service, context = _reading(info)
    found = await service.overviews([slug])
    return tenant_of(found[0], service.modules, context.locale) if found else None


async def pack_applications(
    info: strawberry.Info,
    slug: Slug,
    first: Annotated[int, strawberry.argument(description="How many to answer, at most 100.")] = 20,
) -> list[PackApplication]:
    """Past applications."""
    service, _ = _reading(info)
    found = await service.tenant(slug)
    rows = await service.applications(found.id, most=max(0, min(first, 100)))
    return [application_of(row) for row in rows]


async def pack_folders(info: strawberry.Info) -> list[str]:
    """Packs on the server."""
    service, _ = _reading(info)
    return service.folders()


async def tenant_export(info: strawberry.Info, slug: Slug) -> PackExport:
    """The pack as the database has it."""
    service, _ = _reading(info)
    files = await service.export(slug)
    return PackExport(
        slug=slug, files=[PackFile(path=path, content=content.decode()) for path, content in files.items()]
    )


@b.query(module="tenancy")
class ControlQuery:
    """Reads of the control plane."""

    tenants: list[Tenant] = strawberry.field(resolver=tenants, description="All tenants, by slug.")
    tenant: Tenant | None = strawberry.field(resolver=tenant, description="One tenant, or null.")
    pack_applications: list[PackApplication] = strawberry.field(
        resolver=pack_applications, description="The latest applications of packs to a tenant, newest first."
    )
    pack_folders: list[str] = strawberry.field(
        resolver=pack_folders, description="Names of the packs that the server has on its own disk."
    )
    tenant_export: PackExport = strawberry.field(
        resolver=tenant_export, description="The tenant's pack as the database has it, in canonical form."
    )


def _source(service: TenantService, input: PackInput) -> PackSource:  # noqa: A002 - the argument's name in GraphQL
    if (input.files is None) == (input.folder is None):
        raise InvalidInput(
            "files 与 folder 须且只能给出一个。", "Give either `files` or `folder`, and not both.", path=("files",)
        )
    if input.folder is not None:
        return service.folder(input.folder)
    problems = Problems()
    source = read_upload([(file.path, file.content.encode()) for file in input.files or ()], problems)
    problems.refuse()
    return source


async def plan_pack(work: OperatorWork, input: PackInput) -> PackPlan:  # noqa: A002 - as above
    """See what a pack would change."""
    service, _ = _changing(work)
    return plan_of(await service.plan(_source(service, input)))


async def apply_pack(work: OperatorWork, input: PackApplyInput) -> PackPlan:  # noqa: A002 - as above
    """Apply a pack."""
    service, actor = _changing(work)
    done = await service.apply(_source(service, input), actor=actor, expected=input.expected)
    return plan_of(done.plan)


async def _shown(work: OperatorWork, service: TenantService, slug: str) -> Tenant:
    (found,) = await service.overviews([slug])
    return tenant_of(found, service.modules, work.locale)


async def suspend_tenant(work: OperatorWork, input: TenantSuspendInput) -> Tenant:  # noqa: A002 - as above
    """Suspend a tenant."""
    service, actor = _changing(work)
    if not 0 < len(input.reason.strip()) <= LONGEST_REASON:
        raise InvalidInput(
            f"原因须为 1 至 {LONGEST_REASON} 个字符。",
            f"A reason has 1 to {LONGEST_REASON} characters.",
            path=("reason",),
        )
    await service.suspend(input.slug, reason=input.reason.strip(), actor=actor)
    return await _shown(work, service, input.slug)


async def resume_tenant(work: OperatorWork, input: TenantResumeInput) -> Tenant:  # noqa: A002 - as above
    """Resume a tenant."""
    service, actor = _changing(work)
    await service.resume(input.slug, actor=actor)
    return await _shown(work, service, input.slug)


async def enable_module(work: OperatorWork, input: TenantModuleEnableInput) -> Tenant:  # noqa: A002 - as above
    """Switch a module on."""
    service, actor = _changing(work)
    settings = input.settings
    if settings is not None and not isinstance(settings, dict):
        raise InvalidInput("settings 须为对象。", "`settings` must be an object.", path=("settings",))
    await service.enable_module(input.slug, input.module, settings=settings, actor=actor)
    return await _shown(work, service, input.slug)


async def disable_module(work: OperatorWork, input: TenantModuleDisableInput) -> Tenant:  # noqa: A002 - as above
    """Switch a module off."""
    service, actor = _changing(work)
    await service.disable_module(input.slug, input.module, actor=actor)
    return await _shown(work, service, input.slug)


async def set_limit(work: OperatorWork, input: TenantLimitSetInput) -> Tenant:  # noqa: A002 - as above
    """Set a limit."""
    service, actor = _changing(work)
    await service.set_limit(input.slug, input.name, input.value, actor=actor)
    return await _shown(work, service, input.slug)


@b.mutation_root(module="tenancy")
class ControlMutation:
    """Changes of the control plane."""

    pack_plan: PackPlan = b.mutation(
        plan_pack, "See what applying a pack would change; changes nothing.", changes=False, keys=False
    )
    pack_apply: PackPlan = b.mutation(
        apply_pack,
        "Make a tenant what its pack states, creating it where there is none. Answers what was done; applying a pack a"
        " second time changes nothing. A pack with problems changes nothing: `details.problems` lists them all.",
        keys=False,
    )
    tenant_suspend: Tenant = b.mutation(
        suspend_tenant, "Let a tenant be read but not changed. A suspended tenant stays as it is.", keys=False
    )
    tenant_resume: Tenant = b.mutation(resume_tenant, "End a tenant's suspension.", keys=False)
    tenant_module_enable: Tenant = b.mutation(
        enable_module, "Switch a module on for a tenant, or change its settings.", keys=False
    )
    tenant_module_disable: Tenant = b.mutation(
        disable_module,
        "Switch a module off for a tenant; its data stay. Refused while an enabled module needs it.",
        keys=False,
    )
    tenant_limit_set: Tenant = b.mutation(set_limit, "Set a limit of a tenant.", keys=False)
