"""A city's own fields in imports: recognised, checked, compared and taken over as if they were entered one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from cityloom.core.database import Base
from cityloom.core.rls import kind
from cityloom.imports.targets import Column, recognise
from cityloom.modules.registry import models as registry
from cityloom.modules.registry.imports import models as m
from cityloom.tenancy.system import system_principal
from cityloom.testing.imports import GRID, HEADERS, Desk, codes, counts, somebody, text_of, wide
from cityloom.testing.sheets import workbook

if TYPE_CHECKING:
    from collections.abc import Sequence

FIELDS: tuple[tuple[str, str, str, str, list[str]], ...] = (
    ("RESIDENT", "meals", "助餐次数", "NUMBER", []),
    ("RESIDENT", "needs", "需求", "CHOICES", ["送餐", "就医", "维修"]),
    ("RESIDENT", "alone", "独居", "YES_NO", []),
    ("RESIDENT", "seen_on", "上次看望", "DAY", []),
    ("RESIDENT", "note", "备注", "TEXT", []),
    ("RESIDENT", "sort", "类别", "CHOICE", ["甲", "乙"]),
    ("BUILDING", "lift", "电梯编号", "TEXT", []),
    ("BUILDING", "note", "备注", "TEXT", []),
)
OWN = ("助餐次数", "需求", "独居", "上次看望", "居民备注", "类别", "电梯编号")
ANSWERS = """query ($n: String!) { households(first: 1, where: {number: {eq: $n}}) { nodes {
  dwelling { building { custom version } } residents(first: 9) { nodes { name custom version } } } } }"""


@pytest.fixture(scope="module")
async def asking(desk: Desk) -> Desk:
    """A city that asks for something of its own."""
    for thing, code, title, sort, choices in FIELDS:
        given = {"thing": thing, "code": code, "titleZh": title, "titleEn": f"Own {code}", "kind": sort}
        await desk.city.make("customFieldDefine", {**given, "choices": choices}, "CustomField")
    return desk


async def answers(desk: Desk, household: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the building of a household answers, and by name what those who live in it do."""
    (found,) = (await desk.city.ask(desk.role, ANSWERS, {"n": household}))["households"]["nodes"]
    return found["dwelling"]["building"], {one["name"]: one for one in found["residents"]["nodes"]}


async def upload(desk: Desk, rows: Sequence[Sequence[object]], headers: Sequence[str] = OWN) -> str:
    """A wide sheet with columns of the city's own behind the usual ones."""
    return await desk.upload(text_of([*HEADERS, *headers], rows).encode())


def test_a_header_that_several_own_columns_share_stands_for_none() -> None:
    from cityloom.core.text import Text

    known = [
        Column("name", Text("姓名", "Name"), ("备注",)),
        *(Column(f"custom.{thing}.x", Text(title, "X"), (f"{thing}{title}",), is_own=True)
          for thing, title in (("a", "评语"), ("b", "评语"), ("c", "备注"))),
    ]  # fmt: skip
    found = recognise(["评语", "a评语", "B 评语", "备注", "custom.c.x", "x"], known, {})
    assert found.columns == {1: "custom.a.x", 2: "custom.b.x", 3: "name", 4: "custom.c.x"}
    assert recognise(["评语"], known, {"评语": "custom.b.x"}).columns == {0: "custom.b.x"}


