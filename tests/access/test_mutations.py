"""Each mutation of access: four callers, what it writes, and that a refusal leaves everything as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import select

from cityloom.access import models as m
from cityloom.access.passwords import Passwords
from cityloom.access.service import accounts, clients, proposals
from cityloom.access.service.sessions import Logins
from cityloom.access.snapshots import AccessSnapshots
from cityloom.access.tokens import parse_token
from cityloom.core.ids import encode_id
from cityloom.core.work import Works
from cityloom.settings import Settings
from cityloom.testing.access import City, World, open_world
from cityloom.testing.front import Front, anonymous

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cityloom.access.catalogue import Catalogue
    from cityloom.core.database import Database
    from cityloom.core.principal import Principal
    from cityloom.testing.clock import ManualClock

PASSWORD = "correct horse battery"


@dataclass
class Scene:
    """A city with an administrator, one of an area only, a reader, and something of each kind."""

    city: City
    front: Front
    callers: dict[str, Principal]
    ids: dict[str, str]

    async def send(self, caller: str, mutation: str, values: dict[str, Any]) -> dict[str, Any]:
        """What the mutation answers."""
        kind = "RoleRule" if mutation in RULES else mutation[0].upper() + mutation[1:]
        text = (
            f"mutation($input: {kind}Input!)"
            f" {{ {mutation}(input: $input) {{ __typename ... on Refusal {{ code reason message path }} }} }}"
        )
        answer = await self.front.ask(self.callers[caller], text, {"input": self.filled(values)})
        assert "errors" not in answer, answer
        found: dict[str, Any] = answer["data"][mutation]
        return found

    def filled(self, values: Any) -> Any:
        """Values with `$name` replaced by the id of that thing."""
        if isinstance(values, dict):
            return {key: self.filled(value) for key, value in values.items()}
        return self.ids[values[1:]] if isinstance(values, str) and values.startswith("$") else values


RULES = ("roleGrant", "roleRevoke")


async def scene_of(front: Front, city: City) -> Scene:
    """Fill a city."""
    await city.role("boss", "allow *")
    await city.role("reader", "allow registry.*")
    await city.role("spare", "allow registry.dwelling.read")
    await city.account("boss", ("boss", None))
    await city.account("elsewhere", ("boss", "1.9."))
    await city.account("reader", ("reader", None))
    await city.account("wang", ("reader", "1.2."))
    await city.account("new")
    async with city.work() as work:
        await accounts.set_password(work, city.accounts["boss"], PASSWORD)
        client = await clients.create_client(work, "exporter", ["registry.*"])
        key = await clients.create_key(work, client.id)
        proposal = await proposals.propose(work, added=["p, reader, areas.area.read, allow"], removed=[], reason="map")
        membership = await work.session.scalar(
            select(m.Membership.id).where(m.Membership.account_id == city.accounts["wang"])
        )
    session = parse_token(await city.bearer("wang"))
    assert session is not None
    assert isinstance(membership, UUID)
    rows = {
        "wang": ("acct", city.accounts["wang"]), "new": ("acct", city.accounts["new"]),
        "boss": ("acct", city.accounts["boss"]), "area": ("area", (await city.area("1.2.")).id),
        "membership": ("memb", membership), "spare": ("role", city.roles["spare"]),
        "reader": ("role", city.roles["reader"]), "client": ("clnt", client.id), "key": ("ckey", key.id),
        "proposal": ("prop", proposal.id), "session": ("sesn", session.id),
    }  # fmt: skip
    callers = {name: await city.principal(name) for name in ("boss", "elsewhere", "reader")}
    ids = {name: encode_id(tag, city.id, row_id) for name, (tag, row_id) in rows.items()}
    return Scene(city, front, {**callers, "nobody": anonymous(city.id)}, ids)


@pytest_asyncio.fixture
async def world(
    database: Database, clock: ManualClock, installed: Catalogue, passwords: Passwords
) -> AsyncIterator[World]:
    """With the permissions of all installed modules, as the API has them."""
    async with open_world(database, clock, installed, passwords) as opened:
        yield opened


@pytest_asyncio.fixture
async def front(world: World, tmp_path: Path) -> Front:
    made = Front(world.database, world.clock, tmp_path)
    made.services |= {AccessSnapshots: world.snapshots, Logins: world.logins, Settings: Settings(), Works: made.works}
    return made


@pytest_asyncio.fixture
async def scene(front: Front, city: City) -> Scene:
    return await scene_of(front, city)


MUTATIONS: dict[str, dict[str, Any]] = {
    "accountCreate": {"login": "zhao", "name": "赵"},
    "accountChange": {"id": "$wang", "name": "王五"},
    "passwordSet": {"accountId": "$wang", "password": "another long one"},
    "membershipGrant": {"accountId": "$new", "role": "reader", "scopeKind": "AREA", "areaId": "$area"},
    "membershipRevoke": {"id": "$membership"},
    "roleCreate": {"code": "guest", "titleZh": "访客", "titleEn": "Guest"},
    "roleChange": {"id": "$spare", "titleZh": "备用", "titleEn": "Spare"},
    "roleDelete": {"id": "$spare"},
    "roleGrant": {"role": "reader", "permission": "areas.area.read"},
    "roleRevoke": {"role": "reader", "permission": "registry.*"},
    "policyPropose": {"remove": ["p, reader, registry.*, allow"], "reason": "tidy"},
    "policyApply": {"id": "$proposal"},
    "apiClientCreate": {"name": "importer", "permissions": ["registry.*"]},
    "apiClientChange": {"id": "$client", "isActive": False},
    "apiKeyCreate": {"clientId": "$client"},
    "apiKeyRevoke": {"id": "$key"},
    "sessionRevoke": {"id": "$session"},
}


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_an_administrator_may_and_it_is_told_and_audited(scene: Scene, mutation: str) -> None:
    before = await scene.front.footprint(scene.city.id)
    answer = await scene.send("boss", mutation, MUTATIONS[mutation])
    assert answer["__typename"] != "Refusal", answer
    after = await scene.front.footprint(scene.city.id)
    written = {table for table, count in after.items() if count > before[table]}
    assert "audit_records" in written
    assert written & {"outbox", "outbox_events", "events", "event_records"}, written


async def test_others_may_not_and_nothing_changes(scene: Scene) -> None:
    before = await scene.front.footprint(scene.city.id)
    for mutation, values in MUTATIONS.items():
        for caller in ("nobody", "reader", "elsewhere"):
            answer = await scene.send(caller, mutation, values)
            assert (answer["__typename"], answer["code"]) == ("Refusal", "FORBIDDEN"), (mutation, caller, answer)
            assert await scene.front.footprint(scene.city.id) == before, (mutation, caller)


async def test_another_citys_things_are_as_absent_ones(scene: Scene, world: World, front: Front) -> None:
    birch = await scene_of(front, await world.city("birch"))
    absent = {name: encode_id(one[:4], scene.city.id, UUID(int=7)) for name, one in scene.ids.items()}
    before = await front.footprint(scene.city.id), await front.footprint(birch.city.id)
    for mutation, values in MUTATIONS.items():
        if "$" not in str(values):
            continue
        answers = []
        for scene.ids in (birch.ids, absent):
            answers.append(await scene.send("boss", mutation, values))
        assert answers[0] == answers[1], mutation
        assert answers[0]["code"] == "NOT_FOUND", mutation
        assert before == (await front.footprint(scene.city.id), await front.footprint(birch.city.id)), mutation


async def test_anybody_may_sign_in_and_only_with_the_right_password(scene: Scene) -> None:
    login = f"boss@{scene.city.slug}"
    good = await scene.send("nobody", "sessionCreate", {"login": login, "password": PASSWORD})
    assert good["__typename"] == "SessionCreated"
    bad = await scene.send("nobody", "sessionCreate", {"login": login, "password": "wrong password"})
    assert (bad["code"], bad["reason"]) == ("UNAUTHENTICATED", "LOGIN_REFUSED")


async def test_the_caller_learns_who_they_are(scene: Scene) -> None:
    text = "{ me { login roles permissions { name scope { everywhere areaPaths } } fields { name level } } }"
    me = (await scene.front.data(scene.callers["elsewhere"], text))["me"]
    assert (me["login"], me["roles"]) == ("elsewhere", ["boss"])
    held = {one["name"]: one["scope"] for one in me["permissions"]}
    assert held["access.policy.apply"] == {"everywhere": False, "areaPaths": ["1.9."]}
    assert (await scene.front.data(scene.callers["nobody"], text))["me"] is None


async def test_administrators_read_accounts_roles_and_clients(scene: Scene) -> None:
    text = """{
      accounts(first: 10, where: {login: {eq: "wang"}}) { nodes { login memberships(first: 5) { nodes {
        role { code rules { pattern effect } } scopeKind areaPath } } } }
      roles(first: 5) { nodes { code parents(first: 2) { template } } }
      apiClients(first: 5) { nodes { name permissions keys(first: 3) { expiresAt } account { kind } } }
      policyProposals { nodes { state preview { accounts counts { permission change accounts } effects { change } } } }
    }"""
    found = await scene.front.data(scene.callers["boss"], text)
    [wang] = found["accounts"]["nodes"]
    assert wang["memberships"]["nodes"] == [
        {
            "role": {"code": "reader", "rules": [{"pattern": "registry.*", "effect": "ALLOW"}]},
            "scopeKind": "AREA",
            "areaPath": "1.2.",
        }
    ]
    assert [role["code"] for role in found["roles"]["nodes"]] == ["boss", "reader", "spare"]
    assert found["apiClients"]["nodes"][0]["account"] == {"kind": "SERVICE"}
    [proposal] = found["policyProposals"]["nodes"]
    assert proposal["preview"]["accounts"] == 2
    assert proposal["preview"]["counts"] == [{"permission": "areas.area.read", "change": "GAINS", "accounts": 2}]
    hidden = await scene.front.data(
        scene.callers["reader"], "{ accounts { nodes { login } } roles { nodes { code } } }"
    )
    assert hidden == {"accounts": {"nodes": []}, "roles": {"nodes": []}}


EXPLAIN = """query($who: ID!, $action: String!, $what: ID) {
  explainAccess(accountId: $who, action: $action, id: $what) {
    isAllowed layer role rule scope { everywhere areaPaths } nearestGrant { kind role areaPath } decisionId
  }
}"""


async def test_access_to_a_thing_is_explained(scene: Scene, world: World, front: Front) -> None:
    action = "access.membership.read"
    who = encode_id("acct", scene.city.id, scene.city.accounts["elsewhere"])

    async def ask(caller: str, what: str | None) -> dict[str, Any]:
        data = await front.data(scene.callers[caller], EXPLAIN, {"who": who, "action": action, "what": what})
        found: dict[str, Any] = data["explainAccess"]
        assert found.pop("decisionId")
        return found

    scope = {"everywhere": False, "areaPaths": ["1.9."]}
    outside = await ask("boss", scene.ids["membership"])
    assert outside == {
        "isAllowed": False,
        "layer": "SCOPE",
        "role": "boss",
        "rule": "p, boss, *, allow",
        "scope": scope,
        "nearestGrant": {"kind": "MEMBERSHIP", "role": "boss", "areaPath": "1.2."},
    }
    assert (await ask("boss", None))["isAllowed"]
    birch = await scene_of(front, await world.city("birch"))
    absent = encode_id("memb", scene.city.id, UUID(int=7))
    answers = [await ask("elsewhere", one) for one in (scene.ids["membership"], birch.ids["membership"], absent)]
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0]["layer"], answers[0]["nearestGrant"]) == ("SCOPE", None)
    refused = await front.ask(scene.callers["reader"], EXPLAIN, {"who": who, "action": action})
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
