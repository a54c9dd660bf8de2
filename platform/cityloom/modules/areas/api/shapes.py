"""The GraphQL types of areas."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Any

import strawberry
from sqlalchemy import ARRAY, ColumnElement, SQLColumnExpression, String, case, cast, func, literal, select
from sqlalchemy.orm import aliased

from cityloom.access import models as access
from cityloom.access.api.shapes import Membership
from cityloom.events.api import Event
from cityloom.graph import bound as b
from cityloom.modules.areas import models as m
from cityloom.modules.areas.coordinates import CoordinateSystem as Datum


@strawberry.enum(description="The datum of a longitude and a latitude, both in degrees.")
class CoordinateSystem(Enum):
    """See `modules.areas.coordinates`."""

    WGS84 = strawberry.enum_value(Datum.WGS84.value, description="What satellites and GeoJSON use, and what is stored.")
    GCJ02 = strawberry.enum_value(
        Datum.GCJ02.value, description="What maps published in China use: Gaode, Tencent, WeChat."
    )
    BD09 = strawberry.enum_value(Datum.BD09.value, description="What Baidu's maps use.")


@strawberry.enum(description="What kind of grid (网格) areas of a kind are.")
class GridClass(Enum):
    """See `AreaKind.grid_class`."""

    BASIC = strawberry.enum_value("BASIC", description="An ordinary grid (基础网格): streets and homes.")
    DEDICATED = strawberry.enum_value(
        "DEDICATED", description="A dedicated grid (专属网格): a business district or tower."
    )
    MICRO = strawberry.enum_value("MICRO", description="Part of a grid (微网格): a group of buildings.")


@strawberry.enum(description="What became of an area.")
class AreaChangeKind(Enum):
    """See `AreaChange.kind`."""

    MOVED = strawberry.enum_value("MOVED", description="It lies in another parent; it is its own successor.")
    MERGED = strawberry.enum_value("MERGED", description="It was closed, and everything in it lies in the successor.")
    RECODED = strawberry.enum_value("RECODED", description="It has another code; it is its own successor.")
    SPLIT = strawberry.enum_value("SPLIT", description="It was closed, and everything in it lies in its successors.")


def today() -> ColumnElement[date]:
    """The calendar day in China, in SQL."""
    return cast(func.timezone("Asia/Shanghai", func.now()), m.Area.valid_from.type)


def open_on(area: type[m.Area], day: ColumnElement[date] | None = None) -> ColumnElement[bool]:
    """Whether an area is valid on a day (today where none is given)."""
    at = today() if day is None else day
    begun = area.valid_from.is_(None) | (area.valid_from <= at)
    return begun & (area.valid_until.is_(None) | (area.valid_until > at))


def end_of(path: SQLColumnExpression[str]) -> ColumnElement[str]:
    """The first path after a subtree, in SQL: see `core.principal.subtree`."""
    return func.left(path, -1, type_=String(collation="C")) + literal("/", String(collation="C"))


def area_at(path: ColumnElement[str]) -> ColumnElement[Any]:
    """The id of the area at a path: counting by paths is done in an index alone, which holds no area's id."""
    area = aliased(m.Area)
    return select(area.id).where(area.path == path).scalar_subquery()


def area_above(path: ColumnElement[str], depth: int) -> ColumnElement[str]:
    """The path of the area of a depth that a path lies in; null where it lies above that."""
    text = String(collation="C")
    labels: list[Any] = [func.split_part(path, ".", at) for at in range(1, depth + 1)]
    whole: Any = func.nullif(func.split_part(path, ".", depth + 1), "")
    dot = literal(".", text)
    for label in reversed(labels):
        whole = label.concat(dot).concat(whole)
    return whole.concat(dot).collate("C")  # type: ignore[no-any-return] # a chain of SQL functions


def below(area: type[m.Area], other: type[m.Area]) -> ColumnElement[bool]:
    """Whether `other` lies in `area`, at any depth."""
    return (other.path > area.path) & (other.path < end_of(area.path))


