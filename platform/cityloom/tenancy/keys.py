"""Tenants' data keys: kept wrapped in the database, unwrapped in memory for a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from cityloom.core.clock import Clock, SystemClock
from cityloom.core.crypto import LEAD, Algorithm, Keyring, Purpose, TenantKeys, WrappedKey
from cityloom.core.database import SET_CONTEXT, Context
from cityloom.core.principal import EVERYWHERE
from cityloom.tenancy.models import TenantDataKey, TenantModule
from cityloom.tenancy.settings import TenancySettings

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg
    from sqlalchemy.ext.asyncio import AsyncSession

    from cityloom.core.crypto import KeyProvider
    from cityloom.core.database import Database
    from cityloom.core.work import Work

#: The module whose settings name the cipher.
SETTINGS_OF = "tenancy"
_LOAD = f"""
WITH ctx (tenant, low, high) AS MATERIALIZED (SELECT {SET_CONTEXT.format(tenant="$1::uuid::text", low="$2", high="$3")})
SELECT found.* FROM ctx CROSS JOIN LATERAL (
  SELECT id, tenant_id, purpose, algorithm, wrapped, created_at, active_at, destroyed_at, provider, provider_key
  FROM tenant_data_keys WHERE tenant_id = $1::uuid AND ctx.tenant IS NOT NULL ORDER BY generation, id
) AS found
"""  # noqa: S608 - constants of ours, every value is a parameter


class DataKeyTable:
    """The table `tenant_data_keys` as the store of wrapped keys; each call is a transaction of that tenant.

    Keys are looked up in the midst of units of work, so not on a connection of theirs: if every unit held one and
    waited for another, none would go on.

    Where only first keys are to be added, a second one fails, even if it was begun before the first was there.
    """

    def __init__(self, database: Database, *, only_first: bool = False) -> None:
        self._database = database
        self._only_first = only_first

    async def load(self, tenant_id: UUID) -> list[WrappedKey]:
        """All of the tenant's keys, oldest first, the destroyed ones too."""
        return [_wrapped(row) for row in await self._database.reads.fetch(_LOAD, tenant_id, *EVERYWHERE)]

    async def stated_algorithm(self, tenant_id: UUID) -> Algorithm:
        """What the tenant's settings ask of new keys; the default where nothing, or nothing known, is stated."""
        async with self._database.session(Context(tenant_id)) as session:
            return await _stated_algorithm(session)

    async def add(self, key: WrappedKey) -> None:
        """Keep a new key. Raises `IntegrityError` where another process adds one for the purpose at the same time."""
        async with self._database.session(Context(key.tenant_id)) as session:
            await _add(session, key, only_first=self._only_first)
            await session.commit()

    async def destroy(self, tenant_id: UUID, destroyed_at: datetime, keys: Collection[UUID] | None = None) -> None:
        """Overwrite `wrapped` of these keys, or of all, with nothing and note when; a second time changes nothing."""
        async with self._database.session(Context(tenant_id)) as session:
            await _destroy(session, destroyed_at, keys)
            await session.commit()


class WorkKeys:
    """The same table within one unit of work: keys are changed together with what is said of them, or not at all."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def load(self, tenant_id: UUID) -> list[WrappedKey]:
        """All of the tenant's keys, oldest first, the destroyed ones too."""
        query = select(TenantDataKey).order_by(TenantDataKey.generation, TenantDataKey.id)
        rows = await self._work.session.scalars(query.where(TenantDataKey.tenant_id == tenant_id))
        return [
            WrappedKey(
                key_id=row.id,
                tenant_id=row.tenant_id,
                purpose=Purpose(row.purpose),
                algorithm=Algorithm(row.algorithm),
                wrapped=row.wrapped,
                created_at=row.created_at,
                destroyed_at=row.destroyed_at,
                provider=row.provider,
                provider_key=row.provider_key,
                active_at=row.active_at,
            )
            for row in rows
        ]

    async def add(self, key: WrappedKey) -> None:
        """Keep a new key; it is there with the commit."""
        await _add(self._work.session, key, only_first=False)
        await self._work.session.flush()

    async def destroy(self, tenant_id: UUID, destroyed_at: datetime, keys: Collection[UUID] | None = None) -> None:  # noqa: ARG002 - the work's own
        """Overwrite `wrapped` of these keys, or of all."""
        await _destroy(self._work.session, destroyed_at, keys)


