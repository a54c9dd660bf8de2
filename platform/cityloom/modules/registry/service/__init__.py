"""What can be done in the registry."""

from cityloom.modules.registry.service.buildings import (
    change_building,
    change_dwelling,
    change_use,
    create_building,
    create_dwelling,
    move_building,
    move_dwelling,
    plan_building_move,
)
from cityloom.modules.registry.service.custom import (
    change_field,
    define_field,
)
from cityloom.modules.registry.service.households import (
    change_household,
    create_household,
    move_household,
)
from cityloom.modules.registry.service.life import (
    Member,
    merge_dwelling,
    merge_household,
    split_dwelling,
    split_household,
)
from cityloom.modules.registry.service.organisations import (
    Holder,
    Place,
    change_organisation,
    change_vehicle,
    close_organisation,
    create_organisation,
    create_vehicle,
    move_organisation,
    transfer_vehicle,
)
from cityloom.modules.registry.service.residents import (
    change_resident,
    create_resident,
    leave,
    move_resident,
)
from cityloom.modules.registry.service.stays import (
    begin_tie,
    correct_household_stay,
    correct_resident_stay,
    end_tie,
    record_household_stay,
    record_resident_stay,
    remove_household_stay,
    remove_resident_stay,
)

__all__ = [
    "Holder",
    "Member",
    "Place",
    "begin_tie",
    "change_building",
    "change_dwelling",
    "change_field",
    "change_household",
    "change_organisation",
    "change_resident",
    "change_use",
    "change_vehicle",
    "close_organisation",
    "correct_household_stay",
    "correct_resident_stay",
    "create_building",
    "create_dwelling",
    "create_household",
    "create_organisation",
    "create_resident",
    "create_vehicle",
    "define_field",
    "end_tie",
    "leave",
    "merge_dwelling",
    "merge_household",
    "move_building",
    "move_dwelling",
    "move_household",
    "move_organisation",
    "move_resident",
    "plan_building_move",
    "record_household_stay",
    "record_resident_stay",
    "remove_household_stay",
    "remove_resident_stay",
    "split_dwelling",
    "split_household",
    "transfer_vehicle",
]
