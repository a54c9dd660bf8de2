"""A small installation of its own: three modules, a base pack, and the verbs of operators over a real database."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from cityloom.audit.service import write_entries
from cityloom.core.work import Works
from cityloom.events.service import write_outbox
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.packs import PackSource
from cityloom.tenancy.service import TenantService
from cityloom.testing import lanterns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock


@pytest.fixture(name="tenants_folder")
def _tenants_folder(tmp_path: Path) -> Path:
    return lanterns.tenants_folder(tmp_path)


@pytest.fixture
def works(database: Database, clock: ManualClock) -> Works:
    made = Works(database, clock=clock, writers=(write_entries, write_outbox))
    made.services[TenantDirectory] = TenantDirectory(database, lanterns.MODULES)
    return made


@pytest.fixture
def directory(works: Works) -> TenantDirectory:
    found: TenantDirectory = works.services[TenantDirectory]
    return found


@pytest.fixture
def service(works: Works, tenants_folder: Path) -> TenantService:
    return TenantService(works, lanterns.MODULES, tenants_folder)


@pytest.fixture
def slug() -> str:
    return f"alder-{secrets.token_hex(6)}"


@pytest.fixture
def source() -> Callable[..., PackSource]:
    """A pack from the text of its `tenant.toml` and of other files."""

    def make(toml: str | bytes, **files: str | bytes) -> PackSource:
        given = {"tenant.toml": toml, **{name.replace("__", "."): content for name, content in files.items()}}
        return PackSource({name: c if isinstance(c, bytes) else c.encode() for name, c in given.items()})

    return make
