"""What happens in the registry. No event carries a name, a number or a date of birth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DwellingUseChanged(Event):
    """A dwelling is used for something else since a day."""

    type: ClassVar[str] = "registry.dwelling.use_changed.v1"
    subject_tag: ClassVar[str] = "dwel"
    zh: ClassVar[str] = "房屋用途自某日起变更。"

    former_use: str
    use: str
    changed_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DwellingSplit(Event):
    """A part of a dwelling has become one of its own."""

    type: ClassVar[str] = "registry.dwelling.split.v1"
    subject_tag: ClassVar[str] = "dwel"
    zh: ClassVar[str] = "房屋拆分,部分成为新房屋。"
    nodes: ClassVar[Mapping[str, str]] = {"new_dwelling_id": "dwel"}

    new_dwelling_id: UUID
    households: int
    split_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DwellingMerged(Event):
    """A dwelling has become part of another."""

    type: ClassVar[str] = "registry.dwelling.merged.v1"
    subject_tag: ClassVar[str] = "dwel"
    zh: ClassVar[str] = "房屋并入另一房屋。"
    nodes: ClassVar[Mapping[str, str]] = {"into_dwelling_id": "dwel"}

    into_dwelling_id: UUID
    households: int
    merged_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DwellingTieBegun(Event):
    """Somebody owns or rents a dwelling, or hosts guests in it."""

    type: ClassVar[str] = "registry.dwelling.tie_begun.v1"
    subject_tag: ClassVar[str] = "dwel"
    zh: ClassVar[str] = "房屋的产权、租赁或经营关系开始。"
    nodes: ClassVar[Mapping[str, str]] = {"resident_id": "resd", "organisation_id": "orgn"}

    role: str
    resident_id: UUID | None
    organisation_id: UUID | None
    from_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DwellingTieEnded(Event):
    """Somebody does not own, rent or host any more."""

    type: ClassVar[str] = "registry.dwelling.tie_ended.v1"
    subject_tag: ClassVar[str] = "dwel"
    zh: ClassVar[str] = "房屋的产权、租赁或经营关系结束。"
    nodes: ClassVar[Mapping[str, str]] = {"resident_id": "resd", "organisation_id": "orgn"}

    role: str
    resident_id: UUID | None
    organisation_id: UUID | None
    until_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdSplit(Event):
    """Some of a household have become one of their own."""

    type: ClassVar[str] = "registry.household.split.v1"
    subject_tag: ClassVar[str] = "hshd"
    zh: ClassVar[str] = "分户:部分成员成为新户。"
    nodes: ClassVar[Mapping[str, str]] = {"new_household_id": "hshd"}

    new_household_id: UUID
    residents: int
    split_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdMerged(Event):
    """A household has joined another one."""

    type: ClassVar[str] = "registry.household.merged.v1"
    subject_tag: ClassVar[str] = "hshd"
    zh: ClassVar[str] = "并户:全户并入另一户。"
    nodes: ClassVar[Mapping[str, str]] = {"into_household_id": "hshd"}

    into_household_id: UUID
    residents: int
    merged_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdStaysCorrected(Event):
    """Where a household lived before was set right."""

    type: ClassVar[str] = "registry.household.stays_corrected.v1"
    subject_tag: ClassVar[str] = "hshd"
    zh: ClassVar[str] = "住户的历史居住记录已更正。"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentStaysCorrected(Event):
    """To which households a resident belonged before was set right."""

    type: ClassVar[str] = "registry.resident.stays_corrected.v1"
    subject_tag: ClassVar[str] = "resd"
    zh: ClassVar[str] = "居民的历史所属户记录已更正。"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationCreated(Event):
    """There is a new organisation."""

    type: ClassVar[str] = "registry.organisation.created.v1"
    subject_tag: ClassVar[str] = "orgn"
    zh: ClassVar[str] = "新增单位。"
    nodes: ClassVar[Mapping[str, str]] = {"building_id": "bldg", "dwelling_id": "dwel"}

    kind: str
    building_id: UUID | None
    dwelling_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationChanged(Event):
    """Fields of an organisation have changed."""

    type: ClassVar[str] = "registry.organisation.changed.v1"
    subject_tag: ClassVar[str] = "orgn"
    zh: ClassVar[str] = "单位信息已变更。"

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationMoved(Event):
    """An organisation is somewhere else."""

    type: ClassVar[str] = "registry.organisation.moved.v1"
    subject_tag: ClassVar[str] = "orgn"
    zh: ClassVar[str] = "单位已迁址。"
    nodes: ClassVar[Mapping[str, str]] = {"building_id": "bldg", "dwelling_id": "dwel"}

    building_id: UUID | None
    dwelling_id: UUID | None
    moved_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationClosed(Event):
    """An organisation is no more."""

    type: ClassVar[str] = "registry.organisation.closed.v1"
    subject_tag: ClassVar[str] = "orgn"
    zh: ClassVar[str] = "单位已注销。"

    closed_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleCreated(Event):
    """There is a new vehicle."""

    type: ClassVar[str] = "registry.vehicle.created.v1"
    subject_tag: ClassVar[str] = "vehi"
    zh: ClassVar[str] = "新增车辆。"
    nodes: ClassVar[Mapping[str, str]] = {"resident_id": "resd", "organisation_id": "orgn"}

    kind: str
    resident_id: UUID | None
    organisation_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleChanged(Event):
    """Fields of a vehicle have changed; which, not what they are."""

    type: ClassVar[str] = "registry.vehicle.changed.v1"
    subject_tag: ClassVar[str] = "vehi"
    zh: ClassVar[str] = "车辆信息已变更;只说明哪些字段。"

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleTransferred(Event):
    """A vehicle is somebody else's."""

    type: ClassVar[str] = "registry.vehicle.transferred.v1"
    subject_tag: ClassVar[str] = "vehi"
    zh: ClassVar[str] = "车辆已变更持有人。"
    nodes: ClassVar[Mapping[str, str]] = {
        "former_resident_id": "resd",
        "former_organisation_id": "orgn",
        "resident_id": "resd",
        "organisation_id": "orgn",
    }

    former_resident_id: UUID | None
    former_organisation_id: UUID | None
    resident_id: UUID | None
    organisation_id: UUID | None
    since: date


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDefined(Event):
    """The city has a new field of its own for a kind of thing."""

    type: ClassVar[str] = "registry.field.defined.v1"
    subject_tag: ClassVar[str] = "cfld"
    zh: ClassVar[str] = "新增自定义字段。"

    thing: str
    code: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChanged(Event):
    """A field of the city's own has changed."""

    type: ClassVar[str] = "registry.field.changed.v1"
    subject_tag: ClassVar[str] = "cfld"
    zh: ClassVar[str] = "自定义字段已变更。"

    fields: tuple[str, ...]
    is_retired: bool


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
    DwellingUseChanged,
    DwellingSplit,
    DwellingMerged,
    DwellingTieBegun,
    DwellingTieEnded,
    HouseholdSplit,
    HouseholdMerged,
    HouseholdStaysCorrected,
    ResidentStaysCorrected,
    OrganisationCreated,
    OrganisationChanged,
    OrganisationMoved,
    OrganisationClosed,
    VehicleCreated,
    VehicleChanged,
    VehicleTransferred,
    FieldDefined,
    FieldChanged,
)
