"""What may not be seen of tags is as if it was not there; small counts of sensitive ones are not told; the portrait."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, inspect, select

from cityloom.audit.models import AuditRecord
from cityloom.audit.service import state_hash
from cityloom.core.ids import encode_id, new_id
from cityloom.core.principal import Scope, subtree
from cityloom.events.models import OutboxRecord
from cityloom.modules.registry.models import Resident
from cityloom.modules.tags import models as m
from cityloom.modules.tags import service
from cityloom.modules.tags.service import revealing
from cityloom.privacy import service as privacy
from cityloom.privacy.models import Disclosure
from cityloom.testing.rights import ALL, StatedRights, principal
from tests.modules.tags.conftest import READS

if TYPE_CHECKING:
    from cityloom.core.principal import Principal
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.front import Front
    from tests.modules.tags.conftest import Street

PORTRAIT = (Path(__file__).parents[2] / "bench" / "portrait.graphql").read_text("utf-8")
STATS = "query($by: [TagStatsBy!]!) { tagStats(by: $by) { keys count isSuppressed } }"
HELD = """query($codes: [String!]!, $purpose: String!) {
  residents(where: {hasSensitiveTag: {codes: $codes, purpose: $purpose}}) { nodes { id tags { tag { code } } } } }"""
UNMASK = """mutation($i: SubjectUnmaskInput!) { r: subjectUnmask(input: $i) {
  ... on Unmasking { fields { field value } } ... on Refusal { refused: code reason } } }"""
#: Every way to come across a tag.
EVERYWHERE = """query($id: ID!, $tag: ID!, $row: ID!, $codes: [String!]!) {
  tag(id: $tag) { code } tags { totalCount nodes { code rule { id } } }
  byNode: node(id: $row) { id ... on ResidentTag { source tag { code } } }
  resident(id: $id) { tags { tag { code } source } tagHistory { totalCount nodes { tag { code } } } }
  with: residents(where: {hasTag: $codes}) { totalCount nodes { id } }
  without: residents(where: {not: {hasTag: $codes}}) { totalCount nodes { id } }
  either: residents(where: {or: [{hasTag: $codes}, {hasTag: ["plain"]}]}) { totalCount }
  tagStats(by: [TAG, AREA]) { keys count isSuppressed }
  all: tagStats(by: []) { count isSuppressed }
  these: tagStats(by: [AREA_DEPTH_2], codes: $codes) { keys count isSuppressed }
}"""


@pytest.mark.parametrize("code", ["kept", "secret"])
async def test_a_hidden_tag_is_as_one_that_does_not_exist(
    front: Front, street: Street, other: Street, code: str
) -> None:
    """The same questions to a city where nobody has the tag, and to one where somebody has it that may not be seen."""
    answers = []
    for town in (street, other):
        await town.assign("s1c1g10", "plain")
        (row,) = await town.assign("s1c1g10", code) if town is street else await town.assign("s1c1g11", "plain")
        if town is other:
            async with town.works.begin(town.tree.administrator) as work:
                await service.withdraw_from_many(
                    work, resident_ids=[town.people["s1c1g11"].id], tag_id=town.tags["plain"].id
                )
        caller = town.reader(*({"tags.sensitive.read"} if code == "kept" else {"tags.restricted.read"}))
        given = {
            "id": town.person("s1c1g10"),
            "tag": town.tag(code),
            "row": town.id("row", row.id),
            "codes": [code, "nonsense"],
        }
        if town is other:
            given["codes"] = ["nonsense"]
            given["row"] = town.id("tag", row.id)
        answers.append((town, await front.data(caller, EVERYWHERE, given)))
    (here, one), (there, none) = answers
    named = {here.person(n): n for n in here.people} | {there.person(n): n for n in there.people}
    named |= {here.tag(c): c for c in here.tags} | {there.tag(c): c for c in there.tags}
    named |= {here.tree.global_id(a): a for a in here.tree.areas} | {
        there.tree.global_id(a): a for a in there.tree.areas
    }
    assert plain(one, named) == plain(none, named)
    assert one["tag"] is None
    assert one["byNode"] is None
    assert one["with"]["totalCount"] == 0
    assert one["without"]["totalCount"] == len(here.people)
    # Who may see it comes across it in each of these ways.
    seen = await front.data(
        here.tree.administrator,
        EVERYWHERE,
        {"id": here.person("s1c1g10"), "tag": here.tag(code), "row": answers_row(here), "codes": [code]},
    )
    assert seen["tag"] == {"code": code}
    # Who has a sensitive one is told for a purpose alone.
    told = {"kept": [here.person("s1c1g10")], "secret": []}[code]
    assert {row["tag"]["code"] for row in seen["resident"]["tags"]} == ({"plain", code} if told else {"plain"})
    assert [node["id"] for node in seen["with"]["nodes"]] == told


def answers_row(street: Street) -> str:
    return street.person("s1c1g10")


def plain(value: Any, named: dict[str, str]) -> Any:
    """An answer with names in place of the two cities' ids, lists in one order and without the catalogue's length."""
    if isinstance(value, dict):
        return {key: plain(item, named) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((plain(item, named) for item in value), key=str)
    return named.get(value, value) if isinstance(value, str) else value


async def test_a_sensitive_tag_is_seen_where_the_right_is_held(front: Front, street: Street) -> None:
    for person in ("s1c1g10", "s1c2g10", "s2c1g10"):
        await street.assign(person, "plain", "secret")
    here = Scope(areas=(subtree(street.tree.areas["s1c1"].path), subtree(street.tree.areas["s2"].path)))
    rights = StatedRights({**dict.fromkeys((*READS, "tags.tag.read"), ALL), "tags.sensitive.read": here})
    caller = principal(street.tree.tenant_id, rights)
    await street.purpose("CARE")
    found = await front.data(caller, HELD, {"codes": ["secret", "plain"], "purpose": "CARE"})
    assert {node["id"] for node in found["residents"]["nodes"]} == {street.person("s1c1g10"), street.person("s2c1g10")}
    assert all([tag["tag"]["code"] for tag in node["tags"]] == ["plain"] for node in found["residents"]["nodes"])
    counted = await front.data(caller, STATS, {"by": ["TAG"]})
    assert {(*row["keys"], row["count"], row["isSuppressed"]) for row in counted["tagStats"]} == {
        (street.tag("plain"), 3, False),
        (street.tag("secret"), None, True),
    }


async def test_who_has_a_sensitive_tag_is_told_for_a_purpose_and_written_down(
    front: Front, street: Street, clock: ManualClock
) -> None:
    (row,) = await street.assign("s1c1g10", "secret")
    await street.assign("s1c1g11", "secret", "plain")
    await street.assign("s2c1g10", "secret")
    await street.purpose("CARE")
    await street.purpose("PHONING", fields=["registry.resident.phone"])
    await street.purpose("SERVICE", basis="CONSENT")
    rights = (*READS, "tags.tag.read", "tags.sensitive.read", "privacy.subject.unmask")
    caller = street.tree.someone(*rights, at="s1c1")
    before = await front.footprint(street.tree.tenant_id)
    # By no other way is it told who has it, not even to who may see it.
    ways = """query($row: ID!, $id: ID!) { node(id: $row) { ... on ResidentTag { tag { code } resident { id } } }
      residents(where: {hasTag: ["secret"]}) { totalCount }
      resident(id: $id) { tags { id } tagHistory { totalCount } } }"""
    given = {"row": street.id("row", row.id), "id": street.person("s1c1g10")}
    assert await front.data(caller, ways, given) == {
        "node": {"tag": {"code": "secret"}, "resident": None},
        "residents": {"totalCount": 0},
        "resident": {"tags": [], "tagHistory": {"totalCount": 0}},
    }
    for purpose, reason in (("NOTHING", "PURPOSE_UNKNOWN"), ("PHONING", "PURPOSE_COVERS_NOT")):
        refused = await front.ask(caller, HELD, {"codes": ["secret"], "purpose": purpose})
        assert refused["errors"][0]["extensions"]["reason"] == reason
        unmask = {"id": given["id"], "fields": ["tags.resident.sensitive"], "purpose": purpose}
        assert (await front.data(caller, UNMASK, {"i": unmask}))["r"]["reason"] == reason
    # Who may not see such tags finds nobody, and learns nothing of anybody.
    blind = street.tree.someone(*(one for one in rights if one != "tags.sensitive.read"), at="s1c1")
    found = await front.data(blind, HELD, {"codes": ["secret"], "purpose": "CARE"})
    assert found["residents"]["nodes"] == []
    unmask = {"id": given["id"], "fields": ["tags.resident.sensitive"], "purpose": "CARE"}
    assert (await front.data(blind, UNMASK, {"i": unmask}))["r"]["refused"] == "FORBIDDEN"
    assert await front.footprint(street.tree.tenant_id) == before
    # A list, for a purpose: each of them can see who asked, once an hour.
    everybody = {street.person("s1c1g10"), street.person("s1c1g11")}
    for _ in range(2):
        found = await front.data(caller, HELD, {"codes": ["secret"], "purpose": "CARE"})
        assert {node["id"] for node in found["residents"]["nodes"]} == everybody
        assert await looked(front, street, "s1c1g10") == [("SEARCH", "CARE", ["tags.resident.sensitive"])]
    assert await looked(front, street, "s2c1g10") == []
    clock.advance(minutes=61)
    await front.data(caller, HELD, {"codes": ["secret"], "purpose": "CARE"})
    assert len(await looked(front, street, "s1c1g10")) == 2
    # One person, as any protected field.
    shown = (await front.data(caller, UNMASK, {"i": unmask}))["r"]
    assert shown["fields"] == [{"field": "tags.resident.sensitive", "value": "secret"}]
    assert (await looked(front, street, "s1c1g10"))[-1] == ("UNMASK", "CARE", ["tags.resident.sensitive"])
    # A purpose on consent finds those who consent.
    async with front.works.begin(street.tree.administrator) as work:
        await privacy.record_consent(work, street.person("s1c1g11"), purpose="SERVICE", is_given=True, evidence="表单")
    found = await front.data(caller, HELD, {"codes": ["secret"], "purpose": "SERVICE"})
    assert [node["id"] for node in found["residents"]["nodes"]] == [street.person("s1c1g11")]


async def test_however_many_have_it_each_is_written_down(
    front: Front, street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = await street.assign("s1c1g10", "secret")
    await street.assign("s2c1g10", "secret")
    await street.purpose("CARE")
    await crowd(street, row, 1_100)
    caller = street.tree.someone(*READS, "tags.tag.read", "tags.sensitive.read")
    asked = """query($area: ID) { residents(where: {hasSensitiveTag: {
      codes: ["secret"], purpose: "CARE", areaId: $area}}) { totalCount } }"""
    before = await front.footprint(street.tree.tenant_id)
    # Beyond what one question takes nobody is told of, nor written down.
    monkeypatch.setattr(revealing, "MOST_HOLDERS", 1_101)
    refused = await front.ask(caller, asked)
    assert refused["errors"][0]["extensions"]["reason"] == "TOO_MANY_HOLDERS"
    assert refused["errors"][0]["extensions"]["details"] == {"most": 1_101}
    assert await front.footprint(street.tree.tenant_id) == before
    elsewhere = encode_id("area", new_id(), new_id())
    # Area by area they are found, and nobody else's record says that somebody asked.
    for area, count in ((street.tree.global_id("s2"), 1), (street.tree.global_id("s1"), 1_101), (elsewhere, 0)):
        for _ in range(2):
            found = await front.data(caller, asked, {"area": area})
            assert found["residents"]["totalCount"] == count
    after = await front.footprint(street.tree.tenant_id)
    grown = {name: total - before[name] for name, total in after.items() if total != before[name]}
    assert grown == {"disclosures": 1_102, "outbox": 2, "audit_records": 2}
    async with street.works.begin(street.tree.administrator) as work:
        told = (await work.session.scalars(select(OutboxRecord).order_by(OutboxRecord.id.desc()).limit(2))).all()
        assert [(one.type, one.facts["count"]) for one in told] == [
            ("privacy.purpose.searched.v1", 1_101),
            ("privacy.purpose.searched.v1", 1),
        ]
        # The audit log proves each row of the ledger: this is the state whose hash it has.
        subjects = await work.session.scalars(
            select(Disclosure.subject_id).where(Disclosure.subject_id != street.people["s2c1g10"].id)
        )
        people = hashlib.sha256(b"".join(sorted(one.bytes for one in subjects))).hexdigest()
        state = {"tags.resident.sensitive": "shown", "count": 1_101, "people": people}
        entry = select(AuditRecord).where(AuditRecord.after_hash == state_hash(state))
        assert (await work.session.scalars(entry)).one().purpose == "CARE"


async def crowd(street: Street, row: m.ResidentTag, count: int) -> None:
    """So many more people in a household, with the same tag."""
    async with street.works.begin(street.tree.administrator) as work:
        person = await work.session.get_one(Resident, (row.tenant_id, row.resident_id))
        ids = [new_id() for _ in range(count)]
        work.session.add_all(copy_of(person, id=one, relationship="OTHER") for one in ids)
        await work.session.flush()
        work.session.add_all(copy_of(row, id=new_id(), resident_id=one) for one in ids)


def copy_of(row: Any, **values: Any) -> Any:
    told = {column.key: getattr(row, column.key) for column in inspect(type(row)).column_attrs}
    return type(row)(**told | values)


async def looked(front: Front, street: Street, person: str) -> list[tuple[str, str, list[str]]]:
    """Who looked at somebody's record: how, what for, and at what."""
    document = """query($id: ID!) { disclosures(first: 50, person: $id) { nodes { kind fields purpose { code } } } }"""
    found = await front.data(street.tree.administrator, document, {"id": street.person(person)})
    return [(one["kind"], one["purpose"]["code"], one["fields"]) for one in found["disclosures"]["nodes"]]


