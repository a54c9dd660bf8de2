"""Where the bytes are: a folder of this machine, or a bucket; the database only knows that they are there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from obstore.store import LocalStore, from_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from obstore.store import ObjectStore

    from cityloom.core.clock import Clock

_BLOCK = 256 * 1024
#: Objects that are deleted by one call.
_AT_ONCE = 1_000


def open_store(address: str | None, folder: Path) -> ObjectStore:
    """The store of a deployment: a folder, `folder` where none is stated, or an address that obstore knows.

    `s3://bucket/prefix` takes credentials and endpoint from the usual AWS_ variables.
    """
    if address is None or "://" not in address:
        return LocalStore((Path(address) if address else folder).absolute(), mkdir=True)
    return from_url(address)


@dataclass(frozen=True, slots=True)
class FileStore:
    """Bytes by tenant, file and variant; nothing is ever shared between tenants, nor between two files."""

    store: ObjectStore
    clock: Clock

    async def put(self, tenant_id: UUID, file_id: UUID, content: bytes | BinaryIO, *, variant: str = "") -> None:
        """Keep the bytes, wholly or not at all."""
        await self.store.put_async(_key(tenant_id, file_id, variant), content)

    async def read(
        self, tenant_id: UUID, file_id: UUID, *, variant: str = "", start: int, end: int
    ) -> AsyncIterator[bytes]:
        """Bytes from `start` to (exclusive) `end`, in pieces; raises `FileNotFoundError` where they are gone."""
        key = _key(tenant_id, file_id, variant)
        while start < end:
            step = min(start + _BLOCK, end)
            yield bytes(await self.store.get_range_async(key, start=start, end=step))
            start = step

    async def size(self, tenant_id: UUID, file_id: UUID, *, variant: str = "") -> int:
        """How many bytes there are; raises `FileNotFoundError` where they are gone."""
        return int((await self.store.head_async(_key(tenant_id, file_id, variant)))["size"])

    async def delete(self, tenant_id: UUID, file_id: UUID) -> None:
        """Delete every variant; what is gone already stays gone."""
        for variant in ("", "thumbnail"):
            try:
                await self.store.delete_async(_key(tenant_id, file_id, variant))
            except FileNotFoundError:
                continue

    async def objects(self, tenant_id: UUID) -> AsyncIterator[tuple[str, int]]:
        """Name and size of everything that is kept for a tenant, whoever put it there."""
        async for page in self.store.list(f"{tenant_id.hex}/"):
            for entry in page:
                yield str(entry["path"]).rpartition("/")[2], int(entry["size"])

    async def content(self, tenant_id: UUID, name: str) -> AsyncIterator[bytes]:
        """One object that `objects` named, in pieces."""
        found = await self.store.get_async(f"{tenant_id.hex}/{name}")
        async for piece in found.stream(min_chunk_size=_BLOCK):
            yield bytes(piece)

    async def clear(self, tenant_id: UUID) -> None:
        """Delete everything that is kept for a tenant."""
        async for page in self.store.list(f"{tenant_id.hex}/", chunk_size=_AT_ONCE):
            await self.store.delete_async([str(entry["path"]) for entry in page])


def _key(tenant_id: UUID, file_id: UUID, variant: str) -> str:
    return f"{tenant_id.hex}/{file_id.hex}" + (f".{variant}" if variant else "")
