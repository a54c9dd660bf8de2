"""The root query fields of areas."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import aliased

from cityloom.graph import bound as b
from cityloom.modules.areas import models as m
from cityloom.modules.areas.api.shapes import Area, AreaKind, CoordinateSystem, covers, end_of, open_on
from cityloom.modules.areas.coordinates import CoordinateSystem as Datum
from cityloom.modules.areas.coordinates import to_wgs84
from cityloom.modules.areas.errors import CoordinateOutOfRange

if TYPE_CHECKING:
    from cityloom.core.principal import Principal


def at_position(
    area: type[m.Area],
    longitude: Annotated[float, b.argument("Degrees east, -180 to 180.")],
    latitude: Annotated[float, b.argument("Degrees north, -90 to 90.")],
    system: Annotated[CoordinateSystem, b.argument("The datum of both.")] = CoordinateSystem.WGS84,  # noqa: ARG001 - see to_stored_datum
    kind: Annotated[str | None, b.argument("Only areas of the kind with this code; else the deepest area.")] = None,
) -> ColumnElement[bool]:
    """The deepest open area whose boundary holds the position."""
    found = aliased(m.Area)
    query = select(found.id).where(covers(found, longitude, latitude), open_on(found))  # type: ignore[arg-type] # arguments arrive as bind elements
    if kind is not None:
        query = query.where(found.kind == kind)
    deepest = query.order_by(found.depth.desc(), found.id).limit(1).scalar_subquery()
    return area.id == deepest


def to_stored_datum(arguments: dict[str, Any], _principal: Principal, _services: dict[type, Any]) -> dict[str, Any]:
    """Turn a position into WGS-84; refuses (`CoordinateOutOfRange`)."""
    longitude, latitude = arguments["longitude"], arguments["latitude"]
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):  # noqa: PLR2004 - degrees
        raise CoordinateOutOfRange(path=("longitude",), longitude=longitude, latitude=latitude)
    system = arguments.get("system") or Datum.WGS84
    longitude, latitude = to_wgs84(longitude, latitude, Datum(getattr(system, "value", system)))
    return {**arguments, "longitude": longitude, "latitude": latitude}


def with_code(
    area: type[m.Area],
    code: Annotated[str, b.argument("The official code.")],
    on: Annotated[date | None, b.argument("The day on which the code is valid; today where none is given.")] = None,
) -> ColumnElement[bool]:
    """The area that a code names on a day."""
    return (area.code == code) & open_on(area, on)  # type: ignore[arg-type] # a bind element


def among(
    area: type[m.Area],
    within: Annotated[b.ID | None, b.argument("Only this area and what lies in it.", of="area")] = None,
    valid_on: Annotated[date | None, b.argument("Only areas that are valid on this day.")] = None,
) -> ColumnElement[bool]:
    """Areas within another."""
    condition: ColumnElement[bool] = area.id.is_not(None)
    if within is not None:
        top = aliased(m.Area)
        low = select(top.path).where(top.id == within).scalar_subquery()
        high = select(end_of(top.path)).where(top.id == within).scalar_subquery()
        condition = (area.path >= low) & (area.path < high)
    return condition if valid_on is None else condition & open_on(area, valid_on)  # type: ignore[arg-type] # a bind element


@b.query(module="areas")
class AreasQuery:
    """Areas by id, by code, by position, and all of them."""

    area: Area | None = b.root_one(Area, "One area by its id.")
    area_by_code: Area | None = b.root_one(Area, "The area that an official code names.", narrow=with_code)
    area_at: Area | None = b.root_one(
        Area,
        "The area that a position lies in: which grid is this? The deepest one whose boundary holds the position, or "
        "the one of a kind. Null where no boundary does.",
        narrow=at_position,
        prepare=to_stored_datum,
    )
    areas: b.Connection[Area] = b.root_connection(Area, "The city's areas, from the top down.", narrow=among)
    area_kinds: list[AreaKind] = b.root_list(
        AreaKind, "The kinds of area that this city has, from the top down.", limit=100
    )