async def test_a_right_in_the_same_places_is_not_taken_for_one_elsewhere(front: Front, street: Street) -> None:
    """Of two callers that differ in where the further right holds alone, neither gets the other's plan."""
    for person in ("s1c1g10", "s1c2g10"):
        await street.assign(person, "kept")
    here, there = (Scope(areas=(subtree(street.tree.areas[name].path),)) for name in ("s1", "s1c2"))
    for restricted, seen in ((here, 2), (there, 1), (here, 2), (there, 1)):
        rights = StatedRights({**dict.fromkeys((*READS, "tags.tag.read"), here), "tags.restricted.read": restricted})
        caller = principal(street.tree.tenant_id, rights)
        found = await front.data(caller, '{ residents(where: {hasTag: ["kept"]}) { totalCount } }')
        assert found["residents"]["totalCount"] == seen


async def test_small_counts_of_sensitive_tags_are_not_told(front: Front, street: Street) -> None:
    await street.household("many", "s1c1g2", *([1990] * 6))
    await street.household("more", "s2c2g1", *([1990] * 7))
    for at in range(6):
        await street.assign(f"many{at}", "secret", *(["plain"] if at < 2 else []))
    for at in range(7):
        await street.assign(f"more{at}", "secret")
    await street.assign("s1c2g10", "secret")
    caller = street.reader("tags.sensitive.read", "tags.restricted.read")
    counted = await front.data(caller, STATS, {"by": ["TAG", "AREA_DEPTH_2"]})
    places = {street.tree.global_id(name): name for name in street.tree.areas} | {street.tag(c): c for c in street.tags}
    told = {
        tuple(places[key] for key in row["keys"]): (row["count"], row["isSuppressed"]) for row in counted["tagStats"]
    }
    # One is few. The street's total less the other community's would tell it, so that is not told either.
    assert told == {
        ("secret", "s2c2"): (7, False),
        ("secret", "s1c2"): (None, True),
        ("secret", "s1c1"): (None, True),
        ("plain", "s1c1"): (2, False),
    }
    # In the order of their size, those that are not told come last, whatever their size.
    assert [row["count"] for row in counted["tagStats"]][2:] == [None, None]
    # Two open tags among six sensitive ones can be asked for by themselves: what is left is not few.
    areas = await front.data(caller, STATS, {"by": ["AREA_DEPTH_1"]})
    assert [(places[row["keys"][0]], row["count"]) for row in areas["tagStats"]] == [("s1", 9), ("s2", 7)]
    # Deeper than anything lies there is nothing to add up to; at the top everything is one group.
    deep = await front.data(caller, STATS, {"by": ["AREA_DEPTH_5"]})
    assert deep["tagStats"] == [{"keys": [None], "count": 16, "isSuppressed": False}]


