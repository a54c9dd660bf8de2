"""What a city decides about its grids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from pydantic.config import JsonDict

from cityloom.core.module import ModuleSettings
from cityloom.modules.grid.tracks import TrackRules
from cityloom.tenancy.directory import TenantDirectory

if TYPE_CHECKING:
    from cityloom.core.work import Work

_PUBLIC: JsonDict = {"public": True}


class GridSettings(ModuleSettings):
    """Settings of the module `grid`; times in the units that the names say."""

    daily_patrol_minutes: Annotated[int, Field(ge=0, le=1440)] = Field(
        default=120,
        description="Minutes that each holder of a patrolling post walks per day; 0: no rule.",
        json_schema_extra=_PUBLIC,
    )
    patrol_rule_days: Literal["EVERY_DAY", "SHIFT_DAYS"] = Field(
        default="EVERY_DAY",
        description="Whether the daily rule holds every day, or on days with a planned shift only.",
        json_schema_extra=_PUBLIC,
    )
    patrol_weekdays: tuple[Annotated[int, Field(ge=1, le=7)], ...] = Field(
        default=(1, 2, 3, 4, 5, 6, 7), description="Weekdays on which the daily rule holds; 1 is Monday."
    )
    check_in_early_minutes: Annotated[int, Field(ge=0, le=720)] = Field(
        default=60, description="How long before a shift begins one can check in.", json_schema_extra=_PUBLIC
    )
    check_in_limit_m: Annotated[int, Field(ge=0, le=100_000)] | None = Field(
        default=None,
        description="How far from the area one can check in, in metres; nothing: anywhere, and the distance is noted.",
        json_schema_extra=_PUBLIC,
    )
    fastest_m_per_s: Annotated[float, Field(gt=0, le=100)] = Field(
        default=20.0, description="A point that nobody could reach at this speed is flagged as a jump."
    )
    worst_accuracy_m: Annotated[float, Field(gt=0, le=10_000)] = Field(
        default=100.0, description="A point whose accuracy is worse is flagged as inaccurate."
    )
    pause_radius_m: Annotated[float, Field(ge=0, le=1_000)] = Field(
        default=30.0, description="Who stays within this radius for `pause_seconds` is resting."
    )
    pause_seconds: Annotated[int, Field(ge=1, le=7_200)] = Field(
        default=300, description="How long somebody stays on the spot until that is a pause."
    )
    gap_seconds: Annotated[int, Field(ge=1, le=7_200)] = Field(
        default=300, description="A longer time without a point counts as a pause."
    )
    cell_m: Annotated[int, Field(ge=10, le=1_000)] = Field(
        default=50, description="Side of the cells by which coverage is counted, in metres."
    )
    track_retention_days: Annotated[int, Field(ge=1, le=3_650)] = Field(
        default=180, description="Points of tracks are deleted after so many days; the figures stay."
    )
    report_days: Annotated[int, Field(ge=0, le=31)] = Field(
        default=2, description="For how many days back a daily report can be handed in.", json_schema_extra=_PUBLIC
    )

    @property
    def track_rules(self) -> TrackRules:
        """What is believed of a track."""
        return TrackRules(
            self.fastest_m_per_s, self.worst_accuracy_m, self.pause_radius_m, self.pause_seconds, self.gap_seconds
        )


async def settings_of(work: Work) -> GridSettings:
    """The settings of the work's tenant; the defaults where the process has no directory of tenants."""
    directory: TenantDirectory | None = work.services.get(TenantDirectory)
    if directory is None:
        stated: GridSettings = work.services.get(GridSettings) or GridSettings()
        return stated
    found: GridSettings = (await directory.get(work.tenant_id)).settings("grid")
    return found
