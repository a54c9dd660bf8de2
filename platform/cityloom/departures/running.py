"""Carrying departures out: step by step, each safe to be begun again, and noted when it is done.

A step's work is done first and noted afterwards. A process that is killed in between does it again, and finds it done:
credentials are revoked already, parts written, keys destroyed, rows deleted. The next process goes on at the next look.
"""

from __future__ import annotations

import contextlib
import hashlib
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import delete, select, text, update

from cityloom.access.changes import begin_change
from cityloom.access.models import ApiClientKey, SignIn
from cityloom.access.service.identity_providers import disable_identity_provider, identity_providers
from cityloom.audit.checkpoints import Checkpoints
from cityloom.audit.sealing import seal
from cityloom.core import logs
from cityloom.core.errors import Refusal
from cityloom.core.events import AuditEntry
from cityloom.core.repeating import repeating
from cityloom.core.tallies import all_tallies
from cityloom.core.transactions import older_transactions
from cityloom.departures.bundle import Exporter, forget_parts, rows_exported
from cityloom.departures.certificate import certificate_of, keep_outside
from cityloom.departures.erasing import (
    control_tables,
    counting,
    delete_rows,
    differences,
    rows_of,
    tables_with_tenants,
)
from cityloom.departures.errors import CityChanged, RowsLeft
from cityloom.departures.models import TenantDeparture
from cityloom.departures.service import FREEZE
from cityloom.events.models import OutboxRecord
from cityloom.events.sequencer import Sequencer
from cityloom.files.models import UploadTicket
from cityloom.files.store import FileStore
from cityloom.tenancy.directory import CHANNEL, TenantDirectory
from cityloom.tenancy.events import TENANT_TAG
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.models import OperatorAction, Tenant
from cityloom.tenancy.service import TenantService
from cityloom.tenancy.system import system_principal
from cityloom.webhooks.models import WebhookEndpoint
from cityloom.webhooks.service import close_endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cityloom.core.work import Work, Works

_POLL_SECONDS: Final = 5.0
#: After a failure, for example of a disk that is full, it is tried again this much later.
_AGAIN: Final = timedelta(seconds=60)
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('cityloom.departure:' || $1, 0))"
_DUE = (
    "SELECT id FROM tenant_departures WHERE ended_at IS NULL AND step <> 'EXPORTED' AND not_before <= :now ORDER BY id"
)
_log = logs.logger("cityloom.departures")

#: What a step leads to: the name of what is done then, and what is noted with it.
Done = tuple[str, dict[str, Any]]