async def test_who_may_not_see_residents_is_told_no_small_count(front: Front, street: Street) -> None:
    await street.household("many", "s2c2g1", *([1990] * 6))
    for at in range(6):
        await street.assign(f"many{at}", "plain", *(["kept"] if at < 5 else []))
    await street.assign("s1c1g10", "plain", "kept")
    stranger = street.tree.someone("areas.area.read", "tags.tag.read", "tags.restricted.read")
    counted = await front.data(stranger, STATS, {"by": ["TAG", "AREA_DEPTH_1"]})
    assert {(row["count"], row["isSuppressed"]) for row in counted["tagStats"]} == {(None, True)}
    whole = await front.data(stranger, STATS, {"by": ["TAG"]})
    assert [row["count"] for row in whole["tagStats"]] == [7, 6]
    reader = await front.data(street.reader("tags.restricted.read"), STATS, {"by": ["TAG", "AREA_DEPTH_1"]})
    assert sorted(row["count"] for row in reader["tagStats"]) == [1, 1, 5, 6]


async def test_what_is_not_told_cannot_be_worked_out_from_the_totals(front: Front, street: Street) -> None:
    """In each set of groups with a total none is hidden; or two or more, not few together; or all of them are."""
    dice = random.Random(5)  # noqa: S311 - a draw
    grids = [name for name in street.tree.areas if name.endswith(("g1", "g2"))]
    async with street.works.begin(street.tree.administrator) as work:
        for code in ("fear", "pain"):
            street.tags[code] = await service.create_tag(
                work, code=code, title_zh=code, title_en=code, tag_class="SERVICE", sensitivity="SENSITIVE"
            )
    for grid in grids:
        await street.household(f"h{grid}", grid, *([1990] * 8))
    hidden_once = False
    for _ in range(4):
        async with street.works.begin(street.tree.administrator) as work:
            await work.session.execute(delete(m.ResidentTag))
            for grid in grids:
                for code in ("secret", "fear", "pain"):
                    some = [street.people[f"h{grid}{at}"].id for at in range(dice.choice((0, 0, 1, 2, 5, 6, 8)))]
                    if some:
                        await service.assign_tag_to_many(work, resident_ids=some, tag_id=street.tags[code].id)
        caller = street.reader("tags.sensitive.read")
        places = {street.tree.global_id(name): street.tree.areas[name].path for name in street.tree.areas}
        for dimension, depths in (("AREA", (0, 1, 2)), ("AREA_DEPTH_2", (0, 1)), ("AREA_DEPTH_1", (0,))):
            ours = await front.data(caller, STATS, {"by": ["TAG", dimension]})
            cells = {tuple(row["keys"]): row["count"] for row in ours["tagStats"]}
            real = await _counts(street, 3 if dimension == "AREA" else int(dimension[-1]))
            known = {(tag, places[area]): count for (tag, area), count in cells.items()}
            assert {key: count for key, count in real.items() if known[key] is not None} == {
                key: count for key, count in known.items() if count is not None
            }
            assert all(known[key] is None for key, count in real.items() if count < 5)
            margins: dict[Any, list[tuple[str, str]]] = {}
            for tag, path in known:
                margins.setdefault(("by area", path), []).append((tag, path))
                for depth in depths:
                    margins.setdefault((tag, ".".join(path.split(".")[: depth + 1])), []).append((tag, path))
            for margin, keys in margins.items():
                hidden = [real[key] for key in keys if known[key] is None]
                hidden_once |= bool(hidden)
                assert not hidden or len(hidden) == len(keys) or (len(hidden) > 1 and sum(hidden) >= 5), margin
    assert hidden_once


