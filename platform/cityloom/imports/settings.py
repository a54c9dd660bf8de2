"""What a city decides about imports: `[modules.imports.settings]` in its pack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from cityloom.core.module import ModuleSettings
from cityloom.tenancy.directory import TenantDirectory

if TYPE_CHECKING:
    from cityloom.core.work import Work


class ImportsSettings(ModuleSettings):
    """How large files may be, and how long they are kept."""

    most_bytes: int = Field(
        default=200_000_000, ge=1_000, le=2_000_000_000, description="Bytes of one file, packed as it is sent."
    )
    most_rows: int = Field(default=1_000_000, ge=1, le=5_000_000, description="Rows of one file.")
    kept_hours: int = Field(
        default=72, ge=1, le=720, description="A file that is not imported is deleted after so many hours."
    )


async def settings_of(work: Work) -> ImportsSettings:
    """The settings of the work's tenant; the defaults where the process has no directory of tenants."""
    directory: TenantDirectory | None = work.services.get(TenantDirectory)
    if directory is None:
        return ImportsSettings()
    found: ImportsSettings = (await directory.get(work.tenant_id)).settings("imports")
    return found
