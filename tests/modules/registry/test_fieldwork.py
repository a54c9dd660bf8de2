"""Changes made offline: made once, each for itself, never over another's."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from cityloom.access.models import Account
from cityloom.core.ids import encode_id, new_id
from cityloom.core.principal import FieldAccess
from cityloom.demo.papers import phone_number
from cityloom.testing.front import anonymous
from cityloom.testing.probes import mutation
from cityloom.testing.rotation import rotate

if TYPE_CHECKING:
    from cityloom.core.principal import Principal
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.front import Front
    from tests.modules.registry.conftest import Town

SUBMIT = (
    "mutation($input: FieldChangesSubmitInput!) { fieldChangesSubmit(input: $input) { __typename"
    " ... on Refusal { code reason path } ... on FieldChangesSubmitted { results {"
    " clientId outcome id version refusal { code reason } differences { field server sent } } } } }"
)
RIGHTS = (
    "areas.area.read",
    "registry.fieldwork.submit",
    "registry.building.read",
    *(f"registry.{thing}.{verb}" for thing in ("dwelling", "household", "resident") for verb in ("read", "create")),
    "registry.resident.change",
    "registry.resident.move",
)


class Handset:
    """A worker's device: makes ids by the clock, and submits."""

    def __init__(self, front: Front, caller: Principal, clock: ManualClock) -> None:
        self.front, self.caller, self.clock = front, caller, clock

    def change(self, kind: str, at: timedelta = timedelta(), **input_: Any) -> dict[str, Any]:
        """One change, made a while ago."""
        made_at = self.clock.now() - at
        client_id = str(new_id(int(made_at.timestamp() * 1000)))
        return {"clientId": client_id, "madeAt": made_at.isoformat(), kind: input_}

    async def submit(self, *changes: dict[str, Any]) -> Any:
        """What became of them."""
        data = await self.front.data(self.caller, SUBMIT, {"input": {"changes": list(changes)}})
        answer = data["fieldChangesSubmit"]
        return answer if answer["__typename"] == "Refusal" else answer["results"]


@pytest.fixture
async def handset(front: Front, town: Town, clock: ManualClock) -> Handset:
    """The handset of the worker of s1c1g1, who sees masks of phone numbers."""
    caller = town.tree.someone(*RIGHTS, at="s1c1g1", fields={"registry.resident.phone": FieldAccess.MASKED})
    async with front.works.begin(town.tree.administrator) as work:
        work.session.add(
            Account(id=caller.account_id, login="worker", name="worker", kind="STAFF", created_at=clock.now())
        )
    return Handset(front, caller, clock)


async def test_a_batch_is_made_once_and_builds_on_itself(front: Front, town: Town, handset: Handset) -> None:
    tenant = town.tree.tenant_id
    door = handset.change("dwellingCreate", buildingId=town.here.id("building"), number="302", use="RENTED")
    dwelling = encode_id("dwel", tenant, _uuid(door))
    home = handset.change("householdCreate", number="OFF1", dwellingId=dwelling, movedInOn="2026-02-01")
    household = encode_id("hshd", tenant, _uuid(home))
    person = handset.change("residentCreate", householdId=household, name="陈晨", arrivedOn="2026-02-01")
    phone = handset.change("residentChange", id=town.here.id("resident"), version=1, phone=phone_number(91))
    batch = (door, home, person, phone)
    before = await front.footprint(tenant)
    first = await handset.submit(*batch)
    assert [one["outcome"] for one in first] == ["APPLIED"] * 4, first
    assert first[0]["id"] == dwelling
    assert first[3]["version"] == 2
    after = await front.footprint(tenant)
    assert after["field_changes"] == 4
    assert after["outbox"] - before["outbox"] == 4
    assert after["audit_records"] - before["audit_records"] == 4
    again = await handset.submit(*batch)
    assert [one["outcome"] for one in again] == ["REPEATED"] * 4
    assert [one["id"] for one in again] == [one["id"] for one in first]
    assert await front.footprint(tenant) == after
    other = await handset.submit({**phone, "residentChange": {**phone["residentChange"], "phone": phone_number(92)}})
    assert (other[0]["outcome"], other[0]["refusal"]["reason"]) == ("REFUSED", "CLIENT_ID_WRONG")
    assert await front.footprint(tenant) == after
    found = await front.data(
        handset.caller,
        "query($id: ID!) { household(id: $id) { dwelling { number } residents { nodes { name } } stays { fromOn } } }",
        {"id": household},
    )
    assert found["household"] == {
        "dwelling": {"number": "302"},
        "residents": {"nodes": [{"name": "陈晨"}]},
        "stays": [{"fromOn": "2026-02-01"}],
    }


