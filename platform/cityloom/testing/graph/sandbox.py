"""Tables and bound types that use every kind of binding once; not part of the platform's own metadata."""

# ruff: noqa: ANN401 - aliases and rows of the sandbox have no static type
from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
import strawberry
from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Double,
    Integer,
    MetaData,
    Numeric,
    String,
    Text,
    Uuid,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from cityloom.core.database import TenantTable
from cityloom.graph import bound as b
from cityloom.graph.bound.nodes import NodeQuery

_PATH = String(collation="C")


class PaperBase(DeclarativeBase):
    """Tables of the paper city."""

    metadata = MetaData()
    type_annotation_map = {str: Text(), UUID: Uuid(), datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy reads this name


class DistrictRow(TenantTable, PaperBase):
    """An area of the paper city."""

    __tablename__ = "districts"
    name: Mapped[str]
    path: Mapped[str] = mapped_column(_PATH)
    parent_id: Mapped[UUID | None]


class HouseRow(TenantTable, PaperBase):
    """A house, with a column of every kind."""

    __tablename__ = "houses"
    district_id: Mapped[UUID]
    area_path: Mapped[str] = mapped_column(_PATH)
    number: Mapped[str]
    use: Mapped[str]
    rooms: Mapped[int | None] = mapped_column(Integer)
    value_fen: Mapped[int] = mapped_column(BigInteger)
    built_on: Mapped[date | None] = mapped_column(Date)
    checked_at: Mapped[datetime]
    longitude: Mapped[float | None] = mapped_column(Double)
    is_listed: Mapped[bool] = mapped_column(Boolean)
    share: Mapped[Any] = mapped_column(Numeric(10, 2))
    marks: Mapped[list[str]] = mapped_column(ARRAY(Text))
    extra: Mapped[Any | None] = mapped_column(JSONB)


class PersonRow(TenantTable, PaperBase):
    """Somebody who lives in a house."""

    __tablename__ = "people"
    house_id: Mapped[UUID | None]
    area_path: Mapped[str] = mapped_column(_PATH)
    department_id: Mapped[UUID | None]
    account_id: Mapped[UUID | None]
    name: Mapped[str]
    phone_masked: Mapped[str | None]
    phone: Mapped[str | None]
    born_on: Mapped[date | None] = mapped_column(Date)


class LabelRow(TenantTable, PaperBase):
    """A word on a house."""

    __tablename__ = "labels"
    house_id: Mapped[UUID]
    word: Mapped[str]


class NoticeRow(TenantTable, PaperBase):
    """A notice about a house or a person."""

    __tablename__ = "notices"
    house_id: Mapped[UUID | None]
    person_id: Mapped[UUID | None]
    text: Mapped[str]


AREA_COLUMN = {"districts": "path", "houses": "area_path", "people": "area_path"}


@strawberry.enum(description="What a house is used for.")
class Use(Enum):
    """Stored as the values, shown as the names."""

    HOME = strawberry.enum_value("home", description="People live there.")
    SHOP = strawberry.enum_value("shop", description="Things are sold there.")


@b.interface
class Named:
    """Anything with a title."""

    title: str = b.shared("What it is called.")


@b.bound(
    DistrictRow,
    tag="dist",
    module="paper",
    read="paper.district.read",
    scope=b.ScopeRule(area=DistrictRow.path),
    orderings={"NAME": DistrictRow.name, "PATH": DistrictRow.path},
)
class District(b.Node, Named):
    """A part of the paper city."""

    title: str = b.column(DistrictRow.name, "Its name.", filters=b.SEARCH)
    parent: District | None = b.one(DistrictRow.parent_id, "The district around it.")
    parts: b.Connection[District] = b.connection(DistrictRow.parent_id, "Districts in it.")
    houses: b.Connection[House] = b.connection(HouseRow.district_id, "Houses in it.")
    all_houses: b.Connection[House] = b.connection(
        lambda district, house: sa.and_(
            house.area_path >= district.path, house.area_path < func.rtrim(district.path, ".").concat("/")
        ),
        "Houses in it and in all districts in it.",
        filterable=False,
    )


def _live_here(alias: Any) -> Any:
    person = aliased(PersonRow)
    return select(func.count()).where(person.house_id == alias.id).scalar_subquery()


def _describe(rows: list[Any], context: Any) -> list[str]:
    return [f"{row.number}/{row.rooms}/{row.built_on}/{context}" for row in rows]


@strawberry.type(description="A place on a map.")
class Place:
    """What a resolver answers."""

    label: str = strawberry.field(description="What stands there.")
    checked_at: datetime = strawberry.field(description="When it was looked at.")


async def _places(rows: list[Any], _context: Any) -> list[Place]:
    return [Place(label=row.id.hex[-4:], checked_at=row.checked_at) for row in rows]


@b.bound(
    HouseRow,
    tag="hous",
    module="paper",
    read="paper.house.read",
    scope=b.ScopeRule(area=HouseRow.area_path),
    orderings={
        "NUMBER": HouseRow.number,
        "ROOMS": HouseRow.rooms,
        "BUILT": (HouseRow.built_on, HouseRow.number),
        "CHECKED": HouseRow.checked_at,
        "VALUE": HouseRow.value_fen,
        "CREATED": HouseRow.id,
    },
    matches={
        "worded": b.Match(
            str,
            lambda house, word: sa.exists().where(LabelRow.house_id == house.id, LabelRow.word == word),
            "With this label.",
        )
    },
)
class House(b.Node, Named):
    """A house of the paper city."""

    title: str = b.column(HouseRow.number, "Its number.", filters=b.SEARCH)
    use: Use = b.column(HouseRow.use, "What it is used for.", filters=b.EXACT)
    rooms: int | None = b.column(HouseRow.rooms, "How many rooms.", filters=b.RANGE)
    value_fen: b.BigInt = b.column(HouseRow.value_fen, "What it is worth, in fen.", filters=b.RANGE)
    built_on: date | None = b.column(HouseRow.built_on, "When it was built.", filters=b.RANGE)
    checked_at: datetime = b.column(HouseRow.checked_at, "When it was looked at.", filters=b.RANGE)
    longitude: float | None = b.column(HouseRow.longitude, "Degrees east.")
    is_listed: bool = b.column(HouseRow.is_listed, "Whether it is protected.", filters=b.EXACT)
    marks: list[str] = b.column(HouseRow.marks, "Marks on it.")
    extra: b.JSON | None = b.column(HouseRow.extra, "Anything else.")
    district: District | None = b.one(HouseRow.district_id, "Where it stands.")
    people: b.Connection[Person] = b.connection(PersonRow.house_id, "Who lives there.")
    labels: list[Label] = b.many(LabelRow.house_id, "Words on it.", limit=5)
    live_here: int = b.expression(_live_here, "How many people live there, of those that the caller sees.")
    described: str = b.resolved(
        _describe, needs=(HouseRow.number, HouseRow.rooms, HouseRow.built_on), description="In words."
    )
    place: Place | None = b.resolved(_places, needs=(HouseRow.id, HouseRow.checked_at), description="On the map.")


@b.bound(
    PersonRow,
    tag="pers",
    module="paper",
    read="paper.person.read",
    scope=b.ScopeRule(area=PersonRow.area_path, department=PersonRow.department_id, owner=PersonRow.account_id),
    orderings={"NAME": PersonRow.name},
)
class Person(b.Node, Named):
    """Somebody of the paper city."""

    title: str = b.column(PersonRow.name, "Their name.", filters=b.TEXT)
    phone: str | None = b.masked(
        PersonRow.phone_masked, field="paper.person.phone", description="Their telephone.", full=PersonRow.phone
    )
    born_on: date | None = b.column(PersonRow.born_on, "Their day of birth.", field="paper.person.birth")
    house: House | None = b.one(PersonRow.house_id, "Where they live.")


@b.bound(LabelRow, module="paper", orderings={"WORD": LabelRow.word})
class Label:
    """A word on a house."""

    word: str = b.column(LabelRow.word, "The word.", filters=b.TEXT)


Subject = Annotated[House | Person, strawberry.union("Subject", description="What a notice is about.")]


@b.bound(NoticeRow, tag="note", module="paper", orderings={"TEXT": NoticeRow.text})
class Notice(b.Node):
    """A notice."""

    text: str = b.column(NoticeRow.text, "What it says.", filters=b.SEARCH)
    subject: Subject | None = b.one_of(
        (House, NoticeRow.house_id), (Person, NoticeRow.person_id), description="What it is about."
    )
    named: Named | None = b.one_of(
        (House, NoticeRow.house_id), (Person, NoticeRow.person_id), description="The same as something with a title."
    )


@b.extend(House, module="ledger")
class HouseNotices:
    """What the ledger adds to a house."""

    notices: b.Connection[Notice] = b.connection(NoticeRow.house_id, "Notices about it.")


def _in_district(
    house: Any,
    *,
    district: Annotated[b.ID, b.argument("The district.", of="dist")],
    least: Annotated[int | None, b.argument("At least so many rooms.")] = None,
) -> Any:
    found = house.district_id == district
    return found if least is None else sa.and_(found, house.rooms >= least)


@b.query(module="paper")
class PaperQuery:
    """What can be asked."""

    district: District | None = b.root_one(District, "One district.")
    districts: b.Connection[District] = b.root_connection(District, "All districts.")
    house: House | None = b.root_one(House, "One house.")
    houses: b.Connection[House] = b.root_connection(House, "All houses.")
    houses_in: b.Connection[House] = b.root_connection(House, "Houses of one district.", narrow=_in_district)
    first_house: House | None = b.root_one(House, "The first house of a district.", narrow=_in_district)
    people: b.Connection[Person] = b.root_connection(Person, "All people.")
    notices: b.Connection[Notice] = b.root_connection(Notice, "All notices.")
    short_list: list[House] = b.root_list(House, "A few houses.", limit=7)
    house_stats: list[b.Group] = b.root_aggregate(
        House,
        "Houses by what is asked for.",
        by={"USE": HouseRow.use, "DISTRICT": b.dimension(HouseRow.district_id, "By district.", tag="dist")},
        sums={"value_fen": HouseRow.value_fen},
        figures={
            "rooms_median": (
                lambda house: sa.func.percentile_disc(0.5).within_group(house.rooms),
                "Half of the houses whose rooms are known have at most so many.",
            )
        },
    )


class PaperSchema(strawberry.Schema):
    """The schema with the fields of extensions merged in."""

    def get_fields(self, type_definition: Any) -> list[Any]:
        """Own fields and those of extensions."""
        bound = b.bound_type_of(type_definition.origin)
        added = (
            []
            if bound is None
            else [field for part in bound.extensions for field in part.__strawberry_definition__.fields]
        )
        return [*type_definition.fields, *added]


def paper_schema() -> PaperSchema:
    """A new schema of the paper city."""
    return PaperSchema(
        query=merge_types("Query", (PaperQuery, NodeQuery)),
        types=[District, House, Person, Label, Notice],
        config=StrawberryConfig(scalar_map=b.SCALARS),
    )
