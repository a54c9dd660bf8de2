"""What a city decides about reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cityloom.core.module import ModuleSettings
from cityloom.tenancy.directory import TenantDirectory

if TYPE_CHECKING:
    from cityloom.core.work import Work


class ReportsSettings(ModuleSettings):
    """How much is shown and kept."""

    result_rows: Annotated[int, Field(ge=1, le=5_000)] = Field(
        default=1_000,
        description="A result shows at most so many rows; take an export for more.",
        json_schema_extra={"public": True},
    )
    snapshot_rows: Annotated[int, Field(ge=1, le=20_000)] = Field(
        default=5_000, description="A snapshot keeps at most so many rows."
    )
    snapshot_days: Annotated[int, Field(ge=1, le=3_650)] = Field(
        default=400, description="Snapshots are deleted after so many days."
    )
    match_percent: Annotated[int, Field(ge=50, le=100)] = Field(
        default=75, description="How alike a field's name must be to be proposed as the same; 100: the very same."
    )


async def settings_of(work: Work) -> ReportsSettings:
    """The settings of the work's tenant; the defaults where the process has no directory of tenants."""
    directory: TenantDirectory | None = work.services.get(TenantDirectory)
    if directory is None:
        stated: ReportsSettings = work.services.get(ReportsSettings) or ReportsSettings()
        return stated
    found: ReportsSettings = (await directory.get(work.tenant_id)).settings("reports")
    return found