class Departures:
    """Carries departures out; any number of processes may, and one at a time is at each."""

    def __init__(self, works: Works) -> None:
        self.works = works
        self.database = works.database
        self.service: TenantService = works.services[TenantService]
        self.store: FileStore = works.services[FileStore]
        self.outside: Checkpoints = works.services[Checkpoints]

    async def run_due(self) -> int:
        """Bring every departure that is due as far as it goes by itself; how many steps were done. One statement."""
        async with self.database.operator_engine.connect() as connection:
            found = (await connection.execute(text(_DUE), {"now": self.works.clock.now()})).scalars().all()
        return sum([await self.carry_on(UUID(str(one))) for one in found])

    async def carry_on(self, departure_id: UUID) -> int:
        """Do the steps of one departure that can be done by now; 0 where another process is at it."""
        done = 0
        async with self._alone(departure_id) as is_ours:
            while is_ours and (departure := await self._due(departure_id)) is not None:
                try:
                    step, values = await self._step(departure)
                except Exception as error:  # noqa: BLE001 - the edge: it is told and tried again, and stops no other
                    await self._fail(departure, error)
                    break
                if not await self._note(departure, step, values):
                    break
                done += 1
        return done

    async def _step(self, departure: TenantDeparture) -> Done:
        """Do what follows on the last step that is noted."""
        match departure.step:
            case "ASKED":
                return await self._revoke(departure)
            case "REVOKED":
                return await self._settle(departure)
            case "SETTLED":
                return await self._export(departure)
            case "CONFIRMED":
                return await self._count(departure)
            case "SHREDDING":
                return await self._shred(departure)
            case "SHREDDED":
                await delete_rows(self.database, departure.tenant_id)
                return "EMPTIED", {"rows_deleted_at": self.works.clock.now()}
            case "EMPTIED":
                await self.store.clear(departure.tenant_id)
                return "CLEARED", {"files_deleted_at": self.works.clock.now()}
            case _:
                return await self._certify(departure)

    async def _revoke(self, departure: TenantDeparture) -> Done:
        """End everything that anybody gets in with, or that goes out by itself."""
        tenant = await self.service.tenant(departure.slug)
        for provider in await identity_providers(self.works, tenant):
            actor = departure.asked_by
            await disable_identity_provider(self.works, tenant, provider.issuer, provider.audience, actor=actor)
        async with self.works.begin(system_principal(departure.tenant_id)) as work:
            await begin_change(work)
            now = work.now()
            ended = {}
            for model in (SignIn, ApiClientKey):
                change = update(model).where(model.revoked_at.is_(None)).values(revoked_at=now)
                ended[model.__tablename__] = await _count_of(work, change)
            ended[UploadTicket.__tablename__] = await _count_of(work, delete(UploadTicket))
            endpoints = await work.session.scalars(select(WebhookEndpoint.id).where(WebhookEndpoint.state != "CLOSED"))
            for endpoint_id in (found := endpoints.all()):
                await close_endpoint(work, endpoint_id)
            ended[WebhookEndpoint.__tablename__] = len(found)
            self._audit(work, departure, "departures.tenant.revoke", ended)
        return "REVOKED", {"not_before": departure.asked_at + FREEZE}

    async def _settle(self, departure: TenantDeparture) -> Done:
        """Close the stream of events and the audit log, once nobody can be writing any more."""
        async with self.works.begin(system_principal(departure.tenant_id)) as work:
            if await older_transactions(work.session, departure.asked_at + FREEZE / 2):
                return "REVOKED", {"not_before": work.now() + timedelta(seconds=_POLL_SECONDS)}
            self._audit(work, departure, "departures.bundle.write", None)
        ring: KeyRing = self.works.services[KeyRing]
        await ring.of(departure.tenant_id)  # a city that never had keys gets them before its tables are read
        sequencer = Sequencer(self.works)
        while await self._has_outbox(departure.tenant_id):
            await sequencer.drain(departure.tenant_id)
        is_sealing = True
        while is_sealing:
            async with self.works.begin(system_principal(departure.tenant_id)) as work:
                is_sealing = await seal(work) > 0
        async with self.works.begin(system_principal(departure.tenant_id)) as work:
            await self.outside.sign(work)
        return "SETTLED", {}

    async def _export(self, departure: TenantDeparture) -> Done:
        manifest_hash = await Exporter(self.works, departure).write()
        return "EXPORTED", {"manifest_hash": manifest_hash, "exported_at": self.works.clock.now()}

    async def _count(self, departure: TenantDeparture) -> Done:
        """Have the database count the city, and go on only if the bundle holds as much of every table."""
        counts = await rows_of(self.database, departure.tenant_id)
        # A table that no model knows is in no bundle, and differs as soon as it has a row. Tallies are in none either.
        aside = control_tables() | {tally.table.name for tally in all_tallies()}
        held = {name: count for name, count in counts.items() if name not in aside}
        differing = differences(await rows_exported(self.works, departure.id), held)
        if differing:
            await forget_parts(self.works, departure.id)
            refusal = CityChanged(tables=", ".join(differing))
            _log.warning("departures.city_changed", tables=list(differing))
            again = {"confirmed_by": None, "confirmed_at": None, "manifest_hash": None, "exported_at": None}
            return "REVOKED", again | {"failure": refusal.reason}
        objects = [size async for _, size in self.store.objects(departure.tenant_id)]
        values = {"counts": counts, "object_count": len(objects), "object_bytes": sum(objects)}
        return "SHREDDING", values

    async def _shred(self, departure: TenantDeparture) -> Done:
        """Destroy the keys: from here on backups are closed too, and nothing can be taken back."""
        ring: KeyRing = self.works.services[KeyRing]
        await ring.destroy(departure.tenant_id)
        return "SHREDDED", {"keys_destroyed_at": self.works.clock.now()}

    async def _certify(self, departure: TenantDeparture) -> Done:
        """Have the database and the store say that nothing is left, and put that in writing."""
        left = {name: count for name, count in (await rows_of(self.database, departure.tenant_id)).items() if count}
        is_stored = [name async for name, _ in self.store.objects(departure.tenant_id)]
        if left or is_stored:
            _log.warning("departures.rows_left", tables=list(left), objects=len(is_stored))
            again = {"not_before": self.works.clock.now() + _AGAIN}
            return "SHREDDED", again | {"failure": RowsLeft(tables=", ".join(left)).reason}
        signed = await self.outside.of(departure.tenant_id)
        async with contextlib.AsyncExitStack() as stack:
            connection = await self.database.connect_worker()
            stack.callback(connection.terminate)
            question = counting(await tables_with_tenants(connection), departure.tenant_id)
        certificate = certificate_of(
            self.works,
            departure,
            checkpoint=hashlib.sha256(signed[-1]).hexdigest() if signed else None,
            question=question,
            gone_at=self.works.clock.now(),
        )
        stated, signature = await keep_outside(self.works, departure, certificate)
        return "GONE", {"certificate": stated, "signature": signature, "ended_at": self.works.clock.now()}

    def _audit(self, work: Work, departure: TenantDeparture, action: str, after: dict[str, Any] | None) -> None:
        work.audit(
            AuditEntry(
                action=action,
                object_tag=TENANT_TAG,
                object_id=departure.tenant_id,
                purpose=f"operator {departure.asked_by}",
                after=after,
            )
        )

    async def _has_outbox(self, tenant_id: UUID) -> bool:
        async with self.works.begin(system_principal(tenant_id)) as work:
            return await work.session.scalar(select(OutboxRecord.id).limit(1)) is not None

    async def _due(self, departure_id: UUID) -> TenantDeparture | None:
        """The departure as it is now; None where nothing of it can be done at present."""
        async with self.database.operator_sessions() as session:
            found = await session.get_one(TenantDeparture, departure_id)
        is_waiting = found.ended_at is not None or found.step == "EXPORTED"
        return None if is_waiting or found.not_before > self.works.clock.now() else found

    async def _note(self, departure: TenantDeparture, step: str, values: dict[str, Any]) -> bool:
        """Write down that a step is done; False where the departure was taken back meanwhile."""
        values = {"failure": None} | values | {"step": step}
        async with self.database.operator_sessions.begin() as session:
            held = (
                await session.scalars(
                    select(TenantDeparture).where(TenantDeparture.id == departure.id).with_for_update()
                )
            ).one()
            if held.step != departure.step:
                return False
            for name, value in values.items():
                setattr(held, name, value)
            if step == "GONE":
                await self._end(session, departure)
        if step == "GONE":
            directory: TenantDirectory | None = self.works.services.get(TenantDirectory)
            if directory is not None:
                directory.forget(departure.tenant_id)
        _log.info("departures.step", departure=str(departure.id), step=step)
        return True

    async def _end(self, session: Any, departure: TenantDeparture) -> None:  # noqa: ANN401 - a session of operators
        now = self.works.clock.now()
        values = {"state": "GONE", "state_reason": departure.reason, "state_changed_at": now}
        await session.execute(
            update(Tenant).where(Tenant.id == departure.tenant_id, Tenant.state == "LEAVING").values(values)
        )
        session.add(
            OperatorAction(
                tenant_id=departure.tenant_id,
                actor=departure.confirmed_by,
                action="tenant.gone",
                facts={"manifest": departure.manifest_hash},
                acted_at=now,
            )
        )
        told = {"channel": CHANNEL, "id": str(departure.tenant_id)}
        await session.execute(text("SELECT pg_notify(:channel, :id)"), told)

    async def _fail(self, departure: TenantDeparture, error: Exception) -> None:
        """Say what kind of failure it was, and try again later; nothing that was done is undone."""
        kind = error.reason if isinstance(error, Refusal) else type(error).__name__
        _log.warning("departures.not_carried_on", departure=str(departure.id), step=departure.step, error=kind)
        values = {"failure": kind, "not_before": self.works.clock.now() + _AGAIN}
        async with self.database.operator_sessions.begin() as session:
            await session.execute(
                update(TenantDeparture)
                .where(TenantDeparture.id == departure.id, TenantDeparture.step == departure.step)
                .values(values)
            )

    @asynccontextmanager
    async def _alone(self, departure_id: UUID) -> AsyncIterator[bool]:
        """Whether no other process is at it; the lock goes with the connection, however the process ends."""
        connection = await self.database.connect_worker()
        try:
            yield bool(await connection.fetchval(_LOCK, str(departure_id)))
        finally:
            connection.terminate()


async def _count_of(work: Work, statement: Any) -> int:  # noqa: ANN401 - an UPDATE or DELETE
    result = await work.session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined] # an UPDATE or DELETE answers a CursorResult


@asynccontextmanager
async def departing(works: Works) -> AsyncIterator[Departures]:
    """Carry departures out for as long as the block lasts; a step that is under way is left, to be done again."""
    departures = Departures(works)
    async with repeating("departures", departures.run_due, seconds=_POLL_SECONDS):
        yield departures
