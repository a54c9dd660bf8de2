"""The real application over this worker's database, with two cities, that keeps files in a folder or in a bucket."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from obstore.store import LocalStore

from cityloom.app import create_app, platform
from cityloom.files.store import FileStore, open_store
from cityloom.settings import Settings
from cityloom.testing.buckets import served_bucket
from cityloom.testing.clock import ManualClock
from cityloom.testing.database import ROOT, VAR
from cityloom.testing.twins import plant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path
    from uuid import UUID

    from obstore.store import ObjectStore
    from starlette.applications import Starlette

    from cityloom.app import Platform
    from cityloom.testing.buckets import Bucket
    from cityloom.testing.twins import Twin


@dataclass(frozen=True)
class Kept:
    """Where a platform keeps files, looked at by nothing of the platform's: a bucket, or else a folder."""

    folder: Path
    bucket: Bucket | None = None

    @property
    def address(self) -> str:
        """What the platform is told."""
        return str(self.folder) if self.bucket is None else self.bucket.address

    def names(self, tenant_id: UUID | None = None) -> set[str]:
        """The objects of a city, or of all."""
        store: ObjectStore = LocalStore(self.folder) if self.bucket is None else self.bucket.store()
        within = ("" if self.bucket is None else "cityloom/") + (f"{tenant_id.hex}/" if tenant_id else "")
        return {str(entry["path"]).removeprefix(within) for page in store.list(within) for entry in page}

    @contextmanager
    def refusing(self, opened: Platform, tenant_id: UUID) -> Iterator[None]:
        """For as long as the block lasts nothing of the city can be kept or read."""
        if self.bucket is None:
            place = self.folder / tenant_id.hex
            aside = place.rename(self.folder / "aside")
            place.write_bytes(b"in the way")
            yield
            place.unlink()
            aside.rename(place)
            return
        with deployed(self.bucket.with_wrong_secret()) as patch:
            services = opened.works.services
            store = FileStore(open_store(self.bucket.address, self.folder), services[FileStore].clock)
            patch.setitem(services, FileStore, store)
            yield


@dataclass(frozen=True)
class Place:
    """A platform with two twin cities, and where it keeps files."""

    opened: Platform
    app: Starlette
    alder: Twin
    birch: Twin
    kept: Kept


@contextmanager
def deployed(bucket: Bucket | None) -> Iterator[pytest.MonkeyPatch]:
    """What a deployment says of its bucket."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (bucket.variables if bucket else {}).items():
            patch.setenv(name, value)
        yield patch


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A bucket of a real S3 server."""
    with served_bucket(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture(scope="package")
def files_clock() -> ManualClock:
    """The clock of the platforms of these tests."""
    return ManualClock()


@asynccontextmanager
async def _open(kept: Kept, admin_url: str, clock: ManualClock) -> AsyncIterator[Place]:
    settings = Settings(
        var=VAR, tenants=ROOT / "tenants", files=kept.address, departures=kept.folder.with_name("bundles")
    )
    with deployed(kept.bucket):
        async with platform(settings, admin_url, clock=clock) as opened:
            app = create_app(opened)
            async with app.router.lifespan_context(app):
                alder, birch = await plant(opened, app, "alder"), await plant(opened, app, "birch")
                yield Place(opened, app, alder, birch, kept)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def in_folder(
    admin_url: str, files_clock: ManualClock, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    """A platform that keeps files in a folder."""
    async with _open(Kept(tmp_path_factory.mktemp("files")), admin_url, files_clock) as found:
        yield found


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def in_bucket(
    bucket: Bucket, admin_url: str, files_clock: ManualClock, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    """A platform that keeps files in a bucket."""
    async with _open(Kept(tmp_path_factory.mktemp("none"), bucket), admin_url, files_clock) as found:
        yield found


@pytest.fixture(params=["in_folder", "in_bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each of them."""
    found: Place = request.getfixturevalue(request.param)
    return found
