"""The GraphQL types of the registry."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    LargeBinary,
    SQLColumnExpression,
    Text,
    and_,
    cast,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.orm import aliased
from sqlalchemy.sql.elements import Grouping

from cityloom.core.work import Works
from cityloom.graph import bound as b
from cityloom.modules.areas.api.shapes import Area, end_of
from cityloom.modules.areas.models import Area as AreaModel
from cityloom.modules.registry import models as m
from cityloom.modules.registry import names, people
from cityloom.modules.registry.api.custom import custom, custom_matches, custom_restricted
from cityloom.modules.registry.api.words import DwellingUse, HouseholdKind, Relationship, ResidentStatus, Sex
from cityloom.privacy.service import note_search
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from cityloom.core.principal import Principal

    Token = m.ResidentNameToken | m.OrganisationNameToken | m.BuildingToken

VERSION = "Counts changes: send it with a change, which is then refused if somebody was faster."


def has_all(model: type[Token], row_id: SQLColumnExpression[Any], tokens: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a row has all tokens. The first one finds rows; all are looked up of each that is found."""
    token = aliased(model)
    # In brackets: `$1::text[][1]` would be another type.
    first: ColumnElement[str] = Grouping(cast(tokens, ARRAY(Text)))[1]
    return row_id.in_(select(token.id).where(token.token == first)) & ~lacks_any(model, row_id, tokens)