async def _stated_algorithm(session: AsyncSession) -> Algorithm:
    stated = await session.scalar(select(TenantModule.settings).where(TenantModule.module == SETTINGS_OF)) or {}
    try:
        settings = TenancySettings.model_validate(stated)
    except ValidationError:
        # Read as the directory reads it: settings of a newer release must not stop a city.
        settings = TenancySettings()
    return Algorithm[settings.cipher]


async def _add(session: AsyncSession, key: WrappedKey, *, only_first: bool) -> None:
    newest = None
    if not only_first:
        query = select(func.max(TenantDataKey.generation)).where(TenantDataKey.purpose == key.purpose.value)
        newest = await session.scalar(query)
    session.add(
        TenantDataKey(
            id=key.key_id,
            purpose=key.purpose.value,
            generation=(newest or 0) + 1,
            algorithm=key.algorithm.value,
            provider=key.provider,
            provider_key=key.provider_key,
            wrapped=key.wrapped,
            created_at=key.created_at,
            active_at=key.active_at,
            destroyed_at=key.destroyed_at,
        )
    )


async def _destroy(session: AsyncSession, destroyed_at: datetime, keys: Collection[UUID] | None) -> None:
    statement = update(TenantDataKey).where(TenantDataKey.destroyed_at.is_(None))
    if keys is not None:
        statement = statement.where(TenantDataKey.id.in_(keys))
    values = {"wrapped": b"", "destroyed_at": destroyed_at}
    await session.execute(statement.values(values).execution_options(synchronize_session=False))


def _wrapped(row: asyncpg.Record) -> WrappedKey:
    return WrappedKey(
        key_id=row["id"],
        tenant_id=row["tenant_id"],
        purpose=Purpose(row["purpose"]),
        algorithm=Algorithm(row["algorithm"]),
        wrapped=row["wrapped"],
        created_at=row["created_at"],
        destroyed_at=row["destroyed_at"],
        provider=row["provider"],
        provider_key=row["provider_key"],
        active_at=row["active_at"],
    )


class KeyRing(Keyring):
    """The keys of all tenants of this database; one per process, in `work.services[KeyRing]`."""

    def __init__(self, provider: KeyProvider, database: Database, clock: Clock | None = None) -> None:
        self._table = DataKeyTable(database)
        self.provider = provider
        self._sure: set[UUID] = set()
        clock = clock or SystemClock()
        self._first = Keyring(provider, DataKeyTable(database, only_first=True), clock)
        super().__init__(provider, self._table, clock)

    async def of(self, tenant_id: UUID) -> TenantKeys:
        """The tenant's keys; a tenant that never had any gets its first. Destroyed keys are never made again."""
        if tenant_id not in self._sure:
            if not await self._table.load(tenant_id):
                await self.create(tenant_id)
            self._sure.add(tenant_id)
        return await super().of(tenant_id)

    async def create(self, tenant_id: UUID, algorithm: Algorithm | None = None) -> None:
        """Make the first keys of a tenant; where another process has just made them, those stay.

        Where no algorithm is named, it is the one of the tenant's settings.
        """
        algorithm = algorithm or await self._table.stated_algorithm(tenant_id)
        for _ in Purpose:
            try:
                await self._first.create(tenant_id, algorithm)
            except IntegrityError:
                continue
            return
        await self._first.create(tenant_id, algorithm)

    async def rotate(
        self, tenant_id: UUID, algorithm: Algorithm | None = None, *, lead: timedelta = LEAD
    ) -> dict[Purpose, UUID]:
        """Make new keys, by the tenant's settings where no algorithm is named; see `Keyring.rotate`."""
        return await super().rotate(tenant_id, algorithm or await self._table.stated_algorithm(tenant_id), lead=lead)

    def within(self, work: Work) -> Keyring:
        """The same keys, changed in the work's own transaction; this process looks again after its commit."""
        work.after_commit.append(lambda: self.forget(work.tenant_id))
        return Keyring(self.provider, WorkKeys(work), work.clock)


async def stated_algorithm(work: Work) -> Algorithm:
    """What the settings of the work's tenant ask of new keys."""
    return await _stated_algorithm(work.session)
