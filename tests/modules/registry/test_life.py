"""Events of life and ties in valid time: four callers each, what they write, the past as of a day, and corrections."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from cityloom.audit.models import AuditRecord
from cityloom.core.ids import encode_id, new_id
from cityloom.demo.papers import credit_code
from cityloom.events.models import OutboxRecord
from cityloom.modules.registry import service
from cityloom.testing.front import anonymous
from cityloom.testing.probes import mutation
from cityloom.testing.registry import contradictions
from tests.modules.registry.conftest import papers

if TYPE_CHECKING:
    from collections.abc import Callable

    from cityloom.testing.front import Front
    from tests.modules.registry.conftest import Town

READS = tuple(
    f"registry.{thing}.read" for thing in ("building", "dwelling", "household", "resident", "organisation", "vehicle")
)


@dataclass
class Scene:
    """The town, and next to the chain `here`: a second person, a second household behind a door of its own, a shop."""

    town: Town
    ids: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.ids[name]


async def stage(front: Front, town: Town) -> Scene:
    """Everything that the events of life need, recorded in 2020."""
    tree, here, since = town.tree, town.here, date(2020, 1, 1)
    async with front.works.begin(tree.administrator) as work:
        head = here.rows["resident"]
        second = await service.create_resident(
            work,
            household_id=here.rows["household"].id,
            name="赵敏",
            relationship="SPOUSE",
            arrived_on=since,
            **papers(801, date(1982, 3, 4), "FEMALE"),  # type: ignore[arg-type] # the two texts
        )
        door = await service.create_dwelling(
            work, building_id=here.rows["building"].id, number="399", use="RENTED", used_since=since, size_dm2=5_000
        )
        lodgers = await service.create_household(work, number="L1", dwelling_id=door.id, moved_in_on=since)
        shop = await service.create_organisation(
            work, service.Place("dwelling", door.id), name="红都小吃店", kind="SHOP", moved_in_on=since
        )
        van = await service.create_vehicle(
            work,
            service.Holder(is_resident=False, row_id=shop.id),
            kind="TRUCK",
            plate="赣B·9Z8X7",
            held_since=since,
        )
        tie = await service.begin_tie(work, door.id, "OWNER", resident_id=head.id, names_resident=True, from_on=since)
        past = await service.record_resident_stay(
            work, head.id, town.near.rows["household"].id, date(2015, 1, 1), date(2019, 1, 1)
        )
        lodged = await service.record_household_stay(
            work, lodgers.id, town.here.rows["dwelling"].id, date(2015, 1, 1), date(2019, 1, 1)
        )
    tags: dict[str, tuple[str, Any]] = {
        "second": ("resd", second),
        "door": ("dwel", door),
        "lodgers": ("hshd", lodgers),
        "shop": ("orgn", shop),
        "van": ("vehi", van),
        "tie": ("dtie", tie),
        "past": ("rsty", past),
        "lodged": ("hsty", lodged),
    }
    ids = {name: encode_id(tag, tree.tenant_id, row.id) for name, (tag, row) in tags.items()}
    return Scene(town, ids | {name: here.id(name) for name in ("building", "dwelling", "household", "resident")})


@pytest.fixture
async def scene(front: Front, town: Town) -> Scene:
    """The scene in alder."""
    return await stage(front, town)


@dataclass(frozen=True)
class Case:
    """A mutation, who may, what it answers, and its input in the community s1c1."""

    field: str
    permissions: tuple[str, ...]
    answers: str
    input: Callable[[Scene], dict[str, Any]]

    @property
    def text(self) -> str:
        """The document."""
        return mutation(self.field, self.answers)


def case(field: str, permission: str, answers: str, input_: Callable[[Scene], dict[str, Any]], *more: str) -> Case:
    """A case; permissions are the registry's."""
    return Case(field, tuple(f"registry.{one}" for one in (permission, *more)), answers, input_)


