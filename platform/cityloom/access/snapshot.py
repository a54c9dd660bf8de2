"""One tenant's rules, compiled: a decision is a look-up in a set instead of a walk over every rule."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cityloom.access.policy import MAX_LINKS, TEMPLATE_PREFIX, GrantRule, LinkRule, matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from cityloom.access.catalogue import Catalogue
    from cityloom.access.policy import Rule

_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What each role may do, as of one version of a tenant's rules; immutable, shared by all requests of a process."""

    version: int
    rules: tuple[Rule, ...]
    stated: dict[str, frozenset[str]]
    denied: dict[str, frozenset[str]]
    allowed: dict[str, frozenset[str]]
    #: Each department with all below it, so that a scope over a department is a list of ids.
    departments: dict[UUID, tuple[UUID, ...]] = field(default_factory=dict)

    def may(self, role: str, permission: str) -> bool:
        """Whether the role alone is allowed the permission: Casbin's `enforce(role, tenant, permission)`."""
        return permission in self.allowed.get(role, _NOTHING)

    def permissions(self, roles: Iterable[str]) -> frozenset[str]:
        """What an account that holds these roles may do: allowed by any, denied by none."""
        held = list(roles)
        stated = _NOTHING.union(*(self.stated.get(role, _NOTHING) for role in held))
        return stated.difference(*(self.denied.get(role, _NOTHING) for role in held))

    def ancestry(self, role: str) -> list[str]:
        """The role and what it inherits from, nearest first."""
        return _ancestry(role, _parents(self.rules))

    def deciding(self, roles: Iterable[str], permission: str) -> tuple[str, GrantRule] | None:
        """The held role and the rule that decides: a denying one, else the nearest allowing one, else None."""
        allowing = None
        own: dict[str, list[GrantRule]] = {}
        for rule in self.rules:
            if isinstance(rule, GrantRule) and matches(permission, rule.pattern):
                own.setdefault(rule.role, []).append(rule)
        for role in roles:
            for subject in self.ancestry(role):
                for rule in own.get(subject, ()):
                    if rule.effect == "deny":
                        return role, rule
                    allowing = allowing or (role, rule)
        return allowing


def compile_snapshot(
    catalogue: Catalogue,
    rules: Iterable[Rule],
    *,
    version: int = 0,
    departments: dict[UUID, tuple[UUID, ...]] | None = None,
) -> Snapshot:
    """Expand patterns over the catalogue and follow inheritance, once; the rules of named templates are added."""
    given = tuple(rules)
    linked = [rule.parent for rule in given if isinstance(rule, LinkRule)]
    templates = dict.fromkeys(p.removeprefix(TEMPLATE_PREFIX) for p in linked if p.startswith(TEMPLATE_PREFIX))
    whole = (*given, *(rule for code in templates for rule in catalogue.template_rules(code)))
    own: dict[tuple[str, str], set[str]] = {}
    patterns: dict[str, frozenset[str]] = {}
    for rule in whole:
        if isinstance(rule, GrantRule):
            names = patterns.get(rule.pattern)
            if names is None:
                names = patterns[rule.pattern] = catalogue.expand(rule.pattern)
            own.setdefault((rule.role, rule.effect), set()).update(names)
    parents = _parents(whole)
    roles = dict.fromkeys([*(role for role, _ in own), *parents])
    stated: dict[str, frozenset[str]] = {}
    denied: dict[str, frozenset[str]] = {}
    for role in roles:
        line = _ancestry(role, parents)
        stated[role] = _NOTHING.union(*(own.get((r, "allow"), ()) for r in line))
        denied[role] = _NOTHING.union(*(own.get((r, "deny"), ()) for r in line))
    allowed = {role: stated[role] - denied[role] for role in roles}
    return Snapshot(version, whole, stated, denied, allowed, departments or {})


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision in which the snapshot and Casbin do not agree."""

    role: str
    permission: str
    snapshot: bool
    casbin: bool


def verify(snapshot: Snapshot, catalogue: Catalogue, domain: str) -> Iterator[Difference]:
    """Every role and permission in which the snapshot differs from Casbin's own enforcer; nothing where all is well."""
    from cityloom.access.oracle import enforcer

    oracle = enforcer(domain, snapshot.rules)
    for role in sorted(snapshot.stated):
        for permission in sorted(catalogue.names):
            expected = bool(oracle.enforce(role, domain, permission))
            if snapshot.may(role, permission) != expected:
                yield Difference(role, permission, not expected, expected)


def _parents(rules: Iterable[Rule]) -> dict[str, list[str]]:
    parents: dict[str, list[str]] = {}
    for rule in rules:
        if isinstance(rule, LinkRule):
            parents.setdefault(rule.role, []).append(rule.parent)
    return parents


def _ancestry(role: str, parents: dict[str, list[str]]) -> list[str]:
    distance = {role: 0}
    queue = deque([role])
    while queue:
        name = queue.popleft()
        if distance[name] < MAX_LINKS:
            for parent in parents.get(name, ()):
                if parent not in distance:
                    distance[parent] = distance[name] + 1
                    queue.append(parent)
    return list(distance)
