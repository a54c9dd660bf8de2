"""A small installation of its own: three modules, a base pack, and the verbs of operators over a real database."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from pydantic import Field

from cityloom.audit.service import write_entries
from cityloom.core.module import Module, ModuleSettings
from cityloom.core.text import Text
from cityloom.core.work import Works
from cityloom.events.service import write_outbox
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.packs import PackSource
from cityloom.tenancy.service import TenantService

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock


class LanternSettings(ModuleSettings):
    """Settings of a module that only tests have."""

    colours: tuple[str, ...] = ()
    brightness: int = Field(default=3, ge=0, le=10)


def module(
    name: str,
    *,
    needs: tuple[str, ...] = (),
    is_core: bool = False,
    settings: type[ModuleSettings] = ModuleSettings,
) -> Module:
    title = Text(name, name)
    return Module(name=name, title=title, description=title, needs=needs, is_core=is_core, settings=settings)


MODULES = (
    module("tenancy", is_core=True),
    module("streets"),
    module("lanterns", needs=("streets",), settings=LanternSettings),
    module("festivals", needs=("lanterns",)),
)

BASE = """\
names = { zh = "示例基础", en = "Base of examples" }
locale = "en"
time_zone = "Asia/Shanghai"

[modules.lanterns]
enabled = true

[modules.lanterns.settings]
brightness = 5
colours = ["red"]

[modules.streets]
enabled = true

[limits]
accounts = 500
"""


@pytest.fixture
def tenants_folder(tmp_path: Path) -> Path:
    base = tmp_path / "tenants" / "packs" / "lantern-base"
    base.mkdir(parents=True)
    (base / "pack.toml").write_text(BASE, encoding="utf-8")
    return tmp_path / "tenants"


@pytest.fixture
def works(database: Database, clock: ManualClock) -> Works:
    made = Works(database, clock=clock, writers=(write_entries, write_outbox))
    made.services[TenantDirectory] = TenantDirectory(database, MODULES)
    return made


@pytest.fixture
def directory(works: Works) -> TenantDirectory:
    found: TenantDirectory = works.services[TenantDirectory]
    return found


@pytest.fixture
def service(works: Works, tenants_folder: Path) -> TenantService:
    return TenantService(works, MODULES, tenants_folder)


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
