"""Each mutation of areas: four callers, what it writes, and that a refusal leaves everything as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from cityloom.core.ids import encode_id, new_id
from cityloom.modules.areas.models import AreaKind
from cityloom.testing.front import anonymous

if TYPE_CHECKING:
    from collections.abc import Callable

    from cityloom.core.principal import Principal
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.front import Front

REFUSAL = "... on Refusal { refused: code reason message path }"
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[129.5, 42.9], [129.6, 42.9], [129.6, 43.0], [129.5, 43.0], [129.5, 42.9]]],
}


@dataclass(frozen=True)
class Case:
    """A mutation, its input in the street s1, and the permissions that it needs."""

    field: str
    input: Callable[[AreaTree], dict[str, Any]]
    permissions: tuple[str, ...]
    answer: str = "... on Area { id code name version }"

    def text(self) -> str:
        name = self.field[0].upper() + self.field[1:]
        return f"mutation($i: {name}Input!) {{ r: {self.field}(input: $i) {{ __typename {self.answer} {REFUSAL} }} }}"


PLAN = "... on AreaPlan { fingerprint canBeApplied problems counts { thing count } }"
CASES = [
    Case(
        "areaCreate",
        lambda t: {"parentId": t.global_id("s1c1"), "code": "N1", "name": "新网格", "kind": "GRID"},
        ("areas.area.create",),
    ),
    Case("areaRename", lambda t: {"id": t.global_id("s1c1"), "name": "新名称"}, ("areas.area.change",)),
    Case("areaBoundarySet", lambda t: {"id": t.global_id("s1c1"), "boundary": SQUARE}, ("areas.area.change",)),
    Case("areaClose", lambda t: {"id": t.global_id("s1c1g1")}, ("areas.area.close",)),
    Case(
        "areaMovePlan",
        lambda t: {"id": t.global_id("s1c1g1"), "parentId": t.global_id("s1c2")},
        ("areas.area.restructure",),
        PLAN,
    ),
    Case(
        "areaMergePlan",
        lambda t: {"sourceIds": [t.global_id("s1c1")], "targetId": t.global_id("s1c2")},
        ("areas.area.restructure",),
        PLAN,
    ),
    Case(
        "areaSplitPlan",
        lambda t: {
            "id": t.global_id("s1c1"),
            "parts": [{"code": "P1", "name": "一"}, {"code": "P2", "name": "二", "takesRest": True}],
        },
        ("areas.area.restructure", "areas.area.create"),
        PLAN,
    ),
]
APPLIED = {"areaMovePlan": "areaMoveApply", "areaMergePlan": "areaMergeApply", "areaSplitPlan": "areaSplitApply"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.field)
async def test_four_callers(front: Front, alder: AreaTree, case: Case) -> None:
    given = {"i": case.input(alder)}
    before = await front.footprint(alder.tenant_id)
    refused: dict[str, Principal] = {
        "anonymous": anonymous(alder.tenant_id),
        "wrong role": alder.someone("areas.area.read", "registry.resident.read"),
        "right role in another area": alder.someone("areas.area.read", *case.permissions, at="s2"),
    }
    for who, caller in refused.items():
        answer = (await front.ask(caller, case.text(), given)).get("data", {}).get("r")
        assert answer is not None, who
        assert (answer["__typename"], answer["refused"]) == ("Refusal", "FORBIDDEN"), who
        assert await front.footprint(alder.tenant_id) == before, who
    allowed = alder.someone("areas.area.read", *case.permissions, at="s1")
    answer = (await front.data(allowed, case.text(), given))["r"]
    assert answer["__typename"] in {"Area", "AreaPlan"}, answer
    after = await front.footprint(alder.tenant_id)
    if case.field in APPLIED:
        assert after == before, "a plan changes nothing"
        assert answer["canBeApplied"], answer
    else:
        assert after["outbox"] > before["outbox"]
        assert after["audit_records"] > before["audit_records"]


@pytest.mark.parametrize("case", [c for c in CASES if c.field in APPLIED], ids=lambda case: case.field)
async def test_four_callers_of_what_was_planned(front: Front, alder: AreaTree, case: Case) -> None:
    allowed = alder.someone("areas.area.read", "areas.area.change", "areas.area.create", *case.permissions, at="s1")
    plan = (await front.data(allowed, case.text(), {"i": case.input(alder)}))["r"]
    apply = Case(APPLIED[case.field], case.input, case.permissions)
    given = {"i": {**case.input(alder), "fingerprint": plan["fingerprint"]}}
    before = await front.footprint(alder.tenant_id)
    for caller in (
        anonymous(alder.tenant_id),
        alder.someone("areas.area.read"),
        alder.someone("areas.area.read", *case.permissions, at="s2"),
    ):
        answer = (await front.ask(caller, apply.text(), given))["data"]["r"]
        assert answer["refused"] == "FORBIDDEN"
    stale = {"i": {**given["i"], "fingerprint": "0" * 64}}
    assert (await front.data(allowed, apply.text(), stale))["r"]["refused"] == "STALE"
    assert await front.footprint(alder.tenant_id) == before
    answer = (await front.data(allowed, apply.text(), given))["r"]
    assert answer["__typename"] == "Area", answer
    after = await front.footprint(alder.tenant_id)
    assert after["area_changes"] > before["area_changes"]
    assert after["access_versions.version"] > before.get("access_versions.version", 0), "rights are made again"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.field)
async def test_the_other_tenant_sees_an_absent_thing(
    front: Front, alder: AreaTree, birch: AreaTree, case: Case
) -> None:
    before = await front.footprint(alder.tenant_id), await front.footprint(birch.tenant_id)
    foreign = (await front.data(birch.administrator, case.text(), {"i": case.input(alder)}))["r"]
    absent = case.input(alder)
    for key, value in absent.items():
        if key in {"id", "parentId", "targetId"}:
            absent[key] = encode_id("area", birch.tenant_id, new_id())
        elif key == "sourceIds":
            absent[key] = [encode_id("area", birch.tenant_id, new_id()) for _ in value]
    assert foreign == (await front.data(birch.administrator, case.text(), {"i": absent}))["r"]
    assert foreign["refused"] == "NOT_FOUND"
    assert (await front.footprint(alder.tenant_id), await front.footprint(birch.tenant_id)) == before


BAD: list[tuple[str, dict[str, Any], str, list[str]]] = [
    ("areaCreate", {"parentId": "area_1"}, "MALFORMED_ID", ["parentId"]),
    ("areaCreate", {"kind": "PLANET"}, "AREA_KIND_UNKNOWN", ["kind"]),
    ("areaCreate", {"kind": "STREET"}, "AREA_LEVEL_WRONG", ["kind"]),
    ("areaCreate", {"code": "a b"}, "AREA_CODE_MALFORMED", ["code"]),
    ("areaCreate", {"code": "S1C1G1"}, "AREA_CODE_TAKEN", ["code"]),
    ("areaCreate", {"name": " "}, "AREA_NAME_MALFORMED", ["name"]),
    ("areaCreate", {"name": "x" * 101}, "AREA_NAME_MALFORMED", ["name"]),
    ("areaCreate", {"name": "a\u0007b"}, "AREA_NAME_MALFORMED", ["name"]),
    ("areaCreate", {"statedResidents": -1}, "AREA_FIGURE_NEGATIVE", ["statedResidents"]),
    ("areaCreate", {"validUntil": "1999-01-01"}, "AREA_VALIDITY_WRONG", ["validUntil"]),
    ("areaCreate", {"boundary": {"type": "Point"}}, "BOUNDARY_MALFORMED", ["boundary", "type"]),
    ("areaCreate", {"centre": {"longitude": 42, "latitude": 129}}, "COORDINATE_OUT_OF_RANGE", ["centre"]),
    ("areaRename", {"name": None}, "INVALID_INPUT", ["name"]),
    ("areaRename", {"version": 99}, "CHANGED_MEANWHILE", ["version"]),
    ("areaClose", {"closedOn": "2099-01-01"}, "AREA_VALIDITY_WRONG", ["closedOn"]),
]


@pytest.mark.parametrize(("field", "change", "reason", "path"), BAD)
async def test_bad_input_names_the_field_and_changes_nothing(
    front: Front, alder: AreaTree, field: str, change: dict[str, Any], reason: str, path: list[str]
) -> None:
    case = next(case for case in CASES if case.field == field)
    before = await front.footprint(alder.tenant_id)
    answer = await front.ask(alder.administrator, case.text(), {"i": {**case.input(alder), **change}})
    found = answer["data"]["r"]
    assert found["__typename"] == "Refusal", found
    assert found["reason"] == reason, found
    assert found["path"] == ["input", *path]
    assert await front.footprint(alder.tenant_id) == before


async def test_areas_with_something_in_them_are_not_closed(front: Front, alder: AreaTree) -> None:
    case = next(case for case in CASES if case.field == "areaClose")
    answer = (await front.data(alder.administrator, case.text(), {"i": {"id": alder.global_id("s1c1")}}))["r"]
    assert answer["refused"] == "STILL_IN_USE"
    assert "areas 2" in answer["message"]


async def test_codes_that_do_not_fit_the_new_place_need_new_ones(front: Front, alder: AreaTree) -> None:

    async with front.works.begin(alder.administrator) as work:
        forms = {"COMMUNITY": "DIVISION_12", "GRID": "GRID_15"}
        for kind, form in forms.items():
            await work.session.execute(update(AreaKind).where(AreaKind.code == kind).values(code_form=form))
    create = next(case for case in CASES if case.field == "areaCreate")
    ids: dict[str, str] = {}
    for code, kind, parent in (
        ("222401001001", "COMMUNITY", alder.global_id("s1")),
        ("222401001002", "COMMUNITY", alder.global_id("s1")),
        ("222401001001001", "GRID", "222401001001"),
    ):
        given = {"i": {"code": code, "name": code, "kind": kind, "parentId": ids.get(parent, parent)}}
        ids[code] = (await front.data(alder.administrator, create.text(), given))["r"]["id"]
    plan = Case("areaMovePlan", lambda _: {}, (), PLAN)
    move: dict[str, Any] = {"id": ids["222401001001001"], "parentId": ids["222401001002"]}
    blocked = (await front.data(alder.administrator, plan.text(), {"i": move}))["r"]
    assert not blocked["canBeApplied"]
    assert "222401001001001" in blocked["problems"][0]
    move["newCodes"] = [{"id": ids["222401001001001"], "code": "222401001002001"}]
    planned = (await front.data(alder.administrator, plan.text(), {"i": move}))["r"]
    assert planned["canBeApplied"], planned
    apply = Case(
        "areaMoveApply", lambda _: {}, (), "... on Area { code became { kind formerCode } ancestors { code } }"
    )
    moved = (
        await front.data(alder.administrator, apply.text(), {"i": {**move, "fingerprint": planned["fingerprint"]}})
    )["r"]
    assert moved["code"] == "222401001002001"
    assert {"kind": "RECODED", "formerCode": "222401001001001"} in moved["became"]
    assert moved["ancestors"][-1] == {"code": "222401001002"}
