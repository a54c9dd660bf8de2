"""Protected values are shown for a purpose, within a quota, and never anywhere else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from cityloom.audit.models import AuditRecord
from cityloom.core.ids import new_id
from cityloom.modules.registry import models as registry
from cityloom.privacy import models as m
from cityloom.privacy import permissions
from cityloom.testing.front import anonymous
from tests.privacy.conftest import BIRTH, IDENTITY, PHONE, READ, REFUSAL

if TYPE_CHECKING:
    from cityloom.core.principal import Principal
    from cityloom.testing.clock import ManualClock
    from tests.privacy.conftest import Town

SHOWN = "... on Unmasking { fields { field value } expiresAt remainingToday disclosureId }"


def worker(town: Town, *more: str, at: str | None = "s1") -> Principal:
    """Somebody of the street s1 who may unmask."""
    return town.tree.someone(READ, permissions.UNMASK, *more, at=at)


async def unmask(town: Town, caller: Principal, **values: Any) -> dict[str, Any]:
    given = {"id": town.id("s1c1g1"), "fields": [PHONE], "purpose": "HOME_VISIT", **values}
    return await town.ask(caller, "subjectUnmask", SHOWN, **given)


async def test_values_are_in_the_answer_alone(town: Town) -> None:
    caller = worker(town)
    before = await town.front.footprint(town.tree.tenant_id)
    answer = await unmask(town, caller, fields=[PHONE, BIRTH], note="上门核实")
    papers = town.papers["s1c1g1"]
    assert {one["field"]: one["value"] for one in answer["fields"]} == {PHONE: papers["phone"], BIRTH: "1980-02-29"}
    assert answer["remainingToday"] == 2
    after = await town.front.footprint(town.tree.tenant_id)
    assert {name for name in after if after[name] != before[name]} == {
        "audit_records",
        "disclosures",
        "event_subjects",
        "outbox",
    }
    async with town.front.works.begin(town.tree.administrator) as work:
        newest = select(AuditRecord).order_by(AuditRecord.id.desc()).limit(1)
        entry = (await work.session.scalars(newest)).one()
        assert (entry.action, entry.purpose, entry.object_id) == (
            permissions.UNMASK,
            "HOME_VISIT",
            town.residents["s1c1g1"].id,
        )
        assert entry.changed_fields == sorted([PHONE, BIRTH])
        for table in ("audit_records", "outbox", "disclosures"):
            rows = text(f"SELECT t::text FROM {table} AS t WHERE tenant_id = :tenant")  # noqa: S608 - names from above
            found = (await work.session.scalars(rows, {"tenant": town.tree.tenant_id})).all()
            assert found
            assert not [row for row in found for value in papers.values() if value in row]


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({"purpose": "NOTHING"}, ("NOT_FOUND", "PURPOSE_UNKNOWN", "purpose")),
        ({"fields": [IDENTITY]}, ("FORBIDDEN", "PURPOSE_COVERS_NOT", "fields")),
        ({"fields": ["registry.resident.shoe_size"]}, ("INVALID_INPUT", "FIELD_UNKNOWN", "fields")),
        ({"fields": []}, ("INVALID_INPUT", "FIELD_UNKNOWN", "fields")),
        ({"purpose": "CARE"}, ("INVALID_STATE", "CONSENT_MISSING", "purpose")),
        ({"note": "手机 13812345678"}, ("INVALID_INPUT", "TEXT_UNFIT", "note")),
    ],
)
async def test_what_no_purpose_allows_is_refused_and_changes_nothing(
    town: Town, values: dict[str, Any], refused: tuple[str, str, str]
) -> None:
    before = await town.front.footprint(town.tree.tenant_id)
    answer = await unmask(town, worker(town), **values)
    assert (answer["refused"], answer["reason"], answer["path"][-1]) == refused
    assert await town.front.footprint(town.tree.tenant_id) == before


async def test_four_callers(town: Town) -> None:
    before = await town.front.footprint(town.tree.tenant_id)
    callers = {
        "anonymous": (anonymous(town.tree.tenant_id), "FORBIDDEN"),
        "may see and not unmask": (town.tree.someone(READ, at="s1"), "FORBIDDEN"),
        "another street": (worker(town, at="s2"), "NOT_FOUND"),
    }
    for who, (caller, code) in callers.items():
        assert (await unmask(town, caller))["refused"] == code, who
    # Sees all of the city, and may unmask in another street only.
    rights = worker(town, at="s2").rights
    rights.scopes[READ] = town.tree.someone(READ).rights.scope(READ)  # type: ignore[attr-defined] # stated rights
    far = worker(town, at="s2")
    object.__setattr__(far, "rights", rights)
    assert (await unmask(town, far))["refused"] == "FORBIDDEN"
    assert await town.front.footprint(town.tree.tenant_id) == before


async def test_the_quota_holds_under_a_rush_and_is_new_the_next_day(town: Town, clock: ManualClock) -> None:
    caller, ids = worker(town, at=None), [town.id("s1c1g1"), town.id("s2c1g1")]
    # Four disclosures of which none is part of another, each asked for twice: in whatever order they come, three are
    # counted, each is shown again for half an hour, and the fourth is refused both times.
    wanted = [([field], one) for field in (PHONE, BIRTH) for one in ids] * 2
    answers = await asyncio.gather(*(unmask(town, caller, fields=fields, id=person) for fields, person in wanted))
    refused = [one for one in answers if one["__typename"] == "Refusal"]
    assert await _counted(town, caller) == 3
    assert len(refused) == 2
    assert [one["__typename"] for one in answers[:4]] == [one["__typename"] for one in answers[4:]]
    assert {(one["refused"], one["reason"]) for one in refused} == {("LIMIT_EXCEEDED", "UNMASKING_QUOTA_REACHED")}
    details = refused[0]["details"]
    assert (details["purpose"], details["limit"]) == ("HOME_VISIT", 3)
    assert details["renewsAt"].endswith("T00:00:00+08:00")
    # Somebody else has a quota of their own, and another purpose too.
    assert (await unmask(town, worker(town)))["__typename"] == "Unmasking"
    assert (await unmask(town, caller, purpose="ARCHIVE"))["__typename"] == "Unmasking"
    clock.advance(days=1)
    assert (await unmask(town, caller))["remainingToday"] == 2


async def _counted(town: Town, caller: Principal) -> int:
    async with town.front.works.begin(town.tree.administrator) as work:
        query = select(m.Disclosure).where(m.Disclosure.caller_id == caller.account_id, m.Disclosure.is_counted)
        return len((await work.session.scalars(query)).all())


async def test_what_is_shown_already_is_not_counted_again_but_written_down(town: Town, clock: ManualClock) -> None:
    caller = worker(town)
    assert [(await unmask(town, caller))["remainingToday"] for _ in range(3)] == [2, 2, 2]
    assert len(await _disclosures(town)) == 3
    clock.advance(minutes=31)
    assert (await unmask(town, caller))["remainingToday"] == 1


async def _disclosures(town: Town) -> list[dict[str, Any]]:
    auditor = town.tree.someone(READ, permissions.READ_DISCLOSURES, permissions.READ_PURPOSES)
    document = """query($id: ID!) { disclosures(first: 50, person: $id) { nodes {
      kind fields purpose { code } person { id } actorKind } } }"""
    found = await town.front.data(auditor, document, {"id": town.id("s1c1g1")})
    nodes: list[dict[str, Any]] = found["disclosures"]["nodes"]
    return nodes


async def test_consent_is_asked_of_the_ledger(town: Town) -> None:
    caller = worker(town, permissions.RECORD_CONSENTS, permissions.READ_CONSENTS, permissions.READ_PURPOSES)
    given = {"id": town.id("s1c1g1"), "purpose": "CARE", "evidence": "表单 2026-17"}
    shape = "... on Consent { isGiven evidence purpose { code } person { id } }"
    for field, is_given, now_shown in (
        ("consentRecord", True, "Unmasking"),
        ("consentWithdraw", False, "Refusal"),
        ("consentRecord", True, "Unmasking"),
    ):
        made = await town.ask(caller, field, shape, **given)
        assert (made["isGiven"], made["purpose"]["code"], made["person"]["id"]) == (is_given, "CARE", given["id"])
        again = await town.ask(caller, field, shape, **given)
        assert again["reason"] == "CONSENT_UNCHANGED"
        assert (await unmask(town, caller, purpose="CARE"))["__typename"] == now_shown
    ledger = """query($id: ID!) { consents(person: $id) { nodes { isGiven } }
      resident(id: $id) { consents { totalCount } } }"""
    found = await town.front.data(caller, ledger, {"id": given["id"]})
    assert [one["isGiven"] for one in found["consents"]["nodes"]] == [True, False, True]
    assert found["resident"]["consents"]["totalCount"] == 3


async def test_a_resident_sees_who_looked_and_nobody_elses(town: Town) -> None:
    await unmask(town, worker(town))
    await unmask(town, worker(town, at="s2"), id=town.id("s2c1g1"))
    account = new_id()
    async with town.front.works.begin(town.tree.administrator) as work:
        # An account of its own is made by the slice above; here its id is enough.
        await work.session.execute(
            registry.Resident.__table__.update()  # type: ignore[attr-defined] # a table
            .where(registry.Resident.id == town.residents["s1c1g1"].id)
            .values(account_id=await _account(work, account))
        )
    me = town.resident_of(account, permissions.READ_DISCLOSURES, permissions.READ_PURPOSES)
    document = """query($id: ID!) { disclosures { nodes { fields purpose { titleZh } person { id } } }
      resident(id: $id) { disclosures { totalCount nodes { kind } } } }"""
    found = await town.front.data(me, document, {"id": town.id("s1c1g1")})
    assert [one["person"]["id"] for one in found["disclosures"]["nodes"]] == [town.id("s1c1g1")]
    assert found["resident"]["disclosures"]["nodes"] == [{"kind": "UNMASK"}]
    other = await town.front.data(me, document, {"id": town.id("s2c1g1")})
    assert other["resident"] is None
    # Without the permission there is no page at all, however own it is.
    nobody = town.resident_of(account)
    assert (await town.front.data(nobody, "{ disclosures { nodes { kind } } }"))["disclosures"]["nodes"] == []


async def _account(work: Any, account_id: Any) -> Any:
    from cityloom.access.models import Account

    work.session.add(
        Account(id=account_id, login=f"r{account_id.hex[-12:]}", name="王小明", kind="RESIDENT", created_at=work.now())
    )
    await work.session.flush()
    return account_id


async def test_who_is_found_by_a_whole_number_is_written_down_once_an_hour(town: Town, clock: ManualClock) -> None:
    caller, papers = town.tree.someone(READ, at="s1"), town.papers["s1c1g1"]
    document = """query($n: String!, $p: String!) { byNumber: residents(where: {identityNumber: $n}) { totalCount }
      byPhone: residents(where: {phone: $p}) { totalCount } }"""
    given = {"n": papers["identity_number"], "p": papers["phone"]}
    found = await town.front.data(caller, document, given)
    assert found == {"byNumber": {"totalCount": 1}, "byPhone": {"totalCount": 1}}
    # Somebody who may not see the resident finds nobody: nothing was learnt.
    far = town.tree.someone(READ, at="s2")
    assert await town.front.data(far, document, given) == {"byNumber": {"totalCount": 0}, "byPhone": {"totalCount": 0}}
    assert [one["kind"] for one in await _disclosures(town)] == ["SEARCH"]
    await town.front.data(caller, document, given)
    assert len(await _disclosures(town)) == 1
    clock.advance(minutes=61)
    await town.front.data(caller, document, given)
    assert len(await _disclosures(town)) == 2


async def test_a_repetition_under_one_key_is_refused_because_values_are_not_kept(town: Town) -> None:
    caller = worker(town)
    document = f"""mutation($i: SubjectUnmaskInput!) {{ r: subjectUnmask(input: $i, idempotencyKey: "once") {{
      __typename {SHOWN} {REFUSAL} }} }}"""
    given = {"i": {"id": town.id("s1c1g1"), "fields": [PHONE], "purpose": "HOME_VISIT"}}
    assert (await town.front.data(caller, document, given))["r"]["__typename"] == "Unmasking"
    assert (await town.front.data(caller, document, given))["r"]["reason"] == "ALREADY_CARRIED_OUT"
    assert len(await _disclosures(town)) == 1


async def test_the_register_is_changed_by_who_may(town: Town) -> None:
    admin = town.tree.someone(permissions.CHANGE_PURPOSES, permissions.READ_PURPOSES)
    shape = "... on PrivacyPurpose { id code isActive fields dailyQuota }"
    new = {"code": "SURVEY", "titleZh": "调查", "titleEn": "Survey", "basis": "CONSENT", "fields": [PHONE]}
    made = await town.ask(admin, "purposeCreate", shape, **new)
    assert (made["code"], made["fields"], made["dailyQuota"]) == ("SURVEY", [PHONE], 50)
    assert (await town.ask(admin, "purposeCreate", shape, **new))["reason"] == "PURPOSE_CODE_TAKEN"
    before = await town.front.footprint(town.tree.tenant_id)
    wrong: dict[str, Any]
    bare = {"fields": [], "basis": "LEGAL_DUTY"}
    for wrong in (bare, {"fields": ["x.y.z"]}, {"dailyQuota": 0}, {"lastsMinutes": 0}, {"titleZh": " "}):
        answer = await town.ask(admin, "purposeChange", shape, id=made["id"], **wrong)
        assert answer["reason"] == "PURPOSE_MALFORMED", wrong
    reader = town.tree.someone(permissions.READ_PURPOSES)
    assert (await town.ask(reader, "purposeChange", shape, id=made["id"], isActive=False))["refused"] == "FORBIDDEN"
    assert await town.front.footprint(town.tree.tenant_id) == before
    changed = await town.ask(admin, "purposeChange", shape, id=made["id"], isActive=False)
    assert not changed["isActive"]
    assert (await unmask(town, worker(town), purpose="SURVEY"))["reason"] == "PURPOSE_UNKNOWN"
