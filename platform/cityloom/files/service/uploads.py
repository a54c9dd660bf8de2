"""Taking in what is uploaded: recognised, cleaned, measured, kept."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO

from obstore.exceptions import BaseError
from sqlalchemy import select

from cityloom.core.errors import Forbidden
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.files import events, images, videos
from cityloom.files import models as m
from cityloom.files.errors import FileEmpty, FileKindUnknown, FilesUnavailable, FileTooLarge
from cityloom.files.service.expiry import discard
from cityloom.files.service.rules import UPLOAD, demand_few_fresh
from cityloom.files.service.tickets import redeem_ticket
from cityloom.files.settings import settings_of
from cityloom.files.sniffing import HEAD, TAKEN, Kind, sniff
from cityloom.files.store import FileStore
from cityloom.tenancy.limits import LIMITS, demand_room
from cityloom.tenancy.models import TenantLimit
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from cityloom.core.principal import Principal
    from cityloom.core.work import Work
    from cityloom.graph.context import Begin

_BLOCK = 1024 * 1024
#: Photos are decoded two at a time, whatever arrives: each may take as much memory as its pixels do.
_decoders = asyncio.Semaphore(2)


@dataclass(frozen=True, slots=True)
class Received:
    """A file that was recognised and cleaned and is not kept yet: bytes, or a temporary file that its owner closes."""

    kind: Kind
    content: bytes | BinaryIO
    byte_size: int
    sha256: str
    width: int | None = None
    height: int | None = None
    thumbnail: bytes | None = None


async def receive(file: BinaryIO, limits: Mapping[str, int]) -> Received:
    """Recognise and clean what was uploaded, by its content; `limits` are the tenant's, in bytes and pixels.

    Needs no transaction and holds none. Refuses (`FileEmpty`, `FileKindUnknown`, `FileTooLarge`, `FileBroken`,
    `ImageTooManyPixels`).
    """
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    head = file.read(HEAD)
    if not head:
        raise FileEmpty
    kind = sniff(head)
    if isinstance(kind, str):
        raise FileKindUnknown(found=kind, known=", ".join(one.name for one in TAKEN))
    most = limits[f"file_{kind.kind.lower()}_bytes"]
    if size > most:
        raise FileTooLarge(kind=kind.name, limit=most, actual=size)
    async with _decoders:
        return await asyncio.to_thread(_cleaned, file, size, kind, limits["file_image_pixels"])


def _cleaned(file: BinaryIO, size: int, kind: Kind, most_pixels: int) -> Received:
    if kind.kind == "IMAGE":
        file.seek(0)
        photo = images.clean(file.read(), kind, most_pixels)
        digest = hashlib.sha256(photo.content).hexdigest()
        return Received(kind, photo.content, len(photo.content), digest, photo.width, photo.height, photo.thumbnail)
    videos.clean(file, size, kind)
    file.seek(0)
    whole = hashlib.sha256()
    while block := file.read(_BLOCK):
        whole.update(block)
    file.seek(0)
    return Received(kind, file, size, whole.hexdigest())


async def limits_of(work: Work) -> dict[str, int]:
    """The tenant's limits on files."""
    names = ("file_image_bytes", "file_video_bytes", "file_image_pixels")
    stated = await work.session.execute(select(TenantLimit.name, TenantLimit.value).where(TenantLimit.name.in_(names)))
    return {name: LIMITS[name].default for name in names} | {row[0]: row[1] for row in stated}


async def upload(begin: Begin, principal: Principal, received: Received, *, ticket: str | None = None) -> m.StoredFile:
    """Keep a file for the caller, or for the account whose ticket is redeemed by this; it is fresh at first.

    The row is committed before the bytes are sent to the store, so that no transaction waits for a store far away and
    bytes without a row cannot be left behind; where they cannot be kept, the row goes too. Refuses (`Forbidden`,
    `Unauthenticated`, `TooManyFresh`, `TenantLimitReached`, `FilesUnavailable`).
    """
    async with begin(principal) as work:
        owner = await redeem_ticket(work, ticket) if ticket is not None else None
        file = await _add(work, received, owner)
        store: FileStore = work.services[FileStore]
    try:
        await store.put(principal.tenant_id, file.id, received.content)
        if received.thumbnail is not None:
            await store.put(principal.tenant_id, file.id, received.thumbnail, variant="thumbnail")
    except (OSError, BaseError) as error:
        # Where not even this can be done, the upload stays as one that nobody uses, and expires.
        with suppress(OSError, BaseError):
            async with begin(system_principal(principal.tenant_id)) as work:
                await discard(work, [file.id])
        raise FilesUnavailable from error
    return file


async def _add(work: Work, received: Received, owner: UUID | None) -> m.StoredFile:
    if owner is None:
        work.authorise(UPLOAD)
    account_id = owner or work.principal.account_id
    if account_id is None:
        # Only people and systems with an account keep files: the platform itself has none to keep them for.
        raise Forbidden(permission=UPLOAD)
    await demand_few_fresh(work, account_id)
    await demand_room(work, "files", m.StoredFile, 1)
    now, settings = work.now(), await settings_of(work)
    file = m.StoredFile(
        id=new_id(int(now.timestamp() * 1000)),
        uploader_id=account_id,
        is_by_ticket=owner is not None,
        kind=received.kind.kind,
        media_type=received.kind.media_type,
        byte_size=received.byte_size,
        sha256=received.sha256,
        width=received.width,
        height=received.height,
        has_thumbnail=received.thumbnail is not None,
        uploaded_at=now,
        expires_at=now + timedelta(hours=settings.fresh_hours),
    )
    work.session.add(file)
    await work.session.flush()
    work.emit(events.FileUploaded(subject_id=file.id, kind=file.kind, byte_size=file.byte_size))
    after = {"kind": file.kind, "byte_size": file.byte_size, "sha256": file.sha256, "by_ticket": file.is_by_ticket}
    work.audit(AuditEntry(action=UPLOAD, object_tag="file", object_id=file.id, after=after))
    return file
