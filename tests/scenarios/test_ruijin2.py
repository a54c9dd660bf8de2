"""Ruijin2: people, dwellings and firms (三个库) from a table, tags by rule, and 45 forms become one."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import date
from itertools import combinations, islice
from typing import TYPE_CHECKING, Any

from cityloom.demo.papers import credit_code, identity_number, phone_number
from cityloom.testing.imports import HEADERS, text_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cityloom.testing.scenarios import Story

GROUP, OTHER = "310101023001001L01", "310101023001001L02"
SHOWN = """state rowsNew rowsUnchanged rowsRefused things { thing new }
  findings(first: 20) { nodes { row column code messageZh } }"""
#: What the platform knows of each area, by the names that departments ask for it.
KNOWN = ("常住人口", "户数", "房屋数", "楼栋数", "法人单位数", "机动车数")


def _table(*people: tuple[str, str, str, str, date, str, str]) -> bytes:
    """A table as the street's own spreadsheet has it, in GB 18030: number of the dwelling, use, and who lives there."""
    rows = []
    for at, (area, number, use, name, born_on, sex, relation) in enumerate(people):
        papers = identity_number(7_000 + at, born_on, sex), phone_number(7_000 + at)
        rows.append([area, "R1", "雁荡路1号", "", number, use, f"R{number}", name, *papers, relation])
    return text_of(HEADERS, rows).encode("gb18030")


PEOPLE = (
    (GROUP, "101", "自住", "郑爷爷", date(1938, 4, 1), "MALE", "户主"),
    (GROUP, "102", "出租", "林小姐", date(1996, 7, 1), "FEMALE", "户主"),
    (GROUP, "102", "出租", "林小弟", date(1999, 7, 1), "MALE", "弟弟"),
)


