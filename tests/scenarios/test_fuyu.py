"""Fuyu: people, households and dwellings of eighteen grids, who rents and who returns; each grid sees its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cityloom.demo.papers import phone_number, plate_number

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cityloom.testing.scenarios import Story

COMMUNITY = "220781003002"
GRID, NEXT, THIRD = (f"{COMMUNITY}00{number}" for number in (1, 2, 3))
WHO_LIVES_HERE = "query ($id: ID!, $day: Date) { dwelling(id: $id) { residents(asOf: $day) { nodes { name } } } }"


async def _lived(city: Story, login: str, dwelling: str, day: str | None = None) -> list[str]:
    found = await city.ask(login, WHO_LIVES_HERE, {"id": dwelling, "day": day})
    return sorted(one["name"] for one in found["dwelling"]["residents"]["nodes"])


async def test_who_lived_where_and_a_returnee_comes_back(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("fuyu")
    door = await city.dwelling("community-01", GRID, "101")
    home, (father, daughter) = await city.household(
        "grid-01-1",
        door,
        "F101",
        {"name": "崔大山", "relationship": "HEAD", "birthOn": "1955-03-01"},
        {"name": "崔小溪", "relationship": "CHILD", "birthOn": "1988-05-01"},
    )
    left = {"id": daughter, "departure": "MOVED_AWAY", "leftOn": "2025-03-01"}
    await city.make("grid-01-1", "residentLeave", "Resident", **left)
    assert await _lived(city, "grid-01-1", door) == ["崔大山"]
    # Back for the spring festival: the grid worker records the return, and follows it up for a month.
    back = {"id": daughter, "householdId": home, "relationship": "CHILD", "movedOn": "2026-02-10"}
    await city.make("grid-01-1", "residentMove", "Resident", **back)
    tag = {"residentId": daughter, "tagId": await city.tag("returnee")}
    await city.make("grid-01-1", "residentTagAssign", "ResidentTag", **tag)
    assert [await _lived(city, "grid-01-1", door, day) for day in ("2024-06-01", "2025-06-01", "2026-03-01")] == [
        ["崔大山", "崔小溪"],
        ["崔大山"],
        ["崔大山", "崔小溪"],
    ]
    query = "query ($id: ID!) { resident(id: $id) { status household { number } stays { fromOn untilOn } } }"
    assert (await city.ask("grid-01-1", query, {"id": daughter}))["resident"] == {
        "status": "LIVING",
        "household": {"number": "F101"},
        "stays": [{"fromOn": "2020-01-01", "untilOn": "2025-03-01"}, {"fromOn": "2026-02-10", "untilOn": None}],
    }
    assert await city.tags_of("grid-01-1", daughter) == {"returnee"}
    city.clock.advance(days=29)
    await city.pass_night()
    assert await city.tags_of("grid-01-1", daughter) == set()
    assert "elder_65" in await city.tags_of("grid-01-1", father)


async def test_a_dwelling_is_let(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("fuyu")
    own, let = [await city.dwelling("community-01", GRID, number) for number in ("201", "202")]
    _, (owner,) = await city.household("grid-01-1", own, "F201", {"name": "黄房东", "relationship": "HEAD"})
    _, (tenant,) = await city.household(
        "grid-01-1", let, "F202", {"name": "林租客", "relationship": "HEAD", "birthOn": "1958-01-01"}
    )
    await city.follow_up()
    assert "tenant" not in await city.tags_of("grid-01-1", tenant)
    change = {"id": let, "use": "RENTED", "changedOn": "2026-03-01"}
    await city.make("grid-01-1", "dwellingUseChange", "Dwelling", **change)
    await city.make("grid-01-1", "dwellingChange", "Dwelling", id=let, custom={"lease_registered": True})
    for resident, role in ((owner, "OWNER"), (tenant, "TENANT")):
        tie = {"dwellingId": let, "residentId": resident, "role": role, "fromOn": "2026-03-01"}
        await city.make("grid-01-1", "dwellingTieBegin", "DwellingTie", **tie)
    query = """query ($id: ID!) { dwelling(id: $id) { use custom usages { use fromOn }
      ties(orderBy: [{ by: FROM }]) { nodes { role resident { name } } } residents { nodes { name } } } }"""
    found = (await city.ask("grid-01-1", query, {"id": let}))["dwelling"]
    assert (found["use"], found["custom"]) == ("RENTED", {"lease_registered": True})
    assert {one["role"]: one["resident"]["name"] for one in found["ties"]["nodes"]} == {
        "OWNER": "黄房东",
        "TENANT": "林租客",
    }
    assert [one["name"] for one in found["residents"]["nodes"]] == ["林租客"]
    # Who owns what is let, asked the other way round; and the tags of tenants follow the use of the dwelling.
    where = 'dwellingTies: { role: { eq: OWNER }, dwelling: { use: { eq: RENTED }, number: { eq: "202" } } }'
    assert await city.count("grid-01-1", "residents", where) == 1
    await city.follow_up()
    assert {"tenant", "elder_tenant"} <= await city.tags_of("grid-01-1", tenant)


async def test_staff_see_their_own_grid(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("fuyu")
    people = []
    for grid, number in ((GRID, "301"), (NEXT, "302")):
        door = await city.dwelling("community-01", grid, number)
        _, found = await city.household("community-01", door, f"F{number}", {"name": f"何{number}"})
        people += found
    mine, other = people
    query = "query ($id: ID!) { resident(id: $id) { name } }"
    for login, sees in (
        ("grid-lead-01", (True, False)),
        ("grid-01-1", (True, False)),
        ("grid-01-2", (False, True)),
        ("community-01", (True, True)),
        ("urban-officer", (False, False)),
    ):
        shown = [(await city.ask(login, query, {"id": one}))["resident"] is not None for one in people]
        assert tuple(shown) == sees, login
        where = 'household: { number: { in: ["F301", "F302"] } }'
        if login != "urban-officer":
            assert await city.count(login, "residents", where) == sum(sees), login
    assert await city.reason("grid-lead-01", "residentChange", id=other, name="别人") == "NOT_FOUND"
    assert await city.reason("grid-lead-01", "residentChange", id=mine, name="何三一") is None


async def test_a_house_goes_to_another_grid_with_its_people(story: Callable[[str], Awaitable[Story]]) -> None:
    """重新划分网格: what it would take along is told before; people, their tags and stays go along."""
    city = await story("fuyu")
    door = await city.dwelling("community-01", NEXT, "401")
    _, (elder,) = await city.household("community-01", door, "F401", {"name": "陈老太", "birthOn": "1940-01-01"})
    await city.follow_up()
    assert {"elder_80", "elder_alone", "care_visits"} <= await city.tags_of("grid-01-2", elder)
    query = "query ($id: ID!) { dwelling(id: $id) { building { id } } }"
    building = (await city.ask("admin", query, {"id": door}))["dwelling"]["building"]["id"]
    move = {"id": building, "areaId": await city.area(THIRD)}
    plan = await city.change(
        "community-01",
        "buildingMovePlan",
        move,
        "... on BuildingMovePlan { formerAreaName areaName counts { thing count } }",
    )
    assert (plan["formerAreaName"], plan["areaName"]) == ("第二网格", "第三网格")
    told = {one["thing"]: one["count"] for one in plan["counts"]}
    assert (told["dwellings"], told["households"], told["residents"]) == (1, 1, 1), told
    assert await city.tags_of("grid-01-2", elder)
    await city.make("community-01", "buildingMove", "Building", **move)
    seen = "query ($id: ID!) { resident(id: $id) { area { code } tags { tag { code } area { code } } } }"
    assert (await city.ask("grid-01-2", seen, {"id": elder}))["resident"] is None
    found: dict[str, Any] = (await city.ask("grid-01-3", seen, {"id": elder}))["resident"]
    assert found["area"] == {"code": THIRD}
    assert {one["area"]["code"] for one in found["tags"]} == {THIRD}
    assert "elder_alone" in {one["tag"]["code"] for one in found["tags"]}


async def test_a_number_is_shown_for_a_purpose_and_its_owner_is_told(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("fuyu")
    door = await city.dwelling("community-01", GRID, "501", "RENTED")
    phones = [phone_number(5_000 + at) for at in range(4)]
    _, people = await city.household(
        "community-01", door, "F501", *({"name": f"罗租客{at}", "phone": phone} for at, phone in enumerate(phones))
    )
    query = "query ($id: ID!) { resident(id: $id) { phone } }"
    masked = (await city.ask("community-01", query, {"id": people[0]}))["resident"]["phone"]
    assert masked == f"{phones[0][:3]}****{phones[0][-4:]}"
    asked = {"fields": ["registry.resident.phone"], "purpose": "RENTAL_CHECK"}
    shown = "... on Unmasking { remainingToday fields { field value } }"
    # Three a day, and nobody in the field.
    assert await city.reason("grid-01-1", "subjectUnmask", id=people[0], **asked) == "FORBIDDEN"
    for at, left in enumerate((2, 1, 0)):
        found = await city.change("community-01", "subjectUnmask", {"id": people[at], **asked}, shown)
        assert (found["remainingToday"], found["fields"][0]["value"]) == (left, phones[at])
    assert await city.reason("community-01", "subjectUnmask", id=people[3], **asked) == "UNMASKING_QUOTA_REACHED"
    identity = {"fields": ["registry.resident.identity_number"], "purpose": "RENTAL_CHECK"}
    assert await city.reason("community-01", "subjectUnmask", id=people[0], **identity) == "PURPOSE_COVERS_NOT"
    await city.pass_night()
    assert await city.reason("community-01", "subjectUnmask", id=people[3], **asked) is None
    # The resident signs in and sees who looked, and for what.
    await city.resident("luo")
    link = {"id": people[0], "accountId": await city.account("luo")}
    await city.make("admin", "residentChange", "Resident", **link)
    looked = """{ residents { nodes { name phone disclosures { nodes { kind account { name } purpose { titleZh }
      fields } } } } }"""
    (me,) = (await city.ask("luo", looked))["residents"]["nodes"]
    assert (me["name"], me["phone"]) == ("罗租客0", masked)
    (look,) = me["disclosures"]["nodes"]
    assert (look["kind"], look["purpose"]["titleZh"]) == ("UNMASK", "出租房屋登记核实")
    assert look["fields"] == ["registry.resident.phone"]
    # All that is stored of them, in clear, is theirs; nobody else's is.
    mine, other = [await city.subject_export("luo", one, "PERSON_REQUEST") for one in people[:2]]
    assert mine["data"]["residents.id"][0]["phone"] == phones[0]
    assert [one["extensions"]["code"] for one in other["errors"]] == ["NOT_FOUND"]


async def test_a_whole_grid_goes_to_another_committee(story: Callable[[str], Awaitable[Story]]) -> None:
    """调整网格归属: nothing is applied but what was told, and who lives there, their tags and vehicles go along."""
    city = await story("fuyu")
    grid, committee = f"{COMMUNITY}018", f"{COMMUNITY}-1"
    door = await city.dwelling("community-01", grid, "601")
    _, (elder,) = await city.household("community-01", door, "F601", {"name": "许老汉", "birthOn": "1939-01-01"})
    await city.make("community-01", "vehicleCreate", "Vehicle", kind="CAR", plate=plate_number(6_001), residentId=elder)
    await city.follow_up()
    inside = "query ($in: ID!) { residents(area: $in) { nodes { name } } vehicles(area: $in) { totalCount } }"
    tagged = 'query ($in: ID!) { tagStats(area: $in, codes: ["elder_80"]) { count } }'
    there = {"in": await city.area(committee)}
    before = (await city.ask("community-01", tagged, there))["tagStats"]
    move = {"id": await city.area(grid), "parentId": await city.area(committee)}
    shape = "... on AreaPlan { canBeApplied fingerprint problems counts { thing count } }"
    plan = await city.change("admin", "areaMovePlan", move, shape)
    assert (plan["canBeApplied"], plan["problems"]) == (True, [])
    told = {one["thing"]: one["count"] for one in plan["counts"]}
    assert (told["residents"], told["vehicles"]) == (1, 1), told
    # Somebody changes the grid meanwhile: what was told is not what would be done.
    await city.make("admin", "areaRename", "Area", id=move["id"], name="第十八网格(南)")
    late = move | {"fingerprint": plan["fingerprint"]}
    assert await city.reason("admin", "areaMoveApply", **late) == "AREA_PLAN_STALE"
    plan = await city.change("admin", "areaMovePlan", move, shape)
    await city.make("admin", "areaMoveApply", "Area", **move, fingerprint=plan["fingerprint"])
    found = await city.ask("community-01", inside, there)
    assert "许老汉" in {one["name"] for one in found["residents"]["nodes"]}
    assert found["vehicles"]["totalCount"] == 1
    after = (await city.ask("community-01", tagged, there))["tagStats"]
    assert after[0]["count"] - (before[0]["count"] if before else 0) == 1, after