async def test_a_repetition_is_known_after_the_keys_were_rotated(
    front: Front, town: Town, handset: Handset, clock: ManualClock
) -> None:
    phone = handset.change("residentChange", id=town.here.id("resident"), version=1, phone=phone_number(91))
    assert [one["outcome"] for one in await handset.submit(phone)] == ["APPLIED"]
    await rotate(front.works, clock, town.tree.tenant_id)
    assert [one["outcome"] for one in await handset.submit(phone)] == ["REPEATED"]
    other = await handset.submit({**phone, "residentChange": {**phone["residentChange"], "phone": phone_number(92)}})
    assert (other[0]["outcome"], other[0]["refusal"]["reason"]) == ("REFUSED", "CLIENT_ID_WRONG")


async def test_a_conflict_tells_both_versions_and_holds_nobody_up(front: Front, town: Town, handset: Handset) -> None:
    resident, tenant = town.here.id("resident"), town.tree.tenant_id
    mine = handset.change(
        "residentChange", timedelta(days=2), id=resident, version=1, name="王晓明", phone=phone_number(93), sex="MALE"
    )
    gone = handset.change("residentLeave", id=town.far.id("resident"), departure="MOVED_AWAY")
    wrong = handset.change("residentChange", id=resident, name="")
    fine = handset.change("residentCreate", householdId=town.here.id("household"), name="李想")
    meanwhile = mutation("residentChange", "Resident", "version")
    faster = {"input": {"id": resident, "name": "王大明", "phone": phone_number(94)}}
    assert (await front.data(town.tree.administrator, meanwhile, faster))["residentChange"]["version"] == 2
    before = await front.footprint(tenant)
    results = await handset.submit(mine, gone, wrong, fine)
    assert [one["outcome"] for one in results] == ["CONFLICT", "REFUSED", "REFUSED", "APPLIED"], results
    assert (results[0]["version"], results[0]["id"]) == (2, resident)
    masked = {n: f"{phone_number(n)[:3]}****{phone_number(n)[-4:]}" for n in (93, 94)}
    assert sorted(results[0]["differences"], key=lambda one: one["field"]) == [
        {"field": "name", "server": "王大明", "sent": "王晓明"},
        {"field": "phone", "server": masked[94], "sent": masked[93]},
    ]
    # Who is in another grid is not there.
    assert results[1]["refusal"] == {"code": "NOT_FOUND", "reason": "NOT_FOUND"}
    assert results[2]["refusal"]["reason"] == "TEXT_MALFORMED"
    after = await front.footprint(tenant)
    assert after["field_changes"] == 1
    assert after["outbox"] - before["outbox"] == 1
    assert after["residents.version"] - before["residents.version"] == 1
    retried = {**mine, "residentChange": {**mine["residentChange"], "version": 2}}
    assert [one["outcome"] for one in await handset.submit(retried)] == ["APPLIED"]


async def test_batches_that_make_no_sense_are_refused_whole(
    front: Front, town: Town, handset: Handset, clock: ManualClock
) -> None:
    fine = handset.change("residentChange", id=town.here.id("resident"), name="李想")
    both = {**fine, "residentLeave": {"id": town.here.id("resident"), "departure": "DECEASED"}}
    old = handset.change("residentChange", timedelta(days=31), id=town.here.id("resident"), name="李想")
    before = await front.footprint(town.tree.tenant_id)
    for batch, reason in (
        ([], "CHANGES_TOO_MANY"),
        ([fine] * 101, "CHANGES_TOO_MANY"),
        ([fine, fine], "CLIENT_ID_WRONG"),
        ([{**fine, "clientId": "nonsense"}], "CLIENT_ID_WRONG"),
        ([{**fine, "clientId": "6ba7b810-9dad-41d1-80b4-00c04fd430c8"}], "CLIENT_ID_WRONG"),
        ([old], "CLIENT_ID_WRONG"),
        ([both], "CHANGE_AMBIGUOUS"),
    ):
        refused = await handset.submit(*batch)
        assert refused["reason"] == reason, reason
    for caller in (anonymous(town.tree.tenant_id), town.tree.someone("registry.resident.change", at="s1c1g1")):
        refused = await Handset(front, caller, clock).submit(fine)
        assert refused["code"] == "FORBIDDEN"
    assert await front.footprint(town.tree.tenant_id) == before


def _uuid(change: dict[str, Any]) -> UUID:
    return UUID(change["clientId"])
