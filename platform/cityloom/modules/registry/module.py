"""How the registry is wired into the platform."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.modules.registry.api.mutations import RegistryMutation
from cityloom.modules.registry.api.queries import RegistryQuery
from cityloom.modules.registry.api.shapes import (
    AreaRegistry,
    Building,
    Dwelling,
    Household,
    HouseholdMove,
    Resident,
    ResidentMove,
)
from cityloom.modules.registry.events import EVENTS
from cityloom.modules.registry.imports.target import REGISTRY
from cityloom.modules.registry.permissions import PERMISSIONS

MODULE = Module(
    name="registry",
    title=Text("人房登记", "Registry"),
    description=Text(
        "楼栋、房屋、住户、居民及其迁移:人进户、户进房、房进楼、楼进格。",
        "Buildings, dwellings, households and residents, how they hang together, and how they move.",
    ),
    needs=("areas",),
    permissions=PERMISSIONS,
    tenant_api=GraphApi(
        queries=(RegistryQuery,),
        mutations=(RegistryMutation,),
        extensions=(AreaRegistry,),
        types=(Building, Dwelling, Household, Resident, ResidentMove, HouseholdMove),
    ),
    events=EVENTS,
    import_targets=(REGISTRY,),
)
