"""Tenants' data keys: kept wrapped in the database, unwrapped in memory for a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from cityloom.core.clock import Clock, SystemClock
from cityloom.core.crypto import Algorithm, Keyring, Purpose, TenantKeys, WrappedKey
from cityloom.core.database import SET_CONTEXT, Context
from cityloom.core.principal import EVERYWHERE
from cityloom.tenancy.models import TenantDataKey, TenantModule
from cityloom.tenancy.settings import TenancySettings

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from cityloom.core.crypto import KeyProvider
    from cityloom.core.database import Database

#: The module whose settings name the cipher.
SETTINGS_OF = "tenancy"
_LOAD = f"""
WITH ctx (tenant, low, high) AS MATERIALIZED (SELECT {SET_CONTEXT.format(tenant="$1::uuid::text", low="$2", high="$3")})
SELECT found.* FROM ctx CROSS JOIN LATERAL (
  SELECT id, tenant_id, purpose, algorithm, wrapped, created_at, destroyed_at, provider, provider_key
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
        query = select(TenantModule.settings).where(TenantModule.module == SETTINGS_OF)
        async with self._database.session(Context(tenant_id)) as session:
            stated = await session.scalar(query) or {}
        try:
            settings = TenancySettings.model_validate(stated)
        except ValidationError:
            # Read as the directory reads it: settings of a newer release must not stop a city.
            settings = TenancySettings()
        return Algorithm[settings.cipher]

    async def add(self, key: WrappedKey) -> None:
        """Keep a new key. Raises `IntegrityError` where another process adds one for the purpose at the same time."""
        async with self._database.session(Context(key.tenant_id)) as session:
            newest = None
            if not self._only_first:
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
                    destroyed_at=key.destroyed_at,
                )
            )
            await session.commit()

    async def destroy(self, tenant_id: UUID, destroyed_at: datetime) -> None:
        """Overwrite `wrapped` of all the tenant's keys with nothing and note when; a second time changes nothing."""
        async with self._database.session(Context(tenant_id)) as session:
            await session.execute(
                update(TenantDataKey)
                .where(TenantDataKey.destroyed_at.is_(None))
                .values(wrapped=b"", destroyed_at=destroyed_at)
            )
            await session.commit()


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
    )


class KeyRing(Keyring):
    """The keys of all tenants of this database; one per process, in `work.services[KeyRing]`."""

    def __init__(self, provider: KeyProvider, database: Database, clock: Clock | None = None) -> None:
        self._table = DataKeyTable(database)
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

    async def rotate(self, tenant_id: UUID, algorithm: Algorithm | None = None) -> UUID:
        """Make a new current field key, by the tenant's settings where no algorithm is named; see `Keyring.rotate`."""
        return await super().rotate(tenant_id, algorithm or await self._table.stated_algorithm(tenant_id))
