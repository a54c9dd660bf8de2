"""A refusal has an id that an administrator can look up, though the transaction that it ended is gone."""

from __future__ import annotations

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
from cityloom.graph.decisions import Denial
from cityloom.graph.execution import Request
from cityloom.modules.registry import service
from cityloom.testing.access import City, World

if TYPE_CHECKING:
    from cityloom.app import Platform

#: Asks the tenant API as an account of the city; None stands for a caller without a credential.
Ask = Callable[..., Awaitable[dict[str, Any]]]

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
    await made.role("reader", "allow registry.resident.read", "allow registry.household.read")
    await made.account("boss", ("boss", None))
    await made.account("reader", ("reader", None))
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
    await opened.tenants.enable_module(city.slug, "registry", actor="test")
    area = await city.area("1.2.")
    async with city.work() as work:
        building = await service.create_building(work, area_id=area.id, code="B", name="1号楼", storeys=6)
        dwelling = await service.create_dwelling(work, building_id=building.id, number="1", floor=1, use="OWNED")
        household = await service.create_household(work, number="H", dwelling_id=dwelling.id)
        for name in ("王小明", "李四"):
            await service.create_resident(work, household_id=household.id, name=name)
    answer = await ask("reader", "{ residents { nodes { name phone identityNumber } } }")
    assert [one["phone"] for one in answer["data"]["residents"]["nodes"]] == [None, None]
    [decision] = {error["extensions"]["decisionId"] for error in answer["errors"]}
    assert len(answer["errors"]) == 4
    assert await kept(city) == 1
    found = (await ask("boss", LOOK, id=decision))["data"]["accessDecision"]
    assert found["reason"] == "FIELD_FORBIDDEN"
    assert set(found["permissions"]) == {"registry.resident.phone", "registry.resident.identity_number"}


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
