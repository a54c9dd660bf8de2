"""From generated people to rows: sealed by the thousand, and inserted past every policy, check and foreign key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from cityloom.core.bulk import insert_rows, insert_text, table_of
from cityloom.demo.papers import credit_code, identity_number, phone_number, plate_number
from cityloom.demo.people import Home, Person, PlannedBuilding, build
from cityloom.modules.registry import models as m
from cityloom.modules.registry import people
from cityloom.modules.registry.names import place_tokens, tokens
from cityloom.modules.registry.service.organisations import plate_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.work import Work

#: The columns of what is made, by the table, holders first.
COLUMNS: Final[dict[type[Any], tuple[str, ...]]] = {
    m.Building: ("id", "area_id", "code", "name", "address", "storeys", "longitude", "latitude"),
    m.BuildingToken: ("id", "token"),
    m.Dwelling: ("id", "area_id", "building_id", "unit", "number", "floor", "use", "size_dm2"),
    m.Household: ("id", "area_id", "number", "kind", "dwelling_id"),
    m.Resident: (
        "id",
        "area_id",
        "name",
        "sex",
        "birth_year",
        "birth_on",
        "identity_number",
        "identity_masked",
        "identity_index",
        "phone",
        "phone_masked",
        "phone_index",
        "household_id",
        "relationship",
        "status",
    ),
    m.ResidentNameToken: ("id", "token"),
    m.Organisation: ("id", "area_id", "name", "kind", "credit_code", "dwelling_id"),
    m.OrganisationNameToken: ("id", "token"),
    m.Vehicle: ("id", "area_id", "kind", "plate", "plate_masked", "plate_index", "resident_id", "organisation_id"),
    m.DwellingUsage: ("id", "area_id", "dwelling_id", "use", "from_on"),
    m.HouseholdStay: ("id", "area_id", "household_id", "dwelling_id", "from_on"),
    m.ResidentStay: ("id", "area_id", "resident_id", "household_id", "from_on"),
    m.OrganisationStay: ("id", "area_id", "organisation_id", "dwelling_id", "from_on"),
    m.VehicleHolding: ("id", "area_id", "vehicle_id", "resident_id", "organisation_id", "from_on"),
    m.DwellingTie: ("id", "area_id", "dwelling_id", "role", "resident_id", "from_on"),
}
#: When rows were recorded: things have two columns for it, ties one.
_TIMES: Final = {
    model: tuple(name for name in ("created_at", "changed_at", "recorded_at") if name in table_of(model).c)
    for model in COLUMNS
}
_INSERTS: Final = {
    model: insert_text(table_of(model), columns, same=_TIMES[model]) for model, columns in COLUMNS.items()
}


@dataclass(frozen=True, slots=True)
class Grid:
    """Where buildings can stand."""

    id: UUID
    name: str
    centre: tuple[float, float] | None


@dataclass
class Rows:
    """Rows of some buildings, ready to be written."""

    by_model: dict[type[Any], list[tuple[Any, ...]]] = field(default_factory=lambda: {model: [] for model in COLUMNS})

    def count(self, model: type[Any]) -> int:
        """How many there are of one sort."""
        return len(self.by_model[model])


def row_id(tenant_id: UUID, seed: int, kind: str, number: int) -> UUID:
    """A UUIDv7 that follows from what it stands for; the time in it grows with the number, for the indexes' sake."""
    digest = hashlib.blake2b(f"{seed}:{kind}:{number}".encode(), key=tenant_id.bytes, digest_size=10).digest()
    moment = 1_735_689_600_000 + number
    value = moment << 80 | int.from_bytes(digest)
    value &= ~(0xF << 76) & ~(0x3 << 62)
    return UUID(int=value | 0x7 << 76 | 0x2 << 62)


def building_code(seed: int, number: int) -> str:
    """The code of a demo building; its beginning says whose population it is."""
    return f"DEMO-{seed}-{number + 1:05d}"


def rows_of(
    tenant_id: UUID, seed: int, keys: TenantKeys, grids: Sequence[Grid], planned: Sequence[PlannedBuilding]
) -> Rows:
    """Generate, seal and mask everything in some buildings."""
    rows = Rows()
    for one in planned:
        for model, row in _rows(tenant_id, seed, keys, grids[one.grid], one):
            rows.by_model[model].append(row)
    return rows


