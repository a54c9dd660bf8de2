"""An import from the file to what readers see: through the API as its user, and by a worker."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from cityloom.audit.models import AuditRecord
from cityloom.core.database import Base
from cityloom.events.models import OutboxRecord
from cityloom.imports import models as m
from cityloom.imports.jobs import JOBS
from cityloom.imports.working import asked_for
from cityloom.modules.registry.imports.target import REGISTRY
from cityloom.tenancy.system import system_principal
from cityloom.testing.imports import GRID, HEADERS, NEAR, Desk, codes, counts, somebody, text_of, wide
from cityloom.testing.sheets import Formula, workbook
from cityloom.testing.twins import plant

if TYPE_CHECKING:
    from pathlib import Path

ONE = "query ($id: ID!) { import(id: $id) { id } }"
_places = count(100)


def place() -> str:
    """A place that no other test uses."""
    return str(next(_places))


async def rows_of(desk: Desk, table: str, id_: str | None = None) -> int:
    """Rows of a table of the city, or of one import in it."""
    found = Base.metadata.tables[table]
    where = [found.c.tenant_id == desk.city.id, *([] if id_ is None else [found.c.import_id == desk.row_id(id_)])]
    async with desk.opened.works.begin(system_principal(desk.city.id)) as work:
        return await work.session.scalar(select(func.count()).select_from(found).where(*where)) or 0


async def test_a_workbook_is_checked_without_any_change_and_then_taken_over(desk: Desk) -> None:
    at, head, child = place(), somebody(), somebody("FEMALE")
    rows: list[list[object]] = [
        ["居民花名册(2026)"],
        list(HEADERS),
        [*wide(head, at=at)],
        [*wide(child, at=at, relation="女儿")],
    ]
    # A formula counts by its result; a number and a day come as spreadsheets have them.
    rows[2][2] = Formula('"1"&"号楼"', f"{at}号楼")
    file = workbook({"花名册": rows, "说明": [["填表说明", "无"], ["请勿删除", ""]]})
    before = await desk.counted()
    id_ = await desk.upload(file)
    checked = await desk.check(id_)
    assert (checked["state"], counts(checked), checked["done"]) == ("CHECKED", (2, 0, 0, 0, 0), 3)
    assert [(one["thing"], one["new"]) for one in checked["things"]] == [
        ("building", 1), ("dwelling", 1), ("household", 1), ("resident", 2)
    ]  # fmt: skip
    assert await desk.counted() == before
    done = await desk.apply(id_)
    assert (done["state"], counts(done), done["failure"]) == ("COMPLETED", (2, 0, 0, 0, 0), None)
    assert tuple(b - a for a, b in zip(before, await desk.counted(), strict=True)) == (1, 1, 1, 2)
    found = {one["name"]: one for one in await desk.residents(f"H{at}")}
    assert found[head.name] == {
        "name": head.name,
        "sex": "MALE",
        "birthYear": 1980,
        "identityNumber": "*" * 14 + head.identity[-4:],
        "phone": f"{head.phone[:3]}****{head.phone[-4:]}",
        "relationship": "HEAD",
        "dwelling": {
            "number": f"{at}01",
            "unit": "1",
            "use": "OWNED",
            "building": {"code": f"B{at}", "name": f"{at}号楼", "area": {"code": GRID}},
        },
    }
    assert (found[child.name]["sex"], found[child.name]["relationship"]) == ("FEMALE", "CHILD")
    # Found by name and by number, as who was recorded one by one.
    asked = "query ($w: ResidentFilter) { residents(first: 2, where: $w) { nodes { name } } }"
    for where in ({"search": head.name[1:]}, {"identityNumber": head.identity}, {"phone": head.phone}):
        answer = await desk.city.ask(desk.role, asked, {"w": where})
        assert answer["residents"]["nodes"] == [{"name": head.name}], where
    # Nothing is left of the file, one event tells of all rows, and the log says whose file it was.
    assert await rows_of(desk, "import_chunks", id_) == 0
    assert await rows_of(desk, "registry_staged_residents", id_) == 0
    async with desk.opened.works.begin(system_principal(desk.city.id)) as work:
        mine = OutboxRecord.subject_id == desk.row_id(id_)
        told = (await work.session.scalars(select(OutboxRecord).where(mine).order_by(OutboxRecord.id))).all()
        assert [one.type.split(".")[2] for one in told] == ["uploaded", "started", "checked", "started", "completed"]
        assert told[-1].facts["rowsNew"] == 2
        actions = await work.session.scalars(
            select(AuditRecord.action).where(AuditRecord.object_id == desk.row_id(id_))
        )
        assert {"imports.import.upload", "imports.import.apply", "imports.import.complete"} <= set(actions)


async def test_sheets_of_their_own_are_put_together(desk: Desk) -> None:
    at, person = place(), somebody()
    file = workbook(
        {
            "居民": [["户号", "姓名", "身份证号码"], [f"H{at}", person.name, person.identity]],
            "住户": [["户号", "楼栋", "房号"], [f"H{at}", f"B{at}", 101]],
            "房屋": [["楼栋", "房号", "用途", "面积(㎡)"], [f"B{at}", 101, "出租", 89.5]],
            "楼栋": [["网格编码", "楼栋编码", "楼栋名称"], [GRID, f"B{at}", "新楼"]],
        }
    )
    done = await desk.apply(await desk.upload(file))
    assert (done["state"], counts(done)) == ("COMPLETED", (4, 0, 0, 0, 0))
    (found,) = await desk.residents(f"H{at}")
    assert (found["name"], found["dwelling"]["use"], found["dwelling"]["building"]["name"]) == (
        person.name, "RENTED", "新楼",
    )  # fmt: skip


async def test_the_report_names_each_row_and_repeats_nothing_of_it(desk: Desk) -> None:
    at, secret = place(), somebody()
    wrong = [
        (2, "identity_number", "INVALID_IDENTITY_NUMBER", {8: secret.identity[:-1] + "?"}),
        (3, "phone", "INVALID_MOBILE_NUMBER", {9: "12345678901"}),
        (4, "relationship", "CELL_WORD_UNKNOWN", {10: "邻居"}),
        (5, "dwelling_use", "CELL_WORD_UNKNOWN", {5: "办公"}),
        (6, "household_number", "LINK_NOT_NAMED", {6: ""}),
        (7, "identity_number", "DIGITS_LOST", {8: "1.10101198002291E+17"}),
        (8, "area_code", "AREA_UNKNOWN", {0: "000", 1: f"X{at}", 4: "9"}),
        (8, "building_code", "HOLDER_REFUSED", {}),
    ]
    rows = []
    for number, _, _, change in wrong[:-1]:
        row = wide(somebody(), at=f"{at}{number}", relation="其他")
        for column, cell in change.items():
            row[column] = cell
        rows.append(row)
    id_ = await desk.upload(text_of([*HEADERS, "=HYPERLINK()"], rows).encode("gb18030"))
    shown = await desk.check(id_)
    assert set(codes(shown)) >= {(number, column, code) for number, column, code, _ in wrong}
    assert shown["rowsRefused"] == 7
    headers = {one["header"]: one["column"] for one in shown["sheets"][0]["headers"]}
    assert (headers["姓名"], headers["=HYPERLINK()"]) == ("name", None)
    bearer = desk.city.bearers[desk.role]
    report = await desk.city.client.get(
        f"/imports/{id_}/report.csv", headers={"authorization": f"Bearer {bearer}", "accept-language": "zh"}
    )
    lines = report.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "工作表,行号,列,代码,级别,说明"
    assert len(lines) - 1 == len(shown["findings"]["nodes"])
    assert secret.identity[:12] not in report.text
    assert "邻居" not in report.text
    # None of it is taken over, nor is any other row, unless that is asked for.
    before = await desk.counted()
    assert (await desk.apply(id_))["state"] == "CHECKED"
    assert await desk.counted() == before


async def test_right_rows_are_taken_over_beside_wrong_ones_where_that_is_asked_for(desk: Desk) -> None:
    at, right = place(), somebody()
    bad = wide(somebody(), at=at, relation="子女")
    bad[9] = "1"
    id_ = await desk.upload(text_of(HEADERS, [wide(right, at=at), bad]).encode())
    assert (await desk.apply(id_))["state"] == "CHECKED"
    done = await desk.apply(id_, skipsRefused=True)
    assert (done["state"], counts(done)) == ("COMPLETED", (1, 0, 0, 0, 1))
    assert [one["name"] for one in await desk.residents(f"H{at}")] == [right.name]


async def test_who_is_registered_already_is_skipped_changed_or_refused(desk: Desk) -> None:
    at, same, renamed = place(), somebody(), somebody()
    await desk.apply(
        await desk.upload(text_of(HEADERS, [wide(same, at=at), wide(renamed, at=at, relation="配偶")]).encode())
    )
    again = [wide(same, at=at), wide(renamed, at=at, relation="配偶")]
    again[1][7], again[1][2] = "赵新名", "新楼名"
    file = text_of(HEADERS, again).encode()
    skipped = await desk.apply(await desk.upload(file), rule="SKIP")
    assert (skipped["state"], counts(skipped)) == ("COMPLETED", (0, 0, 1, 1, 0))
    assert (3, "name", "ALREADY_REGISTERED") in codes(skipped)
    refused = await desk.apply(await desk.upload(file), rule="REFUSE")
    assert (refused["state"], counts(refused)[4]) == ("CHECKED", 2)
    assert {code for _, _, code in codes(refused)} >= {"IDENTITY_NUMBER_TAKEN"}
    assert {one["name"] for one in await desk.residents(f"H{at}")} == {same.name, renamed.name}
    changed = await desk.apply(await desk.upload(file), rule="UPDATE")
    assert (changed["state"], counts(changed)) == ("COMPLETED", (0, 1, 1, 0, 0))
    assert (3, "building_code", "STATED_OTHERWISE") not in codes(changed)
    found = {one["name"] for one in await desk.residents(f"H{at}")}
    assert found == {same.name, "赵新名"}
    asked = '{ residents(first: 5, where: {search: "赵新名"}) { nodes { phone version } } }'
    (shown,) = (await desk.city.ask(desk.role, asked))["residents"]["nodes"]
    assert shown == {"phone": f"{renamed.phone[:3]}****{renamed.phone[-4:]}", "version": 2}


async def test_duplicates_are_found_within_the_file_and_without_identity_numbers(desk: Desk) -> None:
    at, one = place(), somebody()
    bare = ["", f"B{at}", "", "1", f"{at}01", "", f"H{at}", one.name, "", one.phone, "", "1980-02-29"]
    rows = [[*wide(one, at=at), ""], [*wide(one, at=at), ""], bare]
    id_ = await desk.upload(text_of([*HEADERS, "出生日期"], rows).encode())
    shown = await desk.check(id_, rule="SKIP")
    assert counts(shown) == (1, 0, 0, 2, 0)
    assert codes(shown) == [(3, "identity_number", "STATED_TWICE"), (4, "name", "LIKELY_DUPLICATE")]
    shown = await desk.check(id_, rule="REFUSE")
    assert counts(shown)[4] == 2
    assert (await desk.apply(id_, rule="SKIP"))["state"] == "COMPLETED"
    # Likely the same as somebody who is registered.
    shown = await desk.check(await desk.upload(text_of([*HEADERS, "出生日期"], [bare]).encode()), rule="UPDATE")
    assert codes(shown) == [(2, "name", "LIKELY_DUPLICATE")]
    assert counts(shown)[0] == 0


async def test_a_household_has_one_head_and_things_stay_where_they_are(desk: Desk) -> None:
    at, head = place(), somebody()
    await desk.apply(await desk.upload(text_of(HEADERS, [wide(head, at=at)]).encode()))
    second, elsewhere = wide(somebody(), at=at), wide(head, at=at)
    elsewhere[6] = f"OTHER{at}"
    moved = ["", f"B{at}", "", "2", "202", "自住", f"H{at}", somebody().name, "", "", ""]
    areas = wide(somebody(), at=at, relation="子女", grid=NEAR)
    shown = await desk.check(
        await desk.upload(text_of(HEADERS, [second, elsewhere, moved, areas]).encode()), rule="UPDATE"
    )
    found = set(codes(shown))
    assert (2, "relationship", "HOUSEHOLD_HAS_HEAD") in found
    assert (3, "household_number", "LIES_ELSEWHERE") in found
    assert {code for _, _, code in found} >= {"STATED_OTHERWISE"}


async def test_the_importers_rights_hold_for_every_row(desk: Desk) -> None:
    """A community worker holds 001001, the near grid lies in 001002."""
    worker, at, far = desk.of("community_worker"), place(), place()
    mine = somebody()
    rows = [wide(mine, at=at), wide(somebody(), at=far, grid=NEAR)]
    id_ = await worker.upload(text_of(HEADERS, rows).encode())
    # A community worker may record buildings within their community only.
    shown = await worker.check(id_)
    assert (3, "area_code", "OUTSIDE_SCOPE") in codes(shown)
    done = await worker.apply(id_, skipsRefused=True)
    assert (done["state"], done["rowsNew"], done["rowsRefused"]) == ("COMPLETED", 1, 1)
    assert await desk.residents(f"H{far}") == []
    assert [one["name"] for one in await desk.residents(f"H{at}")] == [mine.name]
    # Whose number it is that is taken elsewhere, nobody is told.
    away = place()
    await desk.apply(await desk.upload(text_of(HEADERS, [wide(known := somebody(), at=away, grid=NEAR)]).encode()))
    shown = await worker.check(await worker.upload(text_of(HEADERS, [wide(known, at=at, relation="其他")]).encode()))
    assert codes(shown) == [(2, "identity_number", "IDENTITY_NUMBER_TAKEN")]


async def test_four_callers_and_the_other_city(desk: Desk, opened: Any, app: Any) -> None:
    file = text_of(HEADERS, [wide(somebody(), at=place())]).encode()
    id_ = await desk.upload(file)
    assert (await desk.city.client.post("/imports/registry", content=file)).status_code == 401
    wrong = await desk.of("analyst").send(file)
    assert (wrong.status_code, wrong.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
    other = Desk(opened, await plant(opened, app, "birch"))
    tables = ("imports", "import_chunks", "outbox")
    before = [await rows_of(desk, table) for table in tables]
    for name in ("importCheck", "importApply", "importCancel"):
        assert (await desk.of("analyst").mutate(name, id=id_))["code"] == "FORBIDDEN"
        for caller in (desk.of("street_lead"), other):
            # Somebody else's import is as absent as one that never was.
            assert (await caller.mutate(name, id=id_))["code"] == "NOT_FOUND"
    assert [await rows_of(desk, table) for table in tables] == before
    for caller in (desk.of("street_lead"), other):
        assert (await caller.city.ask(caller.role, ONE, {"id": id_}))["import"] is None
        bearer = caller.city.bearers[caller.role]
        report = await caller.city.client.get(
            f"/imports/{id_}/report.csv", headers={"authorization": f"Bearer {bearer}"}
        )
        assert report.status_code == 404
    assert (await desk.mutate("importCancel", id=id_))["__typename"] == "Import"
    assert (await desk.show(id_))["state"] == "CANCELLED"
    assert (await desk.mutate("importApply", id=id_))["reason"] == "IMPORT_STATE_WRONG"


async def test_headers_are_mapped_by_the_caller_and_by_the_citys_names(desk: Desk) -> None:
    at, person = place(), somebody()
    headers = ["家庭代号", "称呼", "证件", "网格编码", "姓名拼音"]
    file = text_of(headers, [[f"H{at}", person.name, person.identity, GRID, "wang"]]).encode()
    answer = (await desk.send(file)).json()
    assert [one["column"] for one in answer["sheets"][0]["columns"]] == [None, None, None, "area_code", None]
    id_ = answer["id"]
    refused = await desk.mutate("importCheck", id=id_, mapping=[{"header": "称呼", "column": "name"}])
    assert refused["reason"] == "COLUMN_MISSING"
    assert "household_number" in refused["message"]
    assert (await desk.mutate("importCheck", id=id_, mapping=[{"header": "不存在", "column": "name"}]))[
        "reason"
    ] == "HEADER_UNKNOWN"
    assert (await desk.mutate("importCheck", id=id_, mapping=[{"header": "称呼", "column": "nick"}]))[
        "reason"
    ] == "COLUMN_UNKNOWN"
    columns = [{"header": "家庭代号", "column": "household_number"}, {"header": "称呼", "column": "name"}]
    saved = await desk.mutate("importMappingSave", "ImportMapping", target="registry", name="旧系统", columns=columns)
    own = [{"header": "证件", "column": "identity_number"}]
    done = await desk.apply(id_, mappingName="旧系统", mapping=own)
    assert (done["state"], counts(done)) == ("COMPLETED", (1, 0, 0, 0, 0))
    deleted = await desk.mutate("importMappingDelete", "ImportMappingDeleted", id=saved["id"])
    assert deleted["id"] == saved["id"]
    other = await desk.upload(file)
    assert (await desk.mutate("importCheck", id=other, mappingName="旧系统"))["reason"] == "MAPPING_NAME_UNKNOWN"
    assert (
        await desk.of("street_lead").mutate(
            "importMappingSave", "ImportMapping", target="registry", name="x", columns=columns
        )
    )["code"] == "FORBIDDEN"
    targets = await desk.city.ask(desk.role, "{ importTargets { name columns { name titleZh synonyms needs } } }")
    assert {"registry", "organisations", "vehicles"} == {one["name"] for one in targets["importTargets"]}


def many(at: str, rows: int) -> bytes:
    """A file of several chunks, four people to a household."""
    people = [somebody() for _ in range(rows)]
    return text_of(
        HEADERS,
        [wide(one, at=f"{at}-{n // 4}", relation="户主" if n % 4 == 0 else "其他") for n, one in enumerate(people)],
    ).encode()


async def test_a_worker_that_is_killed_is_replaced_and_nothing_is_visible_before_the_end(
    desk: Desk, admin_url: str, tmp_path: Path
) -> None:
    at, before = place(), await desk.counted()
    id_ = await desk.upload(many(at, 2_200))
    assert (await desk.mutate("importApply", id=id_))["__typename"] == "Import"
    script = tmp_path / "dying.py"
    script.write_text(_DYING)
    arguments = [
        sys.executable,
        str(script),
        str(desk.opened.settings.var),
        admin_url,
        str(desk.city.id),
        str(desk.row_id(id_)),
    ]
    died = await asyncio.to_thread(subprocess.run, arguments, check=False, env=os.environ)
    assert died.returncode == -signal.SIGKILL
    shown = await desk.show(id_)
    assert (shown["state"], shown["done"]) == ("APPLYING", 1_000)
    assert await desk.counted() == before
    # The claim of the dead holds a minute; nobody else takes it meanwhile.
    assert not await desk.work(id_)
    async with desk.opened.works.begin(system_principal(desk.city.id)) as work:
        await work.session.execute(update(m.Import).values(claimed_until=work.now() - timedelta(seconds=1)))
    assert await asked_for(desk.opened.works) == (desk.city.id, desk.row_id(id_))
    seen: list[int] = []
    assert await desk.work(id_, progress=lambda done, _: seen.append(done))
    assert seen == [2_000, 2_200]
    shown = await desk.show(id_)
    assert (shown["state"], counts(shown)) == ("COMPLETED", (2_200, 0, 0, 0, 0))
    assert tuple(b - a for a, b in zip(before, await desk.counted(), strict=True)) == (550, 550, 550, 2_200)


_DYING = """
import asyncio, os, signal, sys
from pathlib import Path
from uuid import UUID
from cityloom.app import platform
from cityloom.imports.running import run_import
from cityloom.settings import Settings