def above(area: type[m.Area], other: type[m.Area]) -> ColumnElement[bool]:
    """Whether `area` lies in `other`: by listing the paths above, which finds each by its index."""
    labels = func.string_to_array(func.left(area.path, -1), ".", type_=ARRAY(String(collation="C")))
    depth = func.generate_series(1, area.depth).table_valued("n").render_derived()
    prefix = func.array_to_string(func.trim_array(labels, area.depth + 1 - depth.c.n), ".", type_=String(collation="C"))
    # An array, not a join: how many paths there are the planner does not know, and reads all areas to join them.
    paths = select(prefix + literal(".", String(collation="C"))).select_from(depth).scalar_subquery()
    return other.path == func.any(func.array(paths))


def covers(area: type[m.Area], longitude: ColumnElement[float], latitude: ColumnElement[float]) -> ColumnElement[bool]:
    """Whether a WGS-84 position lies within an area's boundary; plain comparisons with the box come first."""
    ring = aliased(m.AreaRing)
    inside = ring.ring.op("@>", is_comparison=True)(func.point(longitude, latitude, type_=m.Point()))
    times = (
        select(func.coalesce(func.sum(case((ring.is_hole, -1), else_=1)), 0))
        .where(ring.area_id == area.id, inside)
        .scalar_subquery()
    )
    box = (area.west <= longitude) & (area.east >= longitude) & (area.south <= latitude) & (area.north >= latitude)
    return box & (times > 0)


def _descendant_count(area: type[m.Area]) -> ColumnElement[int]:
    other = aliased(m.Area)
    return select(func.count()).select_from(other).where(below(area, other), open_on(other)).scalar_subquery()


@b.bound(
    m.AreaKind,
    tag="arkd",
    module="areas",
    read="areas.area.read",
    orderings={"LEVEL": (m.AreaKind.level, m.AreaKind.code)},
)
class AreaKind(b.Node):
    """A kind of area in this city's own order, for example street (街道), community (社区) or grid (网格)."""

    code: str = b.column(m.AreaKind.code, "The kind's code, unique in the city, for example `GRID`.", filters=b.EXACT)
    title_zh: str = b.column(m.AreaKind.title_zh, "What the kind is called in Chinese.")
    title_en: str = b.column(m.AreaKind.title_en, "What the kind is called in English.")
    level: int = b.column(
        m.AreaKind.level, "How far down: 1 is the top. An area lies in one of a smaller level.", filters=b.RANGE
    )
    grid_class: GridClass | None = b.column(
        m.AreaKind.grid_class, "What kind of grid, where areas of this kind are grids; else null.", filters=b.EXACT
    )


@b.bound(m.AreaChange, module="areas", read="areas.area.read", orderings={"RECORDED": (m.AreaChange.id,)})
class AreaChange:
    """One line of an area's history: moved, merged or split."""

    kind: AreaChangeKind = b.column(m.AreaChange.kind, "What happened.")
    area: Area | None = b.one(m.AreaChange.area_id, "The area that it happened to.")
    successor: Area | None = b.one(m.AreaChange.successor_id, "Where what lay in the area lies since then.")
    former_parent: Area | None = b.one(m.AreaChange.former_parent_id, "The parent before; null for a top area.")
    former_code: str | None = b.column(m.AreaChange.former_code, "The code before, where the code changed.")
    happened_on: date = b.column(m.AreaChange.happened_on, "Since which day it holds.")
    recorded_at: datetime = b.column(m.AreaChange.recorded_at, "When it was carried out.")


