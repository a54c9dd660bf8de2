"""One import from its sealed chunks to rows that everybody sees, by one process at a time.

Chunks are checked and staged one transaction each, while the next one is read and sealed: PostgreSQL has a processor of
its own. Each of these transactions renews the claim; one that finds it gone undoes itself. At the end all rows are
compared with each other and with the database, and published, in one transaction, which ends the import as well.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from cityloom.access.acting import acting_as
from cityloom.core import logs
from cityloom.core.errors import Refusal
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.core.repeating import repeating
from cityloom.imports import events, findings
from cityloom.imports import models as m
from cityloom.imports.service.ending import end, forget_file
from cityloom.imports.service.uploads import TAG
from cityloom.imports.tables import SealedChunk, open_chunk
from cityloom.imports.targets import Asked, Counts, Outdated, Targets, demand_columns
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.principal import Principal
    from cityloom.core.work import Work, Works
    from cityloom.imports.targets import Checking, Finding, Recognised, Target

    Progress = Callable[[int, int], None]

#: How long a claim holds without being renewed: a worker that was killed is replaced after this.
CLAIM: Final = timedelta(seconds=60)
_RENEW_SECONDS = 15.0
#: What was checked may be changed by others meanwhile; then it is checked again, so often.
_TRIES = 3
#: Classes of SQLSTATE: connection lost, resources exhausted, rolled back, stopped by an operator.
_PASSING = frozenset({"08", "40", "53", "57"})
_UNHURRIED = "SET LOCAL statement_timeout = '60min'; SET LOCAL work_mem = '128MB'"
#: Staging tables have no statistics yet, and the app may not ANALYZE them: the planner takes them for some rows, and
#: looks each of half a million up in all others. From so many rows on it has to join by hashes.
_MANY, _BY_HASHES = 2_000, "SET LOCAL enable_nestloop = off"
_CLAIM = """
UPDATE imports SET claim = $3, claimed_until = $4
WHERE tenant_id = $1 AND id = $2 AND state IN ('CHECKING', 'APPLYING') AND claimed_until <= $5
RETURNING id
"""
_RENEW = """
UPDATE imports SET claimed_until = $4, chunks_done = $5, rows_done = $6, key_id = $7
WHERE tenant_id = $1 AND id = $2 AND claim = $3 AND state IN ('CHECKING', 'APPLYING')
"""
#: Its claim is over at once.
_GIVE_BACK = """
UPDATE imports SET claimed_until = $4
WHERE tenant_id = $1 AND id = $2 AND claim = $3 AND state IN ('CHECKING', 'APPLYING')
"""
#: Who ends the import holds its row: then there is nothing to renew.
_HOLD = """
UPDATE imports SET claimed_until = $4 WHERE tenant_id = $1 AND id = (
  SELECT id FROM imports WHERE tenant_id = $1 AND id = $2 AND claim = $3 FOR UPDATE SKIP LOCKED)
"""
_CHUNK = (
    "SELECT id, number, sheet, rows, content FROM import_chunks WHERE tenant_id = $1 AND import_id = $2 AND number = $3"
)
_log = logs.logger("cityloom.imports")


class Superseded(Exception):
    """The import was cancelled, or another worker has it: what is under way is undone."""


@dataclass(slots=True)
class Times:
    """Seconds that each part took, for whoever measures; the parts overlap."""

    seconds: dict[str, float] = field(default_factory=dict)

    @asynccontextmanager
    async def of(self, part: str) -> AsyncIterator[None]:
        """Count what the block takes."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - began


@dataclass(slots=True)
class _Run:
    """An import that this process has claimed."""

    works: Works
    principal: Principal
    target: Target
    row: m.Import
    keys: TenantKeys
    columns: list[Recognised]
    claim: UUID
    times: Times
    progress: Progress | None

    @property
    def asked(self) -> Asked:
        return Asked(self.row.id, self.row.rule, self.row.skips_refused)


async def run_import(
    works: Works, tenant_id: UUID, import_id: UUID, *, progress: Progress | None = None, times: Times | None = None
) -> bool:
    """Do what was asked of an import; False where it was done, cancelled, or is being done by another process.

    What is refused of the whole (rights that were lost, a limit that is reached) lets the import fail, with the reason.
    """
    claim = new_id()
    async with works.begin(system_principal(tenant_id)) as work:
        now = work.now()
        connection = await work.connection()
        if await connection.fetchval(_CLAIM, tenant_id, import_id, claim, now + CLAIM, now) is None:
            return False
    try:
        run = await _begun(works, tenant_id, import_id, claim, progress, times or Times())
        async with _holding(run):
            await _until_it_holds(run)
    except Superseded:
        return False
    except Refusal as refusal:
        await _fail(works, tenant_id, import_id, claim, refusal.reason)
    except Exception as error:
        if is_passing(error):
            raise
        # A bug: were the import left as it is, it would be tried again for ever.
        _log.exception("imports.failed", import_id=str(import_id))
        await _fail(works, tenant_id, import_id, claim, "INTERNAL")
    return True


