"""Yuanhui: grid, community, street, district: what one level cannot do goes up, and comes back as feedback."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cityloom.testing.scenarios import Story

GRID = "411102001001001"


async def test_a_case_goes_up_four_levels_and_is_assigned(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("yuanhui")
    case, _ = await city.report("grid-01", "L04", GRID, "老旧管网漏水", source="GRID")
    assert await city.step("grid-01", "Escalate", case, comment="需部门办理") == "at_community"
    assert await city.step("community-01", "Escalate", case, comment="涉及主管网") == "at_street"
    assert await city.step("street-01", "Escalate", case, comment="需统筹") == "at_district"
    assert await city.step("district", "Dispatch", case) == "assigned"
    assert (await city.case(case))["department"] == {"code": "water"}
    assert await city.step("water-officer", "Accept", case) == "assigned"
    assert await city.step("water-officer", "Resolve", case, comment="已更换") == "feedback"
    assert await city.step("water-officer", "Verify", case) == "NOT_BY_THE_RESOLVER"
    assert await city.step("grid-01", "Verify", case) == "closed"


async def test_each_class_has_its_own_limits(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("yuanhui")
    hazard, _ = await city.report("grid-01", "H02", GRID, "燃气异味", source="GRID")
    service, _ = await city.report("grid-01", "L01", GRID, "申请助老服务", source="GRID")
    assert (await city.case(hazard, "priority dueAt")) == {"priority": "URGENT", "dueAt": "2026-03-02T03:00:00.000000Z"}
    assert (await city.case(service, "priority dueAt")) == {
        "priority": "NORMAL",
        "dueAt": "2026-03-03T01:00:00.000000Z",
    }
    assert await city.step("grid-01", "Resolve", service, comment="已上门办理") == "feedback"
    await city.pass_time(hours=2)
    assert (await city.case(hazard))["escalatedTo"] == {"login": "grid-lead-01"}
    board = await city.ask("street-01", "{ caseStats(by: [PRIORITY]) { keys count overdue } }")
    assert {group["keys"][0] for group in board["caseStats"]} >= {"URGENT", "NORMAL"}


async def test_the_catalogue_holds_two_hundred_items(
    story: Callable[[str], Awaitable[Story]],
) -> None:
    city = await story("yuanhui")
    asked = (
        "{ items: matters(where: {isReportable: {eq: true}}) { totalCount }"
        " classes: matters(where: {depth: {eq: 0}}) { totalCount } }"
    )
    found = await city.ask("admin", asked)
    assert found["items"]["totalCount"] >= 200
    assert found["classes"]["totalCount"] == 5
