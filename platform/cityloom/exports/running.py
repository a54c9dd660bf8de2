"""Running exports: claimed one by one, read by a cursor as whoever asked, written, sealed, kept.

A worker that dies leaves its claim to run out, and another begins again: each keeps its file under the id of its claim,
and the one that still has the claim at the end makes it the export's. An erasure takes claims away, for what was read
before it may tell of whom it erased.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast
from uuid import UUID

from graphql import GraphQLError
from obstore.exceptions import BaseError
from sqlalchemy import or_, select, text

from cityloom.access.acting import acting_as
from cityloom.access.models import Account
from cityloom.core import logs, telemetry
from cityloom.core.crypto import ContentKey
from cityloom.core.database import LOST
from cityloom.core.errors import Refusal
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.core.repeating import repeating
from cityloom.core.subjects import hold_off_erasures
from cityloom.exports import events
from cityloom.exports import models as m
from cityloom.exports.errors import ApprovalNeeded, GaveUp
from cityloom.exports.sealing import seal
from cityloom.exports.service import rows
from cityloom.exports.service.requesting import demand_readable
from cityloom.exports.settings import settings_of
from cityloom.exports.titles import headings
from cityloom.exports.writing import Form, Provenance, writer
from cityloom.files.store import FileStore
from cityloom.graph.compiler import tells_of
from cityloom.graph.wholes import Wholes
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from cityloom.core.principal import Principal
    from cityloom.core.work import Work, Works
    from cityloom.exports.writing import Written
    from cityloom.graph.compiler import Whole

CLAIM: Final = timedelta(seconds=120)
TRIES: Final = 3
#: How often a worker says how far it is, in seconds of its own clock.
_TELL_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 1.0
_BLOCK: Final = 1024 * 1024
_DUE = (
    "SELECT DISTINCT r.tenant_id FROM export_runs AS r JOIN tenants AS t ON t.id = r.tenant_id AND t.state = 'ACTIVE' "
    "WHERE r.claimed_until IS NULL OR r.claimed_until <= :now"
)
_CONTENTS = "INSERT INTO export_contents (tenant_id, id, until_row, row_ids) VALUES ($1, $2, $3, $4::text::uuid[])"
#: The first row of a large sorted list takes its time; the planner shall think of all of them.
_BOUNDS = "SET LOCAL statement_timeout = '120s'; SET LOCAL cursor_tuple_fraction = 1"
#: What passes by itself: the claim runs out, and the export is begun again.
_PASSING: tuple[type[Exception], ...] = (*LOST, BaseError)
_log = logs.logger("cityloom.exports")
_made = telemetry.counter("cityloom.exports.files", "Exports that this process has ended, by outcome.")


class Withdrawn(Exception):
    """The export was cancelled, or the claim is not this worker's any more."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An export that this worker runs now, as whoever asked for it."""

    tenant_id: UUID
    export_id: UUID
    id: UUID
    principal: Principal
    variables: dict[str, Any]
    document: str
    format: str
    has_bom: bool
    headings: Any
    row_bound: int
    approved_fields: tuple[str, ...]
    is_approved: bool
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Made:
    """A file that was kept, and its key."""

    written: Written
    key: ContentKey
    byte_size: int
    sha256: str
    rights: dict[str, Any]


