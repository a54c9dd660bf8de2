"""One box for everything: what a text means, and that it finds within the caller's scope, page by page."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from cityloom.core.errors import Refusal
from cityloom.demo.papers import identity_number, phone_number
from cityloom.modules.registry import service
from cityloom.modules.registry.finding import recognise
from cityloom.privacy.models import Disclosure
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from cityloom.core.principal import Principal
    from cityloom.testing.front import Front
    from tests.modules.registry.conftest import Town

READS = ("areas.area.read", *(f"registry.{thing}.read" for thing in ("building", "dwelling", "household", "resident")))
SEARCH = """query($text: String!, $area: ID, $after: String) {
  residentSearch(text: $text, area: $area, after: $after, first: 2) {
    totalCount nodes { id name } pageInfo { hasNextPage endCursor }
  }
}"""
PLACES = [
    ("3号楼 301", {"3号", "号楼"}, None, ["301"]),
    ("3号楼301室", {"3号", "号楼"}, None, ["301"]),
    ("向阳社区 3号楼 2单元 1201室", {"向阳", "阳社", "社区", "3号", "号楼"}, ["2", "2单元"], ["1201"]),
    ("3号楼", {"3号", "号楼"}, None, None),
    ("12-3号楼 A01", {"12", "23", "3号", "号楼"}, None, ["A01"]),
]


@pytest.mark.parametrize(("text", "place", "units", "number"), PLACES)
async def test_an_address_is_a_place_and_a_door(
    front: Front, town: Town, text: str, place: set[str], units: list[str] | None, number: list[str] | None
) -> None:
    keys = await front.services[KeyRing].of(town.tree.tenant_id)
    found = recognise(keys, text)
    assert (set(found.place or ()), found.units, found.number) == (place, units, number)
    assert (found.identity, found.phone, found.name, found.door) == (None, None, None, None)


async def test_other_texts_are_numbers_and_names(front: Front, town: Town) -> None:
    keys = await front.services[KeyRing].of(town.tree.tenant_id)
    assert recognise(keys, identity_number(0, date(1980, 2, 29), "MALE")).identity is not None
    assert recognise(keys, f"+86 {phone_number(0)}").phone is not None
    name = recognise(keys, "王小明")
    assert (name.name, name.place) == (["小明", "王小"], ["小明", "王小"])
    assert recognise(keys, "301").door == ["301"]
    for text in ("王", "   ", ""):
        with pytest.raises(Refusal):
            recognise(keys, text)


async def ask(front: Front, caller: Principal, text: str, area: str | None = None) -> int:
    found = await front.data(caller, SEARCH, {"text": text, "area": area})
    return int(found["residentSearch"]["totalCount"])


async def test_one_box_finds_by_number_name_and_address_within_the_scope(front: Front, town: Town) -> None:
    everybody, neighbour = town.tree.administrator, town.tree.someone(*READS, at="s1c1g2")
    for text, all_of_them, next_door in (
        (identity_number(0, date(1980, 2, 29), "MALE"), 1, 0),
        (identity_number(1, date(1980, 2, 29), "MALE"), 1, 1),
        (phone_number(2), 1, 0),
        ("小明", 3, 1),
        ("王小明", 3, 1),
        ("王小红", 0, 0),
        ("小王", 0, 0),
        ("1号楼 301", 3, 1),
        ("1号楼 302", 0, 0),
        ("1号楼", 3, 1),
        ("301", 3, 1),
        ("2号楼", 0, 0),
    ):
        assert (await ask(front, everybody, text), await ask(front, neighbour, text)) == (all_of_them, next_door), text
    assert await ask(front, everybody, "王小明", town.tree.global_id("s1c1")) == 2
    refused = await front.ask(everybody, SEARCH, {"text": "王"})
    assert refused["errors"][0]["extensions"]["reason"] == "SEARCH_TOO_SHORT"
    first = (await front.data(everybody, SEARCH, {"text": "小明"}))["residentSearch"]
    given = {"text": "小明", "after": first["pageInfo"]["endCursor"]}
    second = (await front.data(everybody, SEARCH, given))["residentSearch"]
    assert len({node["id"] for node in first["nodes"] + second["nodes"]}) == 3
    assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)


async def test_what_the_caller_may_not_read_finds_nobody(front: Front, town: Town) -> None:
    caller = town.tree.someone("areas.area.read", "registry.resident.read", at="s1")
    found = {text: await ask(front, caller, text) for text in ("王小明", "1号楼 301", "301", phone_number(0))}
    assert found == {"王小明": 2, "1号楼 301": 0, "301": 0, phone_number(0): 1}


async def test_numbers_that_find_somebody_are_written_down(front: Front, town: Town) -> None:
    caller = town.tree.administrator
    before = len(await _disclosures(front, caller))
    for text in (identity_number(1, date(1980, 2, 29), "MALE"), phone_number(2), "王小明", "1号楼 301"):
        await ask(front, caller, text)
    noted = (await _disclosures(front, caller))[before:]
    assert noted == ["registry.resident.identity_number", "registry.resident.phone"]


async def _disclosures(front: Front, caller: Principal) -> list[str]:
    async with front.works.begin(caller) as work:
        noted = await work.session.scalars(select(Disclosure.fields).order_by(Disclosure.id))
        return [field for fields in noted for field in fields]


async def test_a_building_is_found_by_what_it_is_called_now(front: Front, town: Town) -> None:
    async with front.works.begin(town.tree.administrator) as work:
        building = town.here.rows["building"].id
        await service.change_building(work, building, name="金色家园9号楼", address="解放路18号")
    assert await ask(front, town.tree.administrator, "金色家园") == 1
    assert await ask(front, town.tree.administrator, "解放路18号 301") == 1
    assert await ask(front, town.tree.administrator, "1号楼") == 2
