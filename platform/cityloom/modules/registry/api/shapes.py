"""The GraphQL types of the registry."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, ColumnElement, LargeBinary, Text, cast, func, select
from sqlalchemy.orm import aliased
from sqlalchemy.sql.elements import Grouping

from cityloom.graph import bound as b
from cityloom.modules.areas.api.shapes import Area, end_of
from cityloom.modules.areas.models import Area as AreaModel
from cityloom.modules.registry import models as m
from cityloom.modules.registry import names, people
from cityloom.modules.registry.api.words import DwellingUse, HouseholdKind, Relationship, ResidentStatus, Sex
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from cityloom.core.principal import Principal

_VERSION = "Counts changes: send it with a change, which is then refused if somebody was faster."


def _has_all(resident: type[m.Resident], tokens: ColumnElement[Any]) -> ColumnElement[bool]:
    """Names that have all tokens. The first one finds them in the order of ids; of each all are counted."""
    token, other = aliased(m.ResidentNameToken), aliased(m.ResidentNameToken)
    # In brackets: `$1::text[][1]` would be another type.
    first: ColumnElement[str] = Grouping(cast(tokens, ARRAY(Text)))[1]
    held = select(func.count()).select_from(other).where(other.id == token.id, other.token == func.any(tokens))
    found = select(token.id).where(token.token == first, held.scalar_subquery() == func.cardinality(tokens))
    return resident.id.in_(found)


def _tokens(term: str, _principal: Principal, _services: dict[type, Any]) -> list[str]:
    return names.search_tokens(term)


async def _identity_index(number: str, principal: Principal, services: dict[type, Any]) -> bytes:
    return people.identity_index(await services[KeyRing].of(principal.tenant_id), number)


async def _phone_index(number: str, principal: Principal, services: dict[type, Any]) -> bytes:
    return people.phone_index(await services[KeyRing].of(principal.tenant_id), number)


def _lives_in(dwelling: type[m.Dwelling], resident: type[m.Resident]) -> ColumnElement[bool]:
    household = aliased(m.Household)
    return resident.household_id.in_(select(household.id).where(household.dwelling_id == dwelling.id))


@b.bound(
    m.Building,
    tag="bldg",
    module="registry",
    read="registry.building.read",
    scope=b.ScopeRule(area=m.Building.area_path),
    orderings={"CODE": (m.Building.code,), "NAME": (m.Building.name,)},
)
class Building(b.Node):
    """A building (楼栋), which lies in one area and holds dwellings."""

    code: str = b.column(m.Building.code, "The city's own code of the building, unique in the city.", filters=b.TEXT)
    name: str = b.column(m.Building.name, "What people call it, for example 3号楼.", filters=b.TEXT)
    address: str | None = b.column(m.Building.address, "The postal address.", filters=b.TEXT)
    storeys: int | None = b.column(m.Building.storeys, "Storeys above ground.", filters=b.RANGE)
    longitude: float | None = b.column(m.Building.longitude, "Degrees east, WGS-84.", filters=b.RANGE)
    latitude: float | None = b.column(m.Building.latitude, "Degrees north, WGS-84.", filters=b.RANGE)
    area: Area | None = b.one(m.Building.area_id, "The area that it lies in.")
    dwellings: b.Connection[Dwelling] = b.connection(m.Dwelling.building_id, "The dwellings in it.")
    dwelling_count: int = b.expression(
        lambda building: (
            select(func.count()).select_from(m.Dwelling).where(m.Dwelling.building_id == building.id).scalar_subquery()
        ),
        "How many dwellings in it the caller can see.",
    )
    version: int = b.column(m.Building.version, _VERSION)
    created_at: datetime = b.column(m.Building.created_at, "When it was recorded.")
    changed_at: datetime = b.column(m.Building.changed_at, "When it was last changed.")


@b.bound(
    m.Dwelling,
    tag="dwel",
    module="registry",
    read="registry.dwelling.read",
    scope=b.ScopeRule(area=m.Dwelling.area_path),
    orderings={"NUMBER": (m.Dwelling.number,)},
)
class Dwelling(b.Node):
    """A dwelling (房屋): a flat or house in which households live, or that is let, empty or used for business."""

    unit: str = b.column(m.Dwelling.unit, "The staircase or unit (单元) of the building; empty where it has one only.")
    number: str = b.column(m.Dwelling.number, "The number on the door, for example 301.", filters=b.TEXT)
    floor: int | None = b.column(m.Dwelling.floor, "The floor: 1 is the ground floor, -1 below it.", filters=b.RANGE)
    use: DwellingUse = b.column(m.Dwelling.use, "What it is used for.", filters=b.EXACT)
    size_dm2: int | None = b.column(m.Dwelling.size_dm2, "Floor area in square decimetres (100 dm² = 1 m²).")
    building: Building | None = b.one(m.Dwelling.building_id, "The building that it is in.")
    area: Area | None = b.one(m.Dwelling.area_id, "The area that it lies in: its building's.")
    households: b.Connection[Household] = b.connection(m.Household.dwelling_id, "The households that live in it.")
    residents: b.Connection[Resident] = b.connection(_lives_in, "Everybody in a household that lives in it.")
    version: int = b.column(m.Dwelling.version, _VERSION)
    created_at: datetime = b.column(m.Dwelling.created_at, "When it was recorded.")
    changed_at: datetime = b.column(m.Dwelling.changed_at, "When it was last changed.")


@b.bound(
    m.Household,
    tag="hshd",
    module="registry",
    read="registry.household.read",
    scope=b.ScopeRule(area=m.Household.area_path),
    orderings={"NUMBER": (m.Household.number,)},
)
class Household(b.Node):
    """A household (户): people who live and are registered together."""

    number: str = b.column(m.Household.number, "The household's number, unique in the city.", filters=b.TEXT)
    kind: HouseholdKind = b.column(m.Household.kind, "What kind of household it is.", filters=b.EXACT)
    dwelling: Dwelling | None = b.one(m.Household.dwelling_id, "Where it lives; null where that is not recorded.")
    area: Area | None = b.one(m.Household.area_id, "The area that it lies in: its dwelling's.")
    residents: b.Connection[Resident] = b.connection(m.Resident.household_id, "Who belongs to it.")
    resident_count: int = b.expression(
        lambda household: (
            select(func.count())
            .select_from(m.Resident)
            .where(m.Resident.household_id == household.id)
            .scalar_subquery()
        ),
        "How many residents in it the caller can see.",
    )
    moves: list[HouseholdMove] = b.many(m.HouseholdMove.household_id, "Where it lived before, oldest first.", limit=50)
    version: int = b.column(m.Household.version, _VERSION)
    created_at: datetime = b.column(m.Household.created_at, "When it was recorded.")
    changed_at: datetime = b.column(m.Household.changed_at, "When it was last changed.")


@b.bound(
    m.Resident,
    tag="resd",
    module="registry",
    read="registry.resident.read",
    scope=b.ScopeRule(area=m.Resident.area_path, owner=m.Resident.account_id),
    orderings={"NAME": (m.Resident.name,), "BIRTH_YEAR": (m.Resident.birth_year,), "RECORDED": (m.Resident.id,)},
    matches={
        "search": b.Match(
            str,
            _has_all,
            "Names that contain this, two characters or more: `小明` finds 王小明. Finds an index at any size.",
            prepare=_tokens,
            sql_type=ARRAY(Text),
        ),
        "identity_number": b.Match(
            str,
            lambda resident, value: resident.identity_index == value,
            "Exactly this identity number, whole. The number itself is neither stored nor logged in clear.",
            prepare=_identity_index,
            sql_type=LargeBinary(),
        ),
        "phone": b.Match(
            str,
            lambda resident, value: resident.phone_index == value,
            "Exactly this mobile number, whole, with +86 or not.",
            prepare=_phone_index,
            sql_type=LargeBinary(),
        ),
    },
)
class Resident(b.Node):
    """A resident (人), with the protected fields as far as the caller's role shows them."""

    name: str = b.column(m.Resident.name, "The name as in their papers.", filters=b.TEXT)
    sex: Sex = b.column(m.Resident.sex, "The sex as in their papers.", filters=b.EXACT)
    birth_year: int | None = b.column(m.Resident.birth_year, "The year of birth.", filters=b.RANGE)
    identity_number: str | None = b.masked(
        m.Resident.identity_masked,
        field="registry.resident.identity_number",
        description="The identity number with all but the last four characters hidden.",
    )
    phone: str | None = b.masked(
        m.Resident.phone_masked,
        field="registry.resident.phone",
        description="The mobile number with all but the last four digits hidden.",
    )
    relationship: Relationship = b.column(
        m.Resident.relationship, "What they are to the head of the household.", filters=b.EXACT
    )
    status: ResidentStatus = b.column(m.Resident.status, "Whether they live here.", filters=b.EXACT)
    household: Household | None = b.one(m.Resident.household_id, "The household they belong to; null for who has left.")
    area: Area | None = b.one(m.Resident.area_id, "The area in which they live, or last lived.")
    moves: list[ResidentMove] = b.many(m.ResidentMove.resident_id, "Earlier moves, oldest first.", limit=50)
    version: int = b.column(m.Resident.version, _VERSION)
    created_at: datetime = b.column(m.Resident.created_at, "When they were recorded.")
    changed_at: datetime = b.column(m.Resident.changed_at, "When the record was last changed.")


