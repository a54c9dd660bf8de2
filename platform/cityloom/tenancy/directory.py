"""What every request needs to know of its tenant: state, modules, settings, limits; cached and kept true."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
from pydantic import ValidationError
from sqlalchemy import select, text

from cityloom.core.database import Context, Database
from cityloom.core.text import Locale, Text
from cityloom.tenancy.errors import TenantLeaving, TenantNotFound, TenantSuspended
from cityloom.tenancy.limits import LIMITS
from cityloom.tenancy.models import Tenant, TenantLimit, TenantModule
from cityloom.tenancy.modules import enabled_modules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from cityloom.core.module import Module, ModuleSettings
    from cityloom.core.work import Work

#: Told in the transaction that changes a tenant; the payload is the tenant's id.
CHANNEL = "cityloom_tenant"
#: What was read is believed for this long at most, also where no notice arrives (seconds).
TIME_TO_LIVE = 5.0
#: A lost connection for notices is opened again after this long (seconds).
RECONNECT = 1.0

#: How a connection for notices is lost.
_LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TenantConfig:
    """One tenant as it is at a moment; never changed, only replaced."""

    id: UUID
    slug: str
    names: Text
    state: str
    locale: Locale
    time_zone: str
    division_code: str | None
    modules: frozenset[str]
    module_settings: Mapping[str, ModuleSettings]
    stated_limits: Mapping[str, int]

    def settings(self, module: str) -> Any:  # noqa: ANN401 - the module's own settings model, which only it knows
        """The settings of one module, with its defaults filled in."""
        return self.module_settings[module]

    def limit(self, name: str) -> int:
        """A limit: the tenant's own, else the platform's default."""
        return self.stated_limits.get(name, LIMITS[name].default)

    def limits(self) -> dict[str, int]:
        """Every limit that there is."""
        return {name: self.limit(name) for name in LIMITS}

    @property
    def is_writable(self) -> bool:
        """Whether the tenant's data may be changed at present."""
        return self.state in {"ONBOARDING", "ACTIVE"}

    def demand_open(self) -> None:
        """Refuses (`TenantLeaving`) once the tenant is on its way out: nobody has a credential there any more."""
        if self.state == "LEAVING":
            raise TenantLeaving

    def demand_writable(self) -> None:
        """Refuses (`TenantSuspended`, `TenantLeaving`) unless the tenant's data may be changed."""
        self.demand_open()
        if not self.is_writable:
            raise TenantSuspended(state=self.state)