async def _counts(street: Street, depth: int) -> dict[tuple[str, str], int]:
    """Who has a tag now, by tag and by the path of the area of a depth."""
    found: dict[tuple[str, str], int] = {}
    async with street.works.begin(street.tree.administrator) as work:
        for row in await work.session.scalars(select(m.ResidentTag).where(m.ResidentTag.ended_at.is_(None))):
            path = ".".join(row.area_path.split(".")[: depth + 1]) + "."
            key = (street.id("tag", row.tag_id), path)
            found[key] = found.get(key, 0) + 1
    return found


async def test_the_portrait_is_one_question_under_the_viewers_rights(front: Front, street: Street) -> None:
    await street.assign("s1c1g10", "plain", "kept", "secret")
    answer = await front.ask(street.tree.administrator, PORTRAIT, {"id": street.person("s1c1g10")})
    assert "errors" not in answer
    whole = answer["data"]["resident"]
    assert {tag["tag"]["code"] for tag in whole["tags"]} == {"plain", "kept"}
    assert len(whole["household"]["residents"]["nodes"]) == 2
    assert whole["household"]["dwelling"]["building"]["name"] == "3号楼"
    worker: Principal = street.reader("tags.restricted.read", at="s1c1g1")
    seen = (await front.ask(worker, PORTRAIT, {"id": street.person("s1c1g10")}))["data"]["resident"]
    assert {tag["tag"]["code"] for tag in seen["tags"]} == {"plain", "kept"}
    assert [node["tag"]["code"] for node in seen["tagHistory"]["nodes"]] == ["plain", "kept"]
    assert seen["visits"]["nodes"] == []
    elsewhere = street.reader(at="s2c1g1")
    assert (await front.ask(elsewhere, PORTRAIT, {"id": street.person("s1c1g10")}))["data"]["resident"] is None


