"""A small installation for tests of tenancy alone: modules that need each other, and a base pack for their cities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from cityloom.core.module import Module, ModuleSettings
from cityloom.core.text import Text

if TYPE_CHECKING:
    from pathlib import Path


class LanternSettings(ModuleSettings):
    """Settings of a module that only tests have."""

    colours: tuple[str, ...] = ()
    brightness: int = Field(default=3, ge=0, le=10, json_schema_extra={"public": True})


def _module(
    name: str, *, needs: tuple[str, ...] = (), is_core: bool = False, settings: type[ModuleSettings] = ModuleSettings
) -> Module:
    title = Text(name, name)
    return Module(name=name, title=title, description=title, needs=needs, is_core=is_core, settings=settings)


#: Festivals need lanterns, lanterns need streets.
MODULES = (
    _module("tenancy", is_core=True),
    _module("streets"),
    _module("lanterns", needs=("streets",), settings=LanternSettings),
    _module("festivals", needs=("lanterns",)),
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


def tenants_folder(under: Path) -> Path:
    """A folder of tenants that holds the base pack `packs/lantern-base` and no city."""
    base = under / "tenants" / "packs" / "lantern-base"
    base.mkdir(parents=True)
    (base / "pack.toml").write_text(BASE, encoding="utf-8")
    return under / "tenants"
