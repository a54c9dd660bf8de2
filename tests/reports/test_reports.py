"""Ticks, results, schedules, snapshots and their difference: through the front door."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.core.ids import decode_id, encode_id, new_id
from cityloom.reports import service
from cityloom.reports.comparing import compare
from cityloom.reports.models import ReportSchedule as Schedule
from cityloom.reports.timing import next_due
from cityloom.tenancy.packs import InvalidPack, PackSource
from cityloom.testing.exports import APPROVER
from cityloom.testing.twins import pack

if TYPE_CHECKING:
    from cityloom.testing.exports import ExportCity

ADMIN = "city_administrator"
GRIDS = """query ($kind: String! = "GRID") { areas(where: { kindCode: { eq: $kind } }) {
  nodes { code name residentCount } } }"""
RESULT = """query ($id: ID!, $values: JSON) { reportResult(id: $id, values: $values) {
  isTruncated columns { path titleZh type } rows { key cells } } }"""
REPORT = "... on Report { id coded: code version parameters }"
SNAPSHOT = "... on ReportSnapshot { id rowCount isScheduled }"
COMPARE = """query ($a: ID!, $b: ID!) { reportCompare(before: $a, after: $b) { added removed changed unchanged
  changes { kind before after changedPaths } totals { path before after difference } } }"""


async def create(city: ExportCity, role: str, code: str, document: str = GRIDS, **more: Any) -> dict[str, Any]:
    values = {"code": code, "titleZh": "网格人口", "titleEn": "Residents by grid", "document": document} | more
    return await city.mutate(role, "reportCreate", values, REPORT)


async def take(city: ExportCity, role: str, report_id: str) -> str:
    return str((await city.by_id(role, "reportSnapshotTake", report_id, SNAPSHOT))["id"])


async def move_in(city: ExportCity, number: str) -> None:
    """One more resident in the first household."""
    household = city.twin.ids["Household"][0]
    await city.twin.make(
        "residentCreate", {"householdId": household, "name": f"{city.twin.canary}{number}"}, "Resident"
    )


async def test_what_is_ticked_becomes_a_query(city: ExportCity) -> None:
    roots = {root["name"]: root for root in await city.data(ADMIN, "{ reportRoots { name titleZh isGrouped } }")}
    assert {"areas", "buildings", "residents", "cases", "caseStats"} <= roots.keys()
    assert roots["caseStats"]["isGrouped"] is True
    fields = "query ($root: String!) { reportFields(rootField: $root) { path titleZh type kind } }"
    found = {one["path"]: one for one in await city.data(ADMIN, fields, {"root": "buildings"})}
    assert found["area.name"] == {"path": "area.name", "titleZh": "区域 · 名称", "type": "String", "kind": "RELATED"}
    assert found["dwellings.totalCount"]["kind"] == "COUNT"
    # Every tick there is can be composed, and the compiler takes what comes of it.
    compose = """query ($input: ReportComposeInput!) { reportCompose(input: $input) {
      document columns { path titleZh type } } }"""
    for root in ("areas", "buildings", "dwellings", "households", "residents", "cases", "caseStats", "auditRecords"):
        ticks = await city.data(ADMIN, fields, {"root": root})
        paths = [one["path"] for one in ticks][:60]
        made = await city.data(ADMIN, compose, {"input": {"rootField": root, "fields": paths}})
        dimensions = sum(path.startswith("by.") for path in paths)
        assert len(made["columns"]) == len(paths) - dimensions + bool(dimensions), root
    asked = {"rootField": "buildings", "fields": ["area.name", "code", "area.code"], "where": {"code": {"prefix": "x"}}}
    made = await city.data(ADMIN, compose, {"input": asked})
    assert made["document"] == (
        "query ($where: BuildingFilter) { buildings(where: $where) { nodes { area { name code } code } } }"
    )
    assert [one["titleZh"] for one in made["columns"]] == ["区域 · 名称", "区域 · 编码", "编码"]
    for wrong, reason in (
        ({"rootField": "buildings", "fields": ["secret"]}, "FIELD_UNKNOWN"),
        ({"rootField": "nothing", "fields": ["code"]}, "ROOT_UNKNOWN"),
        ({"rootField": "buildings", "fields": []}, "NOTHING_TICKED"),
    ):
        answer = (await city.twin.send(ADMIN, compose, {"input": wrong})).json()
        assert answer["errors"][0]["extensions"]["reason"] == reason
    answer = (await city.twin.send("analyst", fields, {"root": "auditRecords"})).json()
    assert answer["errors"][0]["extensions"]["reason"] == "ROOT_UNKNOWN"


async def test_a_result_is_the_callers_own(city: ExportCity) -> None:
    made = await create(city, "analyst", "grids")
    assert made["parameters"] == [{"name": "kind", "title_zh": "kind", "title_en": "kind"}]
    whole = await city.data("analyst", RESULT, {"id": made["id"]})
    assert [(one["path"], one["titleZh"]) for one in whole["columns"]] == [
        ("code", "编码"),
        ("name", "名称"),
        ("residentCount", "居民数"),
    ]
    assert sorted((row["cells"][0][-6:], row["cells"][2]) for row in whole["rows"]) == [
        ("001001", 2),
        ("001002", 0),
        ("002001", 2),
        ("002002", 0),
    ]
    part = await city.data("community_worker", RESULT, {"id": made["id"]})
    assert [row["key"] for row in part["rows"]] == [row["key"] for row in whole["rows"]]
    assert sum(row["cells"][2] for row in part["rows"]) == 2
    streets = await city.data("analyst", RESULT, {"id": made["id"], "values": {"kind": "STREET"}})
    assert [row["cells"][2] for row in streets["rows"]] == [4]
    for role, id_, values, reason in (
        ("grid_worker", made["id"], None, "FORBIDDEN"),
        ("analyst", encode_id("rprt", city.id, new_id()), None, "NOT_FOUND"),
        ("analyst", made["id"], {"other": 1}, "PARAMETER_UNKNOWN"),
        ("analyst", made["id"], {"kind": 1}, "DOCUMENT_NOT_TAKEN"),
    ):
        answer = (await city.twin.send(role, RESULT, {"id": id_, "values": values})).json()
        assert answer["errors"][0]["extensions"]["reason"] == reason, answer
    exported = await city.mutate(
        "analyst",
        "reportExport",
        {"id": made["id"], "purpose": "季报", "values": {"kind": "GRID"}},
        "... on Export { id state format countedRows }",
    )
    assert exported["reason"] == "PURPOSE_MISSING"
    exported = await city.mutate(
        "analyst",
        "reportExport",
        {"id": made["id"], "purpose": "第一季度报表", "values": {"kind": "GRID"}},
        "... on Export { state format countedRows }",
    )
    assert exported == {"__typename": "Export", "state": "QUEUED", "format": "XLSX", "countedRows": 4}


async def test_storing_changing_removing(city: ExportCity) -> None:
    before = await city.footprint()
    for role in ("auditor", "grid_worker", "community_worker"):
        assert (await create(city, role, "mine"))["code"] == "FORBIDDEN"
    # Without a credential there is but the core of the platform.
    nobody = (await city.twin.send(None, "mutation { reportRemove(input: { id: 1 }) { __typename } }")).json()
    assert nobody["errors"][0]["extensions"]["code"] == "MODULE_DISABLED"
    for code, document, more, reason in (
        ("Bad Code", GRIDS, {}, "CODE_MALFORMED"),
        ("fine", "{ areas { totalCount } }", {}, "NOT_WHOLE"),
        ("fine", "{ city { slug } }", {}, "NOT_WHOLE"),
        ("fine", "{ areas { nodes { nothing } } }", {}, "DOCUMENT_NOT_TAKEN"),
        ("fine", GRIDS, {"titleZh": " "}, "TEXT_MISSING"),
        ("fine", GRIDS, {"parameters": [{"name": "no", "titleZh": "无", "titleEn": "No"}]}, "PARAMETER_UNKNOWN"),
    ):
        assert (await create(city, "analyst", code, document, **more)).get("reason") == reason, code
    assert await city.footprint() == before
    parameters = [{"name": "kind", "titleZh": "类型", "titleEn": "Kind", "default": "STREET"}]
    made = await create(city, "analyst", "stored", parameters=parameters)
    assert (await create(city, ADMIN, "stored"))["reason"] == "REPORT_CODE_TAKEN"
    found = await city.data("analyst", RESULT, {"id": made["id"]})
    assert len(found["rows"]) == 1
    anew = {"id": made["id"], "titleZh": "街道", "titleEn": "Streets", "document": GRIDS, "version": 7}
    assert (await city.mutate("analyst", "reportChange", anew, REPORT))["reason"] == "REPORT_STALE"
    changed = await city.mutate("analyst", "reportChange", anew | {"version": 1}, REPORT)
    assert (changed["version"], changed["parameters"][0]["title_zh"]) == (2, "kind")
    await take(city, "analyst", made["id"])
    assert (await city.by_id("street_lead", "reportRemove", made["id"]))["code"] == "FORBIDDEN"
    assert (await city.by_id(ADMIN, "reportRemove", made["id"], "... on ReportRemoved { coded: code }"))[
        "coded"
    ] == "stored"
    assert (await city.data(ADMIN, "query ($id: ID!) { report(id: $id) { id } }", {"id": made["id"]})) is None


async def test_two_snapshots_are_compared(city: ExportCity) -> None:
    made = await create(city, ADMIN, "compared")
    first = await take(city, ADMIN, made["id"])
    await move_in(city, "新")
    area = city.twin.ids["Area"][0]
    codes = {
        row["code"]: row["id"]
        for row in (await city.data(ADMIN, "{ areas(first: 50) { nodes { id code } } }"))["nodes"]
    }
    parent = codes["999901001002"]
    await city.twin.make(
        "areaCreate", {"code": "999901001002003", "name": "新网格", "kind": "GRID", "parentId": parent}, "Area"
    )
    second = await take(city, ADMIN, made["id"])
    found = await city.data(ADMIN, COMPARE, {"a": first, "b": second})
    assert (found["added"], found["removed"], found["changed"], found["unchanged"]) == (1, 0, 1, 3)
    kinds = {change["kind"]: change for change in found["changes"]}
    assert kinds["CHANGED"]["changedPaths"] == ["residentCount"]
    assert kinds["CHANGED"]["after"][2] == kinds["CHANGED"]["before"][2] + 1
    assert kinds["ADDED"]["after"][:2] == ["999901001002003", "新网格"]
    assert found["totals"] == [{"path": "residentCount", "before": 4.0, "after": 5.0, "difference": 1.0}]
    # Nobody else reads it, not even who may see everything; and no longer than the rights hold.
    assert area
    for role in (APPROVER, "analyst"):
        answer = (await city.twin.send(role, COMPARE, {"a": first, "b": second})).json()
        assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    membership = await city.join("reader", "analyst")
    mine = await take(city, "reader", made["id"])
    rows = "query ($id: ID!) { reportSnapshotResult(id: $id) { rows { cells } } }"
    assert len((await city.data("reader", rows, {"id": mine}))["rows"]) == 5
    account = await city.data(ADMIN, '{ accounts(where: { login: { eq: "reader" } }) { nodes { id } } }')
    narrow = {"accountId": account["nodes"][0]["id"], "role": "analyst", "scopeKind": "AREA", "areaId": parent}
    await city.twin.make("membershipGrant", narrow, "Membership")
    await city.by_id(ADMIN, "membershipRevoke", membership)
    answer = (await city.twin.send("reader", rows, {"id": mine})).json()
    assert answer["errors"][0]["extensions"]["reason"] == "NOT_YOUR_SNAPSHOT"
    other = await create(city, ADMIN, "other", "{ areas { nodes { code } } }")
    third = await take(city, ADMIN, other["id"])
    answer = (await city.twin.send(ADMIN, COMPARE, {"a": first, "b": third})).json()
    assert answer["errors"][0]["extensions"]["reason"] == "SNAPSHOTS_DIFFER"


async def test_groups_are_told_apart_by_what_they_are_of(city: ExportCity) -> None:
    made = await create(city, ADMIN, "grouped", "{ membershipCount: auditRecords { nodes { action } } }")
    assert made["coded"] == "grouped"
    counted = await create(city, ADMIN, "counted", "{ caseStats(by: [STATE]) { keys count open } }")
    first, second = await take(city, ADMIN, counted["id"]), await take(city, ADMIN, counted["id"])
    found = await city.data(ADMIN, COMPARE, {"a": first, "b": second})
    assert (found["added"], found["removed"], found["changed"]) == (0, 0, 0)


async def test_a_schedule_runs_with_its_owners_present_rights(city: ExportCity) -> None:
    made = await create(city, ADMIN, "scheduled")
    membership = await city.join("owner", "analyst")
    asked = {"id": made["id"], "rhythm": "WEEKLY", "day": 2, "at": "08:30"}
    shown = "... on ReportSchedule { id nextDueAt at day lastFailure }"
    before = await city.footprint()
    for wrong in ({"day": None}, {"day": 8}, {"at": "24:00"}, {"at": "8:30"}, {"rhythm": "MONTHLY", "day": 29}):
        assert (await city.mutate("owner", "reportScheduleCreate", asked | wrong, shown))["reason"] == "TIME_WRONG"
    assert (await city.mutate("community_worker", "reportScheduleCreate", asked, shown))["code"] == "FORBIDDEN"
    assert await city.footprint() == before
    schedule = await city.mutate("owner", "reportScheduleCreate", asked, shown)
    assert (schedule["at"], schedule["day"]) == ("08:30", 2)
    due = datetime.fromisoformat(schedule["nextDueAt"])
    assert (due.astimezone(ZoneInfo("Asia/Shanghai")).isoweekday(), due.hour) == (2, 0)
    assert await run(city) == 0
    await city.wait(seconds=(due - city.clock.now()).total_seconds())
    assert await run(city) == 1
    assert await run(city) == 0
    mine = """query ($id: ID!) { report(id: $id) {
      snapshots { nodes { isScheduled rowCount } } schedules { nodes { nextDueAt lastFailure } } } }"""
    found = await city.data("owner", mine, {"id": made["id"]})
    assert [one["isScheduled"] for one in found["snapshots"]["nodes"]] == [True]
    (again,) = found["schedules"]["nodes"]
    assert datetime.fromisoformat(again["nextDueAt"]) == due + timedelta(days=7)
    await city.by_id(ADMIN, "membershipRevoke", membership)
    await city.wait(days=30)
    assert await run(city) == 1
    async with city.work() as work:
        row = await work.session.get_one(Schedule, (city.id, decode_id(schedule["id"], city.id, "rsch")))
        assert "reports.report.read" in (row.last_failure or "")
        # Four weeks were missed; there is only one present to look at.
        assert row.next_due_at == due + timedelta(days=35)
    assert (await city.by_id("street_lead", "reportScheduleRemove", schedule["id"]))["code"] == "NOT_FOUND"
    done = await city.by_id(ADMIN, "reportScheduleRemove", schedule["id"], "... on ReportScheduleRemoved { id }")
    assert done["id"] == schedule["id"]


async def run(city: ExportCity) -> int:
    async with city.work() as work:
        return await service.run_schedules(work)


async def test_a_pack_states_reports(city: ExportCity) -> None:
    slug = f"maple{new_id().hex[-8:]}"
    source = pack(slug, "MAPLE", "999903")
    document = "query ($where: AreaFilter) { areas(where: $where) { nodes { code residentCount } } }"
    toml = f'title = {{ zh = "人口", en = "Residents" }}\ndocument = "{document}"\n'
    more = '\n[[parameters]]\nname = "where"\ntitle = { zh = "筛选", en = "Filter" }\n'
    more += 'default = { kindCode = { eq = "GRID" } }\n'
    fields = (
        "code,title_zh,title_en,root,path,synonyms\npopulation,常住人口,Residents,areas,residentCount,人口数;总人口\n"
    )
    files = source.files | {"reports/people.toml": (toml + more).encode(), "report_fields.csv": fields.encode()}
    await city.platform.tenants.apply(PackSource(files), actor="tests")
    again = await city.platform.tenants.plan(PackSource(files))
    assert not again.changes
    for text in (
        'document = "{"',
        'document = "mutation { x }"',
        f'document = "{document}"\n[[parameters]]\nname = "no"\ntitle = {{ zh = "无", en = "No" }}',
    ):
        wrong = files | {"reports/people.toml": f'title = {{ zh = "人口", en = "R" }}\n{text}\n'.encode()}
        with pytest.raises(InvalidPack, match=r"people\.toml"):
            await city.platform.tenants.plan(PackSource(wrong))


ROWS = st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.sampled_from("xy"), st.integers(0, 3)), max_size=6)


@given(ROWS, ROWS)
def test_a_comparison_leads_from_one_to_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = ([(key, list(cells)) for key, cells in rows.items()] for rows in (old, new))
    found = compare(["String", "Int"], before, after, most=100)
    rows = dict(before)
    for change in found.changes:
        assert rows.pop(change.key, None) == change.before
        if change.after is not None:
            rows[change.key] = change.after
    assert rows == dict(after)
    assert found.unchanged + found.changed + found.added == len(after)
    (total,) = found.totals
    assert total.after - total.before == sum(c[1] for _, c in after) - sum(c[1] for _, c in before)


@given(
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY"]),
    st.integers(1, 7),
    st.integers(0, 1439),
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - made aware below
)
def test_the_next_time_is_later_and_of_its_rhythm(rhythm: str, day: int, minute: int, naive: datetime) -> None:
    zone, after = ZoneInfo("Asia/Shanghai"), naive.replace(tzinfo=UTC)
    found = next_due(rhythm, None if rhythm == "DAILY" else day, minute, zone, after)
    local = found.astimezone(zone)
    assert after < found <= after + timedelta(days={"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31}[rhythm])
    assert local.hour * 60 + local.minute == minute
    assert {"DAILY": True, "WEEKLY": local.isoweekday() == day, "MONTHLY": local.day == day}[rhythm]