#: In an order in which each can follow the ones before.
CASES = [
    case(
        "residentStayRecord",
        "resident.move",
        "ResidentStay",
        lambda s: {
            "residentId": s["resident"],
            "householdId": s["lodgers"],
            "fromOn": "2012-01-01",
            "untilOn": "2014-01-01",
        },
    ),
    case("residentStayCorrect", "resident.move", "ResidentStay", lambda s: {"id": s["past"], "fromOn": "2016-01-01"}),
    case("residentStayRemove", "resident.move", "Resident", lambda s: {"id": s["past"]}),
    case(
        "householdStayRecord",
        "household.move",
        "HouseholdStay",
        lambda s: {
            "householdId": s["lodgers"],
            "dwellingId": s["dwelling"],
            "fromOn": "2012-01-01",
            "untilOn": "2014-01-01",
        },
    ),
    case(
        "householdStayCorrect",
        "household.move",
        "HouseholdStay",
        lambda s: {"id": s["lodged"], "untilOn": "2018-01-01"},
    ),
    case("householdStayRemove", "household.move", "Household", lambda s: {"id": s["lodged"]}),
    case(
        "organisationCreate",
        "organisation.create",
        "Organisation",
        lambda s: {
            "buildingId": s["building"],
            "name": "沙洲坝合作社",
            "kind": "COMPANY",
            "creditCode": credit_code(7),
        },
    ),
    case("organisationChange", "organisation.change", "Organisation", lambda s: {"id": s["shop"], "name": "红都面馆"}),
    case(
        "vehicleCreate",
        "vehicle.create",
        "Vehicle",
        lambda s: {"residentId": s["resident"], "plate": "赣BD12345", "kind": "CAR"},
    ),
    case("vehicleChange", "vehicle.change", "Vehicle", lambda s: {"id": s["van"], "kind": "CAR"}),
    case("vehicleTransfer", "vehicle.move", "Vehicle", lambda s: {"id": s["van"], "residentId": s["resident"]}),
    case(
        "dwellingTieBegin",
        "dwelling.change",
        "DwellingTie",
        lambda s: {"dwellingId": s["door"], "role": "HOST", "residentId": s["second"]},
    ),
    case("dwellingTieEnd", "dwelling.change", "DwellingTie", lambda s: {"id": s["tie"], "untilOn": "2021-06-01"}),
    case("dwellingUseChange", "dwelling.change", "Dwelling", lambda s: {"id": s["door"], "use": "HOMESTAY"}),
    case(
        "householdSplit",
        "household.move",
        "Household",
        lambda s: {"id": s["household"], "number": "S1", "residents": [{"id": s["second"], "relationship": "HEAD"}]},
        "household.create",
    ),
    case(
        "dwellingSplit",
        "dwelling.move",
        "Dwelling",
        lambda s: {"id": s["door"], "number": "399A", "use": "OWNED", "householdIds": [s["lodgers"]]},
        "dwelling.create",
    ),
    case("householdMerge", "household.move", "Household", lambda s: {"id": s["lodgers"], "intoId": s["household"]}),
    case(
        "organisationMove",
        "organisation.move",
        "Organisation",
        lambda s: {"id": s["shop"], "buildingId": s["building"]},
    ),
    case("organisationClose", "organisation.move", "Organisation", lambda s: {"id": s["shop"]}),
    case("dwellingMerge", "dwelling.move", "Dwelling", lambda s: {"id": s["door"], "intoId": s["dwelling"]}),
]
BY_FIELD = {one.field: one for one in CASES}


