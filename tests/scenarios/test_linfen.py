"""Linfen: two leads per building group, services that find people, four hundred visits, and 24 forms become 6."""

from __future__ import annotations

from itertools import combinations, islice
from typing import TYPE_CHECKING, Any

from cityloom.core.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cityloom.testing.scenarios import Story

GRID = "310106021001001"
FIRST, SECOND = f"{GRID}L01", f"{GRID}L02"
#: What the platform knows of each neighbourhood, by the names that departments ask for it.
KNOWN = ("常住人口", "户数", "房屋数", "楼栋数", "企业数", "机动车数")
#: What somebody has to go and find out.
UNKNOWN = ("志愿活动场次", "文明宣传次数", "消防演练人次", "垃圾分类准确率", "居民议事会次数", "绿化认养面积")


async def test_every_building_group_has_two_leads(story: Callable[[str], Awaitable[Story]]) -> None:
    """双楼长: a party member leads, a second lead stands beside them; where one is missing, it shows."""
    city = await story("linfen")
    group = await city.area(FIRST)
    missing = "query ($id: ID!) { area(id: $id) { unfilledPosts { code } } }"
    found = (await city.ask("admin", missing, {"id": group}))["area"]["unfilledPosts"]
    assert {post["code"] for post in found} == {"BUILDING_LEAD", "SECOND_LEAD"}
    for login, post in (("grid-01-1", "BUILDING_LEAD"), ("grid-01-2", "SECOND_LEAD")):
        await city.post(login, post, FIRST)
    assert (await city.ask("admin", missing, {"id": group}))["area"]["unfilledPosts"] == []
    posts = {post["code"]: post["id"] for post in (await city.ask("admin", "{ posts { id code } }"))["posts"]}
    third = {"accountId": await city.account("grid-01-3"), "postId": posts["SECOND_LEAD"], "areaId": group}
    assert await city.reason("admin", "postAssign", **third) == "POST_TAKEN"
    query = """query ($id: ID!) { area(id: $id) { assignments { nodes { post { titleZh } worker { name } } } } }"""
    held = (await city.ask("community-01", query, {"id": group}))["area"]["assignments"]["nodes"]
    assert {(one["post"]["titleZh"], one["worker"]["name"]) for one in held} == {
        ("楼组长", "胡海峰"),
        ("第二楼组长", "周立新"),
    }


async def test_the_service_finds_whoever_is_eighty_and_alone(story: Callable[[str], Awaitable[Story]]) -> None:
    """服务找人: nobody applies. Whoever fulfils the rule is on the list of visits, and who does no more is not."""
    city = await story("linfen")
    alone, full = [await city.dwelling("community-01", FIRST, number) for number in ("101", "102")]
    _, (elder,) = await city.household("grid-01-1", alone, "L101", {"name": "周奶奶", "birthOn": "1944-05-01"})
    family, _ = await city.household(
        "grid-01-1", full, "L102", {"name": "周大伟", "birthOn": "1972-01-01", "relationship": "HEAD"}
    )
    await city.follow_up()
    assert {"elder_80", "elder_80_alone", "four_hundred_visits"} <= await city.tags_of("grid-01-1", elder)
    due = 'hasTag: ["four_hundred_visits"], household: { number: { in: ["L101", "L102"] } }'
    assert await city.count("grid-01-1", "residents", due) == 1
    # She moves in with her son: within seconds nobody has to call on her for being alone.
    move = {"id": elder, "householdId": family, "relationship": "PARENT"}
    await city.make("grid-01-1", "residentMove", "Resident", **move)
    await city.follow_up()
    tags = await city.tags_of("grid-01-1", elder)
    assert "elder_80" in tags
    assert not tags & {"elder_80_alone", "four_hundred_visits", "elder_alone", "care_visits"}
    history = """query ($id: ID!) { resident(id: $id) { tagHistory { nodes { tag { code } source ending } } } }"""
    found = (await city.ask("grid-01-1", history, {"id": elder}))["resident"]["tagHistory"]["nodes"]
    assert {"tag": {"code": "elder_80_alone"}, "source": "RULE", "ending": "RULE"} in found
    # Somebody turns eighty with the year.
    assert await city.count("grid-01-1", "residents", due) == 0
    third = await city.dwelling("community-01", FIRST, "103")
    _, (neighbour,) = await city.household("grid-01-1", third, "L103", {"name": "吴伯伯", "birthOn": "1947-09-01"})
    await city.follow_up()
    assert "elder_80_alone" not in await city.tags_of("grid-01-1", neighbour)
    city.clock.advance(days=305)
    await city.pass_night()
    assert "four_hundred_visits" in await city.tags_of("grid-01-1", neighbour)


SUBMIT = """... on FieldChangesSubmitted { results { clientId outcome version differences { field server sent }
  refusal { reason } } }"""


