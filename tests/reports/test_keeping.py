"""A kept result goes with the people in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cityloom.core.ids import decode_id
from cityloom.core.subjects import hold_off_erasures
from cityloom.reports.models import ReportSnapshot, ReportSnapshotContent
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from cityloom.testing.exports import ExportCity

ADMIN = "city_administrator"
PEOPLE = """query ($name: String! = "") { residents(where: { name: { prefix: $name } }) { nodes { sex } } }"""
AREAS = "{ areas { nodes { code residentCount } } }"
ROWS = "query ($id: ID!) { reportSnapshotResult(id: $id) { rows { key } } }"
SHOWN = "query ($id: ID!) { reportSnapshot(id: $id) { rowCount withdrawnAt values } }"


async def taken(city: ExportCity, code: str, document: str, values: dict[str, Any] | None = None) -> str:
    """The id of a snapshot of a new report."""
    stated = {"code": code, "titleZh": "人口", "titleEn": "People", "document": document}
    report = (await city.mutate(ADMIN, "reportCreate", stated, "... on Report { id }"))["id"]
    made = await city.mutate(
        ADMIN, "reportSnapshotTake", {"id": report, "values": values or {}}, "... on ReportSnapshot { id }"
    )
    return str(made["id"])


async def erased(city: ExportCity, resident_id: str) -> dict[str, Any]:
    given = {"id": resident_id, "reason": "申请 2026-9"}
    counts: dict[str, Any] = (await city.mutate(ADMIN, "subjectErase", given, "... on Erasure { counts }"))["counts"]
    return counts


async def test_snapshots_that_tell_of_somebody_erased_are_withdrawn_and_no_others(city: ExportCity) -> None:
    # One of those whom the city began with: the other tests here count them, and an empty record is counted as well.
    person, name = city.twin.ids["Resident"][2], f"{city.twin.canary}0"
    telling = await taken(city, "keep_people", PEOPLE, {"name": name})
    others, old = await taken(city, "keep_areas", AREAS), await taken(city, "keep_old", AREAS)
    async with city.work() as work:
        # As the migration notes what was kept before: it may tell of anybody.
        work.session.add(ReportSnapshotContent(id=decode_id(old, city.id, "rsnp"), row_id=city.id))
    assert len((await city.data(ADMIN, ROWS, {"id": telling}))["rows"]) == 2
    assert (await erased(city, person))["report_snapshots"] == 2
    assert (await city.data(ADMIN, SHOWN, {"id": old}))["withdrawnAt"] is not None
    answer = (await city.twin.send(ADMIN, ROWS, {"id": telling})).json()
    told = answer["errors"][0]["extensions"]
    assert (told["code"], told["reason"]) == ("INVALID_STATE", "SNAPSHOT_WITHDRAWN")
    # That it was taken stays, and how large it was; the values that it was asked with may name the person.
    left = await city.data(ADMIN, SHOWN, {"id": telling})
    assert (left["rowCount"], left["withdrawnAt"] is not None, left["values"]) == (2, True, {})
    async with city.work() as work:
        row = await work.session.get_one(ReportSnapshot, (city.id, decode_id(telling, city.id, "rsnp")))
        assert row.content is None
    assert (await city.data(ADMIN, ROWS, {"id": others}))["rows"]
    log = '{ auditRecords(where: { action: { eq: "reports.snapshot.withdraw" } }) { nodes { object { id } } } }'
    assert len((await city.data(ADMIN, log))["nodes"]) == 2


async def test_an_erasure_waits_for_what_is_being_kept(city: ExportCity) -> None:
    """Whoever has read and not yet kept what they read is found by the erasure all the same."""
    person = city.twin.ids["Resident"][3]
    async with city.platform.works.begin(system_principal(city.id)) as keeping:
        await hold_off_erasures(keeping)
        erasing = asyncio.create_task(erased(city, person))
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        connection = await keeping.connection()
        async with asyncio.timeout(20):
            while not await connection.fetchval(locks):
                assert not erasing.done()
    assert (await erasing)["residents"] == 1
