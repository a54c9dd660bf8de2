"""The store keeps each file under its tenant and id, wherever it is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from obstore.store import LocalStore, S3Store

from cityloom.core.ids import new_id
from cityloom.files.store import FileStore, open_store
from tests.files.conftest import deployed

if TYPE_CHECKING:
    from pathlib import Path

    from cityloom.testing.buckets import Bucket
    from cityloom.testing.clock import ManualClock


async def read(store: FileStore, *place: object, start: int = 0, end: int) -> bytes:
    found = b""
    async for piece in store.read(*place, start=start, end=end):  # type: ignore[arg-type] # ids
        found += piece
    return found


@pytest.fixture(params=["folder", "memory", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> FileStore:
    """A store of each kind, opened as the settings name it."""
    if request.param == "bucket":
        bucket: Bucket = request.getfixturevalue("bucket")
        with deployed(bucket):
            return FileStore(open_store(bucket.address, tmp_path), clock)
    return FileStore(open_store(None if request.param == "folder" else "memory:///", tmp_path), clock)


async def test_bytes_are_kept_apart_and_deleted_for_good(store: FileStore) -> None:
    alder, birch, file = new_id(), new_id(), new_id()
    large = bytes(range(256)) * 4_000
    await store.put(alder, file, io.BytesIO(large))
    await store.put(alder, file, b"small", variant="thumbnail")
    assert await store.size(alder, file) == len(large)
    assert await read(store, alder, file, end=len(large)) == large
    assert await read(store, alder, file, start=500_000, end=500_010) == large[500_000:500_010]
    with pytest.raises(FileNotFoundError):
        await store.size(birch, file)
    await store.delete(alder, file)
    await store.delete(alder, file)
    for variant in ("", "thumbnail"):
        with pytest.raises(FileNotFoundError):
            await store.size(alder, file, variant=variant)


async def test_a_tenants_objects_are_listed_and_cleared_and_no_others(store: FileStore) -> None:
    alder, birch = new_id(), new_id()
    files = [new_id() for _ in range(12)]
    for tenant in (alder, birch):
        for file in files:
            await store.put(tenant, file, file.bytes)
    expected = {file.hex: len(file.bytes) for file in files}
    assert {name: size async for name, size in store.objects(alder)} == expected
    assert b"".join([piece async for piece in store.content(alder, files[3].hex)]) == files[3].bytes
    await store.clear(alder)
    await store.clear(alder)
    assert [name async for name, _ in store.objects(alder)] == []
    assert {name: size async for name, size in store.objects(birch)} == expected


def test_settings_choose_the_store(tmp_path: Path) -> None:
    assert isinstance(open_store(None, tmp_path / "files"), LocalStore)
    assert isinstance(open_store(str(tmp_path / "elsewhere"), tmp_path), LocalStore)
    assert isinstance(open_store("s3://evidence/cityloom?region=cn-north-1", tmp_path), S3Store)