def _rows(
    tenant_id: UUID, seed: int, keys: TenantKeys, grid: Grid, planned: PlannedBuilding
) -> Iterator[tuple[type[Any], tuple[Any, ...]]]:
    house, code = build(seed, planned), building_code(seed, planned.number)
    building_id = row_id(tenant_id, seed, "building", planned.number)
    turn = planned.number % 97 / 97 - 0.5, planned.number % 89 / 89 - 0.5
    # Some 200 m around the centre of the grid.
    position = (grid.centre[0] + turn[0] / 250, grid.centre[1] + turn[1] / 250) if grid.centre else (None, None)
    name = f"{planned.number + 1}号楼"
    address = f"{grid.name}{name}"
    yield m.Building, (building_id, grid.id, code, name, address, house.storeys, *position)
    for token in place_tokens(name, address):
        yield m.BuildingToken, (building_id, token)
    for place, home in enumerate(house.homes):
        at = planned.number * 1_000 + place

        def id_of(kind: str, number: int = at) -> UUID:
            return row_id(tenant_id, seed, kind, number)

        dwelling_id, since = id_of("dwelling"), home.moved_in_on
        door = (home.unit, home.number, home.floor, home.use, home.size_dm2)
        yield m.Dwelling, (dwelling_id, grid.id, building_id, *door)
        yield m.DwellingUsage, (id_of("usage"), grid.id, dwelling_id, home.use, since)
        if home.shop is not None:
            yield from _shop(id_of, grid, home, keys, at)
        if not home.people:
            continue
        household_id = id_of("household")
        yield m.Household, (household_id, grid.id, f"{code}-{place + 1:03d}", "FAMILY", dwelling_id)
        yield m.HouseholdStay, (id_of("lodging"), grid.id, household_id, dwelling_id, since)
        head_id = id_of("resident", home.people[0].number)
        for person in home.people:
            yield from _resident(id_of, grid, keys, household_id, person, since)
        if home.use != "VACANT":
            role = "TENANT" if home.use == "RENTED" else "OWNER"
            yield m.DwellingTie, (id_of("tie"), grid.id, dwelling_id, role, head_id, since)
        if home.has_car:
            yield from _vehicle(id_of, grid, keys, at, "CAR", (head_id, None), since)


Ids = Callable[..., UUID]
Made = tuple[type[Any], tuple[Any, ...]]


def _resident(
    id_of: Ids, grid: Grid, keys: TenantKeys, household_id: UUID, person: Person, since: date
) -> Iterator[Made]:
    resident_id = id_of("resident", person.number)
    phone = phone_number(person.number) if person.has_phone else None
    born = people.birth_columns(keys, resident_id, person.born_on)
    number = identity_number(person.number, person.born_on, person.sex)
    identity = people.identity_columns(keys, resident_id, number)
    yield (
        m.Resident,
        (
            resident_id,
            grid.id,
            person.name,
            person.sex,
            born["birth_year"],
            born["birth_on"],
            *identity.values(),
            *people.phone_columns(keys, resident_id, phone).values(),
            household_id,
            person.relationship,
            "LIVING",
        ),
    )
    # Children came with their birth.
    arrived = max(since, person.born_on)
    yield m.ResidentStay, (id_of("stay", person.number), grid.id, resident_id, household_id, arrived)
    for token in tokens(person.name):
        yield m.ResidentNameToken, (resident_id, token)


def _shop(id_of: Ids, grid: Grid, home: Home, keys: TenantKeys, at: int) -> Iterator[Made]:
    shop_id, dwelling_id, name = id_of("shop"), id_of("dwelling"), home.shop or ""
    yield m.Organisation, (shop_id, grid.id, name, "SHOP", credit_code(at), dwelling_id)
    yield m.OrganisationStay, (id_of("premises"), grid.id, shop_id, dwelling_id, home.moved_in_on)
    for token in tokens(name):
        yield m.OrganisationNameToken, (shop_id, token)
    yield from _vehicle(id_of, grid, keys, at, "TRUCK", (None, shop_id), home.moved_in_on)


def _vehicle(
    id_of: Ids, grid: Grid, keys: TenantKeys, at: int, kind: str, holder: tuple[UUID | None, UUID | None], since: date
) -> Iterator[Made]:
    vehicle_id = id_of("vehicle")
    plate = plate_columns(keys, vehicle_id, plate_number(at))
    yield m.Vehicle, (vehicle_id, grid.id, kind, *plate.values(), *holder)
    yield m.VehicleHolding, (id_of("holding"), grid.id, vehicle_id, *holder, since)


async def load(work: Work, rows: Rows) -> None:
    """Write rows in the work's transaction."""
    for model, statement in _INSERTS.items():
        await insert_rows(work, statement, rows.by_model[model], *[work.now()] * len(_TIMES[model]))
