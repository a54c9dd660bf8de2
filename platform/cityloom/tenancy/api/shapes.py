"""Types and inputs of the control plane."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from cityloom.graph import bound as b
from cityloom.tenancy.limits import LIMITS
from cityloom.tenancy.modules import enabled_modules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cityloom.core.module import Module
    from cityloom.core.text import Locale
    from cityloom.tenancy.models import PackApplication as PackApplicationRow
    from cityloom.tenancy.packs import Plan
    from cityloom.tenancy.service import TenantOverview

#: Changes of a plan that are answered one by one unless more are asked for.
FEW_CHANGES, MOST_CHANGES = 200, 5_000


@strawberry.enum(description="Where a tenant is in its life.")
class TenantState(Enum):
    """States in the order in which they are lived through."""

    ONBOARDING = strawberry.enum_value("ONBOARDING", description="It is being set up.")
    ACTIVE = strawberry.enum_value("ACTIVE", description="It is in use.")
    SUSPENDED = strawberry.enum_value("SUSPENDED", description="It can be read but not changed.")
    LEAVING = strawberry.enum_value("LEAVING", description="It is taking its data with it.")
    GONE = strawberry.enum_value("GONE", description="Its data are deleted; only this entry is left.")


@strawberry.enum(description="What happens to a row of a pack's table.")
class PackChangeKind(Enum):
    """Kinds of change."""

    ADD = strawberry.enum_value("+", description="It is added.")
    CHANGE = strawberry.enum_value("~", description="Some of its values change.")
    REMOVE = strawberry.enum_value("-", description="It is removed.")


@b.output_type(description="A module as a tenant has it.")
class TenantModule:
    """One module."""

    name: str = strawberry.field(description="The module's name.")
    title: str = strawberry.field(description="What users call it, in the caller's language.")
    is_enabled: bool = strawberry.field(description="Whether it is on.")
    is_core: bool = strawberry.field(description="Whether it belongs to the core, which cannot be switched off.")
    needs: list[str] = strawberry.field(description="Modules that must be on for it to be on.")
    settings: b.JSON = strawberry.field(description="Settings that the tenant states; others have their defaults.")


@b.output_type(description="A limit as a tenant has it.")
class TenantLimit:
    """One limit."""

    name: str = strawberry.field(description="The limit's name.")
    title: str = strawberry.field(description="What it bounds, in the caller's language.")
    value: b.BigInt = strawberry.field(description="The bound.")
    is_default: bool = strawberry.field(description="Whether it is the platform's default.")


@b.output_type(description="One time that a pack was applied to a tenant and changed something.")
class PackApplication:
    """A past application."""

    applied_at: datetime = strawberry.field(description="When.")
    actor: str = strawberry.field(description="Who applied it.")
    digest: str = strawberry.field(description="SHA-256 over what the pack stated, base packs included.")
    added: int = strawberry.field(description="Rows that were added.")
    changed: int = strawberry.field(description="Rows that were changed.")
    removed: int = strawberry.field(description="Rows that were removed.")


@b.output_type(description="A city as operators see it: how it is set up, and none of its data.")
class Tenant:
    """One tenant."""

    slug: str = strawberry.field(description="Short name, which never changes.")
    name_zh: str = strawberry.field(description="Name in Chinese.")
    name_en: str = strawberry.field(description="Name in English.")
    state: TenantState = strawberry.field(description="Where it is in its life.")
    state_reason: str | None = strawberry.field(description="Why it is in this state, where somebody said so.")
    state_changed_at: datetime = strawberry.field(description="Since when it is in this state.")
    locale: str = strawberry.field(description="Language where a caller states none: `zh` or `en`.")
    time_zone: str = strawberry.field(description="IANA time zone.")
    division_code: str | None = strawberry.field(description="Statistical division code, or null.")
    extends: str | None = strawberry.field(description="The base pack that its pack builds on, or null.")
    created_at: datetime = strawberry.field(description="When it was created.")
    modules: list[TenantModule] = strawberry.field(description="Every module of the installation, by name.")
    limits: list[TenantLimit] = strawberry.field(description="Every limit, by name.")


@b.output_type(description="A value that a plan would change.")
class PackFieldChange:
    """One field of a changed row."""

    name: str = strawberry.field(description="Column or key.")
    old: b.JSON | None = strawberry.field(description="The value now.")
    new: b.JSON | None = strawberry.field(description="The value that the pack states.")


@b.output_type(description="One row that a plan would add, change or remove.")
class PackChange:
    """One line of a plan."""

    table: str = strawberry.field(description="File or section of the pack.")
    kind: PackChangeKind = strawberry.field(description="What happens to the row.")
    key: list[str] = strawberry.field(description="What tells the row apart, for example its code.")
    fields: list[PackFieldChange] = strawberry.field(description="Values that change, for a changed row.")


@b.output_type(description="How many rows of one table a plan would change.")
class PackCount:
    """Counts of one table."""

    table: str = strawberry.field(description="File or section of the pack.")
    added: int = strawberry.field(description="Rows to add.")
    changed: int = strawberry.field(description="Rows to change.")
    removed: int = strawberry.field(description="Rows to remove.")


def _changes(
    root: PackPlan,
    first: Annotated[
        int, strawberry.argument(description=f"How many to answer, at most {MOST_CHANGES}.")
    ] = FEW_CHANGES,
) -> list[PackChange]:
    plan: Plan = root.plan
    return [
        PackChange(
            table=change.table,
            kind=PackChangeKind(change.sign),
            key=list(change.key),
            fields=[PackFieldChange(name=name, old=old, new=new) for name, (old, new) in change.fields.items()],
        )
        for change in plan.changes[: max(0, min(first, MOST_CHANGES))]
    ]


@b.output_type(description="The difference between a pack and what the tenant is.")
class PackPlan:
    """A plan."""

    slug: str = strawberry.field(description="The tenant that the pack is of.")
    is_new: bool = strawberry.field(description="Whether there is no such tenant yet.")
    is_empty: bool = strawberry.field(description="Whether applying the pack would change nothing.")
    digest: str = strawberry.field(
        description="Stands for exactly this plan: give it to `packApply` as `expected`, and this is done or nothing."
    )
    counts: list[PackCount] = strawberry.field(description="Rows by table; tables without changes are left out.")
    plan: strawberry.Private[Any]

    changes: list[PackChange] = strawberry.field(
        resolver=_changes, description="The changes one by one, in the pack's own order."
    )


@b.output_type(description="One file of a pack.")
class PackFile:
    """A file."""

    path: str = strawberry.field(description="Its path within the pack, for example `areas.csv`.")
    content: str = strawberry.field(description="Its text.")


@b.output_type(description="A tenant's pack as the database has it.")
class PackExport:
    """An export."""

    slug: str = strawberry.field(description="The tenant.")
    files: list[PackFile] = strawberry.field(description="Its files in canonical form, by path.")


@b.input_type(description="One file of a pack.")
class PackFileInput:
    """A file to read."""

    path: str = strawberry.field(description="Its path within the pack, for example `areas.csv`.")
    content: str = strawberry.field(description="Its text.")


@b.input_type(description="A pack: either its files, or the name of a folder that the server has. Exactly one.")
class PackInput:
    """Where a pack comes from."""

    files: list[PackFileInput] | None = strawberry.field(default=None, description="The files themselves.")
    folder: str | None = strawberry.field(
        default=None, description="A folder below the server's folder of tenants, for example `alder`."
    )


@b.input_type(description="A pack to apply.")
class PackApplyInput(PackInput):
    """A pack, and what is expected of it."""

    expected: str | None = strawberry.field(
        default=None, description="`digest` of a plan: refused as STALE where it is no longer the plan."
    )


@b.input_type(description="A tenant to suspend.")
class TenantSuspendInput:
    """Which, and why."""

    slug: str = strawberry.field(description="The tenant.")
    reason: str = strawberry.field(description="Why; it is recorded, and shown to operators. At most 500 characters.")


@b.input_type(description="A tenant to resume.")
class TenantResumeInput:
    """Which."""

    slug: str = strawberry.field(description="The tenant.")


@b.input_type(description="A module to switch on for a tenant, or new settings for it.")
class TenantModuleEnableInput:
    """Which module, with which settings."""

    slug: str = strawberry.field(description="The tenant.")
    module: str = strawberry.field(description="The module's name.")
    settings: b.JSON | None = strawberry.field(
        default=None, description="All of its settings, an object; those that it has are kept where this is left out."
    )


@b.input_type(description="A module to switch off for a tenant. Its data stay.")
class TenantModuleDisableInput:
    """Which module."""

    slug: str = strawberry.field(description="The tenant.")
    module: str = strawberry.field(description="The module's name.")


@b.input_type(description="A limit of a tenant.")
class TenantLimitSetInput:
    """Which limit, and how much."""

    slug: str = strawberry.field(description="The tenant.")
    name: str = strawberry.field(description="The limit's name.")
    value: b.BigInt | None = strawberry.field(
        default=None, description="The bound; the platform's default where it is left out or null."
    )


def tenant_of(overview: TenantOverview, modules: Mapping[str, Module], locale: Locale) -> Tenant:
    """The tenant as the control plane shows it."""
    row = overview.tenant
    stated = {m.module: m for m in overview.modules}
    enabled = enabled_modules(modules, [m.module for m in overview.modules if m.is_enabled])
    limits = {limit.name: limit.value for limit in overview.limits}
    return Tenant(
        slug=row.slug,
        name_zh=row.name_zh,
        name_en=row.name_en,
        state=TenantState(row.state),
        state_reason=row.state_reason,
        state_changed_at=row.state_changed_at,
        locale=row.locale,
        time_zone=row.time_zone,
        division_code=row.division_code,
        extends=row.extends,
        created_at=row.created_at,
        modules=[
            TenantModule(
                name=name,
                title=module.title[locale],
                is_enabled=name in enabled,
                is_core=module.is_core,
                needs=sorted(module.needs),
                settings=b.JSON(stated[name].settings if name in stated else {}),
            )
            for name, module in sorted(modules.items())
        ],
        limits=[
            TenantLimit(
                name=name,
                title=limit.title[locale],
                value=b.BigInt(limits.get(name, limit.default)),
                is_default=name not in limits,
            )
            for name, limit in sorted(LIMITS.items())
        ],
    )


def plan_of(plan: Plan) -> PackPlan:
    """The plan as the control plane shows it."""
    return PackPlan(
        slug=plan.slug,
        is_new=plan.is_new,
        is_empty=not plan,
        digest=plan.digest,
        counts=[
            PackCount(table=table, added=signs["+"], changed=signs["~"], removed=signs["-"])
            for table, signs in plan.counts().items()
        ],
        plan=plan,
    )


def application_of(row: PackApplicationRow) -> PackApplication:
    """A past application as the control plane shows it."""
    return PackApplication(
        applied_at=row.applied_at,
        actor=row.actor,
        digest=row.pack_hash,
        added=row.added,
        changed=row.changed,
        removed=row.removed,
    )