def die(done, total):
    if done >= 1000:
        os.kill(os.getpid(), signal.SIGKILL)

async def main(var, url, tenant, id_):
    async with platform(Settings(var=Path(var)), url) as opened:
        await run_import(opened.works, UUID(tenant), UUID(id_), progress=die)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_an_import_is_cancelled_in_the_middle(desk: Desk) -> None:
    at, before = place(), await desk.counted()
    id_ = await desk.upload(many(at, 2_200))
    assert (await desk.mutate("importApply", id=id_))["__typename"] == "Import"
    begun = asyncio.Event()
    running = asyncio.create_task(desk.work(id_, progress=lambda *_: begun.set()))
    await begun.wait()
    assert (await desk.mutate("importCancel", id=id_))["__typename"] == "Import"
    # Whoever is at it notices with the next chunk, and undoes that.
    assert not await running
    assert (await desk.show(id_))["state"] == "CANCELLED"
    assert await desk.counted() == before
    for table in ("import_chunks", "registry_staged_buildings", "registry_staged_residents"):
        assert await rows_of(desk, table, id_) == 0


async def test_what_is_recorded_between_check_and_end_is_checked_again(desk: Desk) -> None:
    at, person = place(), somebody()
    id_ = await desk.upload(text_of(HEADERS, [wide(person, at=at)]).encode())
    assert counts(await desk.check(id_, rule="SKIP")) == (1, 0, 0, 0, 0)
    other = await desk.upload(text_of(HEADERS, [wide(person, at=at)]).encode())
    await desk.apply(other)
    done = await desk.apply(id_)
    assert (done["state"], counts(done)) == ("COMPLETED", (0, 0, 1, 0, 0))


