"""Tables of the registry."""

from cityloom.modules.registry.models.chain import (
    DWELLING_USES,
    HOUSEHOLD_KINDS,
    RELATIONSHIPS,
    RESIDENT_STATUSES,
    SEXES,
    Building,
    Dwelling,
    Household,
    Resident,
    ResidentNameToken,
)
from cityloom.modules.registry.models.common import Period, Tracked, one_of
from cityloom.modules.registry.models.custom import (
    CUSTOM_THINGS,
    LONGEST_WORD,
    SENSITIVITIES,
    CustomField,
    CustomValue,
    FieldChange,
)
from cityloom.modules.registry.models.holders import (
    ORGANISATION_KINDS,
    VEHICLE_KINDS,
    Organisation,
    OrganisationNameToken,
    Vehicle,
)
from cityloom.modules.registry.models.ties import (
    TIE_ROLES,
    DwellingTie,
    DwellingUsage,
    HouseholdStay,
    OrganisationStay,
    ResidentStay,
    VehicleHolding,
)

__all__ = [
    "CUSTOM_THINGS",
    "DWELLING_USES",
    "HOUSEHOLD_KINDS",
    "LONGEST_WORD",
    "ORGANISATION_KINDS",
    "RELATIONSHIPS",
    "RESIDENT_STATUSES",
    "SENSITIVITIES",
    "SEXES",
    "TIE_ROLES",
    "VEHICLE_KINDS",
    "Building",
    "CustomField",
    "CustomValue",
    "Dwelling",
    "DwellingTie",
    "DwellingUsage",
    "FieldChange",
    "Household",
    "HouseholdStay",
    "Organisation",
    "OrganisationNameToken",
    "OrganisationStay",
    "Period",
    "Resident",
    "ResidentNameToken",
    "ResidentStay",
    "Tracked",
    "Vehicle",
    "VehicleHolding",
    "one_of",
]