async def test_who_may_not_changes_nothing(front: Front, scene: Scene, other: Town) -> None:
    """Nobody, the wrong role, the right role in another area, the other tenant: all cases on one scene."""
    tree, tenants = scene.town.tree, (scene.town.tree.tenant_id, other.tree.tenant_id)
    before = [await front.footprint(tenant) for tenant in tenants]
    absent = replace(scene, ids={key: encode_id(id_[:4], tenants[1], new_id()) for key, id_ in scene.ids.items()})
    for one in CASES:
        given = {"input": one.input(scene)}
        refused = (
            anonymous(tree.tenant_id),
            tree.someone("areas.area.read", *READS),
            tree.someone(*one.permissions, *READS, at="s2"),
        )
        for at, caller in enumerate(refused):
            answer = (await front.data(caller, one.text, given))[one.field]
            assert answer["__typename"] == "Refusal", (one.field, at, answer)
            wanted = {"FORBIDDEN"} if at < 2 else {"FORBIDDEN", "NOT_FOUND"}
            assert answer["code"] in wanted, (one.field, at, answer)
        foreign = (await front.data(other.tree.administrator, one.text, given))[one.field]
        nobodys = (await front.data(other.tree.administrator, one.text, {"input": one.input(absent)}))[one.field]
        assert foreign == nobodys, one.field
        assert foreign["code"] == "NOT_FOUND", one.field
    assert [await front.footprint(tenant) for tenant in tenants] == before


async def test_who_may_leaves_an_event_and_an_entry(front: Front, scene: Scene) -> None:
    """Every case, one after the other on one scene; today's columns and today's ties agree after each."""
    tree = scene.town.tree

    async def traces() -> tuple[int, int]:
        async with front.works.begin(tree.administrator) as work:
            assert await contradictions(work) == [], one.field
            counts = [
                await work.session.scalar(select(func.count(model))) or 0 for model in (OutboxRecord.id, AuditRecord.id)
            ]
            return counts[0], counts[1]

    one = CASES[0]
    events, entries = await traces()
    for one in CASES:
        allowed = tree.someone("areas.area.read", *one.permissions, *READS, at="s1c1")
        answer = (await front.data(allowed, one.text, {"input": one.input(scene)}))[one.field]
        assert answer["__typename"] == one.answers, (one.field, answer)
        told = await traces()
        assert told[0] > events, one.field
        assert told[1] > entries, one.field
        events, entries = told


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("householdSplit", {"residents": []}, "NOT_IN_HOUSEHOLD"),
    ("householdSplit", {"number": "L1"}, "HOUSEHOLD_NUMBER_TAKEN"),
    ("householdSplit", {"splitOn": "2019-12-31"}, "TIE_STILL_HOLDS"),
    ("householdSplit", {"splitOn": "2099-01-01"}, "DATE_OUT_OF_RANGE"),
    ("dwellingSplit", {"number": "399"}, "DWELLING_NUMBER_TAKEN"),
    ("dwellingUseChange", {"changedOn": "2019-12-31"}, "TIE_STILL_HOLDS"),
    ("dwellingTieBegin", {"role": "OWNER", "residentId": "head", "fromOn": "2021-01-01"}, "PERIODS_OVERLAP"),
    ("dwellingTieBegin", {"residentId": None}, "HOLDER_MISSING"),
    ("dwellingTieEnd", {"untilOn": "2020-01-01"}, "PERIOD_EMPTY"),
    ("residentStayRecord", {"untilOn": "2015-01-02"}, "PERIODS_OVERLAP"),
    ("residentStayRecord", {"untilOn": "2012-01-01"}, "PERIOD_EMPTY"),
    ("residentStayCorrect", {"untilOn": None}, "TIE_TODAY"),
    ("residentStayCorrect", {"untilOn": "2099-01-01"}, "DATE_OUT_OF_RANGE"),
    ("organisationCreate", {"creditCode": credit_code(7)[:-1] + "0"}, "CREDIT_CODE_INVALID"),
    ("organisationCreate", {"buildingId": None}, "PLACE_MISSING"),
    ("vehicleCreate", {"plate": "赣B 9Z8X7"}, "PLATE_TAKEN"),
    ("vehicleCreate", {"plate": "ABC"}, "PLATE_INVALID"),
]


async def test_what_contradicts_is_refused_and_changes_nothing(front: Front, scene: Scene) -> None:
    tree = scene.town.tree
    before = await front.footprint(tree.tenant_id)
    for field, change, reason in BAD:
        one = BY_FIELD[field]
        changed = {key: scene["resident"] if value == "head" else value for key, value in change.items()}
        answer = (await front.data(tree.administrator, one.text, {"input": {**one.input(scene), **changed}}))[field]
        assert answer.get("reason") == reason, (field, change, answer)
    assert await front.footprint(tree.tenant_id) == before


