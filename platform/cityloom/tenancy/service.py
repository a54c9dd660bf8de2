"""What operators do with tenants: list, plan and apply packs, export, suspend, resume, modules, limits.

A tenant's own rows are always written by a unit of work of that tenant (`system_principal`), so that row-level
security holds for operators' tools as well; the directory of tenants is written on operators' connections.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, select, text
from sqlalchemy.exc import DBAPIError

from cityloom.core.errors import Refusal
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.tenancy.configuration import ConfigurationPart, put_limit, put_module
from cityloom.tenancy.directory import CHANNEL, TenantDirectory, tell
from cityloom.tenancy.errors import (
    ModuleAlwaysOn,
    ModuleNeedsOthers,
    ModuleStillNeeded,
    ModuleUnknown,
    PackBeingApplied,
    PackFolderUnknown,
    PlanStale,
    SettingsRefused,
    TenantGone,
    TenantNotFound,
    TenantStateUnfit,
)
from cityloom.tenancy.events import TENANT_TAG, LimitChanged, ModuleSwitched, PackApplied, TenantStateChanged
from cityloom.tenancy.limits import demand_limit
from cityloom.tenancy.models import OperatorAction, PackApplication, Tenant, TenantLimit, TenantModule
from cityloom.tenancy.modules import enabled_modules, missing_needs, needed_by, settings_faults
from cityloom.tenancy.packs import (
    FolderBases,
    Pack,
    PackEngine,
    PackPart,
    PackSource,
    Plan,
    Problems,
    read_folder,
)
from cityloom.tenancy.packs.manifest import TenantRow
from cityloom.tenancy.packs.tables import TENANT_FILE, PackText
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from pathlib import Path
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from cityloom.core.module import Module
    from cityloom.core.work import Work, Works

__all__ = ["Application", "TenantOverview", "TenantService", "pack_engine", "system_principal"]

#: PostgreSQL's code for a lock that was not had within `lock_timeout`.
_LOCK_NOT_AVAILABLE = "55P03"
_LOCK_KEY = "hashtextextended('cityloom.tenant:' || :slug, 0)"


def pack_engine(modules: Sequence[Module], tenants: Path) -> PackEngine:
    """The engine for the packs of an installation; base packs lie in `tenants/packs/`."""
    parts = [cast("PackPart", part) for module in modules for part in module.pack_parts]
    return PackEngine([ConfigurationPart({module.name: module for module in modules}), *parts], FolderBases(tenants))


@dataclass(frozen=True, slots=True)
class Application:
    """What applying a pack did; `plan` is empty where there was nothing to do."""

    tenant_id: UUID
    plan: Plan


@dataclass(frozen=True, slots=True)
class TenantOverview:
    """A tenant as operators see it: what it is and how it is set up, none of its data."""

    tenant: Tenant
    modules: tuple[TenantModule, ...]
    limits: tuple[TenantLimit, ...]


class TenantService:
    """The verbs of operators; one per process. `actor` is who asks, for the records: an account or a shell's user."""

    def __init__(self, works: Works, modules: Sequence[Module], tenants: Path) -> None:
        self.works = works
        self.database = works.database
        self.modules = {module.name: module for module in modules}
        self.tenants = tenants
        self.engine = pack_engine(modules, tenants)
        # One application at a time and process: each holds two of the few operator connections.
        self._applying = asyncio.Lock()

    # Packs

    def folder(self, name: str) -> PackSource:
        """The files of the server's own pack `tenants/<name>`; refuses (`PackFolderUnknown`) other names."""
        known = self.folders()
        if name not in known:
            raise PackFolderUnknown(path=("folder",), name=name[:60], known=", ".join(known))
        problems = Problems()
        source = read_folder(self.tenants / name, problems)
        problems.refuse()
        return source

    def folders(self) -> list[str]:
        """Names of the packs below the folder of tenants."""
        return sorted(
            path.parent.name for path in self.tenants.glob(f"*/{TENANT_FILE}") if not path.parent.is_symlink()
        )

    async def plan(self, source: PackSource) -> Plan:
        """What applying the pack would do; refuses (`InvalidPack`) a pack with problems."""
        pack = self.engine.check(source)
        tenant = await self._tenant(_row(pack).slug)
        if tenant is None:
            return self.engine.plan(pack, None, self.engine.differences(pack, {}))
        _demand_there(tenant)
        async with self.works.begin(system_principal(tenant.id)) as work:
            differences = self.engine.differences(pack, await self.engine.read(work))
        return self.engine.plan(pack, tenant_row(tenant), differences)

    async def apply(self, source: PackSource, *, actor: str, expected: str | None = None) -> Application:
        """Make the tenant what the pack states; a second time changes nothing.

        All of the tenant's rows change in one transaction: whether a row can go (an area that still has dwellings) is
        known to the database alone, and a refusal must leave nothing half done. With `expected` (a plan's digest), that
        plan is carried out or nothing (`PlanStale`).
        """
        pack = self.engine.check(source)
        row = _row(pack)
        async with self._alone(row.slug):
            tenant = await self._tenant(row.slug)
            if tenant is not None:
                _demand_there(tenant)
                if tenant.state not in {"ONBOARDING", "ACTIVE"}:
                    raise TenantStateUnfit(state=tenant.state, needed="ACTIVE")
            known = None if tenant is None else tenant_row(tenant)
            tenant_id = tenant.id if tenant else await self._create(row, actor)
            try:
                plan = await self._write(pack, known, tenant_id, actor, expected)
            except Refusal:
                # Refusals come before the commit. After anything else the tenant stays ONBOARDING, to be applied again:
                # its rows may be there already.
                if tenant is None:
                    await self._uncreate(tenant_id)
                raise
            if plan or (tenant is not None and tenant.state == "ONBOARDING"):
                await self._record(row, tenant_id, plan, actor)
        return Application(tenant_id, plan)

    async def export(self, slug: str) -> dict[str, bytes]:
        """The files of the tenant's pack, as the database has it; refuses (`TenantGone`) where nothing is left."""
        tenant = await self.tenant(slug)
        _demand_there(tenant)
        async with self.works.begin(system_principal(tenant.id)) as work:
            return await self.engine.export(work, tenant_row(tenant))

    async def _write(
        self, pack: Pack, known: TenantRow | None, tenant_id: UUID, actor: str, expected: str | None
    ) -> Plan:
        async with self.works.begin(system_principal(tenant_id)) as work:
            differences = self.engine.differences(pack, await self.engine.read(work))
            plan = self.engine.plan(pack, known, differences)
            if expected is not None and expected != plan.digest:
                raise PlanStale
            if plan:
                await self.engine.write(work, differences)
                added, changed, removed = (plan.total(sign) for sign in "+~-")
                work.emit(
                    PackApplied(
                        subject_id=tenant_id,
                        pack_digest=plan.pack_digest,
                        added=added,
                        changed=changed,
                        removed=removed,
                    )
                )
                work.audit(
                    AuditEntry(
                        action="tenancy.pack.apply",
                        object_tag=TENANT_TAG,
                        object_id=tenant_id,
                        purpose=f"operator {actor}",
                        after={"pack": plan.pack_digest, "counts": plan.counts()},
                    )
                )
                await tell(work)
        return plan

    async def _create(self, row: TenantRow, actor: str) -> UUID:
        now = self.works.clock.now()
        tenant = Tenant(id=new_id(), state="ONBOARDING", created_at=now, state_changed_at=now)
        _name(tenant, row)
        async with self.database.operator_sessions.begin() as session:
            session.add(tenant)
            self._log(session, tenant.id, actor, "tenant.create", {"slug": row.slug})
        return tenant.id

    async def _uncreate(self, tenant_id: UUID) -> None:
        async with self.database.operator_sessions.begin() as session:
            await session.execute(delete(Tenant).where(Tenant.id == tenant_id, Tenant.state == "ONBOARDING"))

    async def _record(self, row: TenantRow, tenant_id: UUID, plan: Plan, actor: str) -> None:
        now = self.works.clock.now()
        async with self.database.operator_sessions.begin() as session:
            tenant = (await session.scalars(select(Tenant).where(Tenant.id == tenant_id))).one()
            _name(tenant, row)
            if tenant.state == "ONBOARDING":
                tenant.state, tenant.state_changed_at = "ACTIVE", now
            session.add(
                PackApplication(
                    tenant_id=tenant_id,
                    pack_hash=plan.pack_digest,
                    actor=actor,
                    applied_at=now,
                    counts=plan.counts(),
                    added=plan.total("+"),
                    changed=plan.total("~"),
                    removed=plan.total("-"),
                )
            )
            self._log(session, tenant_id, actor, "pack.apply", {"pack": plan.pack_digest})
            await _notify(session, tenant_id)
        self._forget(tenant_id)

    # Tenants

    async def tenant(self, slug: str) -> Tenant:
        """The tenant of this slug; refuses (`TenantNotFound`) where there is none."""
        tenant = await self._tenant(slug)
        if tenant is None:
            raise TenantNotFound(slug=slug)
        return tenant

    async def overviews(self, slugs: Sequence[str] | None = None) -> list[TenantOverview]:
        """All tenants by slug, or the named ones, with modules and limits."""
        async with self.database.operator_sessions() as session:
            query = select(Tenant).order_by(Tenant.slug)
            tenants = (await session.scalars(query if slugs is None else query.where(Tenant.slug.in_(slugs)))).all()
            ids = [tenant.id for tenant in tenants]
            modules = (await session.scalars(select(TenantModule).where(TenantModule.tenant_id.in_(ids)))).all()
            limits = (await session.scalars(select(TenantLimit).where(TenantLimit.tenant_id.in_(ids)))).all()
        return [
            TenantOverview(
                tenant,
                tuple(sorted((m for m in modules if m.tenant_id == tenant.id), key=lambda m: m.module)),
                tuple(sorted((limit for limit in limits if limit.tenant_id == tenant.id), key=lambda x: x.name)),
            )
            for tenant in tenants
        ]

    async def applications(self, tenant_id: UUID, *, most: int = 50) -> list[PackApplication]:
        """The latest applications of packs to a tenant, newest first."""
        query = select(PackApplication).where(PackApplication.tenant_id == tenant_id)
        async with self.database.operator_sessions() as session:
            return list((await session.scalars(query.order_by(PackApplication.id.desc()).limit(most))).all())

    async def suspend(self, slug: str, *, reason: str, actor: str) -> Tenant:
        """Let the tenant's data be read but not changed; suspending a suspended tenant changes nothing."""
        return await self.change_state(slug, {"ONBOARDING", "ACTIVE"}, "SUSPENDED", reason=reason, actor=actor)

    async def resume(self, slug: str, *, actor: str) -> Tenant:
        """End a suspension; resuming an active tenant changes nothing."""
        return await self.change_state(slug, {"SUSPENDED"}, "ACTIVE", reason=None, actor=actor)

    async def change_state(
        self,
        slug: str,
        before: set[str],
        after: str,
        *,
        reason: str | None,
        actor: str,
        beside: Callable[[AsyncSession, Tenant], Awaitable[None]] | None = None,
    ) -> Tenant:
        """Bring a tenant from one of these states to another; where it is there already, nothing changes.

        `beside` writes, on the operators' connection and in the same transaction, what a slice above keeps of it; the
        tenant is still in its former state then. Refuses (`TenantNotFound`, `TenantStateUnfit`).
        """
        async with self.database.operator_sessions.begin() as session:
            tenant = await session.scalar(select(Tenant).where(Tenant.slug == slug).with_for_update())
            if tenant is None:
                raise TenantNotFound(slug=slug)
            former = tenant.state
            if former == after:
                return tenant
            if former not in before:
                raise TenantStateUnfit(state=former, needed=" / ".join(sorted(before)))
            if beside is not None:
                await beside(session, tenant)
            tenant.state, tenant.state_reason, tenant.state_changed_at = after, reason, self.works.clock.now()
            self._log(session, tenant.id, actor, f"tenant.{after.lower()}", {"former": former, "reason": reason})
            await _notify(session, tenant.id)
        self._forget(tenant.id)
        async with self.works.begin(system_principal(tenant.id)) as work:
            work.emit(TenantStateChanged(subject_id=tenant.id, state=after, former_state=former))
            work.audit(
                AuditEntry(
                    action="tenancy.tenant.change_state",
                    object_tag=TENANT_TAG,
                    object_id=tenant.id,
                    purpose=f"operator {actor}",
                    before={"state": former},
                    after={"state": after, "reason": reason},
                )
            )
        return tenant

    # Modules and limits

    async def enable_module(
        self, slug: str, module: str, *, settings: dict[str, Any] | None = None, actor: str
    ) -> TenantModule:
        """Switch a module on, or change its settings; None keeps the settings that it has.

        Refuses a module whose needs are off (`ModuleNeedsOthers`) and settings that do not suit it (`SettingsRefused`).
        """
        self._demand_module(module)
        for place, why, hint in settings_faults(self.modules[module], settings or {}):
            dotted = ".".join(map(str, place))
            raise SettingsRefused(
                path=("settings", *place),
                module=module,
                reason_zh=f"{dotted}: {why.zh} {hint.zh}".strip(),
                reason_en=f"{dotted}: {why.en} {hint.en}".strip(),
            )
        async with self._changing(slug, actor, "module.enable", {"module": module}) as work:
            enabled = await self._enabled(work) | {module}
            missing = missing_needs(self.modules, enabled).get(module)
            if missing:
                raise ModuleNeedsOthers(path=("module",), module=module, missing=", ".join(missing))
            row = await put_module(work, module, is_enabled=True, settings=settings)
            work.emit(ModuleSwitched(subject_id=work.tenant_id, module=module, is_enabled=True))
        return row

    async def disable_module(self, slug: str, module: str, *, actor: str) -> TenantModule:
        """Switch a module off; its data stay. Refuses core modules and such that an enabled module needs."""
        self._demand_module(module)
        if self.modules[module].is_core:
            raise ModuleAlwaysOn(path=("module",), module=module)
        async with self._changing(slug, actor, "module.disable", {"module": module}) as work:
            dependants = needed_by(self.modules, module, await self._enabled(work))
            if dependants:
                raise ModuleStillNeeded(path=("module",), module=module, needed_by=", ".join(dependants))
            row = await put_module(work, module, is_enabled=False, settings=None)
            work.emit(ModuleSwitched(subject_id=work.tenant_id, module=module, is_enabled=False))
        return row

    async def set_limit(self, slug: str, name: str, value: int | None, *, actor: str) -> None:
        """Set a limit of the tenant, or go back to the platform's default (None)."""
        demand_limit(name, value or 0)
        async with self._changing(slug, actor, "limit.set", {"limit": name, "value": value}) as work:
            if value is None:
                await work.session.execute(delete(TenantLimit).where(TenantLimit.name == name))
            else:
                await put_limit(work, name, value)
            work.emit(LimitChanged(subject_id=work.tenant_id, limit=name, value=value))

    def _demand_module(self, module: str) -> None:
        if module not in self.modules:
            raise ModuleUnknown(path=("module",), module=module[:60], known=", ".join(sorted(self.modules)))

    async def _enabled(self, work: Work) -> frozenset[str]:
        rows = await work.session.scalars(select(TenantModule.module).where(TenantModule.is_enabled))
        return enabled_modules(self.modules, rows.all())

    @asynccontextmanager
    async def _changing(self, slug: str, actor: str, action: str, facts: dict[str, Any]) -> AsyncIterator[Work]:
        tenant = await self.tenant(slug)
        if tenant.state not in {"ONBOARDING", "ACTIVE"}:
            raise TenantStateUnfit(state=tenant.state, needed="ACTIVE")
        async with self.works.begin(system_principal(tenant.id)) as work:
            # The same key as for packs: two changes, each sound alone, could leave a module without what it needs.
            with _busy(slug):
                await work.session.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})"), {"slug": slug})
            yield work
            work.audit(
                AuditEntry(
                    action=f"tenancy.{action}",
                    object_tag=TENANT_TAG,
                    object_id=tenant.id,
                    purpose=f"operator {actor}",
                    after=facts,
                )
            )
            await tell(work)
        async with self.database.operator_sessions.begin() as session:
            self._log(session, tenant.id, actor, action, facts)

    # Shared

    async def _tenant(self, slug: str) -> Tenant | None:
        async with self.database.operator_sessions() as session:
            return cast("Tenant | None", await session.scalar(select(Tenant).where(Tenant.slug == slug)))

    @asynccontextmanager
    async def _alone(self, slug: str) -> AsyncIterator[None]:
        """One application per tenant at a time, across processes; `PackBeingApplied` after the lock timeout."""
        async with self._applying, self.database.operator_engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            with _busy(slug):
                await connection.execute(text(f"SELECT pg_advisory_lock({_LOCK_KEY})"), {"slug": slug})
            try:
                yield
            finally:
                await connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK_KEY})"), {"slug": slug})

    def _log(self, session: AsyncSession, tenant_id: UUID, actor: str, action: str, facts: dict[str, Any]) -> None:
        session.add(
            OperatorAction(
                tenant_id=tenant_id, actor=actor, action=action, facts=facts, acted_at=self.works.clock.now()
            )
        )

    def _forget(self, tenant_id: UUID) -> None:
        directory: TenantDirectory | None = self.works.services.get(TenantDirectory)
        if directory is not None:
            directory.forget(tenant_id)


