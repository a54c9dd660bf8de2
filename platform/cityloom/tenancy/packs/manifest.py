"""The root of `tenant.toml` (and of a base pack's `pack.toml`): who the tenant is."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from cityloom.tenancy.packs.tables import PackRow, PackText, TomlMap, TomlValues

SLUG = r"^[a-z][a-z0-9-]{1,38}[a-z0-9]$"
BASE_NAME = r"^packs/[a-z][a-z0-9-]{1,38}[a-z0-9]$"


#: Looking for them reads a thousand files.
_zones = cache(available_timezones)


def _known_zone(name: str) -> str:
    if name not in _zones():
        raise ValueError(
            f"没有时区 {name!r},例如 Asia/Shanghai", f"there is no time zone {name!r}; for example Asia/Shanghai"
        )
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]
Extends = Annotated[str, Field(pattern=BASE_NAME, description="The base pack that this one builds on.")]


class TenantRow(PackRow):
    """Who the tenant is."""

    slug: Annotated[str, Field(pattern=SLUG, description="Short name in addresses and commands; never changes.")]
    names: PackText = Field(description="The tenant's name.")
    description: PackText | None = Field(default=None, description="What a reader of the pack should know.")
    division_code: Annotated[str, Field(pattern=r"^\d{2}(\d{2}){0,2}(\d{3}){0,2}$")] | None = Field(
        default=None, description="Statistical division code of 2 to 12 digits of the territory."
    )
    extends: Extends | None = None
    locale: Literal["zh", "en"] = Field(default="zh", description="Language where a caller states none.")
    time_zone: TimeZone = Field(default="Asia/Shanghai", description="IANA time zone of days and working hours.")


class BaseRow(PackRow):
    """What a base pack is. Language and time zone are inherited by packs that state none."""

    names: PackText
    description: PackText | None = None
    extends: Extends | None = None
    locale: Literal["zh", "en"] | None = None
    time_zone: TimeZone | None = None


#: What a pack takes from its base where it says nothing.
INHERITED = ("locale", "time_zone")


class ModuleRow(PackRow):
    """One module as the tenant has it."""

    module: str
    enabled: bool = True
    settings: dict[str, Any] = Field(default_factory=dict)


class LimitRow(PackRow):
    """One limit that differs from the platform's default."""

    name: str
    value: Annotated[int, Field(ge=0, le=2**53)]


MODULES = TomlMap("modules", ModuleRow, key=("module",))
LIMITS = TomlValues("limits", LimitRow, key=("name",))