AS_OF = """query($resident: ID!, $dwelling: ID!, $household: ID!, $on: Date) {
  resident(id: $resident) { household(asOf: $on) { number } }
  household(id: $household) { dwelling(asOf: $on) { number } residents(asOf: $on) { totalCount nodes { name } } }
  dwelling(id: $dwelling) {
    households(asOf: $on) { nodes { number } } residents(asOf: $on) { totalCount nodes { name } } } }"""


async def test_the_past_is_answered_as_of_any_day(front: Front, scene: Scene) -> None:
    administrator, town = scene.town.tree.administrator, scene.town
    move = mutation("residentMove", "Resident")
    moved = {"id": scene["second"], "householdId": scene["lodgers"], "movedOn": "2022-03-01"}
    assert (await front.data(administrator, move, {"input": moved}))["residentMove"]["__typename"] == "Resident"
    house = mutation("householdMove", "Household")
    moved = {"id": scene["lodgers"], "dwellingId": town.far.id("dwelling"), "movedOn": "2023-05-01"}
    assert (await front.data(administrator, house, {"input": moved}))["householdMove"]["__typename"] == "Household"
    left = {"id": scene["second"], "departure": "MOVED_AWAY", "leftOn": "2024-07-01"}
    await front.data(administrator, mutation("residentLeave", "Resident"), {"input": left})
    ids = {"resident": scene["second"], "dwelling": scene["door"], "household": scene["lodgers"]}
    wanted = {
        "2019-12-31": (None, [], []),
        "2020-01-01": ("H0", ["L1"], []),
        "2022-02-28": ("H0", ["L1"], []),
        "2022-03-01": ("L1", ["L1"], ["赵敏"]),
        "2023-04-30": ("L1", ["L1"], ["赵敏"]),
        "2023-05-01": ("L1", [], []),
        "2024-06-30": ("L1", [], []),
        "2024-07-01": (None, [], []),
        None: (None, [], []),
    }
    for day, (household, households, residents) in wanted.items():
        found = await front.data(administrator, AS_OF, {**ids, "on": day})
        belonged = found["resident"]["household"]
        assert (belonged and belonged["number"]) == household, day
        assert [one["number"] for one in found["dwelling"]["households"]["nodes"]] == households, day
        assert [one["name"] for one in found["dwelling"]["residents"]["nodes"]] == residents, day
        assert found["dwelling"]["residents"]["totalCount"] == len(residents), day
    lodged = await front.data(administrator, AS_OF, {**ids, "on": "2022-04-01"})
    assert lodged["household"] == {
        "dwelling": {"number": "399"},
        "residents": {"totalCount": 1, "nodes": [{"name": "赵敏"}]},
    }
    told = await front.data(
        administrator,
        """query($id: ID!, $hh: ID!, $d: ID!) {
          resident(id: $id) { stays { household { number } fromOn untilOn } }
          household(id: $hh) { stays { dwelling { number } untilOn } residentStays { nodes { untilOn } } }
          dwelling(id: $d) { stays { nodes { household { number } } } usages { use fromOn untilOn }
            ties(where: {role: {eq: OWNER}}) { nodes { role resident { name } } } } }""",
        {"id": scene["second"], "hh": scene["lodgers"], "d": scene["door"]},
    )
    assert told["resident"]["stays"] == [
        {"household": {"number": "H0"}, "fromOn": "2020-01-01", "untilOn": "2022-03-01"},
        {"household": {"number": "L1"}, "fromOn": "2022-03-01", "untilOn": "2024-07-01"},
    ]
    assert [one["untilOn"] for one in told["household"]["stays"]] == ["2019-01-01", "2023-05-01", None]
    assert told["dwelling"]["usages"] == [{"use": "RENTED", "fromOn": "2020-01-01", "untilOn": None}]
    assert told["dwelling"]["ties"]["nodes"] == [{"role": "OWNER", "resident": {"name": "王小明"}}]
    # A worker of the grid does not learn who has gone to another one: people are seen where they are today.
    worker = town.tree.someone("areas.area.read", *READS, at="s1c1g1")
    seen = await front.data(worker, AS_OF, {**ids, "on": "2022-04-01"})
    assert seen["dwelling"]["residents"]["totalCount"] == 0
    async with front.works.begin(administrator) as work:
        assert await contradictions(work) == []