@b.bound(
    m.ResidentMove,
    module="registry",
    read="registry.resident.read",
    scope=b.ScopeRule(area=m.ResidentMove.area_path),
    orderings={"RECORDED": (m.ResidentMove.id,)},
)
class ResidentMove:
    """A resident changed household, came back, or left."""

    from_household: Household | None = b.one(m.ResidentMove.from_household_id, "The household before.")
    to_household: Household | None = b.one(
        m.ResidentMove.to_household_id, "The household since then; null for who left."
    )
    moved_on: date = b.column(m.ResidentMove.moved_on, "Since which day.")
    recorded_at: datetime = b.column(m.ResidentMove.recorded_at, "When it was recorded.")


@b.bound(
    m.HouseholdMove,
    module="registry",
    read="registry.household.read",
    scope=b.ScopeRule(area=m.HouseholdMove.area_path),
    orderings={"RECORDED": (m.HouseholdMove.id,)},
)
class HouseholdMove:
    """A household changed dwelling."""

    from_dwelling: Dwelling | None = b.one(m.HouseholdMove.from_dwelling_id, "The dwelling before.")
    to_dwelling: Dwelling | None = b.one(m.HouseholdMove.to_dwelling_id, "The dwelling since then.")
    moved_on: date = b.column(m.HouseholdMove.moved_on, "Since which day.")
    recorded_at: datetime = b.column(m.HouseholdMove.recorded_at, "When it was recorded.")


def _count_in(
    model: type[m.Building | m.Dwelling | m.Household | m.Resident], area: type[AreaModel]
) -> ColumnElement[int]:
    row = aliased(model)
    inside = (row.area_path >= area.path) & (row.area_path < end_of(area.path))
    return select(func.count()).select_from(row).where(inside).scalar_subquery()


@b.extend(Area, module="registry")
class AreaRegistry:
    """What the registry knows of an area."""

    buildings: b.Connection[Building] = b.connection(m.Building.area_id, "The buildings directly in it.")
    building_count: int = b.expression(
        lambda area: _count_in(m.Building, area), "How many buildings in it, at any depth, the caller can see."
    )
    dwelling_count: int = b.expression(
        lambda area: _count_in(m.Dwelling, area), "How many dwellings in it, at any depth, the caller can see."
    )
    household_count: int = b.expression(
        lambda area: _count_in(m.Household, area), "How many households in it, at any depth, the caller can see."
    )
    resident_count: int = b.expression(
        lambda area: _count_in(m.Resident, area), "How many residents in it, at any depth, the caller can see."
    )
