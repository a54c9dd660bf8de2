"""A refusal has an id that an administrator can look up, though the transaction that it ended is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import pytest_asyncio
from sqlalchemy import func, select

from cityloom.access import models as m
from cityloom.access.authentication import ANONYMOUS
from cityloom.access.decisions import BURST, EVERY_SECONDS, KEPT, AccessDecisions, forget_decisions
from cityloom.access.service.sessions import Logins
from cityloom.core.ids import encode_id
from cityloom.events.sequencer import sequencing
from cityloom.graph.decisions import Denial
from cityloom.graph.execution import Request
from cityloom.graph.live.feeds import Feeds
from cityloom.modules.registry import service
from cityloom.testing.access import City, World

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.app import Platform
    from cityloom.graph.compiler import Following

#: Asks the tenant API as an account of the city; None stands for a caller without a credential.
Ask = Callable[..., Awaitable[dict[str, Any]]]

FOLLOW = """subscription { events(types: ["registry.resident.*"]) { subject {
  ... on Resident { name phone } ... on Household { residents(first: 9) { nodes { identityNumber } } } } } }"""
ROLE = """mutation { roleCreate(input: {code: "guest", titleZh: "访客", titleEn: "Guest"}) {
  __typename ... on Refusal { code details } } }"""
LOOK = """query($id: ID!) { accessDecision(id: $id) {
  account { login } permissions reason field areaPath rightsVersion traceId } }"""


@pytest_asyncio.fixture
async def city(opened: Platform) -> City:
    """A city with an administrator, a reader, and somebody who may do all in one area."""
    world = World(
        opened.database,
        opened.works.clock,  # type: ignore[arg-type] # only asked for the time
        opened.snapshots.catalogue,
        opened.directory,
        opened.snapshots,
        opened.authenticator,
        opened.works,
        opened.works.services[Logins],
    )
    made = await world.city()
    await made.role("boss", "allow *")
    await made.role(
        "reader", "allow registry.resident.read", "allow registry.household.read", "allow events.event.read"
    )
    await made.account("boss", ("boss", None))
    await made.account("reader", ("reader", None))
    await made.account("other", ("reader", None))
    await made.account("local", ("boss", "1.2."))
    return made


@pytest.fixture
def ask(opened: Platform, city: City) -> Ask:
    async def send(login: str | None, text: str, of: City | None = None, **variables: Any) -> dict[str, Any]:
        caller = ANONYMOUS if login is None else await (of or city).principal(login)
        outcome = await opened.tenant_api.execute(caller, Request(text=text, variables=variables), "en")
        answer: dict[str, Any] = orjson.loads(outcome.body)
        return answer

    return send


async def kept(city: City) -> int:
    async with city.work() as work:
        return await work.session.scalar(select(func.count(m.AccessDecision.id))) or 0


async def test_a_refused_mutation_names_a_decision_that_an_administrator_looks_up(ask: Ask, city: City) -> None:
    refused = (await ask("reader", ROLE))["data"]["roleCreate"]
    assert refused["code"] == "FORBIDDEN"
    decision = refused["details"]["decisionId"]
    found = (await ask("boss", LOOK, id=decision))["data"]["accessDecision"]
    found.pop("traceId")
    assert int(found.pop("rightsVersion")) > 0
    assert found == {
        "account": {"login": "reader"},
        "permissions": [refused["details"]["permission"]],
        "reason": "FORBIDDEN",
        "field": "roleCreate",
        "areaPath": None,
    }
    async with city.work() as work:
        assert await work.session.scalar(select(m.Role.id).where(m.Role.code == "guest")) is None


async def test_nobody_else_sees_the_decision(ask: Ask, city: City) -> None:
    decision = (await ask("reader", ROLE))["data"]["roleCreate"]["details"]["decisionId"]
    birch = await city.world.city("birch")
    await birch.role("boss", "allow *")
    await birch.account("boss", ("boss", None))
    assert (await ask("reader", LOOK, id=decision))["data"] == {"accessDecision": None}
    assert (await ask("local", LOOK, id=decision))["data"] == {"accessDecision": None}
    assert (await ask("boss", LOOK, of=birch, id=decision))["data"] == {"accessDecision": None}


async def test_it_says_where_it_was_to_be_done(ask: Ask, city: City) -> None:
    elsewhere = await city.area("1.9.")
    text = """mutation($id: ID!) { areaCreate(input: {code: "X", name: "X", kind: "GRID", parentId: $id}) {
      __typename ... on Refusal { code reason details } } }"""
    refused = (await ask("local", text, id=encode_id("area", city.id, elsewhere.id)))["data"]["areaCreate"]
    assert refused["code"] == "FORBIDDEN", refused
    assert "1.9." not in str(refused)
    found = (await ask("boss", LOOK, id=refused["details"]["decisionId"]))["data"]["accessDecision"]
    assert (found["areaPath"], found["permissions"]) == ("1.9.", ["areas.area.create"])


async def test_forbidden_fields_of_one_request_share_one_decision(ask: Ask, city: City, opened: Platform) -> None:
    home = await household(city, opened)
    for name in ("王小明", "李四"):
        await resident(city, home, name)
    answer = await ask("reader", "{ residents { nodes { name phone identityNumber } } }")
    assert [one["phone"] for one in answer["data"]["residents"]["nodes"]] == [None, None]
    [decision] = {error["extensions"]["decisionId"] for error in answer["errors"]}
    assert len(answer["errors"]) == 4
    assert await kept(city) == 1
    found = (await ask("boss", LOOK, id=decision))["data"]["accessDecision"]
    assert found["reason"] == "FIELD_FORBIDDEN"
    assert set(found["permissions"]) == {"registry.resident.phone", "registry.resident.identity_number"}


async def test_messages_of_a_subscription_share_the_decision_of_its_caller(
    ask: Ask, city: City, opened: Platform
) -> None:
    """Two who are told by one statement have a decision each, and one for all of their messages."""
    home = await household(city, opened)
    readers = ("reader", "other")
    feeds = opened.works.services[Feeds]
    async with sequencing(opened.works), asyncio.timeout(30):
        inboxes = [aiter(await feeds.listen(await followed(city, opened, one), "en")) for one in readers]
        told: dict[str, list[dict[str, Any]]] = {one: [] for one in readers}
        for name in ("王小明", "李四"):
            nexts = [asyncio.ensure_future(anext(inbox)) for inbox in inboxes]
            await resident(city, home, name)
            for one, step in zip(readers, nexts, strict=True):
                told[one].append(orjson.loads((await step).body))
        for inbox in inboxes:
            await inbox.aclose()
    decisions = {}
    for one, messages in told.items():
        assert [message["data"]["events"]["subject"]["phone"] for message in messages] == [None, None]
        errors = [error for message in messages for error in message["errors"]]
        assert [error["path"] for error in errors] == [["events", "subject", "phone"]] * 2
        [decisions[one]] = {error["extensions"]["decisionId"] for error in errors}
    assert await kept(city) == len(set(decisions.values())) == len(readers)
    for one, decision in decisions.items():
        found = (await ask("boss", LOOK, id=decision))["data"]["accessDecision"]
        assert (found["account"], found["reason"]) == ({"login": one}, "FIELD_FORBIDDEN")
        # Also of fields that no message has had yet: the subscription has this one record.
        assert set(found["permissions"]) == {"registry.resident.phone", "registry.resident.identity_number"}


async def followed(city: City, opened: Platform, login: str) -> Following:
    return await opened.tenant_api.follow(await city.principal(login), Request(text=FOLLOW))


async def household(city: City, opened: Platform) -> UUID:
    """A household of a city that has the registry."""
    await opened.tenants.enable_module(city.slug, "registry", actor="test")
    area = await city.area("1.2.")
    async with city.work() as work:
        building = await service.create_building(work, area_id=area.id, code="B", name="1号楼", storeys=6)
        dwelling = await service.create_dwelling(work, building_id=building.id, number="1", floor=1, use="OWNED")
        return (await service.create_household(work, number="H", dwelling_id=dwelling.id)).id


async def resident(city: City, household_id: UUID, name: str) -> None:
    async with city.work() as work:
        await service.create_resident(work, household_id=household_id, name=name)


async def test_one_request_keeps_one_decision_and_later_ones_only_share_it_where_it_fits(ask: Ask, city: City) -> None:
    again = ROLE.replace("roleCreate", "a: roleCreate").removesuffix("}")
    text = f"""{again}
      b: roleCreate(input: {{code: "g2", titleZh: "x", titleEn: "x"}}) {{ ... on Refusal {{ details }} }}
      c: apiClientCreate(input: {{name: "x", permissions: ["*"]}}) {{ ... on Refusal {{ details }} }} }}"""
    data = (await ask("reader", text))["data"]
    assert data["a"]["details"]["decisionId"] == data["b"]["details"]["decisionId"]
    assert "decisionId" not in data["c"]["details"]
    assert await kept(city) == 1


async def test_callers_without_a_city_are_refused_without_a_record(ask: Ask) -> None:
    refused = (await ask(None, ROLE))["data"]["roleCreate"]
    assert refused["code"] == "FORBIDDEN"
    assert "decisionId" not in refused["details"]


async def test_only_so_many_are_kept_of_one_caller(opened: Platform, city: City) -> None:
    now = [0.0]
    decisions = AccessDecisions(opened.works, monotonic=lambda: now[0])
    reader, local = await city.principal("reader"), await city.principal("local")
    denial = Denial(("access.role.change",), "FORBIDDEN")
    ids = [await decisions.record(reader, denial) for _ in range(BURST + 3)]
    assert None not in ids[:BURST]
    assert ids[BURST:] == [None] * 3
    assert await decisions.record(local, denial) is not None
    now[0] += EVERY_SECONDS
    assert await decisions.record(reader, denial) is not None
    assert await decisions.record(reader, denial) is None
    assert await kept(city) == BURST + 2


async def test_a_suppressed_record_leaves_the_id_out(
    ask: Ask, opened: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened.tenant_api, "_decisions", AccessDecisions(opened.works, monotonic=lambda: 0.0))
    told = [(await ask("reader", ROLE))["data"]["roleCreate"]["details"] for _ in range(BURST + 1)]
    assert all("decisionId" in details for details in told[:BURST])
    assert "decisionId" not in told[BURST]
    assert told[BURST]["permission"] == told[0]["permission"]


async def test_decisions_are_forgotten_after_their_time(city: City, opened: Platform) -> None:
    decisions = AccessDecisions(opened.works)
    await decisions.record(await city.principal("reader"), Denial(("x.y.z",), "FORBIDDEN"))
    async with city.work() as work:
        await forget_decisions(work)
    assert await kept(city) == 1
    async with city.work() as work:
        row = (await work.session.scalars(select(m.AccessDecision))).one()
        row.decided_at -= KEPT
        await work.session.flush()
        await forget_decisions(work)
    assert await kept(city) == 0
