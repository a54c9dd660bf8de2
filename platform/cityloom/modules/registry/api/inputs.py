"""The GraphQL inputs of the registry."""

from __future__ import annotations

from datetime import date

import strawberry
from strawberry.types.unset import UNSET

from cityloom.graph import bound as b
from cityloom.modules.areas.api.inputs import AreaPlanCount, PositionInput
from cityloom.modules.registry.api.custom import GIVEN
from cityloom.modules.registry.api.words import Departure, DwellingUse, HouseholdKind, Relationship, Sex

VERSION = "The `version` that you read; the change is refused as STALE if it is not the current one. Or nothing."
_SIZE = "Floor area in square decimetres (100 dm² = 1 m²)."
_IDENTITY = "The whole identity number, 18 characters; birth date and sex follow from it. It is stored encrypted."
_PHONE = "The whole mobile number, with +86 or not. It is stored encrypted."


@b.input_type(description="A new building.")
class BuildingCreateInput:
    """See `service.create_building`."""

    area_id: b.ID = strawberry.field(description="The area that it lies in.")
    code: str = strawberry.field(description="The city's own code of the building, 1 to 40 characters.")
    name: str = strawberry.field(description="What people call it, 1 to 100 characters.")
    address: str | None = strawberry.field(default=UNSET, description="The postal address, at most 200 characters.")
    storeys: int | None = strawberry.field(default=UNSET, description="Storeys above ground, 1 to 200.")
    position: PositionInput | None = strawberry.field(default=UNSET, description="Where it stands.")
    custom: b.JSON | None = strawberry.field(default=UNSET, description=GIVEN)


@b.input_type(description="A change of a building; what is not sent stays as it is.")
class BuildingChangeInput:
    """See `service.change_building`."""

    id: b.ID = strawberry.field(description="The building.")
    version: int | None = strawberry.field(default=None, description=VERSION)
    code: str | None = strawberry.field(
        default=UNSET, description="The city's own code of the building, 1 to 40 characters."
    )
    name: str | None = strawberry.field(default=UNSET, description="What people call it, 1 to 100 characters.")
    address: str | None = strawberry.field(default=UNSET, description="The postal address, at most 200 characters.")
    storeys: int | None = strawberry.field(default=UNSET, description="Storeys above ground, 1 to 200.")
    position: PositionInput | None = strawberry.field(default=UNSET, description="Where it stands; null: not known.")
    custom: b.JSON | None = strawberry.field(default=UNSET, description=GIVEN)


@b.input_type(description="A building that lies in another area.")
class BuildingMoveInput:
    """See `service.move_building`."""

    id: b.ID = strawberry.field(description="The building; everything in it goes along.")
    area_id: b.ID = strawberry.field(description="The area that it lies in from now on.")
    version: int | None = strawberry.field(default=None, description=VERSION)


@b.input_type(description="A building that is thought of as lying in another area.")
class BuildingMovePlanInput:
    """See `service.plan_building_move`."""

    id: b.ID = strawberry.field(description="The building.")
    area_id: b.ID = strawberry.field(description="The area that it would lie in.")


@b.output_type(description="What putting a building into another area would touch. Nothing is changed by asking.")
class BuildingMovePlan:
    """See `service.plan_building_move`."""

    former_area_id: b.ID = strawberry.field(description="The area that it lies in today.")
    former_area_name: str = strawberry.field(description="Its name.")
    area_id: b.ID = strawberry.field(description="The area that it would lie in.")
    area_name: str = strawberry.field(description="Its name.")
    counts: list[AreaPlanCount] = strawberry.field(description="What would go along, by sort: what the building holds.")


@b.input_type(description="A new dwelling.")
class DwellingCreateInput:
    """See `service.create_dwelling`."""

    building_id: b.ID = strawberry.field(description="The building that it is in.")
    unit: str | None = strawberry.field(default=UNSET, description="The staircase or unit, at most 20 characters.")
    number: str = strawberry.field(description="The number on the door, 1 to 20 characters.")
    floor: int | None = strawberry.field(default=UNSET, description="The floor, -9 to 200; 1 is the ground floor.")
    use: DwellingUse = strawberry.field(description="What it is used for.")
    used_since: date | None = strawberry.field(
        default=UNSET, description="Since which day it is used so; today where nothing is sent."
    )
    size_dm2: int | None = strawberry.field(default=UNSET, description=_SIZE)
    custom: b.JSON | None = strawberry.field(default=UNSET, description=GIVEN)


@b.input_type(description="A change of a dwelling; what is not sent stays as it is.")
class DwellingChangeInput:
    """See `service.change_dwelling`."""

    id: b.ID = strawberry.field(description="The dwelling.")
    version: int | None = strawberry.field(default=None, description=VERSION)
    unit: str | None = strawberry.field(default=UNSET, description="The staircase or unit, at most 20 characters.")
    number: str | None = strawberry.field(default=UNSET, description="The number on the door, 1 to 20 characters.")
    floor: int | None = strawberry.field(default=UNSET, description="The floor, -9 to 200; 1 is the ground floor.")
    use: DwellingUse | None = strawberry.field(default=UNSET, description="What it is used for.")
    size_dm2: int | None = strawberry.field(default=UNSET, description=_SIZE)
    custom: b.JSON | None = strawberry.field(default=UNSET, description=GIVEN)


