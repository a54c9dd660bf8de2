"""Events through GraphQL: the pull feed in its order, under the caller's scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import pytest_asyncio

from cityloom.core.events import Event
from cityloom.core.ids import encode_id, new_id
from cityloom.core.principal import Scope, subtree
from cityloom.events.catalogue import EventCatalogue
from cityloom.events.cursors import cursor_of, position_of
from cityloom.events.sequencer import Sequencer
from cityloom.installed import modules
from cityloom.testing.front import Front
from cityloom.testing.rights import StatedRights, principal

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock

FEED = """query ($after: String, $types: [String!], $subject: ID, $first: Int) {
  events(after: $after, types: $types, subject: $subject, first: $first) {
    nodes { id type position cursor subjectSequence areaPath facts changed actorKind occurredAt }
    edges { cursor } pageInfo { hasNextPage endCursor }
  }
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed(Event):
    """An account of the tests has another name."""

    type: ClassVar[str] = "access.account.changed.v1"
    subject_tag: ClassVar[str] = "acct"
    zh: ClassVar[str] = "账号更名。"
    nodes: ClassVar[dict[str, str]] = {"by_id": "acct"}

    by_id: UUID
    former_department_id: UUID | None = None
    department_id: UUID | None = None
    fields: tuple[str, ...] = ("full_name",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made(Event):
    """An area of the tests was made."""

    type: ClassVar[str] = "areas.area.created.v1"
    subject_tag: ClassVar[str] = "area"
    zh: ClassVar[str] = "新增区域。"

    code: str


@pytest_asyncio.fixture(loop_scope="session")
async def front(database: Database, clock: ManualClock, tmp_path: Path) -> Front:
    made = Front(database, clock, tmp_path)
    made.services[EventCatalogue] = EventCatalogue.of(modules())
    return made


async def _plant(front: Front, tenant_id: UUID, paths: list[str | None]) -> None:
    for number, path in enumerate(paths):
        async with front.works.begin(principal(tenant_id)) as work:
            work.emit(Made(subject_id=new_id(), area_path=path, code=f"a{number}"))
    await Sequencer(front.works).drain(tenant_id)


async def test_the_feed_is_read_page_by_page(front: Front) -> None:
    caller = principal(new_id())
    await _plant(front, caller.tenant_id, ["1.", None, "1.2.", "3.", "1."])
    seen: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await front.data(caller, FEED, {"after": after, "first": 2}))["events"]
        assert [edge["cursor"] for edge in page["edges"]] == [node["cursor"] for node in page["nodes"]]
        seen += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert [event["position"] for event in seen] == [1, 2, 3, 4, 5]
    assert [event["facts"] for event in seen] == [{"code": f"a{number}"} for number in range(5)]
    assert [event["cursor"] for event in seen] == [cursor_of(number) for number in range(1, 6)]
    assert position_of(seen[2]["cursor"]) == 3
    assert seen[0]["actorKind"] == "STAFF"
    one = await front.data(caller, "query ($id: ID!) { event(id: $id) { position } }", {"id": seen[3]["id"]})
    assert one == {"event": {"position": 4}}


async def test_facts_and_changes_are_in_their_public_form(front: Front) -> None:
    caller, by, department = principal(new_id()), new_id(), new_id()
    async with front.works.begin(caller) as work:
        work.emit(Renamed(subject_id=new_id(), by_id=by, former_department_id=department))
    await Sequencer(front.works).drain(caller.tenant_id)
    (event,) = (await front.data(caller, FEED))["events"]["nodes"]
    assert event["changed"] == ["fullName", "department"]
    assert event["facts"] == {
        "byId": encode_id("acct", caller.tenant_id, by),
        "formerDepartmentId": str(department),
        "departmentId": None,
    }


async def test_types_and_subject_narrow_the_feed(front: Front) -> None:
    caller, subject = principal(new_id()), new_id()
    await _plant(front, caller.tenant_id, [None, None])
    for _ in range(2):
        async with front.works.begin(caller) as work:
            work.emit(Renamed(subject_id=subject, by_id=new_id()))
    await Sequencer(front.works).drain(caller.tenant_id)

    async def positions(**variables: object) -> list[int]:
        return [event["position"] for event in (await front.data(caller, FEED, variables))["events"]["nodes"]]

    assert await positions(types=["areas.*"]) == [1, 2]
    assert await positions(types=["access.account.changed.v1"]) == [3, 4]
    assert await positions(types=["*.*.created.v1", "access.*"]) == [1, 2, 3, 4]
    assert await positions(subject=encode_id("acct", caller.tenant_id, subject)) == [3, 4]
    assert await positions(subject=encode_id("area", caller.tenant_id, subject)) == []
    assert await positions(subject=encode_id("acct", new_id(), subject)) == []
    answer = await front.ask(caller, FEED, {"types": ["nothing.*"]})
    assert answer["errors"][0]["extensions"]["code"] == "INVALID_INPUT"
    answer = await front.ask(caller, FEED, {"subject": "somebody"})
    assert answer["errors"][0]["extensions"]["code"] == "INVALID_INPUT"


async def test_an_event_is_seen_where_its_area_is(front: Front) -> None:
    tenant_id = new_id()
    await _plant(front, tenant_id, ["1.", "1.2.", None, "3."])

    async def seen(*scopes: Scope) -> list[int]:
        rights = StatedRights({"events.event.read": scopes[0]} if scopes else {})
        found = await front.data(principal(tenant_id, rights), FEED)
        return [event["position"] for event in found["events"]["nodes"]]

    assert await seen(Scope(everywhere=True)) == [1, 2, 3, 4]
    assert await seen(Scope(areas=(subtree("1."),))) == [1, 2]
    assert await seen(Scope(areas=(subtree("1.2."), subtree("3.")))) == [2, 4]
    assert await seen(Scope(own=True)) == []
    assert await seen() == []
    assert (await front.data(principal(new_id()), FEED))["events"]["nodes"] == []


async def test_subject_and_actor_are_the_things_themselves(front: Front) -> None:
    """Absent ones are null: the account that acted is none of this tenant's."""
    caller = principal(new_id())
    await _plant(front, caller.tenant_id, [None])
    found = await front.data(
        caller,
        "{ events { nodes { subject { __typename id ... on Area { name } } actor { id ... on Account { login } } } } }",
    )
    assert found["events"]["nodes"] == [{"subject": None, "actor": None}]


@pytest.mark.parametrize("cursor", ["", "x", "WyJhYiIsIDFd", cursor_of(1) + "A"])
async def test_a_cursor_of_elsewhere_is_refused(front: Front, cursor: str) -> None:
    answer = await front.ask(principal(new_id()), FEED, {"after": cursor})
    assert answer["errors"][0]["extensions"]["code"] == "INVALID_INPUT"
