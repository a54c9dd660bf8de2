"""What a city decides about privacy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cityloom.core.module import ModuleSettings
from cityloom.tenancy.directory import TenantDirectory

if TYPE_CHECKING:
    from cityloom.core.work import Work


class PrivacySettings(ModuleSettings):
    """`[modules.privacy.settings]` of a pack."""

    backup_days: Annotated[int, Field(ge=0, le=3650)] = Field(
        default=30,
        description="For how many days backups of the database are kept. So long after a rotation the key-encryption"
        " keys of before are destroyed, and older backups can be opened by nobody.",
    )
    rotate_after_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=30,
        description="An erasure is closed in backups too by a rotation of the keys, which begins by itself when an"
        " erasure is so many days old.",
    )
    retention: dict[str, Annotated[int, Field(ge=1, le=36500)]] = Field(
        default_factory=dict,
        description="How many days rows of a kind are kept, for example `departed_residents = 1825`; kinds that are"
        " not named are kept. `cityloom privacy retention CITY` lists the kinds and counts what is due.",
    )


async def settings_of(work: Work) -> PrivacySettings:
    """The city's settings; the defaults where nothing is stated."""
    directory: TenantDirectory | None = work.services.get(TenantDirectory)
    if directory is None:
        return PrivacySettings()
    found = (await directory.get(work.tenant_id)).module_settings.get("privacy")
    return found if isinstance(found, PrivacySettings) else PrivacySettings()
