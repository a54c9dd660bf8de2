"""Ties in valid time equal a small model under every sequence of arrivals, moves, departures and corrections."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cityloom.core.errors import Refusal
from cityloom.core.ids import encode_id, new_id
from cityloom.modules.registry import models as m
from cityloom.modules.registry import service
from cityloom.testing.registry import contradictions

if TYPE_CHECKING:
    from collections.abc import Callable

    from cityloom.core.work import Work
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.front import Front

FIRST, DAYS, PLACES, PEOPLE = date(2025, 1, 1), 12, 3, 2


@dataclass(frozen=True)
class Span:
    """A tie of the model: in days since `FIRST`; None: to this day."""

    place: int
    start: int
    end: int | None

    def holds(self, day: int) -> bool:
        return self.start <= day and (self.end is None or day < self.end)

    def meets(self, other: Span) -> bool:
        return any(self.holds(day) and other.holds(day) for day in range(-1, DAYS + 2))


class Impossible(Exception):
    """The model refuses."""


@dataclass
class Line:
    """What one thing was tied to when: the whole of the rules, in the simplest words there are."""

    spans: list[Span] = field(default_factory=list)

    def place_on(self, day: int) -> int | None:
        return next((one.place for one in self.spans if one.holds(day)), None)

    @property
    def today(self) -> int | None:
        return next((one.place for one in self.spans if one.end is None), None)

    def tie(self, place: int | None, day: int) -> None:
        later = [one for one in self.spans if one.end is None or one.end > day]
        if any(one.end is not None or one.start > day for one in later):
            raise Impossible
        self.spans = [one for one in self.spans if one not in later]
        self.spans += [replace(one, end=day) for one in later if one.start < day]
        if place is not None:
            self.spans.append(Span(place, day, None))

    def put(self, new: Span, instead_of: Span | None = None) -> None:
        rest = [one for one in self.spans if one is not instead_of]
        if (new.end is not None and new.end <= new.start) or any(new.meets(one) for one in rest):
            raise Impossible
        self.spans = [*rest, new]


@dataclass
class World:
    """Two people and three households, each with the model's line beside it, and three dwellings."""

    people: list[UUID]
    households: list[UUID]
    dwellings: list[UUID]
    lines: dict[UUID, Line]


async def build(work: Work, tree: AreaTree, mark: str) -> World:
    building = await service.create_building(work, area_id=tree.id("s1c1g1"), code=mark, name="1号楼")
    dwellings = [
        await service.create_dwelling(work, building_id=building.id, number=str(n), use="OWNED") for n in range(PLACES)
    ]
    households = [
        await service.create_household(work, number=f"{mark}{n}", dwelling_id=dwellings[n].id, moved_in_on=FIRST)
        for n in range(PLACES)
    ]
    people = [
        await service.create_resident(work, household_id=households[n].id, name="王小明", arrived_on=FIRST)
        for n in range(PEOPLE)
    ]
    homes, persons = [household.id for household in households], [person.id for person in people]
    lines = {one: Line([Span(at, 0, None)]) for ids in (homes, persons) for at, one in enumerate(ids)}
    return World(persons, homes, [dwelling.id for dwelling in dwellings], lines)


def on(day: int) -> date:
    return FIRST + timedelta(days=day)


async def step(work: Work, world: World, verb: str, who: int, where: int, days: tuple[int, int]) -> None:
    """One step in the database; the model has said already whether it is possible."""
    person, household, place = world.people[who % PEOPLE], world.households[who], world.households[where]
    match verb:
        case "move":
            await service.move_resident(work, person, place, moved_on=on(days[0]))
        case "leave":
            await service.leave(work, person, status="MOVED_AWAY", left_on=on(days[0]))
        case "lodge":
            await service.move_household(work, household, world.dwellings[where], moved_on=on(days[0]))
        case "past":
            await service.record_resident_stay(work, person, place, on(days[0]), on(days[1]))
        case _:
            stay = await work.session.scalar(
                select(m.ResidentStay)
                .where(m.ResidentStay.resident_id == person)
                .order_by(m.ResidentStay.from_on)
                .limit(1)
            )
            row_id = None if stay is None else stay.id
            if verb == "remove":
                await service.remove_resident_stay(work, row_id)
            else:
                await service.correct_resident_stay(work, row_id, from_on=on(days[0]))


