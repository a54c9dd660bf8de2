"""Photos with reports and steps: real files, the caller's own, of the right kind, seen with the case and not else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cityloom.core.ids import encode_id, new_id
from cityloom.files.jobs import JOBS
from cityloom.tenancy.system import system_principal
from cityloom.testing.cases import LIGHTS, REPORT, Office
from cityloom.testing.files import mp4, uploaded
from cityloom.testing.front import anonymous

if TYPE_CHECKING:
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.front import Front

PHOTOS = "photos { edges { node { purpose step { verb } file { id kind expiresAt } } } }"
DEMANDING = LIGHTS | {
    "transitions": [
        t | ({"needs": ["photo_before", "photo_after"]} if t["code"] == "resolve" else {})
        for t in LIGHTS["transitions"]
    ]
}


@pytest.fixture
async def demanding(alder: AreaTree, front: Front) -> Office:
    """An office whose workflow wants to see before and after."""
    return await Office.open(alder, front, definition=DEMANDING)


async def ask_report(office: Office, who: str, photos: list[str]) -> dict[str, Any]:
    given = {
        "matterId": office.matter(),
        "areaId": office.tree.global_id("s1c1g1"),
        "description": "rubbish",
        "photos": photos,
    }
    found: dict[str, Any] = (await office.front.data(office.who[who], REPORT, {"input": given}))["caseReport"]
    return found


async def test_a_reports_photos_are_seen_with_the_case(office: Office, front: Front, clock: ManualClock) -> None:
    photo, video = await uploaded(front, office.who["grid"]), await uploaded(front, office.who["grid"], mp4())
    case = await office.report("grid", photos=[photo, video])
    shown = (await office.case(case, PHOTOS))["photos"]["edges"]
    assert [(e["node"]["purpose"], e["node"]["file"]["kind"], e["node"]["step"]["verb"]) for e in shown] == [
        ("REPORT", "IMAGE", "REPORT"),
        ("REPORT", "VIDEO", "REPORT"),
    ]
    assert {e["node"]["file"]["expiresAt"] for e in shown} == {None}
    seen = "query ($id: ID!) { file(id: $id) { id } node(id: $id) { id } }"
    for who, may in (("grid", True), ("worker", True), ("lead", True), ("neighbour", False), ("urban", False)):
        found = await front.data(office.who[who], seen, {"id": photo})
        assert (found["file"] is not None, found["node"] is not None) == (may, may), who
    await office.step("worker", "dispatch", case, departmentId=office.department("urban"))
    assert (await front.data(office.who["urban"], seen, {"id": photo}))["file"] == {"id": photo}
    # What is in use never expires.
    clock.advance(days=40)
    async with front.works.begin(system_principal(office.tree.tenant_id)) as work:
        assert await next(job for job in JOBS if job.name == "files.expire").run(work) == 0


async def test_a_step_that_needs_photos_takes_real_ones_only(demanding: Office, front: Front) -> None:
    office, who = demanding, demanding.who
    case = await office.report()
    await office.step("worker", "dispatch", case, departmentId=office.department("urban"))
    await office.step("urban", "accept", case)
    before, after = await uploaded(front, who["urban"]), await uploaded(front, who["urban"])
    video, others = await uploaded(front, who["urban"], mp4()), await uploaded(front, who["water"])
    tenant = office.tree.tenant_id
    first = {"fileId": before, "purpose": "BEFORE"}
    print_before = await front.footprint(tenant)
    for photos, reason, path in (
        ([], "NEED_MISSING", ["input", "photos"]),
        ([first], "NEED_MISSING", ["input", "photos"]),
        ([first, {"fileId": after, "purpose": "OTHER"}], "NEED_MISSING", ["input", "photos"]),
        ([first, {"fileId": video, "purpose": "AFTER"}], "FILE_KIND_WRONG", ["input", "photos", "1"]),
        ([first, {"fileId": before, "purpose": "AFTER"}], "FILE_GIVEN_TWICE", ["input", "photos", "1"]),
        ([first, {"fileId": others, "purpose": "AFTER"}], "NOT_FOUND", ["input", "photos", "1"]),
        (
            [first, {"fileId": encode_id("file", tenant, new_id()), "purpose": "AFTER"}],
            "NOT_FOUND",
            ["input", "photos", "1"],
        ),
    ):
        refused = await office.step("urban", "resolve", case, photos=photos)
        assert (refused["reason"], refused["path"]) == (reason, path), photos
    assert await front.footprint(tenant) == print_before
    done = await office.step("urban", "resolve", case, photos=[first, {"fileId": after, "purpose": "AFTER"}])
    assert done["toState"] == "resolved"
    found = (await office.case(case, "steps(last: 1) { edges { node { photos { purpose file { id } } } } }"))["steps"]
    assert {(p["purpose"], p["file"]["id"]) for p in found["edges"][0]["node"]["photos"]} == {
        ("BEFORE", before),
        ("AFTER", after),
    }
    # Once used, never again.
    other = await ask_report(office, "grid", [before])
    assert other["code"] == "NOT_FOUND"
    case = await office.report()
    await office.step("worker", "dispatch", case, departmentId=office.department("urban"))
    taken = await office.step("urban", "return", case, comment="x", photos=[first])
    assert taken["reason"] == "FILE_TAKEN"


async def test_who_may_take_whose_uploads(office: Office, birch: AreaTree, front: Front) -> None:
    """The uploader alone: for anybody else, here or in another city, the file is absent."""
    photo = await uploaded(front, office.who["grid"])
    other = await Office.open(birch, front)
    footprint = await front.footprint(office.tree.tenant_id)
    for who in ("worker", "resident"):
        refused = await ask_report(office, who, [photo])
        assert (refused["code"], refused["path"]) == ("NOT_FOUND", ["input", "photos", "0"])
    assert (await ask_report(other, "grid", [photo]))["code"] == "NOT_FOUND"
    given = {
        "matterId": office.matter(),
        "areaId": office.tree.global_id("s1c1g1"),
        "description": "x",
        "photos": [photo],
    }
    nobody = await front.data(anonymous(office.tree.tenant_id), REPORT, {"input": given})
    assert nobody["caseReport"]["code"] == "FORBIDDEN"
    assert await front.footprint(office.tree.tenant_id) == footprint
    assert (await ask_report(office, "grid", [photo]))["__typename"] == "CaseTracking"


async def test_too_many_and_expired_uploads_are_refused(office: Office, front: Front, clock: ManualClock) -> None:
    photo = await uploaded(front, office.who["grid"])
    refused = await ask_report(office, "grid", [photo] * 21)
    assert refused["reason"] == "TOO_MANY_PHOTOS"
    clock.advance(hours=24)
    assert (await ask_report(office, "grid", [photo]))["reason"] == "FILE_TAKEN"


async def test_a_merged_cases_photos_go_along(office: Office, front: Front) -> None:
    photo = await uploaded(front, office.who["resident"])
    first, second = await office.report("grid"), await office.report("resident", photos=[photo])
    document = "mutation ($input: CaseMergeInput!) { caseMerge(input: $input) { __typename } }"
    await front.data(office.who["worker"], document, {"input": {"id": second, "intoId": first}})
    shown = (await office.case(first, PHOTOS))["photos"]["edges"]
    assert [e["node"]["file"]["id"] for e in shown] == [photo]