async def test_answers_are_taken_over_and_found(asking: Desk) -> None:
    one, two = somebody(), somebody("FEMALE")
    rows = [
        [*wide(one, at="1"), "12.5", "送餐、维修", "是", "2026年1月31日", "爱下棋", "甲", "L-1"],
        [*wide(two, at="1", relation="配偶"), "", "就医|送餐", "否", "", "", "", "L-2"],
    ]
    id_ = await upload(asking, rows)
    shown = await asking.check(id_)
    assert counts(shown) == (2, 0, 0, 0, 0)
    # The building is said to have two lifts: the first row that says something of it holds.
    assert codes(shown) == [(2, "custom.building.lift", "STATED_OTHERWISE")]
    columns = {one["header"]: one["column"] for one in shown["sheets"][0]["headers"]}
    assert (columns["助餐次数"], columns["居民备注"]) == ("custom.resident.meals", "custom.resident.note")
    assert (await asking.apply(id_))["state"] == "COMPLETED"
    building, residents = await answers(asking, "H1")
    assert building["custom"] == {"lift": "L-1"}
    assert residents[one.name]["custom"] == {
        "meals": 12.5, "needs": ["送餐", "维修"], "alone": True, "seen_on": "2026-01-31", "note": "爱下棋",
        "sort": "甲",
    }  # fmt: skip
    assert residents[two.name]["custom"] == {"needs": ["就医", "送餐"], "alone": False}
    # The same is the same; another answer is left, or takes the place of the one before, as the rule says.
    assert counts(await asking.apply(await upload(asking, [rows[0]]))) == (0, 0, 1, 0, 0)
    rows[0][-7:] = ["3", "就医", "", "", "", "", "L-3"]
    skipped = await asking.apply(await upload(asking, [rows[0]]))
    assert counts(skipped) == (0, 0, 0, 1, 0)
    assert {code for _, _, code in codes(skipped)} == {"ALREADY_REGISTERED"}
    changed = await asking.apply(await upload(asking, [rows[0]]), rule="UPDATE")
    assert counts(changed) == (0, 1, 0, 0, 0)
    building, residents = await answers(asking, "H1")
    assert (building["custom"], building["version"]) == ({"lift": "L-3"}, 2)
    assert residents[one.name]["custom"] == {
        "meals": 3, "needs": ["就医"], "alone": True, "seen_on": "2026-01-31", "note": "爱下棋", "sort": "甲",
    }  # fmt: skip
    # By the index that answers entered one by one have.
    asked = "query ($w: ResidentFilter) { residents(first: 5, where: $w) { nodes { name } } }"
    where = {"custom": {"field": "needs", "eq": "送餐"}}
    nodes = (await asking.city.ask(asking.role, asked, {"w": where}))["residents"]["nodes"]
    assert nodes == [{"name": two.name}]


async def test_answers_that_do_not_fit_are_refused_row_by_row(asking: Desk) -> None:
    wrong = [
        (2, "custom.resident.meals", "CELL_NO_NUMBER", "很多"),
        (3, "custom.resident.needs", "ANSWERS_WRONG", "送餐、理发"),
        (4, "custom.resident.alone", "CELL_WORD_UNKNOWN", "也许"),
        (5, "custom.resident.seen_on", "CELL_NO_DATE", "去年"),
        (6, "custom.resident.note", "ANSWERS_WRONG", "长" * 501),
        (7, "custom.resident.sort", "ANSWERS_WRONG", "丙"),
    ]
    rows = []
    for at, (number, _, _, cell) in enumerate(wrong):
        own = [""] * len(OWN)
        own[at] = cell
        rows.append([*wide(somebody(), at=f"2{number}"), *own])
    before = await asking.counted()
    id_ = await upload(asking, rows)
    shown = await asking.check(id_)
    assert codes(shown) == [(number, column, code) for number, column, code, _ in wrong]
    told = {one["code"]: (one["messageZh"], one["messageEn"]) for one in shown["findings"]["nodes"]}
    assert "甲, 乙" in told["ANSWERS_WRONG"][0]
    assert not any("丙" in message for messages in told.values() for message in messages)
    assert (await asking.apply(id_))["state"] == "CHECKED"
    assert await asking.counted() == before


async def test_what_must_be_answered_is_asked_of_what_is_new(asking: Desk) -> None:
    given = {"thing": "HOUSEHOLD", "code": "care", "titleZh": "联系人", "titleEn": "Contact", "kind": "TEXT"}
    field = await asking.city.make("customFieldDefine", {**given, "isRequired": True}, "CustomField")
    one, blank = somebody(), [""] * len(OWN)
    rows = [[*wide(one, at="3"), *blank, "王"], [*wide(somebody(), at="4"), *blank, ""]]
    shown = await asking.check(await upload(asking, rows, [*OWN, "联系人"]))
    found = {code: (row, column) for row, column, code in codes(shown)}
    assert found == {"ANSWERS_WRONG": (3, "custom.household.care"), "HOLDER_REFUSED": (3, "household_number")}
    assert any("联系人" in one["messageZh"] for one in shown["findings"]["nodes"])
    # Also where the file has no column for it, as everywhere else.
    shown = await asking.check(await upload(asking, [rows[1][:-1]]))
    assert {code for _, _, code in codes(shown)} == {"ANSWERS_WRONG", "HOLDER_REFUSED"}
    assert (await asking.apply(await upload(asking, rows[:1], [*OWN, "联系人"])))["state"] == "COMPLETED"
    async with asking.opened.works.begin(system_principal(asking.city.id)) as work:
        household = select(registry.Household.id).where(registry.Household.number == "H3").scalar_subquery()
        query = select(registry.CustomValue.word).where(registry.CustomValue.household_id == household)
        assert (await work.session.scalars(query)).all() == ["王"]
    # A field that is retired after the check is not written, nor asked for.
    id_ = await upload(asking, [[*wide(somebody(), at="5"), *blank, "李"]], [*OWN, "联系人"])
    assert counts(await asking.check(id_)) == (1, 0, 0, 0, 0)
    document = "mutation ($input: CustomFieldChangeInput!) { customFieldChange(input: $input) { __typename } }"
    await asking.city.ask(asking.role, document, {"input": {"id": field, "isRetired": True}})
    done = await asking.apply(id_)
    assert (done["state"], counts(done)) == ("COMPLETED", (1, 0, 0, 0, 0))
    async with asking.opened.works.begin(system_principal(asking.city.id)) as work:
        assert await work.session.scalar(query.where(registry.CustomValue.word == "李")) is None