class Exporter:
    """Runs exports; any number of processes may."""

    def __init__(self, works: Works) -> None:
        self._works = works

    async def run_due(self) -> int:
        """Run every export that is due in any active city, one after the other; how many were ended."""
        async with self._works.database.operator_engine.connect() as connection:
            found = (await connection.execute(text(_DUE), {"now": self._works.clock.now()})).scalars().all()
        done = 0
        for tenant_id in found:
            while await self.run_one(UUID(bytes=tenant_id.bytes)):
                done += 1
        return done

    async def run_one(self, tenant_id: UUID) -> bool:
        """Run the export of a city that is due longest; False where none is."""
        claim = await self.claim(tenant_id)
        if claim is None:
            return False
        await self.carry_out(claim)
        return True

    async def claim(self, tenant_id: UUID) -> Claim | None:
        """Take the export that is due longest; one that was begun too often is ended instead."""
        async with self._works.begin(system_principal(tenant_id)) as work:
            await hold_off_erasures(work)
            now = work.now()
            run = await work.session.scalar(
                select(m.ExportRun)
                .where(or_(m.ExportRun.claimed_until.is_(None), m.ExportRun.claimed_until <= now))
                .order_by(m.ExportRun.due_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if run is None:
                return None
            export = await work.session.scalar(select(m.Export).where(m.Export.id == run.id).with_for_update())
            if export is None:
                raise AssertionError(run.id)
            if run.claim_id is not None:
                # Whoever had it may have kept a file before they died; nobody has its key.
                store: FileStore = work.services[FileStore]
                await store.delete(work.tenant_id, run.claim_id)
            if run.tries >= TRIES:
                await _fail(work, export, GaveUp(tries=TRIES))
                return None
            run.claim_id, run.claimed_until = new_id(), now + CLAIM
            run.tries, run.rows_done = run.tries + 1, 0
            await rows.forget_contents(work, export)
            export.state = "RUNNING"
            return await self._claim(work, export, run.claim_id)

    async def _claim(self, work: Work, export: m.Export, claim_id: UUID) -> Claim:
        ids = [one for one in (export.requester_id, export.decider_id) if one is not None]
        found = await work.session.execute(select(Account.id, Account.name).where(Account.id.in_(ids)))
        names = {row[0]: row[1] for row in found}
        directory: TenantDirectory = work.services[TenantDirectory]
        config = await directory.get(work.tenant_id)
        return Claim(
            work.tenant_id,
            export.id,
            claim_id,
            await acting_as(work, export.requester_id, export.client_id),
            await rows.variables_of(work.services, work.tenant_id, export.id, export.variables),
            export.document,
            export.format,
            export.has_bom,
            export.headings,
            export.row_bound,
            tuple(export.protected_fields),
            export.decider_id is not None,
            Provenance(
                export=rows.export_id_text(work, export.id),
                watermark=export.watermark,
                city=config.names["en" if export.headings == "en" else "zh"],
                requested_by=names[export.requester_id],
                requested_at=export.requested_at.isoformat(),
                approved_by=names.get(export.decider_id) if export.decider_id else None,
                purpose=export.purpose,
                document_sha256=export.document_hash,
                made_at=work.now().isoformat(),
            ),
        )

    async def carry_out(self, claim: Claim) -> None:
        """Make the file of a claimed export and end it, well or not; what passes by itself is tried again later."""
        try:
            made = await self._make(claim)
        except Withdrawn:
            _made.add(1, {"outcome": "withdrawn"})
        except (Refusal, GraphQLError) as error:
            _made.add(1, {"outcome": "failed"})
            refusal = error if isinstance(error, Refusal) else None
            async with self._works.begin(system_principal(claim.tenant_id)) as work:
                export = await self._held(work, claim)
                if export is not None:
                    await _fail(work, export, refusal, claim.principal)
        except _PASSING as error:
            _log.warning("exports.not_made", error=type(error).__name__)
        else:
            _made.add(1, {"outcome": "ready"})
            await self._end(claim, made)

    async def _make(self, claim: Claim) -> Made:
        wholes: Wholes = self._works.services[Wholes]
        whole = await wholes.whole(claim.principal, claim.document, claim.variables)
        demand_readable(whole)
        more = sorted(set(whole.full) - set(claim.approved_fields)) if claim.is_approved else whole.full
        if more:
            # The asker's rights have grown since: what nobody approved is not delivered.
            raise ApprovalNeeded(fields=", ".join(more))
        form = Form(
            whole.columns,
            headings(whole.columns, claim.headings),
            claim.headings,
            claim.provenance,
            has_bom=claim.has_bom,
        )
        with tempfile.TemporaryFile() as plain, tempfile.TemporaryFile() as sealed:
            made = writer(claim.format, cast("BinaryIO", plain), form)
            try:
                await self._fill(claim, whole, made)
            finally:
                await asyncio.to_thread(made.close)
            ring: KeyRing = self._works.services[KeyRing]
            key = ContentKey.new(claim.tenant_id, claim.id, (await ring.of(claim.tenant_id)).algorithm)
            size, digest = await asyncio.to_thread(_measured, plain)
            await asyncio.to_thread(seal, key, plain, sealed)
            await self._tell(claim, made.written.rows)
            store: FileStore = self._works.services[FileStore]
            await store.put(claim.tenant_id, claim.id, cast("BinaryIO", sealed))
        used = rows.rights_used(dict(whole.query.plan.permissions), whole.full)
        return Made(made.written, key, size, digest, used)

    async def _fill(self, claim: Claim, whole: Whole, made: Any) -> None:  # noqa: ANN401 - a writer
        """Read as whoever asked, in one transaction, and write; at most as many rows as may be delivered."""
        told = 0.0
        telling: set[bytes] = set()
        written: Written = made.written
        async with self._works.begin(claim.principal) as work:
            connection = await work.connection()
            await connection.execute(_BOUNDS)
            async for found in whole.rows(connection, context=self._works.services):
                room = claim.row_bound - written.rows
                made.add(found[:room])
                telling |= tells_of(found[:room])
                if len(found) > room:
                    written.is_truncated = True
                    break
                if time.monotonic() - told >= _TELL_SECONDS:
                    await self._tell(claim, written.rows, telling)
                    telling.clear()
                    told = time.monotonic()
        await self._tell(claim, written.rows, telling)

    async def _tell(self, claim: Claim, rows_done: int, telling: Collection[bytes] = ()) -> None:
        """Say how far it is, and of which rows it tells, and hold on to the claim.

        Raises `Withdrawn` where it is this worker's no more.
        """
        async with self._works.begin(system_principal(claim.tenant_id)) as work:
            run = await self._run(work, claim)
            if run is None:
                raise Withdrawn
            run.rows_done, run.claimed_until = rows_done, work.now() + CLAIM
            if telling:
                told = f"{{{b','.join(telling).decode()}}}"
                connection = await work.connection()
                await connection.execute(_CONTENTS, claim.tenant_id, claim.export_id, rows_done, told)

    async def _run(self, work: Work, claim: Claim) -> m.ExportRun | None:
        """The export's place in the queue, locked; None where the claim is not this worker's any more."""
        mine = select(m.ExportRun).where(m.ExportRun.id == claim.export_id, m.ExportRun.claim_id == claim.id)
        found: m.ExportRun | None = await work.session.scalar(mine.with_for_update())
        return found

    async def _held(self, work: Work, claim: Claim) -> m.Export | None:
        """The export, locked; None where the claim is not this worker's any more."""
        export: m.Export | None = await work.session.scalar(
            select(m.Export).where(m.Export.id == claim.export_id).with_for_update()
        )
        return None if await self._run(work, claim) is None else export

    async def _end(self, claim: Claim, made: Made) -> None:
        async with self._works.begin(system_principal(claim.tenant_id)) as work:
            export = await self._held(work, claim)
            if export is not None:
                await _complete(work, export, made)
                return
        store: FileStore = self._works.services[FileStore]
        await store.delete(claim.tenant_id, claim.id)


async def _complete(work: Work, export: m.Export, made: Made) -> None:
    settings = await settings_of(work)
    await rows.forget_run(work, export)
    export.state, export.finished_at = "READY", work.now()
    export.expires_at = work.now() + timedelta(hours=settings.retention_hours)
    export.row_count, export.is_truncated = made.written.rows, made.written.is_truncated
    export.byte_size, export.sha256, export.rights = made.byte_size, made.sha256, made.rights
    ring: KeyRing = work.services[KeyRing]
    keys = await ring.of(work.tenant_id)
    export.file_id = made.key.thing_id
    export.file_key = keys.seal_bytes("exports", "file_key", export.id, made.key.secret)
    work.emit(
        events.ExportCompleted(
            subject_id=export.id,
            row_count=made.written.rows,
            is_truncated=made.written.is_truncated,
            sha256=made.sha256,
        )
    )
    after = {"document_sha256": export.document_hash, "rows": made.written.rows, "sha256": made.sha256}
    work.audit(
        AuditEntry(
            action="exports.export.complete",
            object_tag=rows.TAG,
            object_id=export.id,
            purpose=export.purpose,
            after=after,
        )
    )


async def _fail(work: Work, export: m.Export, refusal: Refusal | None, principal: Principal | None = None) -> None:
    """End an export that cannot be made, in words for whoever asked."""
    locale = principal.locale if principal is not None else "zh"
    reason = refusal.reason if refusal is not None else "DOCUMENT_INVALID"
    await rows.forget_run(work, export)
    await rows.forget_contents(work, export)
    export.state, export.finished_at = "FAILED", work.now()
    export.failure = refusal.message(locale) if refusal is not None else reason
    work.emit(events.ExportFailed(subject_id=export.id, refusal=reason))
    work.audit(
        AuditEntry(
            action="exports.export.fail",
            object_tag=rows.TAG,
            object_id=export.id,
            purpose=export.purpose,
            after={"reason": reason},
        )
    )


def _measured(file: Any) -> tuple[int, str]:  # noqa: ANN401 - a temporary file
    """Bytes and SHA-256 of a file."""
    file.seek(0)
    size, digest = 0, hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


@asynccontextmanager
async def exporting(works: Works) -> AsyncIterator[Exporter]:
    """Run what is due for as long as the block lasts; an export that has begun is left to its claim."""
    exporter = Exporter(works)
    async with repeating("exports", exporter.run_due, seconds=_POLL_SECONDS):
        yield exporter
