"""Files as they are kept: in blocks, each sealed with the file's own key and bound to its place in the file.

A block that is changed, left out, repeated or put elsewhere cannot be opened. The file's key lies in the export's row,
sealed with the city's: a rotation seals it again, destroying it erases the file, destroying the city's keys all files.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, Final

from cityloom.core.crypto.keys import UnreadableEnvelope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from cityloom.core.crypto import ContentKey
    from cityloom.files.store import FileStore

BLOCK: Final = 256 * 1024
_LENGTH: Final = struct.Struct(">I")


def seal(key: ContentKey, plain: BinaryIO, sealed: BinaryIO) -> None:
    """Write a file's blocks, each after its length; both files are left at their beginning."""
    plain.seek(0)
    number, block = 0, plain.read(BLOCK)
    while True:
        following = plain.read(BLOCK)
        part = key.seal(_place(number, is_last=not following), block)
        sealed.write(_LENGTH.pack(len(part)) + part)
        if not following:
            break
        number, block = number + 1, following
    plain.seek(0)
    sealed.seek(0)


async def unsealed(key: ContentKey, store: FileStore) -> AsyncIterator[bytes]:
    """A kept file, block by block; raises `FileNotFoundError` where it is gone, `UnreadableEnvelope` if touched."""
    tenant_id, file_id = key.tenant_id, key.thing_id
    size, at, number = await store.size(tenant_id, file_id), 0, 0
    while at < size:
        length = _LENGTH.unpack(await _read(store, tenant_id, file_id, at, at + _LENGTH.size))[0]
        begin = at + _LENGTH.size
        at = begin + length
        if at > size:
            raise UnreadableEnvelope(f"{file_id}: cut short")
        sealed = await _read(store, tenant_id, file_id, begin, at)
        yield key.open(_place(number, is_last=at == size), sealed)
        number += 1


async def _read(store: FileStore, tenant_id: UUID, file_id: UUID, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in store.read(tenant_id, file_id, start=start, end=end)])


def _place(number: int, *, is_last: bool) -> str:
    return f"content {number}{' last' if is_last else ''}"
