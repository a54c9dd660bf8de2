"""Who may read accounts in one area sees those that hold a role there, and themselves: on every way to an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest_asyncio

from cityloom.access.service.sessions import Logins
from cityloom.core.ids import encode_id
from cityloom.graph.execution import Request
from cityloom.testing.access import City, World

if TYPE_CHECKING:
    from cityloom.app import Platform

LISTED = "{ accounts(first: 100) { totalCount nodes { login } } }"


@pytest_asyncio.fixture
async def city(opened: Platform) -> City:
    """Accounts near, far, in both, and without any place, and a reader of each scope."""
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
    await made.role("reader", "allow access.account.read", "allow access.membership.read", "allow areas.area.read")
    await made.role("worker", "allow registry.*")
    await made.account("boss", ("boss", None))
    await made.account("lead", ("reader", "1.2."))
    await made.account("selfish", ("reader", "own"))
    await made.account("near", ("worker", "1.2.3."))
    await made.account("far", ("worker", "1.9."))
    await made.account("both", ("worker", "1.2.4."), ("worker", "1.9."))
    await made.account("above", ("worker", "1."))
    await made.account("idle")
    return made


async def ask(opened: Platform, city: City, login: str, text: str, **variables: Any) -> Any:
    request = Request(text=text, variables=variables)
    answer = orjson.loads((await opened.tenant_api.execute(await city.principal(login), request, "en")).body)
    assert "errors" not in answer, answer
    return answer["data"]


async def logins(opened: Platform, city: City, login: str) -> set[str]:
    found = (await ask(opened, city, login, LISTED))["accounts"]
    assert found["totalCount"] == len(found["nodes"])
    return {one["login"] for one in found["nodes"]}


async def test_a_scope_reaches_accounts_by_their_memberships(opened: Platform, city: City) -> None:
    assert await logins(opened, city, "boss") == set(city.accounts)
    assert await logins(opened, city, "lead") == {"lead", "near", "both"}
    assert await logins(opened, city, "selfish") == {"selfish"}
    assert await logins(opened, city, "near") == set()


async def test_another_way_to_an_account_is_no_way_around(opened: Platform, city: City) -> None:
    ids = {login: encode_id("acct", city.id, row_id) for login, row_id in city.accounts.items()}
    text = "query($id: ID!) { account(id: $id) { login } node(id: $id) { ... on Account { login } } }"
    for login, seen in (("near", True), ("far", False), ("above", False), ("idle", False), ("lead", True)):
        expected = {"login": login} if seen else None
        found = await ask(opened, city, "lead", text, id=ids[login])
        assert found == {"account": expected, "node": expected}, login
    # Who holds what is limited by its own rule, and the account behind it by its own.
    held = await ask(opened, city, "lead", "{ memberships { nodes { areaPath account { login } } } }")
    assert {(one["areaPath"], one["account"]["login"]) for one in held["memberships"]["nodes"]} == {
        ("1.2.", "lead"),
        ("1.2.3.", "near"),
        ("1.2.4.", "both"),
    }
    filtered = await ask(opened, city, "lead", '{ accounts(where: {login: {eq: "far"}}) { totalCount } }')
    assert filtered == {"accounts": {"totalCount": 0}}


async def test_a_membership_names_its_area(opened: Platform, city: City) -> None:
    text = "{ memberships(where: {scopeKind: {eq: AREA}}) { nodes { areaPath area { name code } } } }"
    found = (await ask(opened, city, "lead", text))["memberships"]["nodes"]
    assert found
    for one in found:
        assert one["area"] == {"name": f"Area {one['areaPath']}", "code": f"A{one['areaPath']}"}


async def test_the_explanation_says_the_same(opened: Platform, city: City) -> None:
    text = """query($who: ID!, $what: ID!) {
      explainAccess(accountId: $who, action: "access.account.read", id: $what) { isAllowed layer } }"""
    who = encode_id("acct", city.id, city.accounts["lead"])
    for login in city.accounts:
        what = encode_id("acct", city.id, city.accounts[login])
        found = (await ask(opened, city, "boss", text, who=who, what=what))["explainAccess"]
        assert found["isAllowed"] == (login in {"lead", "near", "both"}), (login, found)