async def test_a_visit_is_recorded_offline(story: Callable[[str], Awaitable[Story]]) -> None:
    """四百走访 without a signal: the visit arrives once, and a change that was overtaken is shown, not lost."""
    city = await story("linfen")
    door = await city.dwelling("community-01", SECOND, "201")
    home, (elder,) = await city.household("community-01", door, "L201", {"name": "徐爷爷", "birthOn": "1940-01-01"})
    await city.post("grid-01-1", "MICRO_LEAD", GRID)
    at = city.clock.now()
    visit = {
        "clientId": str(new_id(int(at.timestamp() * 1000))),
        "householdId": home,
        "outcome": "MET",
        "form": "four_hundred",
        "answers": {"situation": "独自居住,行动不便", "worries": ["助餐", "就医"], "lift": True},
        "changes": [{"id": elder, "note": "更正姓名"}],
        "visitedAt": at.isoformat(),
    }
    change: dict[str, Any] = {
        "clientId": str(new_id(int(at.timestamp() * 1000))),
        "madeAt": at.isoformat(),
        "residentChange": {"id": elder, "version": 1, "name": "徐老伯"},
    }
    # Meanwhile the committee corrects the same record.
    city.clock.advance(hours=2)
    await city.make("community-01", "residentChange", "Resident", id=elder, name="徐大爷")
    first = await city.make("grid-01-1", "visitRecord", "Visit", **visit)
    assert await city.make("grid-01-1", "visitRecord", "Visit", **visit) == first
    (result,) = (await city.change("grid-01-1", "fieldChangesSubmit", {"changes": [change]}, SUBMIT))["results"]
    assert (result["outcome"], result["version"]) == ("CONFLICT", 2)
    assert result["differences"] == [{"field": "name", "server": "徐大爷", "sent": "徐老伯"}]
    seen = """query ($id: ID!) { resident(id: $id) { name
      visits { totalCount nodes { outcome answers worker { name } } } } }"""
    found = (await city.ask("community-01", seen, {"id": elder}))["resident"]
    assert (found["name"], found["visits"]["totalCount"]) == ("徐大爷", 1)
    (made,) = found["visits"]["nodes"]
    assert (made["outcome"], made["answers"]["worries"], made["worker"]["name"]) == ("MET", ["助餐", "就医"], "胡海峰")
    # What the conflict shows is decided at the door, and sent again as it is now.
    again = {
        **change,
        "clientId": str(new_id(int(city.clock.now().timestamp() * 1000))),
        "residentChange": {**change["residentChange"], "version": 2},
    }
    (result,) = (await city.change("grid-01-1", "fieldChangesSubmit", {"changes": [again]}, SUBMIT))["results"]
    assert result["outcome"] == "APPLIED"


async def _file(city: Story, title: str, names: tuple[str, ...], **more: Any) -> str:
    given = {
        "title": title,
        "departmentId": await city.department("civil"),
        "frequency": "MONTHLY",
        "units": 20,
        "fields": [{"name": name, "minutes": 15} for name in names],
        **more,
    }
    made = await city.change("admin", "reportRequestFile", given, "... on ReportRequest { state }")
    return str(made.get("state") or made["reason"])


async def test_twenty_four_forms_become_six(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("linfen")
    assert await _file(city, "居委基础月报", KNOWN[:2]) == "WHOLLY_DERIVABLE"
    forms = list(islice((names for size in (2, 3) for names in combinations(KNOWN, size)), 18))
    for at, names in enumerate(forms):
        assert await _file(city, f"月报{at + 1}", names, onDerivable="GENERATE") == "GENERATED", names
    for name in UNKNOWN:
        assert await _file(city, f"{name}月报", (name,)) == "ASKED"
    burden = """query ($m: String!) { burdenStats(fromMonth: $m, toMonth: $m) { departmentName formsBefore formsAfter
      minutesBefore minutesAsked minutesSaved } }"""
    (found,) = (await city.ask("admin", burden, {"m": "2026-03"}))["burdenStats"]
    assert (found["formsBefore"], found["formsAfter"]) == (24, 6)
    assert 1 - found["formsAfter"] / found["formsBefore"] == 0.75
    assert int(found["minutesAsked"]) == 6 * 15 * 20
    assert int(found["minutesSaved"]) == int(found["minutesBefore"]) - 6 * 15 * 20


async def test_two_months_are_compared(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("linfen")
    third = "310106021003"
    reports = "{ reports(first: 20) { nodes { id code } } }"
    (report,) = [
        one["id"] for one in (await city.ask("analyst", reports))["reports"]["nodes"] if one["code"] == "neighbourhoods"
    ]
    door = await city.dwelling("community-03", f"{third}001L01", "301")
    await city.household("community-03", door, "L301", {"name": "金阿姨"})
    march = await city.make("admin", "reportSnapshotTake", "ReportSnapshot", id=report)
    # The city's keys are changed meanwhile; what was kept is read as before.
    await city.rotate_keys()
    city.clock.advance(days=31)
    query = 'query { households(where: { number: { eq: "L301" } }) { nodes { id } } }'
    home = (await city.ask("community-03", query))["households"]["nodes"][0]["id"]
    for name in ("金小宝", "金小贝"):
        await city.make("community-03", "residentCreate", "Resident", householdId=home, name=name)
    april = await city.make("admin", "reportSnapshotTake", "ReportSnapshot", id=report)
    compare = """query ($a: ID!, $b: ID!) { reportCompare(before: $a, after: $b) { added removed changed unchanged
      changes { kind changedPaths before after } totals { path difference } } }"""
    found = (await city.ask("admin", compare, {"a": march, "b": april}))["reportCompare"]
    assert (found["added"], found["removed"], found["changed"], found["unchanged"]) == (0, 0, 1, 19)
    (change,) = found["changes"]
    assert change["changedPaths"] == ["residentCount"]
    assert change["after"][0] == third
    assert {one["path"]: one["difference"] for one in found["totals"]}["residentCount"] == 2
