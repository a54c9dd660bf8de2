"""Fengtai: who has newly come is called on first, key groups are looked after, and what is sensitive stays with few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cityloom.demo.papers import phone_number, plate_number

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cityloom.testing.scenarios import Story

COMMUNITY = "140502001006"
GRID, SECOND = f"{COMMUNITY}001", f"{COMMUNITY}002"
YARD = f"{GRID}Y01"


async def test_whoever_has_newly_come_is_called_on_first(story: Callable[[str], Awaitable[Story]]) -> None:
    """首次走访: who arrived since the first of the month is on the list, and off it once somebody has been there."""
    city = await story("fengtai")
    await city.post("grid-01-1", "GRID_WORKER", GRID)
    door = await city.dwelling("community-01", YARD, "101")
    home = await city.make("grid-01-1", "householdCreate", "Household", dwellingId=door, number="T101")
    newcomers = [
        await city.make("grid-01-1", "residentCreate", "Resident", householdId=home, name=name)
        for name in ("崔新来", "崔小宝")
    ]
    first = await city.tag("first_visit")
    many = {"residentIds": newcomers, "tagId": first}
    done = await city.change("grid-01-1", "residentTagAssignMany", many, "... on ResidentTagsChanged { changed }")
    assert done["changed"] == 2
    due = 'hasTag: ["first_visit"], household: { number: { eq: "T101" } }'
    assert await city.count("grid-01-1", "residents", due) == 2
    # Nobody opens, then somebody does; only then the list is shorter.
    visit = {"householdId": home, "form": "first_visit"}
    await city.make("grid-01-1", "visitRecord", "Visit", householdId=home, outcome="NOBODY_HOME")
    assert await city.reason("grid-01-1", "visitRecord", **visit, outcome="MET", answers={"needs": "无"}) == (
        "ANSWERS_WRONG"
    )
    met = visit | {
        "outcome": "MET",
        "answers": {"people_at_home": 2, "told_about": ["社区服务", "个人信息权利"], "needs": "入学咨询"},
        "changes": [{"id": one, "note": "首次走访"} for one in newcomers],
    }
    await city.make("grid-01-1", "visitRecord", "Visit", **met)
    done = await city.change("grid-01-1", "residentTagWithdrawMany", many, "... on ResidentTagsChanged { changed }")
    assert done["changed"] == 2
    assert await city.count("grid-01-1", "residents", due) == 0
    by = "{ visitStats(by: [OUTCOME]) { keys count } }"
    found = {one["keys"][0]: one["count"] for one in (await city.ask("community-01", by))["visitStats"]}
    assert found == {"MET": 1, "NOBODY_HOME": 1}


async def test_key_groups_find_themselves(story: Callable[[str], Awaitable[Story]]) -> None:
    """重点人群: the lonely old and children left behind are found by rules, for care; no list names anybody else."""
    city = await story("fengtai")
    doors = [await city.dwelling("community-01", f"{GRID}Y02", number) for number in ("201", "202")]
    _, (alone,) = await city.household("grid-01-1", doors[0], "T201", {"name": "许奶奶", "birthOn": "1941-01-01"})
    _, (_, child) = await city.household(
        "grid-01-1",
        doors[1],
        "T202",
        {"name": "周爷爷", "birthOn": "1958-01-01", "relationship": "HEAD"},
        {"name": "周小童", "birthOn": "2017-01-01", "relationship": "GRANDCHILD"},
    )
    await city.follow_up()
    assert {"elder_80_alone", "key_care", "care_visits"} <= await city.tags_of("grid-01-1", alone)
    assert {"left_behind_child", "key_care"} <= await city.tags_of("grid-01-1", child)
    # The mother comes home: the child is left behind no more.
    query = "query ($id: ID!) { resident(id: $id) { household { id } } }"
    home = (await city.ask("grid-01-1", query, {"id": child}))["resident"]["household"]["id"]
    mother = {"householdId": home, "name": "周妈妈", "birthOn": "1990-01-01", "relationship": "CHILD"}
    await city.make("grid-01-1", "residentCreate", "Resident", **mother)
    await city.follow_up()
    assert not {"left_behind_child", "key_care"} & await city.tags_of("grid-01-1", child)


async def test_an_illness_is_known_to_few(story: Callable[[str], Awaitable[Story]]) -> None:
    """A sensitive tag needs consent, and is absent for the grid worker: in the list, in the filter and in the count."""
    city = await story("fengtai")
    door = await city.dwelling("community-01", f"{SECOND}Y01", "301")
    phone = phone_number(3_301)
    _, people = await city.household(
        "community-01", door, "T301", *({"name": f"李病友{at}", "phone": phone_number(3_301 + at)} for at in range(5))
    )
    patient = people[0]
    tag = {"tagId": await city.tag("chronic_illness")}
    assert await city.reason("community-01", "residentTagAssign", residentId=patient, **tag) == "CONSENT_NEEDED"
    assert await city.reason("grid-01-2", "residentTagAssign", residentId=patient, **tag, consentEvidence="x") == (
        "NOT_FOUND"
    )
    look = {"id": patient, "fields": ["registry.resident.phone"], "purpose": "HEALTH_CARE"}
    assert await city.reason("community-01", "subjectUnmask", **look) == "CONSENT_MISSING"
    consent = {"id": patient, "purpose": "HEALTH_CARE", "evidence": "2026年3月2日书面同意书"}
    await city.make("grid-01-2", "consentRecord", "Consent", **consent)
    await city.make("community-01", "residentTagAssign", "ResidentTag", residentId=patient, **tag)
    shown = await city.change("community-01", "subjectUnmask", look, "... on Unmasking { fields { value } }")
    assert shown["fields"] == [{"value": phone}]
    mine = 'household: { number: { eq: "T301" } }, hasTag: ["chronic_illness"]'
    stats = '{ tagStats(by: [TAG], codes: ["chronic_illness"]) { keys count isSuppressed } }'
    # Who has it is told for a purpose that they consented to, and each of them sees who asked.
    assert await city.tags_of("community-01", patient) == set()
    assert await city.count("community-01", "residents", mine) == 0
    held = 'hasSensitiveTag: { codes: ["chronic_illness"], purpose: "HEALTH_CARE" }'
    assert await city.count("community-01", "residents", held) == 1
    # Fewer than five are not told as a number, not even to those who see each of them.
    assert (await city.ask("community-01", stats))["tagStats"] == [
        {"keys": [tag["tagId"]], "count": None, "isSuppressed": True}
    ]
    assert await city.tags_of("grid-01-2", patient) == set()
    assert await city.count("grid-01-2", "residents", mine) == 0
    assert (await city.ask("grid-01-2", stats))["tagStats"] == []
    catalogue = '{ tags(where: { code: { eq: "chronic_illness" } }) { totalCount } }'
    assert (await city.ask("grid-01-2", catalogue))["tags"] == {"totalCount": 0}
    given = [{"residentId": one, **tag, "consentEvidence": "2026年3月3日书面同意书"} for one in people[1:]]
    for one in given:
        await city.make("community-01", "residentTagAssign", "ResidentTag", **one)
    assert (await city.ask("community-01", stats))["tagStats"] == [
        {"keys": [tag["tagId"]], "count": 5, "isSuppressed": False}
    ]
    # Consent that is taken back closes the door again.
    withdrawal = {"id": patient, "purpose": "HEALTH_CARE", "evidence": "本人来社区撤回"}
    await city.make("grid-01-2", "consentWithdraw", "Consent", **withdrawal)
    assert await city.reason("community-01", "subjectUnmask", **look) == "CONSENT_MISSING"
    assert await city.count("community-01", "residents", held) == 4


async def _settle_somebody(city: Story, number: str) -> dict[str, str]:
    """A resident of whom everything is stored that can be, and what of it names them."""
    door = await city.dwelling("community-01", YARD, number)
    phone, plate = phone_number(4_000 + int(number)), plate_number(4_000 + int(number))
    home, (resident,) = await city.household(
        "community-01", door, f"T{number}", {"name": f"马搬家{number}", "phone": phone, "birthOn": "1944-02-01"}
    )
    await city.make("community-01", "vehicleCreate", "Vehicle", kind="CAR", plate=plate, residentId=resident)
    tie = {"dwellingId": door, "residentId": resident, "role": "OWNER", "fromOn": "2020-01-01"}
    await city.make("community-01", "dwellingTieBegin", "DwellingTie", **tie)
    contact = {"id": resident, "custom": {"emergency_contact": f"马女儿{number}"}}
    await city.make("admin", "residentChange", "Resident", **contact)
    visit = {"householdId": home, "outcome": "MET", "changes": [{"id": resident, "note": f"马搬家{number}要搬走"}]}
    await city.make("grid-01-1", "visitRecord", "Visit", **visit)
    await city.follow_up()
    assert "elder_80_alone" in await city.tags_of("community-01", resident)
    return {"id": resident, "phone": phone, "plate": plate, "name": f"马搬家{number}", "contact": f"马女儿{number}"}


SEEN = """query ($id: ID!) { resident(id: $id) { name status birthYear phone custom customRestricted stays { fromOn }
  tagHistory { totalCount } vehicles { totalCount } dwellingTies { totalCount }
  visits { nodes { changes { note } } } } }"""


async def test_who_leaves_is_told_everything_and_then_forgotten(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("fengtai")
    await city.post("grid-01-1", "GRID_WORKER", GRID)
    somebody = await _settle_somebody(city, "401")
    resident = somebody["id"]
    # Before they go they get all that is stored of them; the export itself is written down.
    told = await city.subject_export("admin", resident, "PERSON_REQUEST")
    rows = {part: len(found) for part, found in told["data"].items() if found}
    for part in (
        "residents.id",
        "resident_stays.resident_id",
        "resident_tags.resident_id",
        "vehicles.resident_id",
        "dwelling_ties.resident_id",
        "custom_values.resident_id",
        "visit_changes.resident_id",
        "disclosures.subject_id",
    ):
        assert rows.get(part), (part, rows)
    (record,) = told["data"]["residents.id"]
    assert record["phone"] == somebody["phone"]
    assert [one["plate"] for one in told["data"]["vehicles.resident_id"]] == [somebody["plate"]]
    await city.make("grid-01-1", "residentLeave", "Resident", id=resident, departure="MOVED_AWAY")
    await city.follow_up()
    assert await city.tags_of("admin", resident) == set()
    # Who may not erase, may not; a hold of the law stands against it, and when that is lifted they are forgotten.
    wish = {"id": resident, "reason": "本人申请清除"}
    assert await city.reason("community-01", "subjectErase", **wish) == "FORBIDDEN"
    hold = await city.make("admin", "legalHoldPlace", "LegalHold", id=resident, reason="房屋纠纷诉讼")
    assert await city.reason("admin", "subjectErase", **wish) == "HELD_BY_LAW"
    await city.make("admin", "legalHoldLift", "LegalHold", id=hold, reason="已结案")
    counts = (await city.change("admin", "subjectErase", wish, "... on Erasure { counts }"))["counts"]
    gone = {
        "residents",
        "resident_tags",
        "resident_stays",
        "dwelling_ties",
        "vehicles",
        "custom_values",
        "visit_changes",
    }
    assert counts.keys() >= gone
    found: dict[str, Any] = (await city.ask("admin", SEEN, {"id": resident}))["resident"]
    assert found == {
        "name": "已清除",
        "status": "MOVED_AWAY",
        "birthYear": None,
        "phone": None,
        "custom": {},
        "customRestricted": {},
        "stays": [],
        "tagHistory": {"totalCount": 0},
        "vehicles": {"totalCount": 0},
        "dwellingTies": {"totalCount": 0},
        "visits": {"nodes": []},
    }
    left = await city.subject_export("admin", resident, "PERSON_REQUEST")
    for value in (somebody["phone"], somebody["plate"], somebody["name"], somebody["contact"]):
        assert value not in str(left), value
