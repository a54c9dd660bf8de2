"""Rules in Casbin's form: lines of a policy file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from cityloom.access.errors import PolicyLineWrong

Effect = Literal["allow", "deny"]

#: Parents that are shipped with the platform and not roles of the tenant.
TEMPLATE_PREFIX = "template:"
#: Casbin's default role manager follows nine links and no more (`max_hierarchy_level` counts the role itself).
MAX_LINKS = 9

_CODE = r"[a-z][a-z0-9_]{0,62}"
_PERMISSION = re.compile(rf"(?:\*|{_CODE}(?:\.{_CODE}){{0,3}}\.\*|{_CODE}(?:\.{_CODE}){{2,4}})\Z")
_ROLE = re.compile(rf"{_CODE}\Z")
_PARENT = re.compile(rf"(?:{TEMPLATE_PREFIX})?{_CODE}\Z")


@dataclass(frozen=True, slots=True, order=True)
class GrantRule:
    """`p, role, pattern, effect`."""

    role: str
    pattern: str
    effect: Effect

    def __str__(self) -> str:
        return f"p, {self.role}, {self.pattern}, {self.effect}"


@dataclass(frozen=True, slots=True, order=True)
class LinkRule:
    """`g, role, parent`: the role has all rules of its parent."""

    role: str
    parent: str

    def __str__(self) -> str:
        return f"g, {self.role}, {self.parent}"


Rule = GrantRule | LinkRule


def is_pattern(text: str) -> bool:
    """Whether it is a permission, a permission's beginning followed by `.*`, or `*`."""
    return _PERMISSION.match(text) is not None


def matches(permission: str, pattern: str) -> bool:
    """Casbin's keyMatch: what stands before the first `*` of the pattern is a beginning of the permission."""
    star = pattern.find("*")
    return permission == pattern if star == -1 else permission.startswith(pattern[:star])


def parse_rule(line: str) -> Rule:
    """One line of a policy file; refuses (`PolicyLineWrong`) what is none."""
    match [cell.strip() for cell in line.split(",")]:
        case ["p", role, pattern, "allow" | "deny" as effect] if _ROLE.match(role) and is_pattern(pattern):
            return GrantRule(role, pattern, "allow" if effect == "allow" else "deny")
        case ["g", role, parent] if _ROLE.match(role) and _PARENT.match(parent) and role != parent:
            return LinkRule(role, parent)
    raise PolicyLineWrong(line=line[:200])