async def test_staging_tables_that_a_crash_has_emptied_are_filled_again(desk: Desk) -> None:
    at, person = place(), somebody()
    id_ = await desk.upload(text_of(HEADERS, [wide(person, at=at)]).encode())
    await desk.check(id_)
    async with desk.opened.works.begin(system_principal(desk.city.id)) as work:
        await REGISTRY.discard(work, desk.row_id(id_))
    done = await desk.apply(id_)
    assert (done["state"], counts(done)) == ("COMPLETED", (1, 0, 0, 0, 0))
    assert [one["name"] for one in await desk.residents(f"H{at}")] == [person.name]


async def test_a_file_that_nobody_imports_is_forgotten(desk: Desk) -> None:
    id_ = await desk.upload(text_of(HEADERS, [wide(somebody(), at=place())]).encode())
    async with desk.opened.works.begin(system_principal(desk.city.id)) as work:
        mine = update(m.Import).where(m.Import.id == desk.row_id(id_))
        await work.session.execute(mine.values(expires_at=work.now() - timedelta(seconds=1)))
    async with desk.opened.works.begin(system_principal(desk.city.id)) as work:
        assert await JOBS[0].run(work) == 1
    shown = await desk.show(id_)
    assert (shown["state"], shown["failure"]) == ("CANCELLED", "EXPIRED")
    assert await rows_of(desk, "import_chunks", id_) == 0


