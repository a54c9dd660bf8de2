"""Yanji: the four-light whistle (四色灯吹哨报到). Red found, blue whistled, yellow to accept, green closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.testing.files import SECRET, picture

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cityloom.testing.scenarios import Story

GRID = "222401001001001"


async def test_rubbish_from_a_residents_photo_to_the_green_light(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("yanji")
    await city.resident("jin")
    case, code = await city.report("jin", "E01002", GRID, "三单元门口堆放垃圾", source="SNAP")
    assert (await city.case(case))["light"] == "RED"
    # The grid worker of another community does not see it; the one of this grid does.
    mine = "query ($id: ID!) { case(id: $id) { id } }"
    assert (await city.ask("grid-02-1", mine, {"id": case}))["case"] is None
    assert (await city.ask("grid-01-1", mine, {"id": case}))["case"] == {"id": case}
    await city.pass_time(minutes=20)
    urban = await city.department("urban")
    assert await city.step("grid-01-1", "Whistle", case, departmentId=urban) == "NOT_YOURS"
    assert await city.step("community-01", "Whistle", case, departmentId=urban) == "whistled"
    assert (await city.case(case))["light"] == "BLUE"
    await city.pass_time(hours=1)
    assert await city.step("urban-officer", "Accept", case) == "handling"
    assert await city.step("urban-officer", "Resolve", case) == "NEED_MISSING"
    assert await city.step("urban-officer", "Resolve", case, comment="已清运") == "resolved"
    assert (await city.case(case))["light"] == "YELLOW"
    follow = "query ($code: String!) { caseTracking(code: $code) { light stateZh case { id } } }"
    shown = (await city.ask("jin", follow, {"code": code}))["caseTracking"]
    assert shown == {"light": "YELLOW", "stateZh": "待验收", "case": {"id": case}}
    assert await city.step("urban-officer", "Verify", case) == "NOT_BY_THE_RESOLVER"
    assert await city.step("community-01", "Verify", case) == "verified"
    assert await city.step("community-01", "Close", case) == "closed"
    closed = await city.case(case)
    assert (closed["light"], closed["isOpen"], closed["dueAt"], closed["wasLate"]) == ("GREEN", False, None, False)
    given = {"id": case, "satisfaction": 5}
    visited = await city.change("community-01", "caseVisitReturn", given, "... on CaseStep { verb }")
    assert visited["verb"] == "VISIT"


async def test_a_whistle_that_nobody_answers_goes_up(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("yanji")
    case, _ = await city.report("grid-01-1", "E05004", GRID, "占道经营", source="GRID")
    await city.step("community-01", "Whistle", case, departmentId=await city.department("urban"))
    # Four hours of work from Monday 09:00: 09:00 to 12:00 and 13:30 to 14:30.
    assert (await city.case(case))["dueAt"] == "2026-03-02T06:30:00.000000Z"
    await city.pass_time(hours=5, minutes=29)
    assert (await city.case(case))["isOverdue"] is False
    await city.pass_time(minutes=1)
    late = await city.case(case)
    assert (late["isOverdue"], late["level"], late["escalatedTo"]) == (True, 1, {"login": "grid-lead-01"})
    await city.pass_time(hours=4)
    late = await city.case(case)
    assert (late["level"], late["escalatedTo"]) == (2, {"login": "lead-01"})
    await city.pass_time(days=1)
    late = await city.case(case)
    assert (late["level"], late["escalatedTo"]) == (3, {"login": "admin"})
    assert await city.step("urban-officer", "Accept", case) == "handling"
    in_time = await city.case(case)
    assert (in_time["isOverdue"], in_time["level"], in_time["wasLate"]) == (False, 0, True)


async def test_an_emergency_has_the_matters_own_limits(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("yanji")
    case, _ = await city.report("grid-01-1", "E04002", GRID, "自来水管爆裂", source="GRID")
    found = await city.case(case, "priority dueAt")
    assert found == {"priority": "URGENT", "dueAt": "2026-03-02T01:10:00.000000Z"}
    await city.pass_time(minutes=5)
    # Nobody is named: it goes to the department that owns the matter.
    assert await city.step("community-01", "Dispatch", case) == "whistled"
    assert (await city.case(case))["department"] == {"code": "emergency"}


async def test_the_catalogue_has_more_than_two_hundred_items(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("yanji")
    found = await city.ask("admin", "{ matters(where: {isReportable: {eq: true}}) { totalCount } }")
    assert found["matters"]["totalCount"] >= 200
    figures = "{ caseStats(by: [LIGHT]) { keys count overdue late closureSeconds satisfied rated } }"
    board = await city.ask("lead-01", figures)
    assert {group["keys"][0] for group in board["caseStats"]} <= {"RED", "BLUE", "YELLOW", "GREEN"}


async def test_photos_go_with_the_report_and_the_work(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("yanji")
    await city.resident("park")
    photo = await city.upload("park", picture(orientation=6))
    case, _ = await city.report("park", "E01002", GRID, "楼道堆物", source="SNAP", photos=[photo])
    look = "photos { edges { node { purpose file { kind width height url } } } }"
    (seen,) = (await city.case(case, look))["photos"]["edges"]
    assert (seen["node"]["purpose"], seen["node"]["file"]["width"], seen["node"]["file"]["height"]) == (
        "REPORT",
        48,
        64,
    )
    shown = await city.client.get(seen["node"]["file"]["url"])
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
    assert SECRET not in shown.content
    asked = "query ($id: ID!) { file(id: $id) { id } }"
    for login, may in (("grid-01-1", True), ("community-01", True), ("grid-02-1", False), ("urban-officer", False)):
        found = (await city.ask(login, asked, {"id": photo}))["file"]
        assert (found is not None) is may, login
    await city.step("community-01", "Dispatch", case, departmentId=await city.department("urban"))
    assert (await city.ask("urban-officer", asked, {"id": photo}))["file"] == {"id": photo}
    await city.step("urban-officer", "Accept", case)
    after = await city.upload("urban-officer", picture())
    given = {"comment": "已清理", "photos": [{"fileId": after, "purpose": "AFTER"}]}
    assert await city.step("urban-officer", "Resolve", case, **given) == "resolved"
    purposes = [edge["node"]["purpose"] for edge in (await city.case(case, look))["photos"]["edges"]]
    assert purposes == ["REPORT", "AFTER"]


async def test_the_same_heap_reported_twice_is_joined(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("yanji")
    await city.resident("choi")
    where = {"position": {"longitude": 129.5, "latitude": 42.9}}
    first, _ = await city.report("grid-01-1", "E01004", GRID, "积存垃圾渣土", source="GRID", **where)
    second, code = await city.report("choi", "E01004", GRID, "渣土一堆", source="SNAP", **where)
    like = "query ($id: ID!) { caseLikelyDuplicates(caseId: $id) { id } }"
    assert (await city.ask("community-01", like, {"id": second}))["caseLikelyDuplicates"] == [{"id": first}]
    merged = await city.change("community-01", "caseMerge", {"id": second, "intoId": first}, "... on CaseStep { verb }")
    assert merged["verb"] == "MERGE"
    assert (await city.case(first, "reportCount"))["reportCount"] == 2
    follow = "query ($code: String!) { caseTracking(code: $code) { light isOpen } }"
    assert (await city.ask("choi", follow, {"code": code}))["caseTracking"] == {"light": "RED", "isOpen": True}


async def test_a_first_secretary_is_scored_for_task_orders(story: Callable[[str], Awaitable[Story]]) -> None:
    """红色星期五: the community posts, the first secretary of a sunk department accepts and does it, and is scored."""
    city = await story("yanji")
    community = await city.area(GRID[:12])
    posts = {post["code"]: post["id"] for post in (await city.ask("admin", "{ posts { id code } }"))["posts"]}
    secretary = {"accountId": await city.account("urban-officer")}
    given = secretary | {"postId": posts["FIRST_SECRETARY"], "areaId": community}
    assert (await city.change("admin", "postAssign", given, ""))["__typename"] == "PostAssignment"
    given = secretary | {"role": "department_officer", "scopeKind": "AREA", "areaId": community}
    assert (await city.change("admin", "membershipGrant", given, ""))["__typename"] == "Membership"
    await city.resident("nam")
    wish = {"matterId": await city.matter("T01001"), "areaId": community, "description": "楼道清扫"}
    assert (await city.change("nam", "caseReport", wish, "... on CaseTracking { light }"))["reason"] == (
        "REPORTER_NOT_ALLOWED"
    )
    order, _ = await city.report("community-01", "T01001", GRID[:12], "周五清扫三单元楼道", source="GRID")
    assert await city.step("grid-lead-01", "Accept", order) == "NOT_FOUND"
    assert await city.step("community-01", "Accept", order) == "NOT_YOURS"
    assert await city.step("urban-officer", "Accept", order) == "accepted"
    assert await city.step("urban-officer", "Resolve", order, comment="十二人清扫两小时") == "done"
    assert await city.step("urban-officer", "Close", order, satisfaction=5) == "NOT_BY_THE_RESOLVER"
    assert await city.step("community-01", "Close", order) == "NEED_MISSING"
    assert await city.step("community-01", "Close", order, satisfaction=4) == "scored"
    period = {"areaId": community, "formula": "first_secretary", "startsOn": "2026-03-01", "endsOn": "2026-04-01"}
    ranking = "... on ScorePeriod { scores { nodes { rank worker { name } pointsMilli lines { input pointsMilli } } } }"
    scored = await city.change("admin", "scorePeriodCalculate", period, ranking)
    # Four points at 2 each, and one order in time.
    assert scored["scores"]["nodes"] == [
        {
            "rank": 1,
            "worker": {"name": "马国庆"},
            "pointsMilli": 9_000,
            "lines": [
                {"input": "cases.task_order.points", "pointsMilli": 8_000},
                {"input": "cases.in_time", "pointsMilli": 1_000},
            ],
        }
    ]
