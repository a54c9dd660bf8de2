"""Files as they are kept: in blocks, each sealed with the city's key and bound to its place in the file.

A block that is changed, left out, repeated or put elsewhere cannot be opened; destroying the city's keys erases all.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, Final

from cityloom.core.crypto.keys import UnreadableEnvelope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from cityloom.core.crypto import TenantKeys
    from cityloom.files.store import FileStore

BLOCK: Final = 256 * 1024
_LENGTH: Final = struct.Struct(">I")


def seal(keys: TenantKeys, export_id: UUID, plain: BinaryIO, sealed: BinaryIO) -> None:
    """Write a file's blocks, each after its length; both files are left at their beginning."""
    plain.seek(0)
    number, block = 0, plain.read(BLOCK)
    while True:
        following = plain.read(BLOCK)
        envelope = keys.seal_bytes("exports", _place(number, is_last=not following), export_id, block)
        sealed.write(_LENGTH.pack(len(envelope)) + envelope)
        if not following:
            break
        number, block = number + 1, following
    plain.seek(0)
    sealed.seek(0)


async def unsealed(keys: TenantKeys, store: FileStore, export_id: UUID) -> AsyncIterator[bytes]:
    """A kept file, block by block; raises `FileNotFoundError` where it is gone, `UnreadableEnvelope` if touched."""
    tenant_id = keys.tenant_id
    size, at, number = await store.size(tenant_id, export_id), 0, 0
    while at < size:
        length = _LENGTH.unpack(await _read(store, tenant_id, export_id, at, at + _LENGTH.size))[0]
        begin = at + _LENGTH.size
        at = begin + length
        if at > size:
            raise UnreadableEnvelope(f"exports of {export_id}: cut short")
        envelope = await _read(store, tenant_id, export_id, begin, at)
        yield keys.open_bytes("exports", _place(number, is_last=at == size), export_id, envelope)
        number += 1


async def _read(store: FileStore, tenant_id: UUID, export_id: UUID, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in store.read(tenant_id, export_id, start=start, end=end)])


def _place(number: int, *, is_last: bool) -> str:
    return f"content {number}{' last' if is_last else ''}"
