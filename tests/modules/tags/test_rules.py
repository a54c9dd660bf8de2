"""The language of rules, and that holding changes against them comes to what everybody held anew, and a model, say."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cityloom.core.errors import Refusal
from cityloom.core.ids import new_id
from cityloom.imports.events import ImportCompleted
from cityloom.modules.registry import models as reg
from cityloom.modules.registry import service as registry
from cityloom.modules.tags import models as m
from cityloom.modules.tags import rules, service
from cityloom.modules.tags.rules import (
    Cohabitants,
    Everything,
    HasTag,
    Number,
    Otherwise,
    Something,
    Word,
    in_order,
    parse,
)
from cityloom.testing.areas import AreaTree
from tests.modules.tags.conftest import Street

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.testing.front import Front

WRONG: list[tuple[Any, str]] = [
    ({}, "when"),
    ({"age": {"from": 65}, "sex": ["MALE"]}, "when"),
    ({"height": {"from": 1}}, "when"),
    ({"age": {"from": 65.5}}, "when.age"),
    ({"age": {"from": True}}, "when.age"),
    ({"age": {"from": 70, "to": 60}}, "when.age"),
    ({"age": {"above": 70}}, "when.age"),
    ({"all": []}, "when.all"),
    ({"all": [{"age": {"from": 1}}, {"sex": ["X"]}]}, "when.all[1].sex"),
    ({"not": {"lives_alone": 1}}, "when.not.lives_alone"),
    ({"cohabitants": {"most": {"age": {"from": 1}}}}, "when.cohabitants"),
    ({"cohabitants": {"every": {"lives_alone": True}}}, "when.cohabitants.every"),
    ({"tag": "elder"}, "when.tag"),
    (["age"], "when"),
]


@pytest.mark.parametrize(("definition", "at"), WRONG, ids=str)
def test_a_wrong_rule_is_told_where(definition: Any, at: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(definition)
    assert refused.value.reason == "RULE_MALFORMED"
    assert refused.value.details["at"] == at


def test_rules_are_neither_endless_nor_in_a_circle() -> None:
    deep: dict[str, Any] = {"age": {"from": 1}}
    for _ in range(rules.DEEPEST):
        deep = {"not": deep}
    for definition in (deep, {"any": [{"age": {"from": 1}}] * rules.MOST_CONDITIONS}):
        with pytest.raises(Refusal):
            parse(definition)
    found = {code: parse({"tag": [on]}) for code, on in (("a", "b"), ("b", "c"), ("c", "d"))}
    assert in_order(found) == ["c", "b", "a"]
    with pytest.raises(Refusal) as refused:
        in_order({**found, "c": parse({"all": [{"cohabitants": {"some": {"tag": ["a"]}}}]})})
    assert refused.value.details["codes"] == "a → b → c → a"


# A model of the language, over plain people: what the statement must say too.


def holds(condition: rules.Condition, person: reg.Resident, town: Town) -> bool:  # noqa: PLR0911 - one arm per condition
    match condition:
        case Everything(parts):
            return all(holds(part, person, town) for part in parts)
        case Something(parts):
            return any(holds(part, person, town) for part in parts)
        case Otherwise(part):
            return not holds(part, person, town)
        case Number("age", least, most):
            if person.birth_year is None:
                return False
            age = town.year - person.birth_year
            return (least is None or age >= least) and (most is None or age <= most)
        case Number(_, least, most):
            size = 1 + len(town.others(person))
            return (least is None or size >= least) and (most is None or size <= most)
        case Word("dwelling_use", words):
            return town.dwellings[town.households[person.household_id].dwelling_id].use in words
        case Word("household_kind", words):
            return town.households[person.household_id].kind in words
        case Word(fact, words):
            return getattr(person, fact) in words
        case HasTag(codes):
            return any(person.id in town.has[code] for code in codes)
        case Cohabitants(which, part):
            found = [holds(part, other, town) for other in town.others(person)]
            return {"every": all(found), "some": any(found), "none": not any(found)}[which]


class Town:
    """Everything of a tenant in memory."""

    def __init__(self, year: int) -> None:
        self.year = year

    @classmethod
    async def read(cls, work: Work, year: int) -> Town:
        town = cls(year)
        town.residents = [r for r in await work.session.scalars(select(reg.Resident)) if r.status == "LIVING"]
        town.households = {h.id: h for h in await work.session.scalars(select(reg.Household))}
        town.dwellings = {d.id: d for d in await work.session.scalars(select(reg.Dwelling))}
        codes = {tag.id: tag.code for tag in await work.session.scalars(select(m.Tag))}
        rows = (await work.session.scalars(select(m.ResidentTag).where(m.ResidentTag.ended_at.is_(None)))).all()
        town.by_rule = {(codes[row.tag_id], row.resident_id) for row in rows if row.source == "RULE"}
        town.by_hand = {(codes[row.tag_id], row.resident_id) for row in rows if row.source != "RULE"}
        town.has = {code: {r for c, r in town.by_hand if c == code} for code in codes.values()}
        town.rules = {codes[r.tag_id]: parse(r.definition) for r in await work.session.scalars(select(m.TagRule))}
        return town

    residents: list[reg.Resident]
    households: dict[UUID | None, reg.Household]
    dwellings: dict[UUID | None, reg.Dwelling]
    by_rule: set[tuple[str, UUID]]
    by_hand: set[tuple[str, UUID]]
    has: dict[str, set[UUID]]
    rules: dict[str, rules.Condition]

    def others(self, person: reg.Resident) -> list[reg.Resident]:
        return [r for r in self.residents if r.household_id == person.household_id and r.id != person.id]

    def expected(self) -> set[tuple[str, UUID]]:
        """Who has which tag by a rule: whoever fulfils it and has it from nobody else."""
        found: set[tuple[str, UUID]] = set()
        for code in in_order(self.rules):
            due = {person.id for person in self.residents if holds(self.rules[code], person, self)}
            found |= {(code, who) for who in due if (code, who) not in self.by_hand}
            self.has[code] |= due
        return found


ages = st.integers(0, 99)
ranges = st.one_of(
    ages.map(lambda n: {"from": n}),
    ages.map(lambda n: {"to": n}),
    st.tuples(ages, ages).map(lambda ends: {"from": min(ends), "to": max(ends)}),
)
one_person = st.one_of(
    ranges.map(lambda r: {"age": r}),
    st.sampled_from(reg.SEXES).map(lambda w: {"sex": [w]}),
    st.just({"tag": ["plain"]}),
)
facts = st.one_of(
    one_person,
    st.booleans().map(lambda b: {"lives_alone": b}),
    st.integers(1, 4).map(lambda n: {"household_size": {"from": n, "to": n + 1}}),
    st.sampled_from(reg.DWELLING_USES[:3]).map(lambda w: {"dwelling_use": [w]}),
    st.sampled_from(reg.HOUSEHOLD_KINDS).map(lambda w: {"household_kind": [w]}),
    st.tuples(st.sampled_from(["every", "some", "none"]), one_person).map(lambda p: {"cohabitants": {p[0]: p[1]}}),
)
conditions = st.recursive(
    facts,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda c: {"all": c}),
        st.lists(inner, min_size=1, max_size=3).map(lambda c: {"any": c}),
        inner.map(lambda c: {"not": c}),
    ),
    max_leaves=6,
)
years = st.one_of(st.none(), st.integers(1930, 2025))
homes = st.lists(st.lists(years, min_size=1, max_size=4), min_size=2, max_size=3)
verbs = st.sampled_from(["born", "move", "leave", "use", "kind", "assign", "withdraw"])
changes = st.lists(st.tuples(verbs, st.integers(0, 30), st.integers(0, 30)), max_size=8)


@given(first=conditions, second=conditions, homes=homes, changes=changes)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # An example takes a second: to make a failing one smaller would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
async def test_changes_held_against_rules_come_to_what_everybody_held_anew_does(
    front: Front, first: dict[str, Any], second: dict[str, Any], homes: list[list[int | None]], changes: list[Any]
) -> None:
    tree = await AreaTree.plant(front.works, streets=1, communities=1, grids=2)
    street = Street(tree, front.works)
    async with front.works.begin(tree.administrator) as work:
        street.tags["plain"] = await service.create_tag(
            work, code="plain", title_zh="普", title_en="P", tag_class="SERVICE", sensitivity="OPEN"
        )
    for at, born in enumerate(homes):
        await street.household(f"h{at}", f"s1c1g{1 + at % 2}", *born)
    await street.publish("first", first)
    # The second stands on the first.
    await street.publish("second", {"any": [second, {"all": [{"tag": ["first"]}, {"not": second}]}]})
    for verb, who, what in changes:
        await change(street, verb, who, what)
    await street.catch_up()
    year = front.works.clock.now().year
    async with front.works.begin(tree.administrator) as work:
        town = await Town.read(work, year)
        assert town.by_rule == town.expected()
        await service.review_everybody(work)
        again = await Town.read(work, year)
        assert again.by_rule == town.by_rule
        assert again.by_hand == town.by_hand


async def change(street: Street, verb: str, who: int, what: int) -> None:
    """One change through the services; what is refused changes nothing."""
    names, homes = list(street.people), list(street.households)
    person, home = street.people[names[who % len(names)]].id, homes[what % len(homes)]
    try:
        async with street.works.begin(street.tree.administrator) as work:
            match verb:
                case "born":
                    born = None if what == 0 else date(1930 + 3 * what, 1, 1)
                    await registry.change_resident(work, person, birth_on=born)
                case "move":
                    await registry.move_resident(work, person, street.households[home])
                case "leave":
                    await registry.leave(work, person, status="MOVED_AWAY")
                case "use":
                    await registry.change_dwelling(work, street.dwellings[home], use=reg.DWELLING_USES[what % 3])
                case "kind":
                    kind = reg.HOUSEHOLD_KINDS[who % 2]
                    await registry.change_household(work, street.households[home], kind=kind)
                case "assign":
                    code = ("plain", "first")[what % 2]
                    await service.assign_tag(work, resident_id=person, tag_id=street.tags[code].id)
                case _:
                    tag_id = street.tags[("plain", "first")[what % 2]].id
                    await service.withdraw_from_many(work, resident_ids=[person], tag_id=tag_id)
    except Refusal:
        pass


async def test_a_rule_never_takes_back_what_a_person_gave(street: Street) -> None:
    await street.assign("s1c1g11", "plain")
    await street.publish("plain", {"age": {"from": 65}})
    assert await street.who_has("plain") == {"s1c1g10", "s1c1g11", "s1c2g10", "s2c1g10"}
    await street.publish("plain", {"age": {"from": 90}})
    assert await street.who_has("plain") == {"s1c1g11"}
    # What a person gives in place of a rule is the person's from then on.
    await street.publish("plain", {"age": {"from": 65}})
    await street.assign("s1c1g10", "plain")
    await street.publish("plain", {"age": {"from": 90}})
    assert await street.who_has("plain") == {"s1c1g10", "s1c1g11"}


async def test_rules_follow_changes_within_one_reading_of_the_stream(street: Street) -> None:
    await street.publish("alone", {"all": [{"age": {"from": 65}}, {"lives_alone": True}]})
    assert await street.who_has("alone") == set()
    async with street.works.begin(street.tree.administrator) as work:
        await registry.leave(work, street.people["s1c1g11"].id, status="MOVED_AWAY")
    await street.assign("s1c2g11", "secret")
    async with street.works.begin(street.tree.administrator) as work:
        await registry.leave(work, street.people["s1c2g11"].id, status="DECEASED")
    await street.catch_up()
    assert await street.who_has("alone") == {"s1c1g10", "s1c2g10"}
    assert await street.who_has("secret") == set(), "who has left has no tags"
    assert await street.catch_up() == 3, "what rules and departures have changed is read, and changes nothing"
    assert await street.catch_up() == 0


@pytest.mark.parametrize(("target", "is_held"), [("registry", True), ("organisations", False), ("vehicles", False)])
async def test_everybody_is_held_against_rules_after_people_came_in_a_file(
    street: Street, clock: Any, target: str, *, is_held: bool
) -> None:
    await street.publish("older", {"age": {"from": 65}})
    await street.catch_up()
    clock.advance(minutes=1)
    rows: dict[str, Any] = dict.fromkeys(
        ("rows_new", "rows_changed", "rows_unchanged", "rows_skipped", "rows_refused"), 1
    )
    async with street.works.begin(street.tree.administrator) as work:
        work.emit(ImportCompleted(subject_id=new_id(), target=target, **rows))
    assert await street.catch_up() == 1
    async with street.works.begin(street.tree.administrator) as work:
        (evaluated_at,) = await work.session.scalars(select(m.TagRule.evaluated_at))
    assert (evaluated_at == clock.now()) is is_held


async def test_a_year_of_age_comes_with_the_year(street: Street, clock: Any) -> None:
    born = 1950
    rule = {"age": {"from": clock.now().year + 1 - born}}
    await street.publish("older", rule)
    assert await street.who_has("older") == set()
    clock.advance(days=366)
    async with street.works.begin(street.tree.administrator) as work:
        await service.review_everybody(work)
    assert await street.who_has("older") == {"s1c1g10", "s1c2g10", "s2c1g10"}


async def test_what_is_no_longer_valid_ends(street: Street, clock: Any) -> None:
    today = clock.now().date()
    await street.assign("s1c1g10", "plain", valid_until=today.replace(year=today.year + 1))
    await street.assign("s1c1g11", "plain")
    clock.advance(days=367)
    async with street.works.begin(street.tree.administrator) as work:
        assert await service.end_expired(work) == 1
    assert await street.who_has("plain") == {"s1c1g11"}
