"""`access.decide`: may this role do that? The snapshot's look-up against Casbin's own enforcer, over 2,000 rules."""

from __future__ import annotations

import random
import statistics
import time
from typing import TYPE_CHECKING

from contest import console, environment, write

from cityloom.access.catalogue import Catalogue
from cityloom.access.oracle import enforcer
from cityloom.access.policy import GrantRule, LinkRule
from cityloom.access.snapshot import compile_snapshot
from cityloom.installed import modules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RULES, ROLES, DOMAIN, ROUNDS = 2_000, 100, "city", 5
TARGET = 1_000


def run() -> None:
    """Measure, print, write."""
    catalogue = Catalogue.of(modules())
    chance = random.Random(20250101)  # noqa: S311 - reproducible, not secret
    names = sorted(catalogue.names)
    roles = [f"role_{number}" for number in range(ROLES)]
    rules: dict[GrantRule | LinkRule, None] = {}
    while len(rules) < RULES:
        name = chance.choice(names)
        pattern = name if chance.random() < 0.8 else f"{name.rsplit('.', 1)[0]}.*"
        rules[GrantRule(chance.choice(roles), pattern, "deny" if chance.random() < 0.1 else "allow")] = None
    snapshot = compile_snapshot(catalogue, rules)
    oracle = enforcer(DOMAIN, tuple(rules))
    asked = [(chance.choice(roles), chance.choice(names)) for _ in range(2_000)]
    for role, name in asked[:200]:
        if snapshot.may(role, name) != bool(oracle.enforce(role, DOMAIN, name)):
            raise RuntimeError(f"snapshot and Casbin differ on {role}, {name}")
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_microseconds(snapshot.may, asked * 50))
        theirs.append(_microseconds(lambda role, name: oracle.enforce(role, DOMAIN, name), asked[:100]))
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    ratio = statistics.median(ratios)
    our, their, verdict = statistics.median(ours), statistics.median(theirs), "met" if ratio >= TARGET else "MISSED"
    console.print(
        f"access.decide, {len(rules):,} rules: snapshot {our:.3f} µs, Casbin {their:,.0f} µs, "
        f"{ratio:,.0f}× ({min(ratios):,.0f}–{max(ratios):,.0f}), target ≥ {TARGET:,}× {verdict}",
        highlight=False,
    )
    write(
        "access.decide",
        {
            "name": "access.decide",
            "environment": environment(),
            "rules": len(rules),
            "snapshot_us": ours,
            "casbin_us": theirs,
            "ratios": ratios,
            "target": TARGET,
        },
    )


def _microseconds(decide: Callable[[str, str], object], asked: Sequence[tuple[str, str]]) -> float:
    """The mean time of one decision, with the loop around it."""
    began = time.perf_counter()
    for role, name in asked:
        decide(role, name)
    return (time.perf_counter() - began) / len(asked) * 1e6