def imagine(world: World, verb: str, who: int, where: int, days: tuple[int, int]) -> Callable[[], None]:
    """The same step in the model."""
    line = world.lines[world.people[who % PEOPLE]]
    first = min(line.spans, key=lambda one: one.start, default=None)

    def move() -> None:
        if line.today != where:
            line.tie(where, days[0])

    def leave() -> None:
        if line.today is None:
            raise Impossible
        line.tie(None, days[0])

    def lodge() -> None:
        household = world.lines[world.households[who]]
        if household.today != where:
            household.tie(where, days[0])

    def correct() -> None:
        if first is None:
            raise Impossible
        line.put(replace(first, start=days[0]), first)

    def remove() -> None:
        if first is None or first.end is None:
            raise Impossible
        line.spans.remove(first)

    verbs: dict[str, Callable[[], None]] = {
        "move": move,
        "leave": leave,
        "lodge": lodge,
        "past": lambda: line.put(Span(where, *days)),
        "correct": correct,
        "remove": remove,
    }
    return verbs[verb]


VERBS = ["move", "move", "move", "leave", "lodge", "lodge", "past", "correct", "remove"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(VERBS),
        st.integers(0, PLACES - 1),
        st.integers(0, PLACES - 1),
        st.tuples(st.integers(0, DAYS), st.integers(0, DAYS)),
    ),
    min_size=3,
    max_size=14,
)
ASKED = """query($people: [ID!]!, $homes: [ID!]!, $on: Date) {
  people: nodes(ids: $people) { ... on Resident { id household(asOf: $on) { id } } }
  homes: nodes(ids: $homes) { ... on Dwelling { residents(asOf: $on) { nodes { id } } } } }"""


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
async def test_any_sequence_leaves_the_ties_that_the_model_says(
    front: Front, alder: AreaTree, clock: ManualClock, steps: list[tuple[str, int, int, tuple[int, int]]]
) -> None:
    clock.set(datetime(2026, 3, 2, 1, 0, tzinfo=UTC))
    async with front.works.begin(alder.administrator) as work:
        world = await build(work, alder, new_id().hex[-12:])
    for one in steps:
        is_possible = False
        with suppress(Impossible):
            imagine(world, *one)()
            is_possible = True
        was_possible = False
        with suppress(Refusal):
            async with front.works.begin(alder.administrator) as work:
                await step(work, world, *one)
            was_possible = True
        assert was_possible == is_possible, one
    async with front.works.begin(alder.administrator) as work:
        assert await contradictions(work) == []
    await _demand_equal(front, alder, world)


async def _demand_equal(front: Front, alder: AreaTree, world: World) -> None:
    def ids(tag: str, rows: list[UUID]) -> list[str]:
        return [encode_id(tag, alder.tenant_id, one) for one in rows]

    people, homes = ids("resd", world.people), ids("dwel", world.dwellings)
    households = ids("hshd", world.households)
    for day in (None, *range(-1, DAYS + 1)):
        at = DAYS + 400 if day is None else day
        given_ = {"people": people, "homes": homes, "on": None if day is None else on(day).isoformat()}
        found: dict[str, Any] = await front.data(alder.administrator, ASKED, given_)
        for person, told in zip(world.people, found["people"], strict=True):
            place = world.lines[person].place_on(at)
            assert (told["household"] or {}).get("id") == (None if place is None else households[place]), (day, person)
        for number, told in enumerate(found["homes"]):
            there = {
                person
                for person, row in zip(people, world.people, strict=True)
                if (place := world.lines[row].place_on(at)) is not None
                and world.lines[world.households[place]].place_on(at) == number
            }
            assert {one["id"] for one in told["residents"]["nodes"]} == there, (day, number)
