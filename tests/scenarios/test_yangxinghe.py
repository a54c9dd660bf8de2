"""Yangxinghe: one village, five steps: report, dispatch, feedback, rating, filing (上报、派遣、反馈、评价、归档)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cityloom.testing.scenarios import Story

GRID = "140524101228001"


async def test_five_steps_and_nothing_is_filed_unrated(story: Callable[[str], Awaitable[Story]]) -> None:
    village = await story("yangxinghe")
    await village.resident("villager")
    case, _ = await village.report("villager", "V01", GRID, "路灯不亮", source="SNAP")
    assert (await village.case(case))["light"] == "RED"
    assert await village.step("village", "Dispatch", case) == "NEED_MISSING"
    worker = await village.ask("admin", '{ accounts(where: {login: {eq: "grid-1"}}) { edges { node { id } } } }')
    given = {"assigneeId": worker["accounts"]["edges"][0]["node"]["id"]}
    assert await village.step("village", "Dispatch", case, **given) == "dispatched"
    assert (await village.case(case))["light"] == "BLUE"
    assert await village.step("grid-2", "Accept", case) == "NOT_FOUND"
    assert await village.step("grid-1", "Accept", case) == "dispatched"
    await village.pass_time(hours=3)
    assert await village.step("grid-1", "Resolve", case, comment="已更换灯泡") == "feedback"
    assert (await village.case(case))["light"] == "YELLOW"
    assert await village.step("village", "Close", case) == "TRANSITION_NOT_OPEN"
    assert await village.step("villager", "Verify", case) == "NEED_MISSING"
    assert await village.step("villager", "Verify", case, satisfaction=5) == "rated"
    assert await village.step("village", "Close", case) == "archived"
    assert await village.case(case, "light satisfaction responseSeconds closureSeconds") == {
        "light": "GREEN",
        "satisfaction": 5,
        "responseSeconds": 0,
        "closureSeconds": 3 * 3600,
    }


async def test_who_is_not_satisfied_sends_it_back(story: Callable[[str], Awaitable[Story]]) -> None:
    village = await story("yangxinghe")
    await village.resident("villager")
    case, _ = await village.report("villager", "V06", GRID, "水渠堵塞,雨大易涝", source="SNAP")
    assert (await village.case(case, "priority dueAt"))["dueAt"] == "2026-03-02T01:15:00.000000Z"
    await village.pass_time(minutes=15)
    assert (await village.case(case))["escalatedTo"] == {"login": "village"}
    worker = await village.ask("admin", '{ accounts(where: {login: {eq: "grid-1"}}) { edges { node { id } } } }')
    await village.step("village", "Dispatch", case, assigneeId=worker["accounts"]["edges"][0]["node"]["id"])
    assert await village.step("grid-1", "Resolve", case, comment="已疏通") == "feedback"
    assert await village.step("villager", "Reject", case, comment="下游还堵") == "dispatched"
    assert (await village.case(case))["light"] == "BLUE"
