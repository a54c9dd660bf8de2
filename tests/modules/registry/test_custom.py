"""A city's own fields: defined, answered, filtered, restricted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text, update

from cityloom.audit.models import AuditRecord
from cityloom.core.principal import FieldAccess
from cityloom.modules.registry import models as m
from cityloom.modules.registry.service.custom import seal_restricted
from cityloom.testing.front import anonymous
from cityloom.testing.probes import mutation
from cityloom.testing.rotation import rotate

if TYPE_CHECKING:
    from cityloom.core.principal import Principal
    from cityloom.testing.clock import ManualClock
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


async def test_restricted_answers_are_sealed_and_found_whole(front: Front, town: Town, clock: ManualClock) -> None:
    administrator, resident, tenant = town.tree.administrator, town.here.id("resident"), town.tree.tenant_id
    await define(front, administrator)
    more: list[dict[str, Any]] = [
        {"code": "income", "titleZh": "收入", "titleEn": "Income", "kind": "NUMBER"},
        {"code": "ill_since", "titleZh": "患病时间", "titleEn": "Ill since", "kind": "DAY"},
        {
            "code": "aids",
            "titleZh": "辅具",
            "titleEn": "Aids",
            "kind": "CHOICES",
            "choices": ["轮椅", "助听器", "拐杖"],
        },
        {"code": "deaf", "titleZh": "听障", "titleEn": "Deaf", "kind": "YES_NO"},
    ]
    for field in more:
        given = {"input": {"thing": "RESIDENT", "sensitivity": "RESTRICTED", **field}}
        assert (await front.data(administrator, DEFINE, given))["customFieldDefine"]["__typename"] == "CustomField"
    secret = {"care": "二级", "income": 1200.5, "ill_since": "2021-03-04", "aids": ["拐杖", "轮椅"], "deaf": True}
    made = await answer(front, administrator, resident, alone=True, **secret)
    assert made["customRestricted"] == secret
    assert made["custom"] == {"alone": True}
    assert (await answer(front, administrator, resident, **secret))["version"] == made["version"], "nothing has changed"

    async def stored() -> str:
        async with front.works.begin(administrator) as work:
            rows = text("SELECT t::text FROM custom_values AS t WHERE tenant_id = :tenant")
            return "\n".join((await work.session.scalars(rows, {"tenant": tenant})).all())

    async def holds() -> None:
        clear = await stored()
        for word in ("二级", "1200", "2021-03-04", "轮椅", "拐杖"):
            assert word not in clear, word
            assert word.encode().hex() not in clear, word
        seen = "query($id: ID!) { resident(id: $id) { customRestricted } }"
        assert (await front.data(administrator, seen, {"id": resident}))["resident"]["customRestricted"] == secret
        for field, value in (("care", "二级"), ("aids", "轮椅"), ("income", "1200.5"), ("ill_since", "2021-03-04")):
            for eq, count in ((value, 1), (f"{value}0", 0)):
                where = f'{{custom: {{field: "{field}", eq: "{eq}"}}}}'
                found = await front.data(administrator, f"{{ residents(where: {where}) {{ totalCount }} }}")
                assert found["residents"]["totalCount"] == count, where

    await holds()
    # A range cannot be found in what is sealed: that is said, and not an empty page answered.
    for where in ('{customNumber: {field: "income", gte: 0}}', '{customDay: {field: "ill_since"}}'):
        refused = await front.ask(administrator, f"{{ residents(where: {where}) {{ totalCount }} }}")
        assert refused["errors"][0]["extensions"]["reason"] == "FIELD_SEALED"
    # While keys are rotated, and by the new ones.
    before = await envelopes(front, town)
    await rotate(front.works, clock, tenant)
    assert len(before) == 12
    assert not before & await envelopes(front, town)
    await holds()


async def envelopes(front: Front, town: Town) -> set[bytes]:
    """Everything that is sealed, and every index, of the city's own fields."""
    async with front.works.begin(town.tree.administrator) as work:
        found = await work.session.execute(select(m.CustomValue.sealed, m.CustomValue.sealed_index))
        return {envelope for row in found for envelope in row if envelope is not None}


async def test_answers_from_before_are_sealed_by_the_job(front: Front, town: Town) -> None:
    administrator, resident = town.tree.administrator, town.here.id("resident")
    await define(front, administrator)
    await answer(front, administrator, resident, alone=True, care="二级")
    async with front.works.begin(administrator) as work:
        # As the release before wrote it.
        old = update(m.CustomValue).where(m.CustomValue.sealed.is_not(None))
        await work.session.execute(old.values(word="二级", sealed=None, sealed_index=None))
    ask = """query($id: ID!) { resident(id: $id) { customRestricted }
      residents(where: {custom: {field: "care", eq: "二级"}}) { totalCount } }"""
    wanted = {"resident": {"customRestricted": {"care": "二级"}}, "residents": {"totalCount": 1}}
    assert await front.data(administrator, ask, {"id": resident}) == wanted
    for done in (1, 0):
        async with front.works.begin(administrator) as work:
            assert await seal_restricted(work) == done
            words = select(m.CustomValue.word).where(m.CustomValue.word.is_not(None))
            assert (await work.session.scalars(words)).all() == ["true"], "what is plain stays plain"
        assert await front.data(administrator, ask, {"id": resident}) == wanted


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
