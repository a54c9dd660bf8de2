"""What a city decides about files: `[modules.files.settings]` in its pack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from cityloom.core.module import ModuleSettings
from cityloom.tenancy.directory import TenantDirectory

if TYPE_CHECKING:
    from cityloom.core.work import Work


class FilesSettings(ModuleSettings):
    """Uploads without a credential, and how long an upload waits to be used."""

    gives_tickets: bool = Field(
        default=False,
        description="Whether one-time tickets let people without a credential upload, for anonymous reports.",
        json_schema_extra={"public": True},
    )
    fresh_hours: int = Field(
        default=24, ge=1, le=720, description="An upload that nothing uses is deleted after so many hours."
    )
    fresh_most: int = Field(
        default=40, ge=1, le=10_000, description="How many uploads of one account may wait to be used."
    )


async def settings_of(work: Work) -> FilesSettings:
    """The settings of the work's tenant; the defaults where the process has no directory of tenants."""
    directory: TenantDirectory | None = work.services.get(TenantDirectory)
    if directory is None:
        stated: FilesSettings = work.services.get(FilesSettings) or FilesSettings()
        return stated
    found: FilesSettings = (await directory.get(work.tenant_id)).settings("files")
    return found
