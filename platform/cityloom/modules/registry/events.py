"""What happens in the registry. No event carries a name, a number or a date of birth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cityloom.core.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildingCreated(Event):
    """There is a new building."""

    type: ClassVar[str] = "registry.building.created.v1"
    subject_tag: ClassVar[str] = "bldg"
    zh: ClassVar[str] = "新增楼栋。"

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildingChanged(Event):
    """Fields of a building have changed."""

    type: ClassVar[str] = "registry.building.changed.v1"
    subject_tag: ClassVar[str] = "bldg"
    zh: ClassVar[str] = "楼栋信息已变更。"

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildingMoved(Event):
    """A building lies in another area, with everything in it."""

    type: ClassVar[str] = "registry.building.moved.v1"
    subject_tag: ClassVar[str] = "bldg"
    zh: ClassVar[str] = "楼栋及其中全部内容已划归另一区域。"
    nodes: ClassVar[Mapping[str, str]] = {"former_area_id": "area", "area_id": "area"}

    former_area_id: UUID
    area_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DwellingCreated(Event):
    """There is a new dwelling."""

    type: ClassVar[str] = "registry.dwelling.created.v1"
    subject_tag: ClassVar[str] = "dwel"
    zh: ClassVar[str] = "新增房屋。"
    nodes: ClassVar[Mapping[str, str]] = {"building_id": "bldg"}

    building_id: UUID
    use: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DwellingChanged(Event):
    """Fields of a dwelling have changed."""

    type: ClassVar[str] = "registry.dwelling.changed.v1"
    subject_tag: ClassVar[str] = "dwel"
    zh: ClassVar[str] = "房屋信息已变更。"

    fields: tuple[str, ...]
    use: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DwellingMoved(Event):
    """A dwelling was assigned to another building."""

    type: ClassVar[str] = "registry.dwelling.moved.v1"
    subject_tag: ClassVar[str] = "dwel"
    zh: ClassVar[str] = "房屋已改属另一楼栋。"
    nodes: ClassVar[Mapping[str, str]] = {"former_building_id": "bldg", "building_id": "bldg"}

    former_building_id: UUID
    building_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdCreated(Event):
    """There is a new household."""

    type: ClassVar[str] = "registry.household.created.v1"
    subject_tag: ClassVar[str] = "hshd"
    zh: ClassVar[str] = "新增住户。"
    nodes: ClassVar[Mapping[str, str]] = {"dwelling_id": "dwel"}

    dwelling_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdChanged(Event):
    """Fields of a household have changed."""

    type: ClassVar[str] = "registry.household.changed.v1"
    subject_tag: ClassVar[str] = "hshd"
    zh: ClassVar[str] = "住户信息已变更。"

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdMoved(Event):
    """A household lives in another dwelling, with everybody in it."""

    type: ClassVar[str] = "registry.household.moved.v1"
    subject_tag: ClassVar[str] = "hshd"
    zh: ClassVar[str] = "住户全体迁入另一房屋。"
    nodes: ClassVar[Mapping[str, str]] = {"former_dwelling_id": "dwel", "dwelling_id": "dwel"}

    former_dwelling_id: UUID | None
    dwelling_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentCreated(Event):
    """There is a new resident."""

    type: ClassVar[str] = "registry.resident.created.v1"
    subject_tag: ClassVar[str] = "resd"
    zh: ClassVar[str] = "新增居民。"
    nodes: ClassVar[Mapping[str, str]] = {"household_id": "hshd"}

    household_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentChanged(Event):
    """Fields of a resident have changed; which, not what they are."""

    type: ClassVar[str] = "registry.resident.changed.v1"
    subject_tag: ClassVar[str] = "resd"
    zh: ClassVar[str] = "居民信息已变更;只说明哪些字段,不含其内容。"

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentMoved(Event):
    """A resident lives in another household."""

    type: ClassVar[str] = "registry.resident.moved.v1"
    subject_tag: ClassVar[str] = "resd"
    zh: ClassVar[str] = "居民迁入另一住户。"
    nodes: ClassVar[Mapping[str, str]] = {"former_household_id": "hshd", "household_id": "hshd"}

    former_household_id: UUID | None
    household_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentLeft(Event):
    """A resident has moved away from the city or has died."""

    type: ClassVar[str] = "registry.resident.left.v1"
    subject_tag: ClassVar[str] = "resd"
    zh: ClassVar[str] = "居民迁离本市或死亡。"
    nodes: ClassVar[Mapping[str, str]] = {"former_household_id": "hshd"}

    former_household_id: UUID | None
    status: str


EVENTS = (
    BuildingCreated,
    BuildingChanged,
    BuildingMoved,
    DwellingCreated,
    DwellingChanged,
    DwellingMoved,
    HouseholdCreated,
    HouseholdChanged,
    HouseholdMoved,
    ResidentCreated,
    ResidentChanged,
    ResidentMoved,
    ResidentLeft,
)