async def test_households_and_dwellings_part_and_join(front: Front, scene: Scene) -> None:
    administrator = scene.town.tree.administrator

    async def do(field: str, **input_: Any) -> dict[str, Any]:
        text = mutation(field, BY_FIELD[field].answers, "id")
        answer: dict[str, Any] = (await front.data(administrator, text, {"input": input_}))[field]
        return answer

    members = [{"id": scene["second"], "relationship": "HEAD"}]
    parted = await do("householdSplit", id=scene["household"], number="S1", residents=members, splitOn="2026-03-01")
    joined = await do("householdMerge", id=scene["lodgers"], intoId=parted["id"], mergedOn="2026-03-01")
    assert joined["id"] == parted["id"]
    again = await do("householdMerge", id=scene["lodgers"], intoId=parted["id"])
    assert again["reason"] == "HOUSEHOLD_ENDED"
    assert (await do("householdMerge", id=parted["id"], intoId=parted["id"]))["reason"] == "MERGED_WITH_ITSELF"
    room = await do("dwellingSplit", id=scene["door"], number="399A", use="RENTED", sizeDm2=2_000, splitOn="2026-03-01")
    merged = await do("dwellingMerge", id=scene["door"], intoId=room["id"], mergedOn="2026-03-02")
    assert merged["id"] == room["id"]
    assert (await do("dwellingMerge", id=scene["door"], intoId=scene["dwelling"]))["reason"] == "DWELLING_ENDED"
    found = await front.data(
        administrator,
        """query($new: ID!, $old: ID!, $room: ID!, $shop: ID!) {
          new: household(id: $new) { dwelling { number } residents { nodes { name relationship } } }
          old: household(id: $old) { endedOn dwelling { number } stays { untilOn } }
          room: dwelling(id: $room) { sizeDm2 ties { nodes { role fromOn untilOn resident { name } } } }
          organisation(id: $shop) { dwelling { number } stays { fromOn untilOn } vehicles { totalCount } } }""",
        {"new": parted["id"], "old": scene["lodgers"], "room": room["id"], "shop": scene["shop"]},
    )
    assert found["new"] == {
        "dwelling": {"number": "301"},
        "residents": {"nodes": [{"name": "赵敏", "relationship": "HEAD"}]},
    }
    assert found["old"]["endedOn"] == "2026-03-01"
    assert found["old"]["dwelling"] is None
    assert found["room"]["sizeDm2"] == 7_000
    owner = {"role": "OWNER", "fromOn": "2026-03-01", "untilOn": None, "resident": {"name": "王小明"}}
    assert found["room"]["ties"]["nodes"] == [owner]
    assert found["organisation"] == {
        "dwelling": {"number": "399A"},
        "stays": [
            {"fromOn": "2020-01-01", "untilOn": "2026-03-02"},
            {"fromOn": "2026-03-02", "untilOn": None},
        ],
        "vehicles": {"totalCount": 1},
    }
    async with front.works.begin(administrator) as work:
        assert await contradictions(work) == []


EVERYTHING = """{ buildings { nodes { code area { code } } } organisations { nodes { name area { code } } }
  vehicles { nodes { kind area { code } organisation { name } } } residents { nodes { name area { code } } } }"""