async def test_households_come_from_the_streets_table(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("ruijin2")
    wrong = (*PEOPLE, (GROUP, "103", "办公", "无名氏", date(1990, 1, 1), "MALE", "户主"))
    dry = await city.import_table("community-01", _table(*wrong))
    checked = await city.run_import("community-01", "importCheck", dry, SHOWN)
    assert (checked["state"], checked["rowsNew"], checked["rowsRefused"]) == ("CHECKED", 3, 1)
    (found,) = [one for one in checked["findings"]["nodes"] if one["code"] == "CELL_WORD_UNKNOWN"]
    assert (found["row"], found["column"]) == (5, "dwelling_use")
    # The dry run has changed nothing; the corrected table is taken over, and a second time there is nothing to do.
    mine = 'household: { number: { in: ["R101", "R102", "R103"] } }'
    assert await city.count("community-01", "residents", mine) == 0
    right = await city.import_table("community-01", _table(*PEOPLE))
    done = await city.run_import("community-01", "importApply", right, SHOWN)
    assert (done["state"], done["rowsNew"], done["rowsRefused"]) == ("COMPLETED", 3, 0)
    assert {one["thing"]: one["new"] for one in done["things"]} == {
        "building": 1,
        "dwelling": 2,
        "household": 2,
        "resident": 3,
    }
    again = await city.import_table("community-01", _table(*PEOPLE))
    done = await city.run_import("community-01", "importApply", again, SHOWN)
    assert (done["rowsNew"], done["rowsUnchanged"]) == (0, 3)
    # Who came by a table has lived there since, like whoever was written down at the door.
    query = """query ($w: ResidentFilter) { residents(where: $w, orderBy: [{ by: BIRTH_YEAR }]) { nodes { id name
      household(asOf: "2026-03-02") { number dwelling(asOf: "2026-03-02") { number use } }
      stays { fromOn untilOn } } } }"""
    where = {"household": {"number": {"in": ["R101", "R102"]}}}
    nodes = (await city.ask("community-01", query, {"w": where}))["residents"]["nodes"]
    assert [one["name"] for one in nodes] == ["郑爷爷", "林小姐", "林小弟"]
    assert nodes[0]["household"] == {"number": "R101", "dwelling": {"number": "101", "use": "OWNED"}}
    assert all(one["stays"] == [{"fromOn": "2026-03-02", "untilOn": None}] for one in nodes), nodes
    # The batch is one event; the rules of tags have held everybody in it.
    await city.follow_up()
    elder, tenant, brother = (one["id"] for one in nodes)
    assert {"elder_80", "elder_alone", "care_visits", "allowance_80"} <= await city.tags_of("community-01", elder)
    assert await city.tags_of("community-01", tenant) == {"tenant"}
    assert await city.tags_of("community-01", brother) == {"tenant"}
    # One box of the street's "search engine": by name, by use, by tag; a colleague of another committee finds nobody.
    asked = "query ($w: ResidentFilter) { residents(where: $w) { nodes { name } } }"
    for more, names in (
        ({"search": "爷爷"}, ["郑爷爷"]),
        ({"hasTag": ["tenant"], "birthYear": {"lt": 1998}}, ["林小姐"]),
    ):
        for login, sees in (("community-01", names), ("community-02", [])):
            found = (await city.ask(login, asked, {"w": where | more}))["residents"]["nodes"]
            assert [one["name"] for one in found] == sees


async def test_firms_and_shared_homes_are_known(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("ruijin2")
    door = await city.dwelling("community-01", OTHER, "201")
    await city.make("community-01", "dwellingChange", "Dwelling", id=door, custom={"shared_facilities": ["卫生间"]})
    _, (elder,) = await city.household("grid-01-1", door, "R201", {"name": "韩阿婆", "birthOn": "1950-01-01"})
    shop = {"name": "雁荡路面馆", "kind": "SHOP", "creditCode": credit_code(71), "dwellingId": door}
    await city.make("grid-01-1", "organisationCreate", "Organisation", **shop, custom={"employees": 12})
    assert await city.reason("grid-01-1", "organisationCreate", **shop) == "CREDIT_CODE_TAKEN"
    where = 'customNumber: { field: "employees", gte: 10 }'
    assert await city.count("grid-01-1", "organisations", where) == 1
    shared = 'custom: { field: "shared_facilities", eq: "卫生间" }'
    assert await city.count("grid-01-1", "dwellings", shared) == 1
    # 马桶改造: whoever shares and is 65 or older is found by the rule as soon as somebody says that they share.
    tag = {"residentId": elder, "tagId": await city.tag("shared_home")}
    await city.make("grid-01-1", "residentTagAssign", "ResidentTag", **tag)
    await city.follow_up()
    assert {"shared_home", "toilet_renewal"} <= await city.tags_of("grid-01-1", elder)
    group = "query ($id: ID!) { area(id: $id) { organisationCount residentCount dwellingCount } }"
    counted = (await city.ask("grid-01-1", group, {"id": await city.area(OTHER)}))["area"]
    assert counted == {"organisationCount": 1, "residentCount": 1, "dwellingCount": 1}


async def _file(city: Story, title: str, department: str, names: tuple[str, ...], **more: Any) -> str:
    given = {
        "title": title,
        "departmentId": await city.department(department),
        "frequency": "MONTHLY",
        "units": 16,
        "fields": [{"name": name, "minutes": 20} for name in names],
        **more,
    }
    made = await city.change("admin", "reportRequestFile", given, "... on ReportRequest { state }")
    return str(made.get("state") or made["reason"])


async def test_forty_five_forms_become_one(story: Callable[[str], Awaitable[Story]]) -> None:
    city = await story("ruijin2")
    asked = islice((names for size in (2, 3, 4) for names in combinations(KNOWN, size)), 44)
    departments = ("civil", "health", "housing", "market")
    for at, names in enumerate(asked):
        state = await _file(city, f"居民区报表{at + 1}", departments[at % 4], names, onDerivable="GENERATE")
        assert state == "GENERATED", names
    assert await _file(city, "居民区活动月报", "civil", ("志愿活动场次", "议事会次数")) == "ASKED"
    burden = "query ($m: String!) { burdenStats(fromMonth: $m, toMonth: $m) { formsBefore formsAfter minutesAsked } }"
    found = (await city.ask("admin", burden, {"m": "2026-03"}))["burdenStats"]
    assert len(found) == len(departments)
    totals = [sum(int(one[name]) for one in found) for name in ("formsBefore", "formsAfter", "minutesAsked")]
    assert totals == [45, 1, 2 * 20 * 16]


async def _deputy(city: Story) -> str:
    """A second administrator."""
    made = await city.change(
        "admin", "accountCreate", {"login": "deputy", "name": "副主任", "locale": "ZH"}, "... on Account { id }"
    )
    if made["__typename"] == "Account":
        given = {"accountId": made["id"], "role": "city_administrator", "scopeKind": "TENANT"}
        await city.make("admin", "membershipGrant", "Membership", **given)
    return "deputy"


async def test_what_is_ticked_is_exported_and_a_large_table_needs_a_second_person(
    story: Callable[[str], Awaitable[Story]],
) -> None:
    """勾选即生成: columns are ticked, a report comes of it; 658 building groups are above the street's limit of 500."""
    city = await story("ruijin2")
    ticks = "query ($input: ReportComposeInput!) { reportCompose(input: $input) { document columns { titleZh } } }"
    ticked = {"rootField": "areas", "fields": ["code", "name", "householdCount", "residentCount"]}
    composed = (await city.ask("analyst", ticks, {"input": ticked}))["reportCompose"]
    assert [one["titleZh"] for one in composed["columns"]] == ["编码", "名称", "户数", "居民数"]
    title = {"titleZh": "楼组人口", "titleEn": "People by building group"}
    report = {"code": "ticked", "document": composed["document"], **title}
    made = await city.make("analyst", "reportCreate", "Report", **report)
    states = "... on Export { id state countedRows approvalReasons }"
    small = {"id": made, "purpose": "居民区核对人数", "values": {"where": {"kindCode": {"eq": "NEIGHBOURHOOD"}}}}
    export = await city.change("analyst", "reportExport", small, states)
    assert (export["state"], export["countedRows"]) == ("QUEUED", 16)
    groups = {"where": {"kindCode": {"eq": "BUILDING_GROUP"}}}
    large = {"id": made, "purpose": "楼组核对人数", "format": "CSV", "values": groups}
    export = await city.change("admin", "reportExport", large, states)
    assert (export["state"], export["countedRows"], export["approvalReasons"]) == ("PENDING", 658, ["ROWS"])
    await city.run_exports()
    show = "query ($id: ID!) { export(id: $id) { state rowCount } }"
    assert (await city.ask("admin", show, {"id": export["id"]}))["export"]["state"] == "PENDING"
    assert await city.reason("admin", "exportApprove", id=export["id"]) == "OWN_EXPORT"
    await city.make(await _deputy(city), "exportApprove", "Export", id=export["id"], note="同意")
    await city.run_exports()
    assert (await city.ask("admin", show, {"id": export["id"]}))["export"] == {"state": "READY", "rowCount": 658}
    got = await city.change("admin", "exportDownload", {"id": export["id"]}, "... on ExportDownload { url fileName }")
    with zipfile.ZipFile(io.BytesIO((await city.client.get(got["url"])).content)) as file:
        (name,) = [one for one in file.namelist() if one.endswith(".csv")]
        rows = list(csv.DictReader(io.StringIO(file.read(name).decode("utf-8-sig"))))
    assert len(rows) == 658
    assert rows[0].keys() == {"编码", "名称", "户数", "居民数"}
    (group,) = [row for row in rows if row["编码"] == "310101023001001L03"]
    assert (group["名称"], group["居民数"]) == ("雁荡居民区第一微网格第三楼组", "0")
    assert await city.reason("deputy", "exportDownload", id=export["id"]) == "NOT_YOUR_EXPORT"
