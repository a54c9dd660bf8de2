"""How the registry is wired into the platform."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.modules.registry.api.custom import CustomField
from cityloom.modules.registry.api.fieldwork import FieldworkMutation
from cityloom.modules.registry.api.holder_changes import HolderMutation
from cityloom.modules.registry.api.holders import (
    AreaHolders,
    BuildingOrganisations,
    DwellingOrganisations,
    Organisation,
    ResidentVehicles,
    Vehicle,
)
from cityloom.modules.registry.api.life import LifeMutation
from cityloom.modules.registry.api.mutations import RegistryMutation
from cityloom.modules.registry.api.privacy import ResidentPrivacy
from cityloom.modules.registry.api.queries import RegistryQuery
from cityloom.modules.registry.api.shapes import AreaRegistry, Building, Dwelling, Household, Resident
from cityloom.modules.registry.api.ties import (
    DwellingTie,
    DwellingTies,
    DwellingUsage,
    HouseholdStay,
    HouseholdTies,
    OrganisationStay,
    OrganisationTies,
    ResidentStay,
    ResidentTies,
    VehicleHolding,
    VehicleTies,
)
from cityloom.modules.registry.events import EVENTS
from cityloom.modules.registry.holdings import HOLDINGS, RETENTIONS
from cityloom.modules.registry.imports.organisations import ORGANISATIONS
from cityloom.modules.registry.imports.target import REGISTRY
from cityloom.modules.registry.imports.vehicles import VEHICLES
from cityloom.modules.registry.jobs import JOBS
from cityloom.modules.registry.pack import RegistryPart
from cityloom.modules.registry.permissions import PERMISSIONS

MODULE = Module(
    name="registry",
    title=Text("人房登记", "Registry"),
    description=Text(
        "楼栋、房屋、住户、居民、单位、车辆及其历史关系:人进户、户进房、房进楼、楼进格。",
        "Buildings, dwellings, households, residents, organisations and vehicles, and how they hung together when.",
    ),
    needs=("areas",),
    permissions=PERMISSIONS,
    tenant_api=GraphApi(
        queries=(RegistryQuery,),
        mutations=(RegistryMutation, LifeMutation, HolderMutation, FieldworkMutation),
        extensions=(
            AreaRegistry,
            ResidentPrivacy,
            AreaHolders,
            BuildingOrganisations,
            DwellingOrganisations,
            ResidentVehicles,
            ResidentTies,
            HouseholdTies,
            DwellingTies,
            OrganisationTies,
            VehicleTies,
        ),
        types=(
            Building,
            Dwelling,
            Household,
            Resident,
            Organisation,
            Vehicle,
            ResidentStay,
            HouseholdStay,
            DwellingUsage,
            DwellingTie,
            OrganisationStay,
            VehicleHolding,
            CustomField,
        ),
    ),
    pack_parts=(RegistryPart(),),
    events=EVENTS,
    jobs=JOBS,
    holdings=HOLDINGS,
    retentions=RETENTIONS,
    import_targets=(REGISTRY, ORGANISATIONS, VEHICLES),
)
