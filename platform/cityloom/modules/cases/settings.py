"""What a city decides of its cases beyond workflows and matters: `[modules.cases.settings]` in its pack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from cityloom.core.module import ModuleSettings
from cityloom.modules.cases.business import USUAL_HOURS, read_hours
from cityloom.tenancy.directory import TenantDirectory

if TYPE_CHECKING:
    from uuid import UUID


def _sound(hours: tuple[str, ...]) -> tuple[str, ...]:
    read_hours(hours)
    return hours


class CasesSettings(ModuleSettings):
    """Working hours of the offices, and how intake works."""

    working_hours: Annotated[tuple[str, ...], AfterValidator(_sound)] = Field(
        default=USUAL_HOURS, description="Spans of working time on a working day, for example 08:30-12:00."
    )
    allows_anonymous: bool = Field(
        default=False,
        description="Whether reports without a name are taken, for matters that do not say so themselves.",
        json_schema_extra={"public": True},
    )
    duplicate_metres: int = Field(
        default=100, ge=1, le=5000, description="How near to each other two cases of a matter are likely one."
    )
    duplicate_hours: int = Field(
        default=72, ge=1, le=8760, description="How long after a case another of the matter is likely the same."
    )


async def stated_settings(services: dict[type, Any], tenant_id: UUID) -> CasesSettings:
    """The city's settings; the platform's own where the process has no directory of tenants."""
    directory: TenantDirectory | None = services.get(TenantDirectory)
    if directory is None:
        stated: CasesSettings = services.get(CasesSettings) or CasesSettings()
        return stated
    found = (await directory.get(tenant_id)).module_settings.get("cases")
    return found if isinstance(found, CasesSettings) else CasesSettings()
