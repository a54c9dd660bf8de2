"""Each mutation of tags: four callers, what it writes, what is refused, and what events do not tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from cityloom.core.ids import encode_id, new_id
from cityloom.events.models import OutboxRecord
from cityloom.modules.tags import models as m
from cityloom.modules.tags import service
from cityloom.privacy import service as privacy
from cityloom.testing.front import anonymous
from cityloom.testing.probes import Probe, mutation
from tests.modules.tags.conftest import READS

if TYPE_CHECKING:
    from collections.abc import Callable

    from cityloom.testing.front import Front
    from tests.modules.tags.conftest import Street

GUARDS = ("tags.tag.read", "tags.restricted.read", "tags.sensitive.read")
RULE = {"age": {"from": 70}}


@dataclass(frozen=True)
class Case:
    """A mutation, the permission that it takes, and its input in the community s1c1 or for the whole city."""

    field: str
    type_: str
    permission: str
    input: Callable[[Street, dict[str, str]], dict[str, Any]]
    selection: str = "id"
    is_local: bool = False

    @property
    def text(self) -> str:
        """The document."""
        return mutation(self.field, self.type_, self.selection)


def _new_tag(_street: Street, _made: dict[str, str]) -> dict[str, Any]:
    words = {"titleZh": "残疾人", "titleEn": "Disabled", "tagClass": "IDENTITY", "sensitivity": "SENSITIVE"}
    return {"code": "disabled", **words}


CASES = [
    Case("tagCreate", "Tag", "tags.tag.change", _new_tag),
    Case("tagChange", "Tag", "tags.tag.change", lambda s, _: {"id": s.tag("plain"), "sensitivity": "SENSITIVE"}),
    Case(
        "residentTagAssign",
        "ResidentTag",
        "tags.tag.assign",
        lambda s, _: {"residentId": s.person("s1c1g11"), "tagId": s.tag("secret")},
        is_local=True,
    ),
    Case(
        "residentTagAssignMany",
        "ResidentTagsChanged",
        "tags.tag.assign",
        lambda s, _: {"residentIds": [s.person("s1c1g10"), s.person("s1c1g11")], "tagId": s.tag("plain")},
        selection="changed unchanged",
        is_local=True,
    ),
    Case("residentTagWithdraw", "ResidentTag", "tags.tag.assign", lambda _, made: {"id": made["row"]}, is_local=True),
    Case(
        "residentTagWithdrawMany",
        "ResidentTagsChanged",
        "tags.tag.assign",
        lambda s, _: {"residentIds": [s.person("s1c1g10")], "tagId": s.tag("secret")},
        selection="changed unchanged",
        is_local=True,
    ),
    Case("tagRulePublish", "TagRule", "tags.rule.publish", lambda s, _: {"tagId": s.tag("kept"), "definition": RULE}),
    Case("tagRuleRetire", "Tag", "tags.rule.publish", lambda _, made: {"id": made["rule"]}),
]


async def prepared(street: Street) -> dict[str, str]:
    """A sensitive tag that somebody has, and a rule."""
    (row,) = await street.assign("s1c1g10", "secret")
    rule = await street.publish("aged", RULE)
    return {"row": street.id("row", row.id), "rule": street.id("rule", rule.id)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.field)
async def test_four_callers(front: Front, street: Street, other: Street, case: Case) -> None:
    made, probe = await prepared(street), Probe(front, street.tree.tenant_id)
    given = {"input": case.input(street, made)}
    wrong = street.tree.someone(*READS, *GUARDS)
    elsewhere = street.tree.someone(*READS, *GUARDS, case.permission, at="s2")
    for caller, codes in (
        (anonymous(street.tree.tenant_id), {"FORBIDDEN", "NOT_FOUND"}),
        (wrong, {"FORBIDDEN"}),
        (elsewhere, {"FORBIDDEN", "NOT_FOUND"}),
    ):
        assert (await probe.refused(caller, case.text, given))[0] in codes
    allowed = street.tree.someone(*READS, *GUARDS, case.permission, at="s1c1" if case.is_local else None)
    await probe.done(allowed, case.text, given)
    # The other city's ids are as those of nothing.
    absent = {key: _absent(value, other) for key, value in given["input"].items()}
    if absent != given["input"]:
        there = Probe(front, other.tree.tenant_id)
        foreign = await there.refused(other.tree.administrator, case.text, given)
        assert foreign == await there.refused(other.tree.administrator, case.text, {"input": absent})
        assert foreign[0] == "NOT_FOUND"


def _absent(value: Any, other: Street) -> Any:
    if isinstance(value, list):
        return [_absent(item, other) for item in value]
    if isinstance(value, str) and value[4:5] == "_" and len(value) > 40:
        return encode_id(value[:4], other.tree.tenant_id, new_id())
    return value


async def test_nobody_handles_tags_that_are_kept_from_them(front: Front, street: Street) -> None:
    made, probe = await prepared(street), Probe(front, street.tree.tenant_id)
    for permission in ("tags.tag.assign", "tags.rule.publish", "tags.tag.change"):
        caller = street.tree.someone(*READS, "tags.tag.read", "tags.restricted.read", permission)
        for case in CASES:
            if case.permission != permission or "plain" in str(case.field):
                continue
            given = case.input(street, made)
            if "tagId" in given:
                given["tagId"] = street.tag("secret")
            if case.field == "tagChange":
                given["id"] = street.tag("secret")
            if case.field == "tagRuleRetire":
                continue
            code, _ = await probe.refused(caller, case.text, {"input": given})
            assert code in {"NOT_FOUND", "FORBIDDEN"}


async def test_events_do_not_tell_who_has_a_sensitive_tag(front: Front, street: Street) -> None:
    await prepared(street)
    await street.assign("s1c1g10", "plain")
    async with front.works.begin(street.tree.administrator) as work:
        rows = (
            await work.session.scalars(select(OutboxRecord).where(OutboxRecord.type == "tags.tag.assigned.v1"))
        ).all()
        told = {row.facts["tagId"]: row.facts["residentId"] for row in rows}
        assert told == {None: None, street.tag("plain"): street.person("s1c1g10")}


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("tagCreate", {"code": "Not A Code"}, "TAG_CODE_MALFORMED", "code"),
    ("tagCreate", {"code": "plain"}, "TAG_CODE_TAKEN", "code"),
    ("tagCreate", {"validityDays": 0}, "NUMBER_OUT_OF_RANGE", "validityDays"),
    ("tagChange", {"version": 7}, "CHANGED_MEANWHILE", "version"),
    ("tagChange", {"titleZh": None}, "INVALID_INPUT", "titleZh"),
    ("residentTagAssign", {"validUntil": "2001-01-01"}, "VALIDITY_WRONG", "validUntil"),
    ("residentTagAssign", {"tagId": "nonsense"}, "MALFORMED_ID", "tagId"),
    ("residentTagAssignMany", {"residentIds": []}, "TOO_MANY_RESIDENTS", "residentIds"),
    ("tagRulePublish", {"definition": {"age": {"from": "x"}}}, "RULE_MALFORMED", "definition"),
    ("tagRulePublish", {"definition": {"tag": ["unknown"]}}, "RULE_MALFORMED", "definition"),
    ("tagRulePublish", {"definition": {"tag": ["kept"]}}, "RULE_IN_CIRCLE", "definition"),
]


async def test_bad_input_names_the_field_and_changes_nothing(front: Front, street: Street) -> None:
    made, probe = await prepared(street), Probe(front, street.tree.tenant_id)
    cases = {case.field: case for case in CASES}
    for field, change, reason, name in BAD:
        case = cases[field]
        given = {"input": {**case.input(street, made), **change}}
        before = await front.footprint(street.tree.tenant_id)
        found = (await front.data(street.tree.administrator, case.text, given))[field]
        assert (found["__typename"], found["reason"], found["path"]) == ("Refusal", reason, ["input", name])
        assert await front.footprint(street.tree.tenant_id) == before
        chinese = await front.ask(street.tree.administrator, case.text, given, locale="zh")
        assert any("\u4e00" <= c <= "\u9fff" for c in chinese["data"][field]["message"])
    assert await probe.refused(
        street.tree.administrator, cases["residentTagWithdraw"].text, {"input": {"id": street.person("s1c1g10")}}
    )


async def test_consent_validity_and_repetition(front: Front, street: Street) -> None:
    administrator, probe = street.tree.administrator, Probe(front, street.tree.tenant_id)
    words = {"titleZh": "慢性病", "titleEn": "Illness", "tagClass": "IDENTITY", "sensitivity": "RESTRICTED"}
    create = {"input": {"code": "illness", "validityDays": 365, "needsConsent": True, **words}}
    assert await probe.refused(administrator, mutation("tagCreate", "Tag"), create) == (
        "INVALID_INPUT",
        "TAG_PURPOSE_MISSING",
    )
    await street.purposes("HEALTH_CARE")
    create["input"]["purpose"] = "HEALTH_CARE"
    tag = (await probe.done(administrator, mutation("tagCreate", "Tag"), create))["id"]
    text = mutation("residentTagAssign", "ResidentTag", "id validUntil validFrom source hasConsent tag { code }")
    given = {"residentId": street.person("s1c1g10"), "tagId": tag}
    assert await probe.refused(administrator, text, {"input": given}) == ("INVALID_INPUT", "CONSENT_NEEDED")
    unfit = {**given, "consentEvidence": "手机 13812345678"}
    assert await probe.refused(administrator, text, {"input": unfit}) == ("INVALID_INPUT", "TEXT_UNFIT")
    first = await probe.done(administrator, text, {"input": {**given, "consentEvidence": "表单 17"}})
    assert (first["source"], first["hasConsent"], first["tag"]) == ("PERSON", True, {"code": "illness"})
    assert first["validUntil"] is not None
    before = await front.footprint(street.tree.tenant_id)
    again = (await front.data(administrator, text, {"input": given}))["residentTagAssign"]
    assert again["id"] == first["id"]
    assert await front.footprint(street.tree.tenant_id) == before
    longer = await probe.done(administrator, text, {"input": {**given, "validUntil": "2040-01-01"}})
    assert longer["id"] != first["id"]
    history = await front.data(
        administrator,
        "query($id: ID!) { resident(id: $id) { tagHistory { nodes { id ending } } } }",
        {"id": given["residentId"]},
    )
    assert history["resident"]["tagHistory"]["nodes"] == [
        {"id": first["id"], "ending": "REPLACED"},
        {"id": longer["id"], "ending": None},
    ]
    rule = {"input": {"tagId": tag, "definition": RULE}}
    refused = await probe.refused(administrator, mutation("tagRulePublish", "TagRule"), rule)
    assert refused[1] == "RULE_NEEDS_NO_CONSENT"


CONSENTS = "query($id: ID!) { resident(id: $id) { consents { nodes { isGiven evidence purpose { code } } } } }"


async def test_a_tag_stands_on_the_ledger_of_consents(front: Front, street: Street) -> None:
    administrator, probe = street.tree.administrator, Probe(front, street.tree.tenant_id)
    await street.purposes("HEALTH_CARE", "VOLUNTEERING")
    tags = {}
    for code, purpose in (("illness", "HEALTH_CARE"), ("diet", "HEALTH_CARE"), ("helper", "VOLUNTEERING")):
        words = {"titleZh": code, "titleEn": code, "tagClass": "SERVICE", "sensitivity": "RESTRICTED"}
        given = {"input": {"code": code, "needsConsent": True, "purpose": purpose, **words}}
        tags[code] = (await probe.done(administrator, mutation("tagCreate", "Tag"), given))["id"]
    one, two = street.person("s1c1g10"), street.person("s1c1g11")
    assign = mutation("residentTagAssign", "ResidentTag", "id hasConsent tag { purpose { code } }")
    many = mutation("residentTagAssignMany", "ResidentTagsChanged", "changed unchanged")
    # In one step for many: nobody gets it where nothing is said of their consent.
    both = {"residentIds": [one, two], "tagId": tags["illness"]}
    assert (await probe.refused(administrator, many, {"input": both}))[1] == "CONSENT_NEEDED"
    # Who may tag, and not record consents, does not enter any.
    tagger = street.tree.someone(*READS, *GUARDS, "tags.tag.assign", at="s1c1")
    evident = {"input": both | {"consentEvidence": "同意书 2026-17"}}
    assert (await probe.refused(tagger, many, evident))[0] == "FORBIDDEN"
    assert (await probe.done(administrator, many, evident))["changed"] == 2
    (entry,) = (await front.data(administrator, CONSENTS, {"id": one}))["resident"]["consents"]["nodes"]
    assert entry == {"isGiven": True, "evidence": "同意书 2026-17", "purpose": {"code": "HEALTH_CARE"}}
    # What the ledger has is not asked for again, not even of who may not record it.
    made = await probe.done(tagger, assign, {"input": {"residentId": one, "tagId": tags["diet"]}})
    assert (made["hasConsent"], made["tag"]["purpose"]) == (True, None)
    assert len((await front.data(administrator, CONSENTS, {"id": one}))["resident"]["consents"]["nodes"]) == 1
    help_ = {"residentId": one, "tagId": tags["helper"], "consentEvidence": "报名表"}
    await probe.done(administrator, assign, {"input": help_})
    # A consent that is withdrawn ends what stands on it, of this person and this purpose alone.
    withdraw = mutation("consentWithdraw", "Consent")
    nobody = street.tree.someone(*READS, "privacy.consent.read")
    given = {"input": {"id": one, "purpose": "HEALTH_CARE", "evidence": "来电撤回"}}
    assert (await probe.refused(nobody, withdraw, given))[0] == "FORBIDDEN"
    before = await front.footprint(street.tree.tenant_id)
    await probe.done(administrator, withdraw, given)
    after = await front.footprint(street.tree.tenant_id)
    # The consent and two assignments, each told and noted.
    assert (after["outbox"] - before["outbox"], after["audit_records"] - before["audit_records"]) == (3, 3)
    history = "query($id: ID!) { resident(id: $id) { tagHistory { nodes { tag { code } ending } } } }"
    found = (await front.data(administrator, history, {"id": one}))["resident"]["tagHistory"]["nodes"]
    assert {row["tag"]["code"]: row["ending"] for row in found} == {
        "illness": "CONSENT_WITHDRAWN",
        "diet": "CONSENT_WITHDRAWN",
        "helper": None,
    }
    current = "query($id: ID!) { resident(id: $id) { tags { tag { code } } } }"
    assert (await front.data(administrator, current, {"id": two}))["resident"]["tags"] == [{"tag": {"code": "illness"}}]
    again = {"input": {"residentId": one, "tagId": tags["illness"]}}
    assert (await probe.refused(administrator, assign, again))[1] == "CONSENT_NEEDED"
    # Their consent to one purpose is none to another.
    other = {"input": {"id": tags["illness"], "purpose": "VOLUNTEERING"}}
    assert (await probe.refused(administrator, mutation("tagChange", "Tag"), other))[1] == "TAG_PURPOSE_FIXED"


async def test_who_had_a_tag_by_consent_before_the_ledger_is_entered_there(front: Front, street: Street) -> None:
    administrator, tenant = street.tree.administrator, street.tree.tenant_id
    (row,) = await street.assign("s1c1g10", "plain")
    await street.assign("s1c1g11", "kept")
    await street.purposes("VOLUNTEERING")
    async with front.works.begin(administrator) as work:
        # As the release before wrote it.
        await work.session.execute(update(m.Tag).where(m.Tag.code == "plain").values(needs_consent=True))
        await work.session.execute(update(m.ResidentTag).where(m.ResidentTag.id == row.id).values(has_consent=True))
    probe = Probe(front, tenant)
    assign = mutation("residentTagAssign", "ResidentTag")
    given = {"residentId": street.person("s1c1g11"), "tagId": street.tag("plain"), "consentEvidence": "x"}
    assert (await probe.refused(administrator, assign, {"input": given}))[1] == "TAG_PURPOSE_MISSING"
    stated = {"input": {"id": street.tag("plain"), "purpose": "VOLUNTEERING"}}
    await probe.done(administrator, mutation("tagChange", "Tag"), stated)
    (entry,) = (await front.data(administrator, CONSENTS, {"id": street.person("s1c1g10")}))["resident"]["consents"][
        "nodes"
    ]
    assert (entry["isGiven"], entry["purpose"]) == (True, {"code": "VOLUNTEERING"})
    assert await street.who_has("plain") == {"s1c1g10"}
    withdrawn = {"input": {"id": street.person("s1c1g10"), "purpose": "VOLUNTEERING", "evidence": "来电撤回"}}
    await probe.done(administrator, mutation("consentWithdraw", "Consent"), withdrawn)
    assert await street.who_has("plain") == set()


async def test_no_rule_assigns_without_consent(front: Front, street: Street) -> None:
    administrator = street.tree.administrator
    await street.publish("plain", {"age": {"from": 20}})
    assert len(await street.who_has("plain")) == 6
    await street.purposes("VOLUNTEERING")
    async with front.works.begin(administrator) as work:
        await privacy.record_consent(
            work, street.person("s1c1g10"), purpose="VOLUNTEERING", is_given=True, evidence="报名表"
        )
    # A tag comes to need consent after its rule was published.
    stated = {"input": {"id": street.tag("plain"), "needsConsent": True, "purpose": "VOLUNTEERING"}}
    assert (await front.data(administrator, mutation("tagChange", "Tag"), stated))["tagChange"]["__typename"] == "Tag"
    async with front.works.begin(administrator) as work:
        await service.review_everybody(work)
    assert await street.who_has("plain") == {"s1c1g10"}
    async with front.works.begin(administrator) as work:
        await privacy.record_consent(
            work, street.person("s1c1g10"), purpose="VOLUNTEERING", is_given=False, evidence="来电撤回"
        )
    assert await street.who_has("plain") == set()
    await street.household("new", "s1c1g1", 1960)
    await street.catch_up()
    assert await street.who_has("plain") == set()


async def test_a_rule_is_tried_before_it_is_published(front: Front, street: Street) -> None:
    administrator = street.tree.administrator
    await street.assign("s1c1g10", "plain")
    await street.household("many", "s1c1g2", *([1940] * 5))
    text = mutation("tagRulePreview", "TagRulePreview", "assigned withdrawn kept isSuppressed")
    before = await front.footprint(street.tree.tenant_id)
    tried = {}
    for code in ("plain", "secret"):
        given = {"input": {"tagId": street.tag(code), "definition": {"age": {"from": 60}}}}
        tried[code] = (await front.data(administrator, text, given))["tagRulePreview"]
        del tried[code]["__typename"]
    assert tried["plain"] == {"assigned": 7, "withdrawn": 0, "kept": 1, "isSuppressed": False}
    assert tried["secret"] == {"assigned": 8, "withdrawn": 0, "kept": 0, "isSuppressed": False}
    few = {"input": {"tagId": street.tag("secret"), "definition": {"age": {"from": 60, "to": 80}}}}
    found = (await front.data(administrator, text, few))["tagRulePreview"]
    assert (found["assigned"], found["isSuppressed"]) == (None, True)
    assert await front.footprint(street.tree.tenant_id) == before
    # What is published comes to what was tried.
    await street.publish("plain", {"age": {"from": 60}})
    assert len(await street.who_has("plain")) == 8
    withdraw = mutation("residentTagWithdraw", "ResidentTag")
    ids = await front.data(
        administrator,
        "query($id: ID!) { resident(id: $id) { tags { id source } } }",
        {"id": street.person("many0")},
    )
    (by_rule,) = ids["resident"]["tags"]
    refused = (await front.data(administrator, withdraw, {"input": {"id": by_rule["id"]}}))["residentTagWithdraw"]
    assert refused["reason"] == "TAG_IS_BY_RULE"
