"""What can be done in the registry."""

from cityloom.modules.registry.service.buildings import (
    change_building,
    change_dwelling,
    create_building,
    create_dwelling,
    move_building,
    move_dwelling,
)
from cityloom.modules.registry.service.households import change_household, create_household, move_household
from cityloom.modules.registry.service.residents import change_resident, create_resident, leave, move_resident

__all__ = [
    "change_building",
    "change_dwelling",
    "change_household",
    "change_resident",
    "create_building",
    "create_dwelling",
    "create_household",
    "create_resident",
    "leave",
    "move_building",
    "move_dwelling",
    "move_household",
    "move_resident",
]