async def _notify(session: AsyncSession, tenant_id: UUID) -> None:
    await session.execute(text("SELECT pg_notify(:channel, :id)"), {"channel": CHANNEL, "id": str(tenant_id)})


@contextmanager
def _busy(slug: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise PackBeingApplied(slug=slug) from None
        raise


def _demand_there(tenant: Tenant) -> None:
    if tenant.state == "GONE":
        raise TenantGone(slug=tenant.slug)


def _row(pack: Pack) -> TenantRow:
    if pack.tenant is None:
        message = "the engine let a pack without a tenant pass"
        raise AssertionError(message)
    return pack.tenant


def tenant_row(tenant: Tenant) -> TenantRow:
    """The tenant as the root of a pack."""
    described = tenant.description_zh is not None and tenant.description_en is not None
    return TenantRow.model_validate(
        {
            "slug": tenant.slug,
            "names": PackText(zh=tenant.name_zh, en=tenant.name_en),
            "description": PackText(zh=tenant.description_zh or "", en=tenant.description_en or "")
            if described
            else None,
            "division_code": tenant.division_code,
            "extends": tenant.extends,
            "locale": tenant.locale,
            "time_zone": tenant.time_zone,
        }
    )


def _name(tenant: Tenant, row: TenantRow) -> None:
    tenant.slug, tenant.name_zh, tenant.name_en = row.slug, row.names.zh, row.names.en
    tenant.description_zh = row.description.zh if row.description else None
    tenant.description_en = row.description.en if row.description else None
    tenant.division_code, tenant.extends = row.division_code, row.extends
    tenant.locale, tenant.time_zone = row.locale, row.time_zone