async def test_nothing_of_a_file_is_kept_in_clear(desk: Desk) -> None:
    at, person = place(), somebody()
    id_ = await desk.upload(text_of(HEADERS, [wide(person, at=at)]).encode())
    await desk.check(id_)
    async with desk.opened.works.begin(system_principal(desk.city.id)) as work:
        for table in Base.metadata.sorted_tables:
            if table.name.startswith(("import", "registry_staged")):
                rows = await work.session.execute(select(table).where(table.c.tenant_id == desk.city.id))
                text = repr(rows.all())
                assert person.identity not in text, table.name
                assert person.phone not in text, table.name
    assert (await desk.mutate("importCancel", id=id_))["__typename"] == "Import"


NAMES = st.text(st.sampled_from("王李张刘陈杨赵黄周吴明华强芳丽·ABcd'\"`,;\t "), min_size=1, max_size=12).map(
    lambda text: " ".join(text.split())
).filter(lambda text: any(character not in " ·" for character in text) and "\t" not in text)  # fmt: skip
PERSON = st.fixed_dictionaries(
    {
        "name": NAMES,
        "sex": st.sampled_from(["男", "女"]),
        "has_number": st.booleans(),
        "has_phone": st.booleans(),
        "relation": st.sampled_from(["配偶", "子女", "父母", "其他", ""]),
    }
)
_RELATIONS = {"配偶": "SPOUSE", "子女": "CHILD", "父母": "PARENT", "其他": "OTHER", "": "OTHER"}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(PERSON, min_size=1, max_size=8, unique_by=lambda one: one["name"]),
    form=st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16", "xlsx"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
)
async def test_what_is_imported_is_what_is_read_back(
    desk: Desk, people: list[dict[str, Any]], form: str, delimiter: str
) -> None:
    at = place()
    made = [(one, somebody("MALE" if one["sex"] == "男" else "FEMALE")) for one in people]
    headers = [*HEADERS, "性别"]
    rows = []
    for one, papers in made:
        row = wide(papers, at=at, relation=one["relation"])
        row[7] = one["name"]
        row[8], row[9] = papers.identity if one["has_number"] else "", papers.phone if one["has_phone"] else ""
        rows.append([*row, one["sex"]])
    file = workbook({"a": [headers, *rows]}) if form == "xlsx" else text_of(headers, rows, delimiter).encode(form)
    done = await desk.apply(await desk.upload(file))
    assert (done["state"], counts(done)[0]) == ("COMPLETED", len(people)), done
    found = {one["name"]: one for one in await desk.residents(f"H{at}")}
    assert {
        name: (one["sex"], one["identityNumber"], one["phone"], one["relationship"], one["birthYear"])
        for name, one in found.items()
    } == {
        one["name"]: (
            "MALE" if one["sex"] == "男" else "FEMALE",
            "*" * 14 + papers.identity[-4:] if one["has_number"] else None,
            f"{papers.phone[:3]}****{papers.phone[-4:]}" if one["has_phone"] else None,
            _RELATIONS[one["relation"]],
            1980 if one["has_number"] else None,
        )
        for one, papers in made
    }