def lacks_any(model: type[Token], row_id: SQLColumnExpression[Any], tokens: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a row has not all tokens, looked up one by one."""
    other = aliased(model)
    wanted = func.unnest(tokens).table_valued("token").render_derived()
    return exists().where(~exists().where(other.id == row_id, other.token == wanted.c.token)).select_from(wanted)


def name_search(model: type[Token]) -> b.Match:
    """The filter for a part of a name."""
    return b.Match(
        str,
        lambda row, tokens: has_all(model, row.id, tokens),
        "Names that contain this, two characters or more: `小明` finds 王小明. Finds an index at any size.",
        prepare=_tokens,
        sql_type=ARRAY(Text),
    )


def _tokens(term: str, _principal: Principal, _services: dict[type, Any]) -> list[str]:
    return names.search_tokens(term)


async def note_identity(found: list[bytes], principal: Principal, services: dict[type, Any]) -> None:
    """Write down who is found by an identity number."""
    field = "registry.resident.identity_number"
    await note_search(services[Works], principal, m.Resident, found, column="identity_index", field=field)


async def note_phone(found: list[bytes], principal: Principal, services: dict[type, Any]) -> None:
    """Write down who is found by a phone number."""
    field = "registry.resident.phone"
    await note_search(services[Works], principal, m.Resident, found, column="phone_index", field=field)


async def _identity_indexes(number: str, principal: Principal, services: dict[type, Any]) -> list[bytes]:
    found = people.identity_indexes(await services[KeyRing].of(principal.tenant_id), number)
    await note_identity(found, principal, services)
    return found


async def _phone_indexes(number: str, principal: Principal, services: dict[type, Any]) -> list[bytes]:
    found = people.phone_indexes(await services[KeyRing].of(principal.tenant_id), number)
    await note_phone(found, principal, services)
    return found


AsOf = Annotated[date | None, b.argument("As it was on this day; as it is today where none is given.")]


def holds_on(tie: type[m.Period], day: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a bound day
    """Ties that held on a day, by plain columns: range operators find no index behind row-level security."""
    return and_(tie.from_on <= day, or_(tie.until_on.is_(None), tie.until_on > day))


def _lives_in(dwelling: type[m.Dwelling], resident: type[m.Resident]) -> ColumnElement[bool]:
    household = aliased(m.Household)
    return resident.household_id.in_(select(household.id).where(household.dwelling_id == dwelling.id))


def _lived_in(dwelling: type[m.Dwelling], resident: type[m.Resident], as_of: AsOf = None) -> ColumnElement[bool]:
    lodging, stay = aliased(m.HouseholdStay), aliased(m.ResidentStay)
    households = select(lodging.household_id).where(lodging.dwelling_id == dwelling.id, holds_on(lodging, as_of))
    found = select(stay.resident_id).where(stay.household_id.in_(households), holds_on(stay, as_of))
    return resident.id.in_(found)


def _lodged_in(dwelling: type[m.Dwelling], household: type[m.Household], as_of: AsOf = None) -> ColumnElement[bool]:
    lodging = aliased(m.HouseholdStay)
    found = select(lodging.household_id).where(lodging.dwelling_id == dwelling.id, holds_on(lodging, as_of))
    return household.id.in_(found)


def _lodged(household: type[m.Household], dwelling: type[m.Dwelling], as_of: AsOf = None) -> ColumnElement[bool]:
    lodging = aliased(m.HouseholdStay)
    found = select(lodging.dwelling_id).where(lodging.household_id == household.id, holds_on(lodging, as_of))
    return dwelling.id.in_(found)


def _belonged_to(household: type[m.Household], resident: type[m.Resident], as_of: AsOf = None) -> ColumnElement[bool]:
    stay = aliased(m.ResidentStay)
    found = select(stay.resident_id).where(stay.household_id == household.id, holds_on(stay, as_of))
    return resident.id.in_(found)


def _belonged(resident: type[m.Resident], household: type[m.Household], as_of: AsOf = None) -> ColumnElement[bool]:
    stay = aliased(m.ResidentStay)
    found = select(stay.household_id).where(stay.resident_id == resident.id, holds_on(stay, as_of))
    return household.id.in_(found)


@b.bound(
    m.Building,
    tag="bldg",
    module="registry",
    read="registry.building.read",
    scope=b.ScopeRule(area=m.Building.area_path),
    matches=custom_matches("BUILDING"),
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
    custom: b.JSON = custom()
    custom_restricted: b.JSON | None = custom_restricted(m.Building)
    version: int = b.column(m.Building.version, VERSION)
    created_at: datetime = b.column(m.Building.created_at, "When it was recorded.")
    changed_at: datetime = b.column(m.Building.changed_at, "When it was last changed.")


@b.bound(
    m.Dwelling,
    tag="dwel",
    module="registry",
    read="registry.dwelling.read",
    scope=b.ScopeRule(area=m.Dwelling.area_path),
    matches=custom_matches("DWELLING"),
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
    households: b.Connection[Household] = b.connection(
        m.Household.dwelling_id, "The households that live in it.", asked=_lodged_in
    )
    residents: b.Connection[Resident] = b.connection(
        _lives_in, "Everybody in a household that lives in it.", asked=_lived_in
    )
    ended_on: date | None = b.column(m.Dwelling.ended_on, "Since when it is a part of another; null for a dwelling.")
    custom: b.JSON = custom()
    custom_restricted: b.JSON | None = custom_restricted(m.Dwelling)
    version: int = b.column(m.Dwelling.version, VERSION)
    created_at: datetime = b.column(m.Dwelling.created_at, "When it was recorded.")
    changed_at: datetime = b.column(m.Dwelling.changed_at, "When it was last changed.")


@b.bound(
    m.Household,
    tag="hshd",
    module="registry",
    read="registry.household.read",
    scope=b.ScopeRule(area=m.Household.area_path),
    matches=custom_matches("HOUSEHOLD"),
    orderings={"NUMBER": (m.Household.number,)},
)
class Household(b.Node):
    """A household (户): people who live and are registered together."""

    number: str = b.column(m.Household.number, "The household's number, unique in the city.", filters=b.TEXT)
    kind: HouseholdKind = b.column(m.Household.kind, "What kind of household it is.", filters=b.EXACT)
    dwelling: Dwelling | None = b.one(
        m.Household.dwelling_id, "Where it lives; null where that is not recorded.", asked=_lodged
    )
    area: Area | None = b.one(m.Household.area_id, "The area that it lies in: its dwelling's.")
    residents: b.Connection[Resident] = b.connection(m.Resident.household_id, "Who belongs to it.", asked=_belonged_to)
    ended_on: date | None = b.column(
        m.Household.ended_on, "Since when it is a part of another; null for a household that there is."
    )
    resident_count: int = b.expression(
        lambda household: (
            select(func.count())
            .select_from(m.Resident)
            .where(m.Resident.household_id == household.id)
            .scalar_subquery()
        ),
        "How many residents in it the caller can see.",
    )
    custom: b.JSON = custom()
    custom_restricted: b.JSON | None = custom_restricted(m.Household)
    version: int = b.column(m.Household.version, VERSION)
    created_at: datetime = b.column(m.Household.created_at, "When it was recorded.")
    changed_at: datetime = b.column(m.Household.changed_at, "When it was last changed.")


@b.bound(
    m.Resident,
    tag="resd",
    module="registry",
    read="registry.resident.read",
    scope=b.ScopeRule(area=m.Resident.area_path, owner=m.Resident.account_id),
    orderings={"NAME": (m.Resident.name,), "BIRTH_YEAR": (m.Resident.birth_year,), "RECORDED": (m.Resident.id,)},
    matches=custom_matches("RESIDENT")
    | {
        "search": name_search(m.ResidentNameToken),
        "identity_number": b.Match(
            str,
            lambda resident, value: resident.identity_index == func.any(value),
            "Exactly this identity number, whole. The number itself is neither stored nor logged in clear; that"
            " somebody is found by it is written down in the ledger of disclosures.",
            prepare=_identity_indexes,
            sql_type=ARRAY(LargeBinary),
        ),
        "phone": b.Match(
            str,
            lambda resident, value: resident.phone_index == func.any(value),
            "Exactly this mobile number, whole, with +86 or not; who is found by it is written down likewise.",
            prepare=_phone_indexes,
            sql_type=ARRAY(LargeBinary),
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
    household: Household | None = b.one(
        m.Resident.household_id, "The household they belong to; null for who has left.", asked=_belonged
    )
    area: Area | None = b.one(m.Resident.area_id, "The area in which they live, or last lived.")
    custom: b.JSON = custom()
    custom_restricted: b.JSON | None = custom_restricted(m.Resident)
    version: int = b.column(m.Resident.version, VERSION)
    created_at: datetime = b.column(m.Resident.created_at, "When they were recorded.")
    changed_at: datetime = b.column(m.Resident.changed_at, "When the record was last changed.")


def count_in(model: type[Any], area: type[AreaModel]) -> ColumnElement[int]:
    """How many rows of a table lie in an area, at any depth."""
    row = aliased(model)
    inside = (row.area_path >= area.path) & (row.area_path < end_of(area.path))
    return select(func.count()).select_from(row).where(inside).scalar_subquery()


@b.extend(Area, module="registry")
class AreaRegistry:
    """What the registry knows of an area."""

    buildings: b.Connection[Building] = b.connection(m.Building.area_id, "The buildings directly in it.")
    building_count: int = b.expression(
        lambda area: count_in(m.Building, area), "How many buildings in it, at any depth, the caller can see."
    )
    dwelling_count: int = b.expression(
        lambda area: count_in(m.Dwelling, area), "How many dwellings in it, at any depth, the caller can see."
    )
    household_count: int = b.expression(
        lambda area: count_in(m.Household, area), "How many households in it, at any depth, the caller can see."
    )
    resident_count: int = b.expression(
        lambda area: count_in(m.Resident, area), "How many residents in it, at any depth, the caller can see."
    )
