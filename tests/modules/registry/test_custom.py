"""A city's own fields: defined, answered, filtered, restricted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cityloom.audit.models import AuditRecord
from cityloom.core.principal import FieldAccess
from cityloom.testing.front import anonymous
from cityloom.testing.probes import mutation

if TYPE_CHECKING:
    from cityloom.core.principal import Principal
    from cityloom.testing.front import Front
    from tests.modules.registry.conftest import Town

DEFINE = mutation("customFieldDefine", "CustomField", "id version called: code choices")
CHANGE_FIELD = mutation("customFieldChange", "CustomField", "version choices isRetired")
CHANGE = mutation("residentChange", "Resident", "version custom customRestricted")
FIELDS: list[dict[str, Any]] = [
    {"code": "meals", "titleZh": "助餐次数", "titleEn": "Meals", "kind": "NUMBER"},
    {"code": "needs", "titleZh": "需求", "titleEn": "Needs", "kind": "CHOICES", "choices": ["送餐", "就医", "维修"]},
    {"code": "alone", "titleZh": "独居", "titleEn": "Lives alone", "kind": "YES_NO", "isRequired": True},
    {"code": "seen_on", "titleZh": "上次看望", "titleEn": "Last seen on", "kind": "DAY"},
    {"code": "dialect", "titleZh": "方言", "titleEn": "Dialect", "kind": "TEXT"},
    {"code": "care", "titleZh": "照护等级", "titleEn": "Care", "kind": "TEXT", "sensitivity": "RESTRICTED"},
]


async def define(front: Front, caller: Principal) -> dict[str, str]:
    """The fields of residents, and their ids by code."""
    ids: dict[str, str] = {}
    for position, field in enumerate(FIELDS):
        given = {"thing": "RESIDENT", "position": position, **field}
        answer = (await front.data(caller, DEFINE, {"input": given}))["customFieldDefine"]
        assert answer["__typename"] == "CustomField", answer
        ids[answer["called"]] = answer["id"]
    return ids


async def answer(front: Front, caller: Principal, resident: str, **custom: Any) -> dict[str, Any]:
    """Change the answers of a resident."""
    given = {"input": {"id": resident, "custom": custom}}
    found: dict[str, Any] = (await front.data(caller, CHANGE, given))["residentChange"]
    return found


async def test_only_who_may_defines_fields(front: Front, town: Town, other: Town) -> None:
    tree, given = town.tree, {"input": {"thing": "RESIDENT", **FIELDS[1]}}
    before = await front.footprint(tree.tenant_id)
    for caller in (anonymous(tree.tenant_id), tree.someone("registry.field.read")):
        assert (await front.data(caller, DEFINE, given))["customFieldDefine"]["code"] == "FORBIDDEN"
    bad: list[tuple[dict[str, Any], str]] = [
        ({"code": "Upper"}, "FIELD_CODE_MALFORMED"),
        ({"choices": []}, "FIELD_CHOICES_WRONG"),
        ({"kind": "TEXT"}, "FIELD_CHOICES_WRONG"),
        ({"titleZh": ""}, "TEXT_MALFORMED"),
    ]
    for change, reason in bad:
        refused = await front.data(tree.administrator, DEFINE, {"input": {**given["input"], **change}})
        assert refused["customFieldDefine"]["reason"] == reason, change
    assert await front.footprint(tree.tenant_id) == before
    ids = await define(front, tree.administrator)
    again = await front.data(tree.administrator, DEFINE, given)
    assert again["customFieldDefine"]["reason"] == "FIELD_CODE_TAKEN"
    after = await front.footprint(tree.tenant_id)
    assert after["outbox"] - before["outbox"] == len(FIELDS) == after["custom_fields"]
    foreign = await front.data(other.tree.administrator, CHANGE_FIELD, {"input": {"id": ids["needs"], "position": 9}})
    assert foreign["customFieldChange"]["code"] == "NOT_FOUND"
    bad = [({"choices": ["送餐"]}, "FIELD_CHOICES_WRONG"), ({"version": 9}, "CHANGED_MEANWHILE")]
    for change, reason in bad:
        refused = await front.data(tree.administrator, CHANGE_FIELD, {"input": {"id": ids["needs"], **change}})
        assert refused["customFieldChange"]["reason"] == reason
    more = {"id": ids["needs"], "choices": ["送餐", "就医", "维修", "陪伴"]}
    changed = await front.data(tree.administrator, CHANGE_FIELD, {"input": more})
    assert changed["customFieldChange"]["version"] == 2
    retired = {"id": ids["dialect"], "isRetired": True}
    assert (await front.data(tree.administrator, CHANGE_FIELD, {"input": retired}))["customFieldChange"]["isRetired"]
    listed = (
        "{ now: customFields(thing: RESIDENT) { code } all: customFields(thing: RESIDENT, withRetired: true) { code } }"
    )
    found = await front.data(tree.administrator, listed)
    assert [one["code"] for one in found["now"]] == ["meals", "needs", "alone", "seen_on", "care"]
    assert len(found["all"]) == len(FIELDS)
    assert (await front.data(other.tree.administrator, listed))["all"] == []


async def test_answers_are_typed_merged_and_audited(front: Front, town: Town) -> None:
    administrator, resident = town.tree.administrator, town.here.id("resident")
    await define(front, administrator)
    before = await front.footprint(town.tree.tenant_id)
    wrong_ones: list[dict[str, Any]] = [
        {},
        {"meals": 3},
        {"alone": "yes"},
        {"alone": True, "meals": "three"},
        {"alone": True, "needs": ["飞行"]},
        {"alone": True, "seen_on": "2026-13-01"},
        {"alone": True, "unknown": 1},
        {"alone": True, "dialect": "话" * 501},
    ]
    for wrong in wrong_ones:
        refused = await answer(front, administrator, resident, **wrong)
        assert refused["reason"] == "ANSWERS_WRONG", wrong
        assert refused["path"][:2] == ["input", "custom"], refused
    assert await front.footprint(town.tree.tenant_id) == before
    first = {"alone": True, "meals": 2.5, "needs": ["维修", "送餐"], "seen_on": "2026-02-01", "care": "二级"}
    made = await answer(front, administrator, resident, **first)
    assert made["custom"] == {key: value for key, value in first.items() if key != "care"}
    assert made["customRestricted"] == {"care": "二级"}
    merged = await answer(front, administrator, resident, meals=None, needs=["就医"])
    assert merged["custom"] == {"alone": True, "needs": ["就医"], "seen_on": "2026-02-01"}
    assert merged["version"] == made["version"] + 1
    same = await answer(front, administrator, resident, alone=True)
    assert same["version"] == merged["version"], "nothing has changed"
    async with front.works.begin(administrator) as work:
        entries = await work.session.scalars(select(AuditRecord).order_by(AuditRecord.recorded_at, AuditRecord.id))
        told = {name for entry in entries for name in entry.changed_fields}
    assert {"custom.needs", "custom.care"} <= told


async def test_restricted_answers_are_for_few(front: Front, town: Town) -> None:
    resident = town.here.id("resident")
    await define(front, town.tree.administrator)
    await answer(front, town.tree.administrator, resident, alone=False, care="二级", dialect="客家话")
    rights = ("areas.area.read", "registry.resident.read", "registry.resident.change", "registry.field.read")
    worker = town.tree.someone(*rights, at="s1c1g1")
    refused = await answer(front, worker, resident, care="三级")
    assert refused["reason"] == "FIELD_RESTRICTED"
    ask = "query($id: ID!) { resident(id: $id) { custom customRestricted } residents(where: %s) { totalCount } }"
    by_care = '{custom: {field: "care", eq: "二级"}}'
    told = await front.ask(worker, ask % by_care, {"id": resident})
    assert told["data"]["resident"] == {"custom": {"alone": False, "dialect": "客家话"}, "customRestricted": None}
    assert told["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert told["data"]["residents"]["totalCount"] == 0, "a filter does not tell what may not be seen"
    trusted = town.tree.someone(*rights, at="s1c1g1", fields={"registry.custom.restricted": FieldAccess.FULL})
    seen = await front.data(trusted, ask % by_care, {"id": resident})
    assert seen["resident"]["customRestricted"] == {"care": "二级"}
    assert seen["residents"]["totalCount"] == 1


async def test_things_are_found_by_their_answers(front: Front, town: Town) -> None:
    administrator = town.tree.administrator
    await define(front, administrator)
    answers: dict[str, dict[str, Any]] = {
        "here": {"alone": True, "meals": 2, "needs": ["送餐", "维修"], "seen_on": "2026-01-05"},
        "near": {"alone": False, "meals": 7, "needs": ["就医"], "seen_on": "2026-02-05", "dialect": "客家话"},
        "far": {"alone": False},
    }
    for name, custom in answers.items():
        assert "reason" not in await answer(front, administrator, getattr(town, name).id("resident"), **custom)
    ids = {getattr(town, name).id("resident"): name for name in answers}
    cases: list[tuple[str, set[str]]] = [
        ('{custom: {field: "alone", eq: "true"}}', {"here"}),
        ('{custom: {field: "needs", eq: "维修"}}', {"here"}),
        ('{custom: {field: "dialect", eq: "客家话"}}', {"near"}),
        ('{customNumber: {field: "meals", gte: 3}}', {"near"}),
        ('{customNumber: {field: "meals", lte: 3}}', {"here"}),
        ('{customNumber: {field: "meals"}}', {"here", "near"}),
        ('{customDay: {field: "seen_on", gte: "2026-01-06", lte: "2026-02-05"}}', {"near"}),
        ('{customDay: {field: "meals"}}', set()),
        ('{custom: {field: "nothing", eq: "\\u001f"}}', set()),
        ('{and: [{custom: {field: "alone", eq: "false"}}, {not: {customNumber: {field: "meals"}}}]}', {"far"}),
    ]
    for where, wanted in cases:
        found = await front.data(administrator, f"{{ residents(where: {where}) {{ nodes {{ id }} }} }}")
        assert {ids[one["id"]] for one in found["residents"]["nodes"]} == wanted, where
    by_variable = await front.data(
        administrator,
        "query($w: ResidentFilter, $f: String!) { a: residents(where: $w) { totalCount }"
        ' b: residents(where: {custom: {field: $f, eq: "就医"}}) { totalCount } }',
        {"w": {"customNumber": {"field": "meals", "gte": 7}}, "f": "needs"},
    )
    assert by_variable == {"a": {"totalCount": 1}, "b": {"totalCount": 1}}
