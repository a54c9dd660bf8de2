"""What a city decides about exports: `[modules.exports.settings]` in its pack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cityloom.core.module import ModuleSettings
from cityloom.tenancy.directory import TenantDirectory

if TYPE_CHECKING:
    from cityloom.core.work import Work


class ExportsSettings(ModuleSettings):
    """When a second person is asked, and how long things are kept."""

    approval_rows: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=1_000,
        description="An export that can tell of more things than this needs a second person; 0: every export does.",
        json_schema_extra={"public": True},
    )
    approval_hours: Annotated[int, Field(ge=1, le=720)] = Field(
        default=72, description="How long an export waits for a second person."
    )
    retention_hours: Annotated[int, Field(ge=1, le=8_760)] = Field(
        default=168, description="A file is deleted after so many hours.", json_schema_extra={"public": True}
    )
    most_rows: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=1_000_000, description="Larger exports are refused, whoever would approve them."
    )


async def settings_of(work: Work) -> ExportsSettings:
    """The settings of the work's tenant; the defaults where the process has no directory of tenants."""
    directory: TenantDirectory | None = work.services.get(TenantDirectory)
    if directory is None:
        stated: ExportsSettings = work.services.get(ExportsSettings) or ExportsSettings()
        return stated
    found: ExportsSettings = (await directory.get(work.tenant_id)).settings("exports")
    return found
