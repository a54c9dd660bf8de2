"""Taking in a file: read, sealed, kept."""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from cityloom.core.bulk import insert_rows, insert_text, table_of
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.imports import events
from cityloom.imports import models as m
from cityloom.imports.errors import ImporterUnknown
from cityloom.imports.permissions import RUN
from cityloom.imports.settings import settings_of
from cityloom.imports.tables import SealedChunk, TableRead, read_table
from cityloom.imports.targets import Target, Targets, recognise
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from uuid import UUID

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.work import Work
    from cityloom.imports.settings import ImportsSettings

TAG = "impt"
_BLOCK = 1024 * 1024
_AT_ONCE = 20
_LENGTH = 4
_CHUNKS = insert_text(table_of(m.ImportChunk), ("id", "import_id", "number", "sheet", "rows", "content"))


@dataclass(slots=True)
class Uploaded:
    """A file that was read and sealed, and is not kept yet; its chunks lie in a temporary file."""

    byte_size: int
    sha256: str
    table: TableRead = field(default_factory=TableRead)
    places: list[tuple[UUID, int, int, int]] = field(default_factory=list)
    spool: BinaryIO = field(default_factory=tempfile.TemporaryFile)

    def keep(self, chunk: SealedChunk) -> None:
        """Add a chunk."""
        self.spool.write(len(chunk.content).to_bytes(_LENGTH) + chunk.content)
        self.places.append(chunk[:4])

    def chunks(self) -> Iterator[SealedChunk]:
        """The chunks again, one at a time."""
        self.spool.seek(0)
        for place in self.places:
            yield SealedChunk(*place, self.spool.read(int.from_bytes(self.spool.read(_LENGTH))))


async def demand_upload(work: Work, target: str) -> tuple[Target, TenantKeys, ImportsSettings]:
    """What an upload needs; refuses (`Forbidden`, `TargetUnknown`, `ImporterUnknown`) a caller who cannot import.

    It is asked before the bytes are read.
    """
    work.authorise(RUN)
    found = demand_target(work, target)
    if work.principal.account_id is None:
        raise ImporterUnknown
    ring: KeyRing = work.services[KeyRing]
    return found, await ring.of(work.tenant_id), await settings_of(work)


def demand_target(work: Work, name: str) -> Target:
    """A target that the caller may import something into; refuses (`TargetUnknown`, `Forbidden`)."""
    targets: Targets = work.services[Targets]
    found = targets.demand(name)
    if not any(work.rights.scope(permission) for permission in found.permissions):
        work.authorise(found.permissions[0])
    return found


@asynccontextmanager
async def receive(file: BinaryIO, keys: TenantKeys, most_rows: int) -> AsyncIterator[Uploaded]:
    """Read and seal a file; needs no transaction and holds none. Refuses what `read_table` refuses."""
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while block := file.read(_BLOCK):
        digest.update(block)
        size += len(block)
    found = Uploaded(size, digest.hexdigest())
    with found.spool:
        async for chunk in read_table(file, keys, most_rows, found.table):
            found.keep(chunk)
        yield found


async def upload(work: Work, target: Target, uploaded: Uploaded) -> m.Import:
    """Keep a file that was read, for the caller to check and apply. Refuses (`Forbidden`, `ImporterUnknown`)."""
    work.authorise(RUN)
    account_id = work.principal.account_id
    if account_id is None:
        raise ImporterUnknown
    now, known = work.now(), await target.columns(work)
    row = m.Import(
        id=new_id(int(now.timestamp() * 1000)),
        account_id=account_id,
        client_id=work.principal.client_id,
        target=target.name,
        format=uploaded.table.format,
        encoding=uploaded.table.encoding,
        byte_size=uploaded.byte_size,
        sha256=uploaded.sha256,
        sheets=[recognise(sheet["headers"], known, {}).told(sheet) for sheet in uploaded.table.sheets],
        mapping={},
        rule="SKIP",
        skips_refused=False,
        state="UPLOADED",
        rows_total=uploaded.table.rows,
        rows_done=0,
        chunks_done=0,
        rows_new=0,
        rows_changed=0,
        rows_unchanged=0,
        rows_skipped=0,
        rows_refused=0,
        things=[],
        uploaded_at=now,
        expires_at=now + timedelta(hours=(await settings_of(work)).kept_hours),
    )
    work.session.add(row)
    chunks = ((chunk.id, row.id, chunk.number, chunk.sheet, chunk.rows, chunk.content) for chunk in uploaded.chunks())
    while some := list(islice(chunks, _AT_ONCE)):
        await insert_rows(work, _CHUNKS, some)
    work.emit(events.ImportUploaded(subject_id=row.id, target=row.target, rows=row.rows_total))
    after = {"target": row.target, "sha256": row.sha256, "byte_size": row.byte_size, "rows": row.rows_total}
    work.audit(AuditEntry(action="imports.import.upload", object_tag=TAG, object_id=row.id, after=after))
    return row
