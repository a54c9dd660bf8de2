"""What can be done in the registry."""

from cityloom.modules.registry.service.buildings import (
    building_columns,
    change_building,
    change_dwelling,
    create_building,
    create_dwelling,
    dwelling_columns,
    move_building,
    move_dwelling,
)
from cityloom.modules.registry.service.households import (
    change_household,
    create_household,
    household_columns,
    move_household,
)
from cityloom.modules.registry.service.residents import (
    change_resident,
    create_resident,
    keep_equal,
    leave,
    move_resident,
    resident_columns,
)

__all__ = [
    "building_columns",
    "change_building",
    "change_dwelling",
    "change_household",
    "change_resident",
    "create_building",
    "create_dwelling",
    "create_household",
    "create_resident",
    "dwelling_columns",
    "household_columns",
    "keep_equal",
    "leave",
    "move_building",
    "move_dwelling",
    "move_household",
    "move_resident",
    "resident_columns",
]