@b.bound(
    m.Area,
    tag="area",
    module="areas",
    read="areas.area.read",
    orderings={
        "TREE": (m.Area.depth, m.Area.position),
        "CODE": (m.Area.code,),
        "NAME": (m.Area.name,),
    },
)
class Area(b.Node):
    """A piece of the city's territory: the city itself, a street, a community, a grid, a group of buildings.

    Areas form a tree of any depth; buildings, cases and staff lie in one. Everybody in the city can see all areas, what
    lies in them only where their role reaches.
    """

    code: str = b.column(
        m.Area.code,
        "The official code, unique among the areas valid on one day: 12 digits for a community, 15 for a grid.",
        filters=b.TEXT,
    )
    name: str = b.column(m.Area.name, "The name, for example 向阳社区.", filters=b.TEXT)
    kind_code: str = b.column(m.Area.kind, "The code of its kind.", filters=b.EXACT)
    kind: AreaKind | None = b.one(lambda area, kind: kind.code == area.kind, "Its kind.")
    parent: Area | None = b.one(m.Area.parent_id, "The area that it lies in; null for the top.")
    children: b.Connection[Area] = b.connection(m.Area.parent_id, "The areas directly in it.")
    ancestors: list[Area] = b.many(above, "All areas that it lies in, from the top down: a breadcrumb.", limit=20)
    descendants: b.Connection[Area] = b.connection(below, "All areas in it, at any depth.")
    descendant_count: int = b.expression(_descendant_count, "How many areas lie in it today, at any depth.")
    depth: int = b.column(m.Area.depth, "How many areas it lies in: 0 for the top.", filters=b.RANGE)
    position: int = b.column(m.Area.position, "Its place among the areas of the same parent.")
    valid_from: date | None = b.column(
        m.Area.valid_from, "The first day on which it is valid; null: as far back as is known.", filters=b.RANGE
    )
    valid_until: date | None = b.column(
        m.Area.valid_until, "The first day on which it is valid no longer; null: without end.", filters=b.RANGE
    )
    is_open: bool = b.expression(open_on, "Whether it is valid today.")
    stated_households: int | None = b.column(m.Area.stated_households, "Households as stated by the city, not counted.")
    stated_residents: int | None = b.column(m.Area.stated_residents, "Residents as stated by the city, not counted.")
    boundary: b.JSON | None = b.column(
        m.Area.boundary, "The boundary as a GeoJSON Polygon or MultiPolygon in WGS-84; null where it is not known."
    )
    is_boundary_synthetic: bool = b.column(
        m.Area.is_boundary_synthetic, "Whether the boundary was made up for a demonstration and surveyed by nobody."
    )
    west: float | None = b.column(m.Area.west, "The boundary's smallest longitude.", filters=b.RANGE)
    south: float | None = b.column(m.Area.south, "The boundary's smallest latitude.", filters=b.RANGE)
    east: float | None = b.column(m.Area.east, "The boundary's largest longitude.", filters=b.RANGE)
    north: float | None = b.column(m.Area.north, "The boundary's largest latitude.", filters=b.RANGE)
    longitude: float | None = b.column(m.Area.centre_longitude, "The centre's longitude, WGS-84.")
    latitude: float | None = b.column(m.Area.centre_latitude, "The centre's latitude, WGS-84.")
    became: list[AreaChange] = b.many(m.AreaChange.area_id, "What became of it, oldest first.", limit=100)
    came_from: list[AreaChange] = b.many(
        m.AreaChange.successor_id, "What it came from: areas merged into it, or the one it was split from.", limit=100
    )
    version: int = b.column(
        m.Area.version, "Counts changes: send it with a change, which is then refused if somebody was faster."
    )
    changed_at: datetime = b.column(m.Area.changed_at, "When it was last changed.")


@b.extend(Membership, module="areas")
class MembershipArea:
    """Where a membership holds, as an area: access lies below areas and knows its path only."""

    area: Area | None = b.one(
        access.Membership.area_id,
        "The area where the role is held; null for other scopes, or out of sight.",
        # By `areaPath` of what is answered one can tell as well; conditions on areas would all become access's own.
        filterable=False,
    )


@b.extend(Event, module="areas")
class EventArea:
    """Where an event happened, as an area: events lie below areas and know its path only."""

    area: Area | None = b.one(
        lambda event, area: area.path == event.area_path,
        "The area that it happened in; null where it was in none, or that is out of sight or elsewhere now.",
        filterable=False,
    )
