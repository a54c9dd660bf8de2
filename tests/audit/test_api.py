"""The audit log as an auditor reads it, in GraphQL and at the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cityloom.audit.cli import read
from cityloom.audit.permissions import READ
from cityloom.core.ids import encode_id, new_id
from cityloom.installed import modules
from cityloom.jobs.service import Jobs, needed
from cityloom.modules.areas import service
from cityloom.testing.areas import AreaTree
from cityloom.testing.front import Front
from cityloom.testing.rights import StatedRights, principal

if TYPE_CHECKING:
    from pathlib import Path

    from cityloom.app import Platform
    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.twins import Twin

LIST = """
query ($object: ID, $account: ID, $where: AuditRecordFilter) {
  auditRecords(first: 50, object: $object, account: $account, where: $where) {
    totalCount nodes { action actorKind object { id ... on Area { name } } position changedFields }
  }
}
"""


async def test_an_auditor_reads_what_was_done_to_a_thing_and_by_whom(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    front = Front(database, clock, tmp_path)
    tree = await AreaTree.plant(front.works, streets=1, communities=1, grids=1)
    auditor = tree.someone(READ, "areas.area.read")
    for name in ("city", "s1", "s1c1", "s1c1g1"):
        async with front.works.begin(tree.administrator) as work:
            await service.change_area(work, tree.id(name), name=f"{name} anew")

    async def ask(**given: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await front.data(auditor, LIST, given))["auditRecords"]
        return found

    everything = await ask()
    assert everything["totalCount"] == 4
    assert everything["nodes"][0]["position"] is None
    jobs = Jobs(front.works, modules())
    asked = [one for one in jobs.jobs if one[1].name in {"audit.seal", "audit.sign"}]
    assert [found for _, found in await needed(front.works, asked, [tree.tenant_id], clock.now())] == [
        [tree.tenant_id],
        [],
    ]
    await jobs.run("audit.seal", tree.tenant_id)
    assert [found for _, found in await needed(front.works, asked, [tree.tenant_id], clock.now())] == [
        [],
        [tree.tenant_id],
    ]
    assert [node["position"] for node in (await ask())["nodes"]] == [1, 2, 3, 4]
    about = await ask(object=tree.global_id("s1"))
    (entry,) = about["nodes"]
    assert entry["object"] == {"id": tree.global_id("s1"), "name": "s1 anew"}
    assert entry["actorKind"] == "STAFF"
    assert (await ask(where={"action": {"eq": entry["action"]}}))["totalCount"] == 4
    assert (await ask(where={"recordedAt": {"gt": "2999-01-01T00:00:00Z"}}))["totalCount"] == 0
    assert (await ask(account=encode_id("acct", tree.tenant_id, new_id())))["totalCount"] == 0
    # A thing of another city, or of none, is one that nothing was done to.
    other = await AreaTree.plant(front.works, streets=1, communities=1, grids=1)
    assert (await ask(object=other.global_id("s1")))["totalCount"] == 0
    assert (await ask(object=encode_id("area", tree.tenant_id, new_id())))["totalCount"] == 0


async def test_who_may_not_read_it_sees_nothing_of_it(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    front = Front(database, clock, tmp_path)
    tree = await AreaTree.plant(front.works, streets=1, communities=1, grids=1)
    for caller in (
        tree.someone("areas.area.read"),
        tree.someone(READ, at="s1c1"),
        principal(tree.tenant_id, StatedRights()),
    ):
        answer = await front.ask(caller, "{ auditRecords(first: 5) { totalCount nodes { id } } }")
        assert "errors" in answer or answer["data"]["auditRecords"] == {"totalCount": 0, "nodes": []}, answer


async def test_the_command_verifies_what_the_jobs_have_sealed_and_signed(opened: Platform, alder: Twin) -> None:
    jobs = Jobs(opened.works, modules())
    await jobs.run("audit.seal", alder.id)
    await jobs.run("audit.sign", alder.id)
    verifier, checkpoints = await read(opened.works, alder.slug)
    assert verifier.end() == []
    assert verifier.position > 0
    assert checkpoints
    again, _ = await read(opened.works, alder.slug, witness=checkpoints[-1])
    assert again.end() == []
    stranger, _ = await read(opened.works, alder.slug, keys=["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="])
    assert {fault.kind for fault in stranger.end()} == {"signature"}
