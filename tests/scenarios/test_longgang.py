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


async def test_an_unanswered_call_climbs_from_post_to_post(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("longgang")
    case, _ = await city.report("grid-01-1", "R02", GRID, "老人晕倒", source="GRID")
    climbed = []
    for minutes in (1, 2, 5, 10, 10):
        await city.pass_time(minutes=minutes)
        now = await city.case(case)
        climbed.append(now["escalatedTo"]["login"] if now["escalatedTo"] else "board")
    assert climbed == ["grid-lead-01", "community-01", "lead-02", "admin", "board"]
    assert (await city.case(case))["isOnBoard"] is True


async def test_posts_of_five_levels_are_filled_and_a_call_climbs_them(
    story: Callable[[str], Awaitable[Story]],
) -> None:
    city = await story("longgang")
    found = await city.ask("admin", "{ posts { id code } }")
    posts = {post["code"]: post["id"] for post in found["posts"]}
    ladder = [
        ("GRID_LEAD", "grid-lead-01", GRID),
        ("COMMUNITY_LEAD", "community-01", GRID[:12]),
        ("SECTION_LEAD", "lead-02", "140521100-1"),
        ("TOWN_LEAD", "admin", "140521100"),
    ]
    for post, login, area in ladder:
        account = await city.ask(
            "admin", f'{{ accounts(where: {{login: {{eq: "{login}"}}}}) {{ edges {{ node {{ id }} }} }} }}'
        )
        given = {
            "accountId": account["accounts"]["edges"][0]["node"]["id"],
            "postId": posts[post],
            "areaId": await city.area(area),
        }
        held = await city.change("admin", "postAssign", given, "... on PostAssignment { id }")
        assert held["__typename"] == "PostAssignment", held
    flows = await city.ask("admin", '{ workflows(where: {code: {eq: "rapid"}}) { edges { node { definition } } } }')
    flow = dict(flows["workflows"]["edges"][0]["node"]["definition"])
    flow["escalation"] = [
        {"to": f"post:{post}", **({"after": "5m"} if at else {})} for at, (post, _, _) in enumerate(ladder)
    ]
    flow["transitions"] = [
        one | ({"who": ["post:GRID_LEAD"]} if one["code"] == "receive" else {}) for one in flow["transitions"]
    ]
    made = await city.change("admin", "workflowPublish", {"definition": flow}, "... on Workflow { revision }")
    assert made["__typename"] == "Workflow", made
    case, _ = await city.report("grid-01-1", "R02", GRID, "老人晕倒", source="GRID")
    climbed = []
    for minutes in (1, 5, 5, 5):
        await city.pass_time(minutes=minutes)
        climbed.append((await city.case(case))["escalatedTo"]["login"])
    assert climbed == [login for _, login, _ in ladder]
    assert await city.step("community-01", "Accept", case) == "NOT_YOURS"
    assert await city.step("grid-lead-01", "Accept", case) == "received"