@b.input_type(description="A dwelling that was recorded in the wrong building.")
class DwellingMoveInput:
    """See `service.move_dwelling`."""

    id: b.ID = strawberry.field(description="The dwelling; everybody in it goes along.")
    building_id: b.ID = strawberry.field(description="The building that it is in.")
    version: int | None = strawberry.field(default=None, description=VERSION)


@b.input_type(description="A new household: in a dwelling, or directly in an area. Send one of the two.")
class HouseholdCreateInput:
    """See `service.create_household`."""

    number: str = strawberry.field(description="The household's number, unique in the city, 1 to 40 characters.")
    kind: HouseholdKind = strawberry.field(default=HouseholdKind.FAMILY, description="What kind of household it is.")
    dwelling_id: b.ID | None = strawberry.field(default=None, description="Where it lives.")
    area_id: b.ID | None = strawberry.field(default=None, description="The area, where the dwelling is not known.")
    moved_in_on: date | None = strawberry.field(
        default=None, description="Since which day it lives there; today where nothing is sent."
    )
    custom: b.JSON | None = strawberry.field(default=UNSET, description=GIVEN)


@b.input_type(description="A change of a household; what is not sent stays as it is.")
class HouseholdChangeInput:
    """See `service.change_household`."""

    id: b.ID = strawberry.field(description="The household.")
    version: int | None = strawberry.field(default=None, description=VERSION)
    number: str | None = strawberry.field(default=UNSET, description="The household's number, unique in the city.")
    kind: HouseholdKind | None = strawberry.field(default=UNSET, description="What kind of household it is.")
    custom: b.JSON | None = strawberry.field(default=UNSET, description=GIVEN)


@b.input_type(description="A household that lives elsewhere.")
class HouseholdMoveInput:
    """See `service.move_household`."""

    id: b.ID = strawberry.field(description="The household; everybody in it goes along.")
    dwelling_id: b.ID = strawberry.field(description="Where it lives from then on.")
    moved_on: date | None = strawberry.field(default=None, description="Since which day; today where nothing is sent.")
    version: int | None = strawberry.field(default=None, description=VERSION)


@b.input_type(description="A new resident.")
class ResidentCreateInput:
    """See `service.create_resident`."""

    household_id: b.ID = strawberry.field(description="The household they belong to.")
    name: str = strawberry.field(description="The name as in their papers, 1 to 60 characters.")
    arrived_on: date | None = strawberry.field(
        default=UNSET, description="Since which day they belong to the household; today where nothing is sent."
    )
    sex: Sex | None = strawberry.field(default=UNSET, description="The sex as in their papers.")
    birth_on: date | None = strawberry.field(default=UNSET, description="The date of birth. It is stored encrypted.")
    identity_number: str | None = strawberry.field(default=UNSET, description=_IDENTITY)
    phone: str | None = strawberry.field(default=UNSET, description=_PHONE)
    relationship: Relationship = strawberry.field(
        default=Relationship.OTHER, description="What they are to the head of the household."
    )
    custom: b.JSON | None = strawberry.field(default=UNSET, description=GIVEN)


@b.input_type(description="A change of a resident; what is not sent stays as it is.")
class ResidentChangeInput:
    """See `service.change_resident`."""

    id: b.ID = strawberry.field(description="The resident.")
    version: int | None = strawberry.field(default=None, description=VERSION)
    name: str | None = strawberry.field(default=UNSET, description="The name as in their papers, 1 to 60 characters.")
    sex: Sex | None = strawberry.field(default=UNSET, description="The sex as in their papers.")
    birth_on: date | None = strawberry.field(default=UNSET, description="The date of birth; null: not known.")
    identity_number: str | None = strawberry.field(default=UNSET, description=_IDENTITY)
    phone: str | None = strawberry.field(default=UNSET, description=_PHONE)
    relationship: Relationship | None = strawberry.field(
        default=UNSET, description="What they are to the head of the household."
    )
    account_id: b.ID | None = strawberry.field(
        default=UNSET,
        description="The account with which the resident signs in, and sees all that is stored of them; null: none."
        " Needs `registry.resident.link`.",
    )
    custom: b.JSON | None = strawberry.field(default=UNSET, description=GIVEN)


@b.input_type(description="A resident who lives in another household, or has come back.")
class ResidentMoveInput:
    """See `service.move_resident`."""

    id: b.ID = strawberry.field(description="The resident.")
    household_id: b.ID = strawberry.field(description="The household they belong to from then on.")
    relationship: Relationship = strawberry.field(
        default=Relationship.OTHER, description="What they are to the head of that household."
    )
    moved_on: date | None = strawberry.field(default=None, description="Since which day; today where nothing is sent.")
    version: int | None = strawberry.field(default=None, description=VERSION)


@b.input_type(description="A resident who does not live here any more.")
class ResidentLeaveInput:
    """See `service.leave`."""

    id: b.ID = strawberry.field(description="The resident.")
    departure: Departure = strawberry.field(description="How they left.")
    left_on: date | None = strawberry.field(default=None, description="Since which day; today where nothing is sent.")
    version: int | None = strawberry.field(default=None, description=VERSION)