async def test_a_portrait_is_planned_once_for_everybody(front: Front, street: Street) -> None:
    """PostgreSQL decides from the sixth time on; where it keeps no plan, planning takes ten times what reading does."""
    for at in (0, 1) * 4:
        asked = {"id": street.person(f"s1c1g1{at}")}
        assert (await front.data(street.tree.administrator, PORTRAIT, asked))["resident"] is not None
    kept = "SELECT max(generic_plans) FROM pg_prepared_statements WHERE strpos(statement, 'resident_tags') > 0"
    assert await front.database.reads.fetchval(kept) > 0


async def test_tags_go_where_their_resident_goes(front: Front, street: Street) -> None:
    from cityloom.modules.registry import service as registry

    await street.assign("s1c1g10", "plain")
    await street.assign("s1c2g10", "plain")
    async with street.works.begin(street.tree.administrator) as work:
        await registry.move_household(work, street.households["s1c1g1"], street.dwellings["s2c1g1"])
        await registry.move_resident(work, street.people["s1c2g10"].id, street.households["s2c1g1"])
    counted = await front.data(street.reader(), STATS, {"by": ["AREA"]})
    assert counted["tagStats"] == [{"keys": [street.tree.global_id("s2c1g1")], "count": 2, "isSuppressed": False}]