HIDDEN: tuple[tuple[str, str, str, str, list[str]], ...] = (
    ("RESIDENT", "kin", "紧急联系人", "TEXT", []),
    ("RESIDENT", "ill_since", "患病日期", "DAY", []),
    ("BUILDING", "risks", "隐患", "CHOICES", ["燃气", "消防", "结构"]),
    ("BUILDING", "debt", "欠费", "NUMBER", []),
    ("ORGANISATION", "watched", "重点监管", "YES_NO", []),
)
SEALED = ("紧急联系人", "患病日期", "隐患", "欠费")
SEEN = """query ($n: String!) { households(first: 1, where: {number: {eq: $n}}) { nodes {
  dwelling { building { customRestricted version } } residents(first: 9) { nodes { name customRestricted } } } } }"""


@pytest.fixture(scope="module")
async def hiding(desk: Desk) -> Desk:
    """A city that asks for something that few may know."""
    for thing, code, title, sort, choices in HIDDEN:
        given = {"thing": thing, "code": code, "titleZh": title, "titleEn": f"Hidden {code}", "kind": sort}
        await desk.city.make(
            "customFieldDefine", {**given, "choices": choices, "sensitivity": "RESTRICTED"}, "CustomField"
        )
    return desk


async def hidden(desk: Desk, household: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the building of a household answers of that, and by name what those who live in it do."""
    (found,) = (await desk.city.ask(desk.role, SEEN, {"n": household}))["households"]["nodes"]
    residents = {one["name"]: one["customRestricted"] for one in found["residents"]["nodes"]}
    return found["dwelling"]["building"], residents


async def kept(desk: Desk) -> str:
    """Everything that the database has of the city."""
    async with desk.opened.works.begin(system_principal(desk.city.id)) as work:
        tables = [table for table in Base.metadata.sorted_tables if kind(table) == "tenant"]
        rows = [
            (await work.session.execute(select(table).where(table.c.tenant_id == desk.city.id))).all()
            for table in tables
        ]
    return repr(rows)


async def test_restricted_fields_are_columns_for_who_may_write_them(hiding: Desk) -> None:
    worker, person = hiding.of("street_lead"), somebody()
    sheet = text_of([*HEADERS, "紧急联系人"], [[*wide(person, at="6"), "李雷"]]).encode()
    targets = "{ importTargets { name columns { name isOwn } } }"
    for desk, column in ((hiding, "custom.resident.kin"), (worker, None)):
        answer = (await desk.send(sheet)).json()
        assert answer["sheets"][0]["columns"][-1]["column"] == column
        told = {one["name"]: one["columns"] for one in (await desk.city.ask(desk.role, targets))["importTargets"]}
        own = {one["name"] for one in told["organisations"] if one["isOwn"]}
        assert own == ({"custom.organisation.watched"} if column else set())
    mapping = [{"header": "紧急联系人", "column": "custom.resident.kin"}]
    assert (await worker.mutate("importCheck", id=answer["id"], mapping=mapping))["reason"] == "COLUMN_UNKNOWN"
    # All else of the file is theirs to import.
    assert counts(await worker.apply(answer["id"])) == (1, 0, 0, 0, 0)
    assert (await hidden(hiding, "H6"))[1] == {person.name: {}}


async def test_restricted_answers_are_sealed_from_the_file_to_the_registry(hiding: Desk) -> None:
    one, two = somebody(), somebody("FEMALE")
    answers = ["韩梅梅13000000001", "2019-07-06", "燃气、消防", "43211234.5"]
    first = [*wide(one, at="7"), *answers]
    # The second sheet is another chunk: what it says otherwise of the building is noted, and what was said first holds.
    second = [*wide(two, at="7", relation="配偶"), "", "", "燃气", ""]
    headers = [*HEADERS, *SEALED]
    id_ = await hiding.upload(workbook({"甲": [headers, first], "乙": [headers, second]}))
    shown = await hiding.check(id_)
    assert (counts(shown), codes(shown)) == ((2, 0, 0, 0, 0), [(2, "custom.building.risks", "STATED_OTHERWISE")])
    said = (*answers[:2], "43211234")
    assert not [secret for secret in said if secret in await kept(hiding)]
    async with hiding.opened.works.begin(system_principal(hiding.city.id)) as work:
        assert len((await work.session.scalars(select(m.StagedSealedAnswer))).all()) == 6
    assert (await hiding.apply(id_))["state"] == "COMPLETED"
    building, residents = await hidden(hiding, "H7")
    assert building["customRestricted"] == {"risks": ["燃气", "消防"], "debt": 43211234.5}
    assert residents == {one.name: {"kin": answers[0], "ill_since": answers[1]}, two.name: {}}
    assert not [secret for secret in said if secret in await kept(hiding)]
    async with hiding.opened.works.begin(system_principal(hiding.city.id)) as work:
        assert not (await work.session.scalars(select(m.StagedSealedAnswer))).all()
    # By the index that answers entered one by one have.
    asked = """query ($v: String!) { residents(where: {custom: {field: "kin", eq: $v}}) { totalCount } }"""
    assert (await hiding.city.ask(hiding.role, asked, {"v": answers[0]}))["residents"]["totalCount"] == 1
    # The same is the same, though nothing is sealed alike twice; another answer is left, or written, by the rule.
    assert counts(await hiding.apply(await upload(hiding, [first], SEALED))) == (0, 0, 1, 0, 0)
    first[-4:] = ["李雷", "", "消防", ""]
    skipped = await hiding.apply(await upload(hiding, [first], SEALED))
    assert (counts(skipped), await hidden(hiding, "H7")) == ((0, 0, 0, 1, 0), (building, residents))
    changed = await hiding.apply(await upload(hiding, [first], SEALED), rule="UPDATE")
    assert counts(changed) == (0, 1, 0, 0, 0)
    building, residents = await hidden(hiding, "H7")
    assert building == {"customRestricted": {"risks": ["消防"], "debt": 43211234.5}, "version": 2}
    assert residents[one.name] == {"kin": "李雷", "ill_since": answers[1]}


async def test_restricted_answers_are_checked_and_required_as_any_and_never_repeated(hiding: Desk) -> None:
    rows = [
        [*wide(somebody(), at="81"), "", "去年八月", "", ""],
        [*wide(somebody(), at="82"), "", "", "燃气、鬼怪", ""],
        [*wide(somebody(), at="83"), "密" * 501, "", "", "很多"],
    ]
    id_ = await upload(hiding, rows, SEALED)
    shown = await hiding.check(id_)
    assert {one for one in codes(shown) if "custom" in str(one[1])} == {
        (2, "custom.resident.ill_since", "CELL_NO_DATE"),
        (3, "custom.building.risks", "ANSWERS_WRONG"),
        (4, "custom.building.debt", "CELL_NO_NUMBER"),
    }
    told = repr(shown)
    assert not [secret for secret in ("去年", "鬼怪", "密密", "很多") if secret in told]
    given = {"thing": "ORGANISATION", "code": "file_no", "titleZh": "档案号", "titleEn": "File number", "kind": "TEXT"}
    await hiding.city.make(
        "customFieldDefine", {**given, "isRequired": True, "sensitivity": "RESTRICTED"}, "CustomField"
    )
    sheet = [["平安店", GRID, "是", "K-77"], ["无事店", GRID, "否", ""]]
    file = text_of(["单位名称", "网格编码", "重点监管", "档案号"], sheet).encode()
    id_ = str((await hiding.send(file, "organisations")).json()["id"])
    assert codes(await hiding.check(id_)) == [(3, "custom.organisation.file_no", "ANSWERS_WRONG")]
    done = await hiding.apply(id_, skipsRefused=True)
    assert (done["state"], counts(done)) == ("COMPLETED", (1, 0, 0, 0, 1))
    asked = '{ organisations(first: 1, where: {search: "平安店"}) { nodes { customRestricted } } }'
    found = (await hiding.city.ask(hiding.role, asked))["organisations"]["nodes"]
    assert found == [{"customRestricted": {"watched": True, "file_no": "K-77"}}]
