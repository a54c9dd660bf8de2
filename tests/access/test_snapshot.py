"""The compiled rules decide exactly as Casbin does, on any policy."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from cityloom.access.catalogue import Catalogue
from cityloom.access.oracle import enforcer
from cityloom.access.policy import MAX_LINKS, GrantRule, LinkRule
from cityloom.access.snapshot import compile_snapshot, verify
from cityloom.core.module import Permission
from cityloom.core.text import Text
from cityloom.testing.examples import examples

NAMES = [f"{m}.{r}.{a}" for m in ("aa", "ab", "b") for r in ("x", "xy") for a in ("read", "create", "phone.full")]
CATALOGUE = Catalogue({name: Permission(name, Text(name, name)) for name in NAMES})
ROLES = [f"r{i}" for i in range(14)]

roles = st.sampled_from(ROLES)
# Patterns as the service admits them, and any other text with a star: the store may hold more than the service writes.
patterns = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(["*", "aa.*", "aa.x.*", "ab.xy.*", "b.*", "zz.*"]),
    st.text("abxy.*", min_size=1, max_size=8),
)
grants = st.builds(GrantRule, roles, patterns, st.sampled_from(["allow", "allow", "deny"]))
links = st.builds(LinkRule, roles, roles)
# A chain that is longer than Casbin follows, so that its end is reached by some policies and not by others.
chain = [LinkRule(f"r{i}", f"r{i + 1}") for i in range(13)]
policies = st.tuples(st.lists(grants, max_size=25), st.lists(links, max_size=12), st.booleans()).map(
    lambda parts: [*parts[0], *parts[1], *(chain if parts[2] else [])]
)


@examples(30)
@given(policies)
def test_every_decision_about_a_role_is_casbins(rules: list[GrantRule | LinkRule]) -> None:
    assert list(verify(compile_snapshot(CATALOGUE, rules), CATALOGUE, "alder")) == []


@examples(20)
@given(policies, st.sets(roles, max_size=4))
def test_an_account_may_do_what_casbin_lets_the_holder_of_its_roles(
    rules: list[GrantRule | LinkRule], held: set[str]
) -> None:
    snapshot = compile_snapshot(CATALOGUE, rules)
    oracle = enforcer("alder", [*rules, *(LinkRule("account", role) for role in sorted(held))])
    # Over one link more: a chain that ends exactly at Casbin's reach ends one role earlier for an account.
    assume(all(len(snapshot.ancestry(role)) < MAX_LINKS for role in held))
    assert snapshot.permissions(held) == {name for name in NAMES if oracle.enforce("account", "alder", name)}


@examples(30)
@given(policies, roles, st.sampled_from(NAMES))
def test_the_deciding_rule_is_one_that_decides(rules: list[GrantRule | LinkRule], role: str, permission: str) -> None:
    snapshot = compile_snapshot(CATALOGUE, rules)
    deciding = snapshot.deciding([role], permission)
    assert snapshot.may(role, permission) == (deciding is not None and deciding[1].effect == "allow")


def test_a_wrong_snapshot_is_noticed() -> None:
    snapshot = compile_snapshot(CATALOGUE, [GrantRule("r1", "aa.*", "allow"), GrantRule("r1", "aa.x.read", "deny")])
    wrong = replace(snapshot, allowed={"r1": snapshot.allowed["r1"] | {"aa.x.read"}})
    found = list(verify(wrong, CATALOGUE, "alder"))
    assert [(d.permission, d.snapshot, d.casbin) for d in found] == [("aa.x.read", True, False)]


def test_a_template_gives_its_rules_without_being_copied(catalogue: Catalogue) -> None:
    snapshot = compile_snapshot(
        catalogue, [LinkRule("boss", "template:city_administrator"), GrantRule("boss", "registry.dwelling.*", "deny")]
    )
    assert snapshot.allowed["boss"] == catalogue.names - catalogue.expand("registry.dwelling.*")
    assert list(verify(snapshot, catalogue, "alder")) == []
