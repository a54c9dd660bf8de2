"""A preview says exactly who gains and loses what, and is applied only while it is true."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.access.catalogue import Catalogue
from cityloom.access.errors import PolicyLineWrong, ProposalAlreadyApplied, ProposalStale
from cityloom.access.oracle import enforcer
from cityloom.access.policy import GrantRule, LinkRule
from cityloom.access.rights import Held
from cityloom.access.service import accounts, proposals, roles
from cityloom.access.service.proposals import preview
from cityloom.access.snapshot import compile_snapshot
from cityloom.core.module import Permission
from cityloom.core.text import Text
from cityloom.testing.clock import ManualClock
from cityloom.testing.examples import examples

if TYPE_CHECKING:
    from cityloom.testing.access import City

NAMES = [f"{m}.x.{a}" for m in ("aa", "ab", "b") for a in ("read", "create")]
CATALOGUE = Catalogue({name: Permission(name, Text(name, name)) for name in NAMES})
ROLES = ["r1", "r2", "r3", "r4"]

_roles = st.sampled_from(ROLES)
_grants = st.builds(
    GrantRule, _roles, st.sampled_from([*NAMES, "*", "aa.*", "ab.x.*"]), st.sampled_from(["allow", "deny"])
)
_rules = st.lists(st.one_of(_grants, st.builds(LinkRule, _roles, _roles)), max_size=10)
_people = st.dictionaries(
    st.integers(1, 5).map(lambda n: UUID(int=n)),
    st.lists(st.builds(Held, _roles, st.sampled_from(["TENANT", "OWN"])), max_size=3),
    max_size=5,
)


@examples(40)
@given(_rules, _rules, _people)
def test_gains_and_losses_are_the_difference_of_casbins_decisions(
    before: list[GrantRule | LinkRule], after: list[GrantRule | LinkRule], people: dict[UUID, list[Held]]
) -> None:
    def decisions(rules: list[GrantRule | LinkRule]) -> set[tuple[UUID, str]]:
        links = {LinkRule(f"account-{who.int}", held.role) for who, all_held in people.items() for held in all_held}
        oracle = enforcer("alder", [*rules, *sorted(links)])
        return {(who, p) for who in people for p in NAMES if oracle.enforce(f"account-{who.int}", "alder", p)}

    found = preview(
        compile_snapshot(CATALOGUE, before), compile_snapshot(CATALOGUE, after), people, ManualClock().now()
    )
    old, new = decisions(before), decisions(after)
    assert {(e.account_id, e.permission) for e in found.effects if e.change == "GAINS"} == new - old
    assert {(e.account_id, e.permission) for e in found.effects if e.change == "LOSES"} == old - new
    assert {(e.account_id, e.permission) for e in found.effects if e.change in {"WIDENS", "NARROWS"}} <= old & new


async def people(city: City) -> None:
    await city.role("reader", "allow registry.resident.read")
    await city.role("worker", "allow registry.resident.*")
    await city.role("helper")
    await city.account("wang", ("reader", None), ("helper", "1.2."))
    await city.account("li", ("worker", "1.2."), ("reader", "1.2.3."))
    await city.account("off", ("reader", None))
    async with city.work() as work:
        await accounts.change_account(work, city.accounts["off"], accounts.AccountChanges(is_active=False))


async def test_the_preview_names_accounts_permissions_and_scopes(city: City) -> None:
    await people(city)
    async with city.work() as work:
        made = await proposals.propose(
            work,
            added=["p, helper, registry.resident.create, allow", "p, reader, registry.dwelling.read, allow"],
            removed=["p, reader, registry.resident.read, allow"],
            reason="a trial",
        )
    wang, li = (str(city.accounts[login]) for login in ("wang", "li"))
    told = {
        (e["accountId"], e["permission"]): (e["change"], (e["after"] or {}).get("areaPaths"))
        for e in made.preview["effects"]
    }
    assert told == {
        (wang, "registry.resident.create"): ("GAINS", ["1.2."]),
        (wang, "registry.dwelling.read"): ("GAINS", []),
        (wang, "registry.resident.read"): ("LOSES", None),
        (li, "registry.dwelling.read"): ("GAINS", ["1.2.3."]),
    }
    assert made.preview["accounts"] == 2
    assert made.preview["changes"] == {"GAINS": 3, "LOSES": 1}
    async with city.work() as work:
        applied = await proposals.apply_proposal(work, made.id)
    assert applied.state == "APPLIED"
    rights = (await city.principal("wang")).rights
    assert rights.scope("registry.resident.create") is not None
    assert rights.scope("registry.resident.read") is None
    with pytest.raises(ProposalAlreadyApplied):
        async with city.work() as work:
            await proposals.apply_proposal(work, made.id)


async def test_a_proposal_is_stale_once_rules_or_people_differ(city: City) -> None:
    await people(city)
    for change in ("rules", "people"):
        async with city.work() as work:
            made = await proposals.propose(
                work, added=[f"p, helper, registry.{'resident' if change == 'rules' else 'dwelling'}.create, allow"],
                removed=[], reason="a trial",
            )  # fmt: skip
        if change == "rules":
            async with city.work() as work:
                await roles.grant_to_role(work, "worker", "areas.*")
        else:
            await city.account("zhao", ("helper", None))
        with pytest.raises(ProposalStale):
            async with city.work() as work:
                await proposals.apply_proposal(work, made.id)
        async with city.work() as work:
            assert (await proposals.proposal_of(work, made.id)).state == "OPEN"


async def test_signing_out_makes_no_proposal_stale(city: City) -> None:
    from cityloom.access.service.sessions import revoke_session
    from cityloom.access.tokens import parse_token

    await people(city)
    async with city.work() as work:
        made = await proposals.propose(work, added=["p, helper, areas.*, allow"], removed=[], reason="a trial")
    token = parse_token(await city.bearer("wang"))
    assert token is not None
    async with city.work() as work:
        await revoke_session(work, token.id)
    async with city.work() as work:
        await proposals.apply_proposal(work, made.id)


async def test_a_line_that_is_no_rule_is_named(city: City) -> None:
    with pytest.raises(PolicyLineWrong) as refusal:
        async with city.work() as work:
            await proposals.propose(
                work, added=["p, reader, registry.*, allow", "p, reader, *.read, allow"], removed=[], reason="x"
            )
    assert refusal.value.path == ("add", 1)
