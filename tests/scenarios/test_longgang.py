"""Longgang: one minute to receive, ten to muster, fifteen to be on site in town and an hour in villages."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cityloom.testing.scenarios import Story

GRID = "140521100001001"


async def _due(city: Story, case: str) -> int:
    """Minutes until the deadline."""
    due = (await city.case(case))["dueAt"]
    return round((datetime.fromisoformat(due) - city.clock.now()).total_seconds() / 60)


@pytest.mark.parametrize(("matter", "minutes"), [("R01", 15), ("RV01", 60)])
async def test_the_minutes_of_a_response(story: Callable[[str], Awaitable[Story]], matter: str, minutes: int) -> None:
    city = await story("longgang")
    where = {"position": {"longitude": 112.0, "latitude": 35.7}}
    case, _ = await city.report("grid-01-1", matter, GRID, "起火", source="GRID", **where)
    assert await _due(city, case) == 1
    assert await city.step("grid-lead-01", "Accept", case) == "received"
    assert await _due(city, case) == 10
    await city.pass_time(minutes=8)
    assert await city.step("grid-lead-01", "Dispatch", case, departmentId=await city.department("fire")) == "mustered"
    assert await _due(city, case) == minutes
    await city.pass_time(minutes=12)
    act = {"id": case, "transition": "arrive"}
    selection = "... on CaseStep { toState }"
    assert (await city.change("grid-01-1", "caseAct", act, selection))["reason"] == "NEED_MISSING"
    far = act | {"position": {"longitude": 112.1, "latitude": 35.7}}
    assert (await city.change("grid-01-1", "caseAct", far, selection))["reason"] == "TOO_FAR_AWAY"
    here = act | {"position": {"longitude": 112.001, "latitude": 35.7}}
    assert (await city.change("grid-01-1", "caseAct", here, selection))["toState"] == "on_site"
    assert await city.step("grid-01-1", "Resolve", case, comment="火已扑灭") == "resolved"
    assert await city.step("community-01", "Verify", case) == "closed"
    assert (await city.case(case))["wasLate"] is False


#: The five-level command above a grid: post, who holds it, and where.
COMMAND = (
    ("GRID_LEAD", "grid-lead-01", GRID),
    ("COMMUNITY_LEAD", "community-01", GRID[:12]),
    ("SECTION_LEAD", "lead-02", "140521100-1"),
    ("TOWN_LEAD", "admin", "140521100"),
)


async def _fill_posts(city: Story) -> None:
    found = await city.ask("admin", "{ posts { id code } }")
    posts = {post["code"]: post["id"] for post in found["posts"]}
    for post, login, area in COMMAND:
        given = {
            "accountId": await city.account(login),
            "postId": posts[post],
            "areaId": await city.area(area),
        }
        held = await city.change("admin", "postAssign", given, "... on PostAssignment { id }")
        assert held["__typename"] == "PostAssignment", held


async def _climb(city: Story, case: str) -> list[str]:
    """Whom an unanswered call reaches, rung by rung."""
    climbed = []
    for minutes in (1, 2, 5, 10, 10):
        await city.pass_time(minutes=minutes)
        now = await city.case(case)
        climbed.append(now["escalatedTo"]["login"] if now["escalatedTo"] else "board")
    return climbed


async def test_an_unanswered_call_climbs_the_posts_of_five_levels(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("longgang")
    await _fill_posts(city)
    case, _ = await city.report("grid-01-1", "R02", GRID, "老人晕倒", source="GRID")
    assert await _climb(city, case) == ["grid-lead-01", "community-01", "lead-02", "admin", "board"]
    assert (await city.case(case))["isOnBoard"] is True
    # The leads of another section are nobody here; the lead of this grid is, by the post alone.
    assert await city.step("grid-lead-02", "Accept", case) == "NOT_FOUND"
    assert await city.step("grid-lead-01", "Accept", case) == "received"
    assert (await city.case(case))["isOnBoard"] is False


async def test_where_posts_are_vacant_the_section_is_told(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("longgang")
    case, _ = await city.report("lead-04", "RV02", "140521100207001", "河水漫堤", source="GRID")
    assert (await _climb(city, case))[:3] == ["lead-04"] * 3
