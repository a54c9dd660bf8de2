"""Organisations from sheets of their own, through the same upload, check and end as the registry's."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from cityloom.demo.papers import credit_code
from cityloom.modules.registry.imports.organisations import ORGANISATIONS
from cityloom.tenancy.system import system_principal
from cityloom.testing.imports import GRID, HEADERS, NEAR, Desk, codes, counts, somebody, text_of, wide

if TYPE_CHECKING:
    from collections.abc import Sequence

SHEET = ("单位名称", "统一社会信用代码", "单位类型", "网格编码", "楼栋编码", "单元", "房号", "入驻日期")
FOUND = """query ($w: OrganisationFilter) { organisations(first: 20, where: $w) { nodes {
  name kind creditCode version area { code } building { code } dwelling { number building { code } } custom
  stays { fromOn untilOn } } } }"""
_numbers = count(700)


@pytest.fixture(scope="module")
async def street(desk: Desk) -> Desk:
    """The city with a building and a dwelling in the first grid and in the near one."""
    rows = [wide(somebody(), at="1"), wide(somebody(), at="2", grid=NEAR)]
    done = await desk.apply(await desk.upload(text_of(HEADERS, rows).encode()))
    assert done["state"] == "COMPLETED"
    return desk


def firm(name: str, code: str = "", *, kind: str = "企业", at: Sequence[str] = ("", "B1", "1", "101")) -> list[str]:
    """A row; `at` is area, building, unit and dwelling."""
    return [name, code, kind, *at, ""]


async def send(desk: Desk, rows: Sequence[Sequence[object]]) -> str:
    """Upload organisations."""
    answer = await desk.send(text_of(SHEET, rows).encode(), "organisations")
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


async def found(desk: Desk, search: str) -> list[dict[str, Any]]:
    """Organisations by a part of their names."""
    answer = await desk.city.ask(desk.role, FOUND, {"w": {"search": search}})
    nodes: list[dict[str, Any]] = answer["organisations"]["nodes"]
    return sorted(nodes, key=lambda one: str(one["name"]))


async def test_organisations_are_taken_over_where_they_are(street: Desk) -> None:
    code = credit_code(next(_numbers))
    rows = [
        ["晨光面馆", code, "个体户", "", "B1", "1", "101", "2024年3月5日"],
        firm("晨光物业", at=("", "B1", "", ""), kind="公司"),
        firm("晨光协会", at=(GRID, "", "", ""), kind="社会组织"),
    ]
    id_ = await send(street, rows)
    assert counts(await street.check(id_)) == (3, 0, 0, 0, 0)
    assert await found(street, "晨光") == []
    done = await street.apply(id_)
    assert (done["state"], counts(done), done["things"]) == (
        "COMPLETED", (3, 0, 0, 0, 0), [{"thing": "organisation", "new": 3, "changed": 0}],
    )  # fmt: skip
    association, property_, noodles = await found(street, "晨光")
    assert noodles == {
        "name": "晨光面馆",
        "kind": "SHOP",
        "creditCode": code,
        "version": 1,
        "area": {"code": GRID},
        "building": None,
        "dwelling": {"number": "101", "building": {"code": "B1"}},
        "custom": {},
        "stays": [{"fromOn": "2024-03-05", "untilOn": None}],
    }
    assert (property_["building"], property_["dwelling"]) == ({"code": "B1"}, None)
    assert (association["building"], association["area"]) == (None, {"code": GRID})
    # The same again changes nothing; another kind is skipped, or taken over, as the rule says.
    again = await street.apply(await send(street, rows))
    assert counts(again) == (0, 0, 3, 0, 0)
    rows[0][2] = "企业"
    skipped = await street.apply(await send(street, rows))
    assert counts(skipped) == (0, 0, 2, 1, 0)
    assert (2, "organisation_name", "ALREADY_REGISTERED") in codes(skipped)
    renamed = [["晨光大酒楼", code, "企业", "", "B1", "1", "101", ""]]
    changed = await street.apply(await send(street, renamed), rule="UPDATE")
    assert counts(changed) == (0, 1, 0, 0, 0)
    (hotel,) = await found(street, "大酒楼")
    assert (hotel["name"], hotel["kind"], hotel["version"]) == ("晨光大酒楼", "COMPANY", 2)
    assert await found(street, "面馆") == []


async def test_rows_are_refused_with_reasons_and_then_nothing_is_taken_over(street: Desk) -> None:
    code = credit_code(next(_numbers))
    rows = [
        firm("好店", code[:-1] + "?"),
        firm("", code),
        firm("好店", kind="摊位"),
        firm("好店", at=("", "B9", "", "")),
        firm("好店", at=("", "B1", "1", "909")),
        firm("好店", at=("", "", "", "101")),
        firm("好店", at=("", "", "", "")),
        firm("好店", at=("000", "", "", "")),
        [*firm("好店")[:-1], "3024-01-01"],
    ]
    wanted = [
        (2, "credit_code", "CREDIT_CODE_INVALID"),
        (3, "organisation_name", "LINK_NOT_NAMED"),
        (4, "organisation_kind", "CELL_WORD_UNKNOWN"),
        (5, "building_code", "PREMISES_UNKNOWN"),
        (6, "dwelling_number", "PREMISES_UNKNOWN"),
        (7, "building_code", "LINK_NOT_NAMED"),
        (8, "area_code", "PLACE_MISSING"),
        (9, "area_code", "AREA_UNKNOWN"),
        (10, "moved_in_on", "DATE_OUT_OF_RANGE"),
    ]
    id_ = await send(street, [*rows, firm("好店", code)])
    shown = await street.check(id_)
    assert codes(shown) == wanted
    assert counts(shown) == (1, 0, 0, 0, 9)
    assert all(one["messageZh"] and one["messageEn"] for one in shown["findings"]["nodes"])
    assert (await street.apply(id_))["state"] == "CHECKED"
    assert await found(street, "好店") == []
    done = await street.apply(id_, skipsRefused=True)
    assert (done["state"], done["rowsNew"]) == ("COMPLETED", 1)
    assert [one["creditCode"] for one in await found(street, "好店")] == [code]


async def test_duplicates_are_found_in_the_file_and_among_what_is_registered(street: Desk) -> None:
    code = credit_code(next(_numbers))
    rows = [firm("双喜商行", code), firm("双喜商行二店", code), firm("双喜商行")]
    shown = await street.check(await send(street, rows))
    assert codes(shown) == [
        (3, "credit_code", "STATED_TWICE"), (4, "organisation_name", "LIKELY_SAME_ORGANISATION")
    ]  # fmt: skip
    assert counts(shown) == (1, 0, 0, 2, 0)
    shown = await street.check(await send(street, rows), rule="UPDATE")
    assert counts(shown) == (1, 0, 0, 0, 2)
    assert counts(await street.apply(await send(street, rows))) == (1, 0, 0, 2, 0)
    # Likely the same as one that is registered: without its code, in the same place.
    shown = await street.check(await send(street, [firm("双喜商行")]), rule="UPDATE")
    assert codes(shown) == [(2, "organisation_name", "LIKELY_SAME_ORGANISATION")]
    assert counts(shown) == (0, 0, 1, 0, 0)
    shown = await street.check(await send(street, [firm("双喜商行"), firm("别家", code)]), rule="REFUSE")
    assert codes(shown) == [
        (2, "organisation_name", "LIKELY_SAME_ORGANISATION"), (3, "credit_code", "CREDIT_CODE_TAKEN")
    ]  # fmt: skip
    # Two that are likely the same one are not both.
    await street.apply(await send(street, [firm("三喜商行")]))
    both = [firm("三喜商行", credit_code(next(_numbers))) for _ in range(2)]
    done = await street.apply(await send(street, both), rule="UPDATE", skipsRefused=True)
    assert (done["state"], counts(done)) == ("COMPLETED", (0, 1, 0, 0, 1))
    assert [one["creditCode"] for one in await found(street, "三喜商行")] == [both[0][1]]
    elsewhere = firm("双喜商行", code, at=("", "B2", "1", "201"))
    shown = await street.check(await send(street, [elsewhere]), rule="UPDATE")
    assert codes(shown) == [(2, "building_code", "LIES_ELSEWHERE")]


async def test_the_importers_rights_hold(street: Desk) -> None:
    """A community worker holds 001001; the second building is in 001002."""
    worker, code = street.of("community_worker"), credit_code(next(_numbers))
    away = ("", "B2", "1", "201")
    await street.apply(await send(street, [firm("远方工厂", code, at=away)]))
    rows = [firm("近处工厂"), firm("外区工厂", at=away), firm("外区站", at=(NEAR, "", "", "")), firm("新名", code)]
    shown = await worker.check(await send(worker, rows))
    # What is out of sight is not there; whose code it is nobody is told.
    assert codes(shown) == [
        (3, "dwelling_number", "PREMISES_UNKNOWN"),
        (4, "organisation_name", "OUTSIDE_SCOPE"),
        (5, "credit_code", "CREDIT_CODE_TAKEN"),
    ]
    assert counts(shown) == (1, 0, 0, 0, 3)
    wrong = await street.of("analyst").send(text_of(SHEET, rows).encode(), "organisations")
    assert wrong.status_code == 403


async def test_staging_tables_that_a_crash_has_emptied_are_filled_again(street: Desk) -> None:
    id_ = await send(street, [firm("重来商行")])
    await street.check(id_)
    async with street.opened.works.begin(system_principal(street.city.id)) as work:
        await ORGANISATIONS.discard(work, street.row_id(id_))
    done = await street.apply(id_)
    assert (done["state"], counts(done)) == ("COMPLETED", (1, 0, 0, 0, 0))
    assert len(await found(street, "重来商行")) == 1
