"""What a city decides about its tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from cityloom.core.module import ModuleSettings
from cityloom.tenancy.directory import TenantDirectory

if TYPE_CHECKING:
    from uuid import UUID


class TagSettings(ModuleSettings):
    """Settings of the module `tags`."""

    smallest_count: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=5,
        description="Fewer residents with a sensitive tag are not told as a number, in statistics and previews.",
        json_schema_extra={"public": True},
    )


async def settings_of(tenant_id: UUID, services: dict[type, Any]) -> TagSettings:
    """The settings of a tenant; the defaults where the process has no directory of tenants."""
    directory: TenantDirectory | None = services.get(TenantDirectory)
    if directory is None:
        return TagSettings()
    found: TagSettings = (await directory.get(tenant_id)).settings("tags")
    return found