def is_passing(error: BaseException) -> bool:
    """Whether the database was lost, busy or being stopped: the import goes on when the claim is over."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "")[:2] in _PASSING
    return isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError | asyncio.CancelledError | SQLAlchemyError)


async def _begun(
    works: Works, tenant_id: UUID, import_id: UUID, claim: UUID, progress: Progress | None, times: Times
) -> _Run:
    targets: Targets = works.services[Targets]
    ring: KeyRing = works.services[KeyRing]
    async with works.begin(system_principal(tenant_id)) as work:
        row = await work.session.scalar(select(m.Import).where(m.Import.id == import_id))
        if row is None:
            raise Superseded
        principal = await acting_as(work, row.account_id, row.client_id)
        work.session.expunge(row)
    target = targets.demand(row.target)
    async with works.begin(principal) as work:
        columns = demand_columns(row.sheets, target.name, await target.columns(work), row.mapping)
    return _Run(works, principal, target, row, await ring.of(tenant_id), columns, claim, times, progress)


async def _until_it_holds(run: _Run) -> None:
    for left in reversed(range(_TRIES)):
        async with run.times.of("check, seal and stage"):
            is_whole = await _stage(run)
        try:
            await _conclude(run, is_whole=is_whole)
        except (Outdated, IntegrityError, asyncpg.IntegrityConstraintViolationError) as error:
            # Somebody recorded or changed the same things since they were looked up.
            _log.info("imports.outdated", error=type(error).__name__)
            if not left:
                raise
            run.row.chunks_done = run.row.rows_done = 0
        else:
            return


async def _stage(run: _Run) -> bool:
    """Check and stage the chunks that are not staged; False where there were too many errors to go on."""
    row, total = run.row, run.row.rows_total
    async with run.works.begin(run.principal) as work:
        # Rows that were staged under another key have blind indexes that nothing is equal to any more.
        is_other = row.key_id != run.keys.field_key_id
        if row.chunks_done and (is_other or not await run.target.is_staged(work, row.id)):
            row.chunks_done = row.rows_done = 0
        if row.chunks_done == 0:
            await run.target.discard(work, row.id)
            await findings.forget(work, row.id)
        checking = await run.target.begin(work, run.asked)
        errors, found = await findings.count(work, row.id)
    ahead = asyncio.create_task(_prepare(run, checking, row.chunks_done))
    try:
        while (prepared := await ahead) is not None:
            ahead = asyncio.create_task(_prepare(run, checking, row.chunks_done + 1))
            rows, sealed, noted = prepared
            kept = noted if found < findings.MOST else [one for one in noted if one.is_error]
            async with run.works.begin(run.principal) as work, run.times.of("stage"):
                await checking.stage(work, sealed)
                await findings.note(work, row.id, kept)
                await _renew(work, run, row.chunks_done + 1, row.rows_done + rows)
            row.chunks_done, row.rows_done = row.chunks_done + 1, row.rows_done + rows
            errors, found = errors + sum(one.is_error for one in kept), found + len(kept)
            if run.progress is not None:
                run.progress(row.rows_done, total)
            if errors > findings.MOST:
                return False
    finally:
        ahead.cancel()
        with suppress(asyncio.CancelledError):
            await ahead
    return True


async def _demand_same_keys(run: _Run) -> None:
    """Let the import begin anew after the rotation (`working.asked_for`, `_stage`) where the keys have changed."""
    ring: KeyRing = run.works.services[KeyRing]
    tenant_id = run.principal.tenant_id
    if (await ring.of(tenant_id)).field_key_id == run.keys.field_key_id:
        return
    async with run.works.begin(system_principal(tenant_id)) as work:
        connection = await work.connection()
        await connection.execute(_GIVE_BACK, tenant_id, run.row.id, run.claim, work.now())
    raise Superseded


async def _prepare(run: _Run, checking: Checking, number: int) -> tuple[int, Any, list[Finding]] | None:
    """A chunk, checked and sealed; None after the last."""
    await _demand_same_keys(run)
    async with run.works.begin(run.principal) as work:
        connection = await work.connection()
        found = await connection.fetchrow(_CHUNK, work.tenant_id, run.row.id, number)
    if found is None:
        return None
    async with run.times.of("open and read"):
        chunk = SealedChunk(*found)
        read = await asyncio.to_thread(lambda: checking.read(list(open_chunk(run.keys, chunk, run.columns))))
    async with run.works.begin(run.principal) as work, run.times.of("look up"):
        known = await checking.look_up(work, read)
    async with run.times.of("check and seal"):
        sealed, noted = await asyncio.to_thread(checking.seal, read, known)
    return found["rows"], sealed, noted


async def _conclude(run: _Run, *, is_whole: bool) -> None:
    """Look at all rows together; publish them where that was asked for and nothing stands against it."""
    await _demand_same_keys(run)
    async with run.works.begin(run.principal) as work:
        connection = await work.connection()
        await connection.execute(_UNHURRIED)
        if run.row.rows_total > _MANY:
            await connection.execute(_BY_HASHES)
        counts = Counts()
        if is_whole:
            async with run.times.of("resolve"):
                await findings.forget_of_whole(work, run.row.id)
                applies = run.row.state == "APPLYING"
                counts = await run.target.resolve(work, run.asked, locks=applies)
        counts.refused, _ = await findings.count(work, run.row.id)
        is_whole = is_whole and counts.refused <= findings.MOST
        publishes = run.row.state == "APPLYING" and is_whole and (counts.refused == 0 or run.row.skips_refused)
        if publishes:
            async with run.times.of("publish"):
                await run.target.publish(work, run.asked)
        row = await _mine(work, run)
        row.rows_new, row.rows_changed, row.rows_unchanged = counts.new, counts.changed, counts.unchanged
        row.rows_skipped, row.rows_refused, row.things = counts.skipped, counts.refused, counts.things
        row.failure = None if is_whole else "TOO_MANY_ERRORS"
        row.claim = row.claimed_until = None
        if publishes:
            # What is left of the file is forgotten next, or by the job that looks after files whose time is over.
            row.state, row.ended_at, row.expires_at = "COMPLETED", work.now(), work.now()
        else:
            row.state = "CHECKED"
            if not is_whole:
                await run.target.discard(work, row.id)
                row.chunks_done = 0
        told = {
            name: getattr(row, name)
            for name in ("rows_new", "rows_changed", "rows_unchanged", "rows_skipped", "rows_refused")
        }
        made = events.ImportCompleted if publishes else events.ImportChecked
        work.emit(made(subject_id=row.id, target=row.target, **told))
        after = {"target": row.target, "sha256": row.sha256, "rule": row.rule, **told, "things": str(row.things)}
        action = "imports.import.complete" if publishes else "imports.import.finish_check"
        work.audit(AuditEntry(action=action, object_tag=TAG, object_id=row.id, after=after))
        await work.session.flush()
        async with run.times.of("commit"):
            await work.write()
    if publishes:
        async with run.times.of("forget the file"):
            await _forget(run)


async def _forget(run: _Run) -> None:
    async with run.works.begin(system_principal(run.principal.tenant_id)) as work:
        await (await work.connection()).execute(_UNHURRIED)
        row = await work.session.scalar(select(m.Import).where(m.Import.id == run.row.id).with_for_update())
        if row is not None:
            await forget_file(work, row)


async def _mine(work: Work, run: _Run) -> m.Import:
    found = await work.session.scalar(
        select(m.Import).where(m.Import.id == run.row.id, m.Import.claim == run.claim).with_for_update()
    )
    if found is None:
        raise Superseded
    return found


async def _renew(work: Work, run: _Run, chunks: int, rows: int) -> None:
    connection = await work.connection()
    until, key_id = work.now() + CLAIM, run.keys.field_key_id
    done = await connection.execute(_RENEW, work.tenant_id, run.row.id, run.claim, until, chunks, rows, key_id)
    if done != "UPDATE 1":
        raise Superseded


def _holding(run: _Run) -> AbstractAsyncContextManager[None]:
    """Renew the claim while a single statement takes its time.

    A turn that fails matters little: the claim holds for some more, and whoever works on the import finds out.
    """

    async def hold() -> None:
        async with run.works.begin(system_principal(run.principal.tenant_id)) as work:
            connection = await work.connection()
            await connection.execute(_HOLD, work.tenant_id, run.row.id, run.claim, work.now() + CLAIM)

    return repeating("imports.holding", hold, seconds=_RENEW_SECONDS)


async def _fail(works: Works, tenant_id: UUID, import_id: UUID, claim: UUID, reason: str) -> None:
    async with works.begin(system_principal(tenant_id)) as work:
        row = await work.session.scalar(
            select(m.Import).where(m.Import.id == import_id, m.Import.claim == claim).with_for_update()
        )
        if row is not None:
            await end(work, row, "FAILED", failure=reason)
