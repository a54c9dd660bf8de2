"""The population itself: buildings with dwellings, households and residents, made one building at a time.

The same seed gives the same people, whatever is made before or after: each building has its own random numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from cityloom.demo import names

#: Ages are counted from here, so that a population does not depend on the day it is made.
REFERENCE_DAY: Final = date(2025, 1, 1)
SMALL_RESIDENTS, FULL_RESIDENTS, FULL_BUILDINGS = 5_000, 500_000, 5_947
_SMALL_BUILDINGS = 60
_FLOOR_DWELLINGS = 4
_LONGEST_STAY_DAYS, _WITH_CAR = 15 * 365, 0.3
_SIZES = ((1, 0.25), (2, 0.33), (3, 0.24), (4, 0.11), (5, 0.07))


@dataclass(frozen=True, slots=True)
class PlannedBuilding:
    """A building to be made: its number, its place among the grids, and who will live there."""

    number: int
    grid: int
    first_resident: int
    residents: int


@dataclass(frozen=True, slots=True)
class Person:
    """A resident."""

    number: int
    name: str
    sex: str
    born_on: date
    has_phone: bool
    relationship: str


@dataclass(frozen=True, slots=True)
class Home:
    """A dwelling and who lives there: nobody where it is vacant or used for business.

    `moved_in_on` is when its household moved in, or since when it is empty; `shop` what is in a business.
    """

    unit: str
    number: str
    floor: int
    use: str
    size_dm2: int
    people: tuple[Person, ...]
    moved_in_on: date
    shop: str | None
    has_car: bool


@dataclass(frozen=True, slots=True)
class House:
    """A building with everything in it."""

    storeys: int
    homes: tuple[Home, ...]


def plan(seed: int, grids: int, *, full: bool) -> list[PlannedBuilding]:
    """All buildings of a population: the small one first, which is a part of the full one.

    Small: 5,000 residents, a building in every grid (60 at least). Full: 500,000 residents in 5,947 buildings (more
    only where there are more grids).
    """
    random = Random(f"{seed}:plan")  # noqa: S311 - made-up people, no secrets
    small = max(_SMALL_BUILDINGS, min(grids, SMALL_RESIDENTS))
    planned = list(_spread(random, small, SMALL_RESIDENTS, grids, PlannedBuilding(0, 0, 0, 0)))
    if full:
        more = max(FULL_BUILDINGS - small, 1)
        start = PlannedBuilding(small, 0, SMALL_RESIDENTS, 0)
        planned += _spread(random, more, FULL_RESIDENTS - SMALL_RESIDENTS, grids, start)
    return planned


def _spread(
    random: Random, buildings: int, residents: int, grids: int, start: PlannedBuilding
) -> Iterator[PlannedBuilding]:
    """So many residents over so many buildings, exactly, and buildings over the grids in turn."""
    weights = [random.uniform(0.5, 1.5) for _ in range(buildings)]
    total, placed, reached = sum(weights), 0, 0.0
    for index, weight in enumerate(weights):
        reached += weight
        until = residents if index == buildings - 1 else round(residents * reached / total)
        yield PlannedBuilding(
            start.number + index, (start.number + index) % grids, start.first_resident + placed, until - placed
        )
        placed = until


def build(seed: int, planned: PlannedBuilding) -> House:
    """Everything in one building."""
    random = Random(f"{seed}:building:{planned.number}")  # noqa: S311 - made-up people, no secrets
    families: list[tuple[Person, ...]] = []
    number, left = planned.first_resident, planned.residents
    while left > 0:
        size = min(left, random.choices([n for n, _ in _SIZES], [share for _, share in _SIZES])[0])
        families.append(tuple(_family(random, number, size)))
        number, left = number + size, left - size
    empty = max(0, round(len(families) * random.uniform(0.05, 0.2)))
    occupied = len(families) + empty
    units = max(1, min(4, occupied // 24))
    order = [*range(len(families)), *(-1 for _ in range(empty))]
    random.shuffle(order)
    homes, storeys = [], 1
    for index, family in enumerate(order):
        unit, place = index % units, index // units
        floor = place // _FLOOR_DWELLINGS + 1
        storeys = max(storeys, floor)
        use, size_dm2 = _use(random, is_empty=family < 0), random.randrange(3_800, 14_500, 50)
        people = families[family] if family >= 0 else ()
        homes.append(
            Home(
                unit=str(unit + 1) if units > 1 else "",
                number=f"{floor}{place % _FLOOR_DWELLINGS + 1:02d}",
                floor=floor,
                use=use,
                size_dm2=size_dm2,
                people=people,
                moved_in_on=REFERENCE_DAY - timedelta(days=random.randrange(_LONGEST_STAY_DAYS)),
                shop=names.shop(random) if use == "BUSINESS" else None,
                has_car=bool(people) and random.random() < _WITH_CAR,
            )
        )
    return House(storeys, tuple(homes))


def _use(random: Random, *, is_empty: bool) -> str:
    if is_empty:
        return "VACANT" if random.random() < 0.7 else "BUSINESS"  # noqa: PLR2004 - a share
    return random.choices(("OWNED", "RENTED", "HOMESTAY"), (0.82, 0.16, 0.02))[0]


def _family(random: Random, first: int, size: int) -> Iterator[Person]:
    """Head, spouse, children and parents, with ages and surnames that go together."""
    head_sex = "MALE" if random.random() < 0.68 else "FEMALE"  # noqa: PLR2004 - a share
    head_age = random.randrange(24, 88) if size == 1 else random.randrange(25, 78)
    surname = names.surname(random)
    roles = ["HEAD", *(["SPOUSE"] if size > 1 else []), *_others(random, head_age, size - 2)]
    for offset, role in enumerate(roles[:size]):
        sex, age, called = head_sex, head_age, surname
        if role == "SPOUSE":
            sex = "FEMALE" if head_sex == "MALE" else "MALE"
            age, called = max(22, head_age + random.randrange(-5, 6)), names.surname(random)
        elif role == "CHILD":
            sex, age = random.choice(("MALE", "FEMALE")), max(0, head_age - random.randrange(22, 34))
        elif role == "PARENT":
            sex, age = random.choice(("MALE", "FEMALE")), min(99, head_age + random.randrange(22, 32))
            called = surname if sex == head_sex else names.surname(random)
        born_on = REFERENCE_DAY - timedelta(days=age * 365 + random.randrange(1, 365))
        yield Person(
            number=first + offset,
            name=called + names.given_name(random, sex, born_on.year),
            sex=sex,
            born_on=born_on,
            has_phone=age >= 12 and random.random() < 0.92,  # noqa: PLR2004 - shares
            relationship=role,
        )


def _others(random: Random, head_age: int, count: int) -> list[str]:
    has_parents = head_age < 60 and count > 1  # noqa: PLR2004 - ages and shares
    parents = random.randrange(0, min(2, count - 1) + 1) if has_parents else 0
    return ["CHILD"] * (count - parents) + ["PARENT"] * parents