class TenantDirectory:
    """Tenants by id and slug; an answer is at most `TIME_TO_LIVE` seconds old, and fresh once a notice arrives."""

    def __init__(
        self, database: Database, modules: Sequence[Module], *, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self.modules = {module.name: module for module in modules}
        self._timer = timer
        self._known: dict[UUID, tuple[float, TenantConfig]] = {}
        self._slugs: dict[str, UUID] = {}
        self._loading: dict[UUID, asyncio.Task[TenantConfig]] = {}
        self._generation: dict[UUID, int] = {}

    async def get(self, tenant_id: UUID) -> TenantConfig:
        """The tenant; refuses (`TenantNotFound`) where there is none, or it is gone."""
        known = self._known.get(tenant_id)
        if known is not None and self._timer() - known[0] < TIME_TO_LIVE:
            return known[1]
        task = self._loading.get(tenant_id)
        if task is None:
            task = asyncio.create_task(self._load(tenant_id))
            self._loading[tenant_id] = task
            task.add_done_callback(lambda _: self._loading.pop(tenant_id, None))
        return await asyncio.shield(task)

    def known(self, tenant_id: UUID) -> TenantConfig | None:
        """The tenant as last read, however long ago; None where it was never read. Never waits."""
        known = self._known.get(tenant_id)
        return known[1] if known is not None else None

    async def by_slug(self, slug: str) -> TenantConfig:
        """The tenant of this slug; refuses (`TenantNotFound`) where there is none."""
        tenant_id = self._slugs.get(slug)
        if tenant_id is None:
            async with self._database.operator_sessions() as session:
                tenant_id = await session.scalar(select(Tenant.id).where(Tenant.slug == slug))
            if tenant_id is None:
                raise TenantNotFound(slug=slug)
            self._slugs[slug] = tenant_id
        try:
            return await self.get(tenant_id)
        except TenantNotFound:
            # One that is gone is answered in the same words as one that never was.
            raise TenantNotFound(slug=slug) from None

    def forget(self, tenant_id: UUID) -> None:
        """Read the tenant anew when it is needed next; a reading that is under way no longer counts."""
        self._known.pop(tenant_id, None)
        self._loading.pop(tenant_id, None)
        self._generation[tenant_id] = self._generation.get(tenant_id, 0) + 1

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hear of changes that other processes make, for as long as the block lasts."""
        task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _listen(self) -> None:
        while True:
            connection: asyncpg.Connection[asyncpg.Record] | None = None
            try:
                connection = await self._database.connect_app()
                lost = asyncio.Event()
                connection.add_termination_listener(partial(_set, lost))
                await connection.add_listener(CHANNEL, self._hear)
                # What was told while nobody listened is not told again.
                for tenant_id in list(self._known):
                    self.forget(tenant_id)
                await lost.wait()
            except _LOST as error:
                _log.warning("no notices about tenants: %s", type(error).__name__)
            finally:
                if connection is not None and not connection.is_closed():
                    with contextlib.suppress(*_LOST):
                        await asyncio.shield(connection.close(timeout=2))
            await asyncio.sleep(RECONNECT)

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        with contextlib.suppress(ValueError):
            self.forget(UUID(payload))

    async def _load(self, tenant_id: UUID) -> TenantConfig:
        generation = self._generation.get(tenant_id, 0)
        began = self._timer()
        async with self._database.session(Context(tenant_id)) as session:
            tenant = await session.scalar(select(Tenant).where(Tenant.id == tenant_id))
            if tenant is None or tenant.state == "GONE":
                raise TenantNotFound(slug=str(tenant_id))
            modules = (await session.scalars(select(TenantModule))).all()
            limits = (await session.scalars(select(TenantLimit))).all()
        config = self._config(tenant, modules, limits)
        if generation == self._generation.get(tenant_id, 0):
            self._known[tenant_id] = (began, config)
            self._slugs[config.slug] = tenant_id
        return config

    def _config(self, tenant: Tenant, modules: Sequence[TenantModule], limits: Sequence[TenantLimit]) -> TenantConfig:
        stated = {m.module: m.settings for m in modules}
        enabled = enabled_modules(self.modules, [m.module for m in modules if m.is_enabled])
        settings = {name: _settings(self.modules[name], stated.get(name, {}), tenant.slug) for name in enabled}
        return TenantConfig(
            id=tenant.id,
            slug=tenant.slug,
            names=Text(tenant.name_zh, tenant.name_en),
            state=tenant.state,
            locale="en" if tenant.locale == "en" else "zh",
            time_zone=tenant.time_zone,
            division_code=tenant.division_code,
            modules=frozenset(settings),
            module_settings=settings,
            stated_limits={limit.name: limit.value for limit in limits if limit.name in LIMITS},
        )


def _settings(module: Module, stated: dict[str, Any], slug: str) -> ModuleSettings:
    try:
        return module.settings.model_validate(stated)
    except ValidationError as error:
        # A newer release may ask more of settings than the one they were stored under: the city must not go down.
        places = [".".join(map(str, detail["loc"])) for detail in error.errors(include_url=False)]
        _log.error("settings of %s in %s no longer suit it, defaults hold: %s", module.name, slug, ", ".join(places))
        return module.settings.model_validate({})


def _set(event: asyncio.Event, *_: object) -> None:
    event.set()


async def tell(work: Work) -> None:
    """Announce, with the work's commit, that its tenant has changed; this process knows at once."""
    await work.session.execute(text("SELECT pg_notify(:channel, :id)"), {"channel": CHANNEL, "id": str(work.tenant_id)})
    directory: TenantDirectory | None = work.services.get(TenantDirectory)
    if directory is not None:
        work.after_commit.append(lambda: directory.forget(work.tenant_id))
