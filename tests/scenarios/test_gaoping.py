"""Gaoping: a command centre dispatches and supervises (发现-派督-处结归档); mediation, alarms, whistles of the data."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from typing import TYPE_CHECKING

from cityloom.core.ids import new_id
from cityloom.testing.files import picture

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cityloom.testing.scenarios import Story

GRID = "140581001001001"


async def test_the_command_centre_dispatches_and_supervises(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("gaoping")
    more = {"source": "HOTLINE", "externalReference": "12345-0001", "phone": "13800001234"}
    case, _ = await city.report("command", "E02001", GRID, "楼道小广告", **more)
    assert await city.step("community-01", "Dispatch", case, departmentId=await city.department("urban")) == "NOT_YOURS"
    assert await city.step("command", "Dispatch", case, departmentId=await city.department("urban")) == "dispatched"
    assert await city.step("water-officer", "Accept", case) == "NOT_FOUND"
    assert await city.step("urban-officer", "Accept", case) == "handling"
    wanted = city.clock.now() + timedelta(hours=6)
    given = {"id": case, "dueAt": wanted.isoformat(), "text": "今日办结"}
    said = await city.change("command", "caseSupervise", given, "... on CaseStep { verb }")
    assert said["verb"] == "SUPERVISE"
    assert (await city.case(case))["dueAt"] == wanted.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    await city.pass_time(hours=6)
    late = await city.case(case)
    # The department's own superior first, then the command centre, then the leader, then everybody's board.
    assert (late["isOverdue"], late["level"], late["escalatedTo"]) == (True, 1, {"login": "urban-officer"})
    await city.pass_time(days=1)
    assert (await city.case(case))["escalatedTo"] == {"login": "command"}
    await city.pass_time(days=7)
    late = await city.case(case)
    assert (late["level"], late["isOnBoard"], late["escalatedTo"]) == (4, True, None)
    assert await city.step("urban-officer", "Resolve", case, comment="已清除") == "settled"
    assert await city.step("command", "Verify", case) == "archived"
    done = await city.case(case)
    assert (done["light"], done["isOnBoard"], done["wasLate"]) == ("GREEN", False, True)


async def test_a_dispute_is_mediated(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("gaoping")
    case, _ = await city.report("grid-01", "M01", GRID, "邻里排水纠纷", source="GRID")
    assert (await city.case(case, "stateDetail { nameZh }"))["stateDetail"] == {"nameZh": "已登记"}
    assert await city.step("mediator", "Accept", case) == "mediating"
    assert await city.step("mediator", "Resolve", case, comment="双方签订协议") == "agreed"
    assert await city.step("lead-01", "Verify", case, satisfaction=4) == "kept"
    assert (await city.case(case))["light"] == "GREEN"


async def test_a_device_raises_an_alarm_and_a_person_checks_it(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("gaoping")
    more = {"source": "DEVICE", "externalReference": "smoke-17-1"}
    case, _ = await city.report("device", "S01", GRID, "烟感报警", **more)
    refused = await city.change(
        "device",
        "caseReport",
        {"matterId": await city.matter("S01"), "areaId": await city.area(GRID), "description": "x", **more},
        "... on CaseTracking { trackingCode }",
    )
    assert refused["reason"] == "REPORTED_ALREADY"
    assert (await city.case(case, "priority"))["priority"] == "URGENT"
    await city.pass_time(minutes=2)
    assert (await city.case(case))["escalatedTo"] == {"login": "duty"}
    assert await city.step("device", "Accept", case) == "FORBIDDEN"
    assert await city.step("duty", "Accept", case) == "confirmed"
    assert await city.step("duty", "Dispatch", case, departmentId=await city.department("fire")) == "handling"
    assert await city.step("fire-officer", "Resolve", case, comment="明火已扑灭") == "resolved"
    assert await city.step("duty", "Verify", case) == "closed"


async def test_data_raises_a_case_that_ends_with_a_person(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("gaoping")
    case, _ = await city.report("data", "W01", GRID, "三日用水量为零", source="DATA")
    assert await city.step("grid-01", "Accept", case) == "visiting"
    assert await city.step("grid-01", "Resolve", case, comment="老人住院,已联系家属") == "helped"
    assert await city.step("lead-01", "Verify", case) == "closed"


async def test_a_letter_to_the_mayors_mailbox_becomes_a_case(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("gaoping")
    letter = EmailMessage()
    letter["Subject"], letter["Message-ID"] = "楼道小广告", f"<{new_id()}@example.org>"
    letter.set_content("三单元楼道贴满小广告。")
    letter.add_attachment(picture(), maintype="image", subtype="jpeg", filename="a.jpg")
    letter.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="b.pdf")
    headers = {"authorization": f"Bearer {await city.bearer('command')}", "content-type": "message/rfc822"}
    address = f"/intake/mailbox?matter=E02001&area={GRID}"
    first = await city.client.post(address, content=letter.as_bytes(), headers=headers)
    assert first.status_code == 201, first.text
    again = await city.client.post(address, content=letter.as_bytes(), headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    query = (
        "query ($c: String!) { cases(where: {trackingCode: {eq: $c}}) { totalCount edges { node { source description"
        " photos { totalCount } reports { edges { node { externalReference } } } } } } }"
    )
    found = (await city.ask("command", query, {"c": first.json()["trackingCode"]}))["cases"]
    (edge,) = found["edges"]
    assert edge["node"] == {
        "source": "MAILBOX",
        "description": "楼道小广告\n三单元楼道贴满小广告。",
        "photos": {"totalCount": 1},
        "reports": {"edges": [{"node": {"externalReference": letter["Message-ID"]}}]},
    }
    assert (await city.client.post(address, content=letter.as_bytes())).status_code == 401
    wrong = await city.client.post(address, content=b"\x00\x01", headers=headers)
    assert wrong.status_code == 400
