"""What a caller may state of each thing; what is left out stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from datetime import date


class BuildingValues(TypedDict, total=False):
    """Of a building; `position` is longitude and latitude in WGS-84 degrees."""

    code: str
    name: str
    address: str | None
    storeys: int | None
    position: tuple[float, float] | None


class DwellingValues(TypedDict, total=False):
    """Of a dwelling; `size_dm2` is its floor area in square decimetres (100 dm² = 1 m²)."""

    unit: str | None
    number: str
    floor: int | None
    use: str
    size_dm2: int | None


class HouseholdValues(TypedDict, total=False):
    """Of a household."""

    number: str
    kind: str


class ResidentValues(TypedDict, total=False):
    """Of a resident; identity number and phone as people write them."""

    name: str
    sex: str
    birth_on: date | None
    identity_number: str | None
    phone: str | None
    relationship: str
