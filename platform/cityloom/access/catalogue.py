"""All permissions that the installed modules declare, and the role templates that are shipped with them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

from cityloom.access.policy import TEMPLATE_PREFIX, GrantRule, matches
from cityloom.core.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cityloom.core.module import Module, Permission

#: The last segment of the permissions for a protected field.
FULL, MASKED = "full", "masked"
#: Patterns whose permissions are remembered; the cities' own are as many as they like.
_PATTERNS = 10_000


@dataclass(frozen=True, slots=True)
class RoleTemplate:
    """A role as shipped: a tenant's role has its rules by the line `g, role, template:<code>`."""

    code: str
    title: Text
    description: Text
    allow: tuple[str, ...]
    deny: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """The permissions that exist, by name; patterns in rules are expanded against it."""

    permissions: dict[str, Permission] = field(default_factory=dict)
    templates: dict[str, RoleTemplate] = field(default_factory=dict)

    @classmethod
    def of(cls, modules: Iterable[Module]) -> Catalogue:
        """The catalogue of an installation."""
        permissions = {p.name: p for module in modules for p in module.permissions}
        return cls(permissions, {t.code: t for t in _shipped_templates()})

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of all permissions."""
        return frozenset(self.permissions)

    @cached_property
    def protected_fields(self) -> dict[str, str]:
        """Each protected field by name, with the permission that reads the rows it is in."""
        found = {}
        for name in self.permissions:
            base, _, level = name.rpartition(".")
            if level in {FULL, MASKED} and base.count(".") >= 2:  # noqa: PLR2004 - module.resource.field
                found[base] = ".".join([*base.split(".")[:2], "read"])
        return found

    def expand(self, pattern: str) -> frozenset[str]:
        """The permissions that a pattern names."""
        found = self._expanded.get(pattern)
        if found is None:
            if len(self._expanded) >= _PATTERNS:
                self._expanded.clear()
            found = frozenset(name for name in self.permissions if matches(name, pattern))
            self._expanded[pattern] = found
        return found

    @cached_property
    def _expanded(self) -> dict[str, frozenset[str]]:
        """What `expand` answered: cities have much the same rules."""
        return {}

    def template_rules(self, code: str) -> tuple[GrantRule, ...]:
        """The rules of a shipped template: its own patterns, and the permissions whose modules name it."""
        template, subject = self.templates.get(code), TEMPLATE_PREFIX + code
        if template is None:
            return ()
        named = [p.name for p in self.permissions.values() if code in p.roles]
        allowed = [GrantRule(subject, pattern, "allow") for pattern in dict.fromkeys([*template.allow, *named])]
        return (*allowed, *(GrantRule(subject, pattern, "deny") for pattern in template.deny))

    def template_permissions(self, code: str) -> frozenset[str]:
        """The permissions that a shipped template gives."""
        rules = self.template_rules(code)
        denied = {name for rule in rules if rule.effect == "deny" for name in self.expand(rule.pattern)}
        return frozenset(n for r in rules if r.effect == "allow" for n in self.expand(r.pattern)) - denied


def _shipped_templates() -> Iterable[RoleTemplate]:
    content = tomllib.loads(files("cityloom.access").joinpath("role_templates.toml").read_text("utf-8"))
    for code, entry in content.items():
        yield RoleTemplate(
            code,
            Text(**entry["title"]),
            Text(**entry["description"]),
            tuple(entry.get("allow", ())),
            tuple(entry.get("deny", ())),
        )
