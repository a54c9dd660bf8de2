"""What a caller may state of each thing; what is left out stays as it is. `custom` answers the city's own fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID


class BuildingValues(TypedDict, total=False):
    """Of a building; `position` is longitude and latitude in WGS-84 degrees."""

    code: str
    name: str
    address: str | None
    storeys: int | None
    position: tuple[float, float] | None
    custom: dict[str, Any] | None


class DwellingValues(TypedDict, total=False):
    """Of a dwelling; `size_dm2` is its floor area in square decimetres (100 dm² = 1 m²)."""

    unit: str | None
    number: str
    floor: int | None
    use: str
    size_dm2: int | None
    custom: dict[str, Any] | None


class HouseholdValues(TypedDict, total=False):
    """Of a household."""

    number: str
    kind: str
    custom: dict[str, Any] | None


class ResidentValues(TypedDict, total=False):
    """Of a resident; identity number and phone as people write them, `account_id` for changes only."""

    name: str
    sex: str
    birth_on: date | None
    identity_number: str | None
    phone: str | None
    relationship: str
    account_id: UUID | None
    custom: dict[str, Any] | None


class OrganisationValues(TypedDict, total=False):
    """Of an organisation; `credit_code` is its unified social credit code."""

    name: str
    kind: str
    credit_code: str | None
    custom: dict[str, Any] | None


class VehicleValues(TypedDict, total=False):
    """Of a vehicle; the plate as people write it."""

    kind: str
    plate: str
    custom: dict[str, Any] | None


class FieldValues(TypedDict, total=False):
    """Of a city's own field."""

    title_zh: str
    title_en: str
    is_required: bool
    choices: list[str]
    position: int
    is_retired: bool
