"""The root query fields of the registry."""

from __future__ import annotations

from typing import Annotated, Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import aliased

from cityloom.core.database import AreaScoped
from cityloom.graph import bound as b
from cityloom.modules.areas.api.shapes import end_of
from cityloom.modules.areas.models import Area as AreaModel
from cityloom.modules.registry import models as m
from cityloom.modules.registry.api.custom import CustomField, of_thing
from cityloom.modules.registry.api.holders import Organisation, Vehicle
from cityloom.modules.registry.api.shapes import Building, Dwelling, Household, Resident


def within(
    row: type[AreaScoped],
    area: Annotated[b.ID | None, b.argument("Only what lies in this area, at any depth.", of="area")] = None,
) -> ColumnElement[bool]:
    """Rows in an area."""
    if area is None:
        return row.area_id.is_not(None)
    top = aliased(AreaModel)
    low: Any = select(top.path).where(top.id == area).scalar_subquery()
    high: Any = select(end_of(top.path)).where(top.id == area).scalar_subquery()
    inside: ColumnElement[bool] = (row.area_path >= low) & (row.area_path < high)
    return inside


def area_at(path: ColumnElement[str]) -> ColumnElement[Any]:
    """The id of the area at a path: counting by paths is done in an index alone, which holds no area's id."""
    area = aliased(AreaModel)
    return select(area.id).where(area.path == path).scalar_subquery()


@b.query(module="registry")
class RegistryQuery:
    """Buildings, dwellings, households, residents, organisations and vehicles by id, in pages, and counted."""

    building: Building | None = b.root_one(Building, "One building by its id.")
    buildings: b.Connection[Building] = b.root_connection(
        Building, "The buildings that the caller can see.", narrow=within
    )
    dwelling: Dwelling | None = b.root_one(Dwelling, "One dwelling by its id.")
    dwellings: b.Connection[Dwelling] = b.root_connection(
        Dwelling, "The dwellings that the caller can see.", narrow=within
    )
    dwelling_stats: list[b.Group] = b.root_aggregate(
        Dwelling,
        "Dwellings counted.",
        by={
            "USE": b.dimension(m.Dwelling.use, "By use."),
            "AREA": b.dimension(
                m.Dwelling.area_path, "By the area that they lie in directly.", tag="area", shown=area_at
            ),
        },
        narrow=within,
    )
    household: Household | None = b.root_one(Household, "One household by its id.")
    households: b.Connection[Household] = b.root_connection(
        Household, "The households that the caller can see.", narrow=within
    )
    resident: Resident | None = b.root_one(Resident, "One resident by their id.")
    residents: b.Connection[Resident] = b.root_connection(
        Resident, "The residents that the caller can see.", narrow=within
    )
    resident_stats: list[b.Group] = b.root_aggregate(
        Resident,
        "Residents counted.",
        by={
            "AREA": b.dimension(
                m.Resident.area_path, "By the area that they live in directly.", tag="area", shown=area_at
            ),
            "SEX": b.dimension(m.Resident.sex, "By sex."),
            "STATUS": b.dimension(m.Resident.status, "By whether they live here."),
            "BIRTH_YEAR": b.dimension(m.Resident.birth_year, "By year of birth."),
        },
        narrow=within,
    )
    organisation: Organisation | None = b.root_one(Organisation, "One organisation by its id.")
    organisations: b.Connection[Organisation] = b.root_connection(
        Organisation, "The organisations that the caller can see.", narrow=within
    )
    organisation_stats: list[b.Group] = b.root_aggregate(
        Organisation,
        "Organisations counted.",
        by={
            "KIND": b.dimension(m.Organisation.kind, "By kind."),
            "AREA": b.dimension(
                m.Organisation.area_path, "By the area that they lie in directly.", tag="area", shown=area_at
            ),
        },
        narrow=within,
    )
    vehicle: Vehicle | None = b.root_one(Vehicle, "One vehicle by its id.")
    vehicles: b.Connection[Vehicle] = b.root_connection(Vehicle, "The vehicles that the caller can see.", narrow=within)
    custom_fields: list[CustomField] = b.root_list(
        CustomField, "The city's own fields of one kind of thing, in their order.", narrow=of_thing
    )
