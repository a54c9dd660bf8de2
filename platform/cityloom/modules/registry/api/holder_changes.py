"""Mutations of organisations, vehicles, and the city's own fields."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import strawberry
from strawberry.types.unset import UNSET

from cityloom.core.work import Work
from cityloom.graph import bound as b
from cityloom.graph.given import given, word
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.modules.registry import models as m
from cityloom.modules.registry import service
from cityloom.modules.registry.api.custom import GIVEN, CustomField
from cityloom.modules.registry.api.holders import Organisation, Vehicle
from cityloom.modules.registry.api.inputs import VERSION
from cityloom.modules.registry.api.mutations import id_in
from cityloom.modules.registry.api.words import (
    CustomKind,
    CustomSensitivity,
    CustomThing,
    OrganisationKind,
    VehicleKind,
)
from cityloom.modules.registry.errors import PlaceMissing
from cityloom.modules.registry.service.stays import one_holder

if TYPE_CHECKING:
    from uuid import UUID

_SINCE = "Since which day; today where nothing is sent."
_CREDIT = "The unified social credit code, 18 characters."
_PLATE = "The whole number plate, with a dot or not. It is stored encrypted."


@b.input_type(description="A new organisation. Send one of building, dwelling and area.")
class OrganisationCreateInput:
    """See `service.create_organisation`."""

    name: str = strawberry.field(description="The name as it is registered, 1 to 100 characters.")
    kind: OrganisationKind = strawberry.field(description="What kind of organisation it is.")
    credit_code: str | None = strawberry.field(default=UNSET, description=_CREDIT)
    building_id: b.ID | None = strawberry.field(default=None, description="The building that it occupies.")
    dwelling_id: b.ID | None = strawberry.field(default=None, description="The dwelling that it occupies.")
    area_id: b.ID | None = strawberry.field(default=None, description="The area, where its premises are not known.")
    moved_in_on: date | None = strawberry.field(default=None, description=_SINCE)
    custom: b.JSON | None = strawberry.field(default=UNSET, description=GIVEN)


@b.input_type(description="A change of an organisation; what is not sent stays as it is.")
class OrganisationChangeInput:
    """See `service.change_organisation`."""

    id: b.ID = strawberry.field(description="The organisation.")
    version: int | None = strawberry.field(default=None, description=VERSION)
    name: str | None = strawberry.field(default=UNSET, description="The name as it is registered, 1 to 100 characters.")
    kind: OrganisationKind | None = strawberry.field(default=UNSET, description="What kind of organisation it is.")
    credit_code: str | None = strawberry.field(default=UNSET, description=_CREDIT)
    custom: b.JSON | None = strawberry.field(default=UNSET, description=GIVEN)


@b.input_type(description="An organisation that is somewhere else. Send one of building, dwelling and area.")
class OrganisationMoveInput:
    """See `service.move_organisation`."""

    id: b.ID = strawberry.field(description="The organisation; its vehicles go along.")
    building_id: b.ID | None = strawberry.field(default=None, description="The building that it occupies.")
    dwelling_id: b.ID | None = strawberry.field(default=None, description="The dwelling that it occupies.")
    area_id: b.ID | None = strawberry.field(default=None, description="The area, where its premises are not known.")
    moved_on: date | None = strawberry.field(default=None, description=_SINCE)
    version: int | None = strawberry.field(default=None, description=VERSION)


@b.input_type(description="An organisation that is no more.")
class OrganisationCloseInput:
    """See `service.close_organisation`."""

    id: b.ID = strawberry.field(description="The organisation.")
    closed_on: date | None = strawberry.field(default=None, description=_SINCE)
    version: int | None = strawberry.field(default=None, description=VERSION)


@b.input_type(description="A new vehicle. Send one of the two holders.")
class VehicleCreateInput:
    """See `service.create_vehicle`."""

    plate: str = strawberry.field(description=_PLATE)
    kind: VehicleKind = strawberry.field(description="What kind of vehicle it is.")
    resident_id: b.ID | None = strawberry.field(default=None, description="Whose it is, where it is a resident's.")
    organisation_id: b.ID | None = strawberry.field(
        default=None, description="Whose it is, where it is an organisation's."
    )
    held_since: date | None = strawberry.field(default=None, description=_SINCE)
    custom: b.JSON | None = strawberry.field(default=UNSET, description=GIVEN)


@b.input_type(description="A change of a vehicle; what is not sent stays as it is.")
class VehicleChangeInput:
    """See `service.change_vehicle`."""

    id: b.ID = strawberry.field(description="The vehicle.")
    version: int | None = strawberry.field(default=None, description=VERSION)
    plate: str | None = strawberry.field(default=UNSET, description=_PLATE)
    kind: VehicleKind | None = strawberry.field(default=UNSET, description="What kind of vehicle it is.")
    custom: b.JSON | None = strawberry.field(default=UNSET, description=GIVEN)


@b.input_type(description="A vehicle that is somebody else's. Send one of the two holders.")
class VehicleTransferInput:
    """See `service.transfer_vehicle`."""

    id: b.ID = strawberry.field(description="The vehicle.")
    resident_id: b.ID | None = strawberry.field(default=None, description="Whose it is, where it is a resident's.")
    organisation_id: b.ID | None = strawberry.field(
        default=None, description="Whose it is, where it is an organisation's."
    )
    since: date | None = strawberry.field(default=None, description=_SINCE)
    version: int | None = strawberry.field(default=None, description=VERSION)


@b.input_type(description="A new field of the city's own.")
class CustomFieldDefineInput:
    """See `service.define_field`."""

    thing: CustomThing = strawberry.field(description="What has it.")
    code: str = strawberry.field(description="Its code: a lowercase letter, then lowercase letters, digits and _.")
    title_zh: str = strawberry.field(description="Its title in Chinese, 1 to 100 characters.")
    title_en: str = strawberry.field(description="Its title in English, 1 to 100 characters.")
    kind: CustomKind = strawberry.field(description="What an answer is; it cannot be changed.")
    is_required: bool = strawberry.field(
        default=False, description="Whether a thing is not recorded without an answer, and answers not changed."
    )
    choices: list[str] = strawberry.field(
        default_factory=list, description="What is chosen from, for CHOICE and CHOICES: 1 to 200."
    )
    sensitivity: CustomSensitivity = strawberry.field(
        default=CustomSensitivity.PLAIN, description="Who may see answers; it cannot be changed."
    )
    position: int = strawberry.field(default=0, description="Its place among the fields of the thing, 0 to 9999.")


@b.input_type(description="A change of a field of the city's own; what is not sent stays as it is.")
class CustomFieldChangeInput:
    """See `service.change_field`."""

    id: b.ID = strawberry.field(description="The field.")
    version: int | None = strawberry.field(default=None, description=VERSION)
    title_zh: str | None = strawberry.field(default=UNSET, description="Its title in Chinese, 1 to 100 characters.")
    title_en: str | None = strawberry.field(default=UNSET, description="Its title in English, 1 to 100 characters.")
    is_required: bool | None = strawberry.field(
        default=UNSET, description="Whether a thing is not recorded without an answer, and answers not changed."
    )
    choices: list[str] | None = strawberry.field(
        default=UNSET, description="What is chosen from; those that there are stay."
    )
    position: int | None = strawberry.field(default=UNSET, description="Its place among the fields of the thing.")
    is_retired: bool | None = strawberry.field(
        default=UNSET, description="Whether it is asked no more; answers are kept."
    )


def _place(work: Work, building: str | None, dwelling: str | None, area: str | None) -> service.Place:
    named = [
        service.Place(kind, id_in(work, value, tag, f"{kind}Id"))
        for kind, tag, value in (("building", "bldg", building), ("dwelling", "dwel", dwelling), ("area", "area", area))
        if value is not None
    ]
    if len(named) != 1:
        raise PlaceMissing(path=("buildingId",))
    return named[0]


def _holder(work: Work, resident: str | None, organisation: str | None) -> service.Holder:
    if one_holder(resident, organisation):
        return service.Holder(is_resident=True, row_id=id_in(work, resident or "", "resd", "residentId"))
    return service.Holder(is_resident=False, row_id=id_in(work, organisation or "", "orgn", "organisationId"))


async def create_organisation(work: Work, input: OrganisationCreateInput, row_id: UUID | None = None) -> m.Organisation:  # noqa: A002 - the argument's name in GraphQL
    """See `service.create_organisation`."""
    place = _place(work, input.building_id, input.dwelling_id, input.area_id)
    values = given(input, without=("building_id", "dwelling_id", "area_id"))
    return await service.create_organisation(work, place, row_id=row_id, **values)


async def change_organisation(work: Work, input: OrganisationChangeInput) -> m.Organisation:  # noqa: A002 - the argument's name in GraphQL
    """See `service.change_organisation`."""
    values = given(input, without=("id",), never_null=("name", "kind"))
    return await service.change_organisation(work, id_in(work, input.id, "orgn"), **values)


async def move_organisation(work: Work, input: OrganisationMoveInput) -> m.Organisation:  # noqa: A002 - the argument's name in GraphQL
    """See `service.move_organisation`."""
    place = _place(work, input.building_id, input.dwelling_id, input.area_id)
    return await service.move_organisation(
        work, id_in(work, input.id, "orgn"), place, moved_on=input.moved_on, version=input.version
    )


async def close_organisation(work: Work, input: OrganisationCloseInput) -> m.Organisation:  # noqa: A002 - the argument's name in GraphQL
    """See `service.close_organisation`."""
    return await service.close_organisation(
        work, id_in(work, input.id, "orgn"), closed_on=input.closed_on, version=input.version
    )


async def create_vehicle(work: Work, input: VehicleCreateInput, row_id: UUID | None = None) -> m.Vehicle:  # noqa: A002 - the argument's name in GraphQL
    """See `service.create_vehicle`."""
    holder = _holder(work, input.resident_id, input.organisation_id)
    values = given(input, without=("resident_id", "organisation_id"))
    return await service.create_vehicle(work, holder, row_id=row_id, **values)


async def change_vehicle(work: Work, input: VehicleChangeInput) -> m.Vehicle:  # noqa: A002 - the argument's name in GraphQL
    """See `service.change_vehicle`."""
    values = given(input, without=("id",), never_null=("plate", "kind"))
    return await service.change_vehicle(work, id_in(work, input.id, "vehi"), **values)


async def transfer_vehicle(work: Work, input: VehicleTransferInput) -> m.Vehicle:  # noqa: A002 - the argument's name in GraphQL
    """See `service.transfer_vehicle`."""
    holder = _holder(work, input.resident_id, input.organisation_id)
    return await service.transfer_vehicle(
        work, id_in(work, input.id, "vehi"), holder, since=input.since, version=input.version
    )


async def _create_organisation(work: Work, input: OrganisationCreateInput) -> m.Organisation:  # noqa: A002 - the argument's name in GraphQL
    return await create_organisation(work, input)


async def _create_vehicle(work: Work, input: VehicleCreateInput) -> m.Vehicle:  # noqa: A002 - the argument's name in GraphQL
    return await create_vehicle(work, input)


async def _define_field(work: Work, input: CustomFieldDefineInput) -> m.CustomField:  # noqa: A002 - the argument's name in GraphQL
    values = given(input, without=("thing", "kind", "sensitivity"))
    return await service.define_field(
        work, thing=word(input.thing), kind=word(input.kind), sensitivity=word(input.sensitivity), **values
    )


async def _change_field(work: Work, input: CustomFieldChangeInput) -> m.CustomField:  # noqa: A002 - the argument's name in GraphQL
    whole = ("title_zh", "title_en", "is_required", "choices", "position", "is_retired")
    values = given(input, without=("id",), never_null=whole)
    return await service.change_field(work, id_in(work, input.id, "cfld"), **values)


@mutation_root(module="registry")
class HolderMutation:
    """Changes of organisations, vehicles, and the city's own fields."""

    organisation_create: Organisation = mutation(_create_organisation, "Record an organisation.")
    organisation_change: Organisation = mutation(change_organisation, "Change an organisation.")
    organisation_move: Organisation = mutation(move_organisation, "Let an organisation be somewhere else.")
    organisation_close: Organisation = mutation(close_organisation, "Record that an organisation is no more.")
    vehicle_create: Vehicle = mutation(_create_vehicle, "Record a vehicle of a resident or an organisation.")
    vehicle_change: Vehicle = mutation(change_vehicle, "Change a vehicle.")
    vehicle_transfer: Vehicle = mutation(transfer_vehicle, "Record that a vehicle is somebody else's.")
    custom_field_define: CustomField = mutation(_define_field, "Give a kind of thing a field of the city's own.")
    custom_field_change: CustomField = mutation(
        _change_field, "Change or retire a field of the city's own. What things have answered stays."
    )
