"""Casbin's own enforcer over a tenant's rules: what the snapshot is held to. Imported only where it is asked."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import casbin
from casbin.persist import Adapter

from cityloom.access.policy import GrantRule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cityloom.access.policy import Rule


class RuleAdapter(Adapter):  # type: ignore[misc] # casbin ships no types
    """Loads one tenant's rules at once: `add_policies` in a loop is quadratic."""

    def __init__(self, domain: str, rules: Iterable[Rule]) -> None:
        self._domain = domain
        self._rules = tuple(rules)

    def load_policy(self, model: casbin.Model) -> None:
        """Fill Casbin's model; called by the enforcer."""
        grants, links = model["p"]["p"].policy, model["g"]["g"].policy
        for rule in self._rules:
            if isinstance(rule, GrantRule):
                grants.append([rule.role, self._domain, rule.pattern, rule.effect])
            else:
                links.append([rule.role, rule.parent, self._domain])


def enforcer(domain: str, rules: Iterable[Rule]) -> casbin.Enforcer:
    """Casbin's enforcer over one tenant's rules: `enforcer(…).enforce(role, domain, permission)`."""
    return casbin.Enforcer(str(files("cityloom.access").joinpath("model.conf")), RuleAdapter(domain, rules))