async def test_a_planned_move_tells_what_goes_where_and_then_it_goes(front: Front, scene: Scene) -> None:
    tree = scene.town.tree
    plan = (
        "mutation($input: AreaMovePlanInput!) { areaMovePlan(input: $input) { ... on AreaPlan { fingerprint"
        " counts { thing count } shifts { former { code parentName } new { code parentName }"
        " counts { thing count } } } } }"
    )
    before = await front.footprint(tree.tenant_id)
    given = {"id": tree.global_id("s1c1"), "parentId": tree.global_id("s2")}
    told = (await front.data(tree.administrator, plan, {"input": given}))["areaMovePlan"]
    assert await front.footprint(tree.tenant_id) == before
    counts = {one["thing"]: one["count"] for one in told["counts"]}
    moving = {"buildings": 3, "dwellings": 3, "residents": 3, "organisations": 1, "vehicles": 1, "resident_stays": 4}
    assert moving.items() <= counts.items()
    first = next(one for one in told["shifts"] if one["former"]["code"] == "S1C1G1")
    assert first["new"] == first["former"] == {"code": "S1C1G1", "parentName": "s1c1"}
    assert {"thing": "vehicles", "count": 1} in first["counts"]
    house = (
        "mutation($input: BuildingMovePlanInput!) { buildingMovePlan(input: $input) {"
        " ... on BuildingMovePlan { formerAreaName areaName counts { thing count } } } }"
    )
    given_house = {"id": scene["building"], "areaId": tree.global_id("s2c2g2")}
    one = (await front.data(tree.administrator, house, {"input": given_house}))["buildingMovePlan"]
    assert (one["formerAreaName"], one["areaName"]) == ("s1c1g1", "s2c2g2")
    assert {"thing": "residents", "count": 2} in one["counts"]
    assert {"thing": "organisation_stays", "count": 1} in one["counts"]
    moved = mutation("buildingMove", "Building")
    await front.data(tree.administrator, moved, {"input": given_house})
    apply = mutation("areaMoveApply", "Area")
    after = (await front.data(tree.administrator, plan, {"input": given}))["areaMovePlan"]
    done = await front.data(tree.administrator, apply, {"input": {**given, "fingerprint": after["fingerprint"]}})
    assert done["areaMoveApply"]["__typename"] == "Area", done
    found = await front.data(tree.someone("areas.area.read", *READS, at="s2"), EVERYTHING)
    assert {one["code"] for one in found["buildings"]["nodes"]} == {"B0", "B1", "B2", "FREE"}
    assert [one["area"]["code"] for one in found["organisations"]["nodes"]] == ["S2C2G2"]
    assert [one["area"]["code"] for one in found["vehicles"]["nodes"]] == ["S2C2G2"]
    async with front.works.begin(tree.administrator) as work:
        assert await contradictions(work) == []


async def test_organisations_and_vehicles_are_found_and_masked(front: Front, scene: Scene) -> None:
    tree = scene.town.tree
    async with front.works.begin(tree.administrator) as work:
        await service.create_organisation(
            work,
            service.Place("area", tree.id("s1c1g1")),
            name="瑞京建筑有限公司",
            kind="COMPANY",
            credit_code=credit_code(3).lower(),
        )
    found = await front.data(
        tree.administrator,
        """query($code: String!, $plate: String!) {
          name: organisations(where: {search: "小吃"}) { nodes { name } }
          code: organisations(where: {creditCode: {eq: $code}}) { nodes { name creditCode } }
          plate: vehicles(where: {plate: $plate}) { nodes { plate kind } }
          none: vehicles(where: {plate: "赣B00000"}) { totalCount }
          organisationStats(by: [KIND]) { keys count } }""",
        {"code": credit_code(3), "plate": "赣B9Z8X7"},
    )
    assert found["name"]["nodes"] == [{"name": "红都小吃店"}]
    assert found["code"]["nodes"] == [{"name": "瑞京建筑有限公司", "creditCode": credit_code(3)}]
    assert found["plate"]["nodes"] == [{"plate": "赣B***X7", "kind": "TRUCK"}]
    assert found["none"]["totalCount"] == 0
    assert {one["keys"][0]: one["count"] for one in found["organisationStats"]} == {"SHOP": 1, "COMPANY": 1}
    blind = tree.someone("registry.vehicle.read")
    answer = await front.ask(blind, "{ vehicles { nodes { kind plate } } }")
    assert answer["data"]["vehicles"]["nodes"] == [{"kind": "TRUCK", "plate": None}]
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
