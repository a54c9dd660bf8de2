"""Rights stated by a test, for slices below `access`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cityloom.core.ids import new_id
from cityloom.core.principal import EVERYWHERE, NOWHERE, FieldAccess, Principal, PrincipalKind, Scope

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.text import Locale

ALL = Scope(everywhere=True)


@dataclass(frozen=True)
class StatedRights:
    """Exactly what the test says: permissions with their scope, and levels of protected fields."""

    scopes: dict[str, Scope] = field(default_factory=dict)
    fields: dict[str, FieldAccess] = field(default_factory=dict)
    may_all: bool = False
    version: int = 1

    @property
    def wall(self) -> tuple[str, str]:
        """Covers every stated scope."""
        scopes = list(self.scopes.values())
        if self.may_all or any(s.everywhere or s.own or s.departments for s in scopes):
            return EVERYWHERE
        ranges = [r for s in scopes for r in s.areas]
        return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else NOWHERE

    @property
    def fingerprint(self) -> str:
        """Permissions, levels and shapes of scopes, and which of these are the same."""
        numbers: dict[Scope, int] = {}
        shape = [
            (p, s.everywhere, len(s.areas), len(s.departments), s.own, numbers.setdefault(s, len(numbers)))
            for p, s in sorted(self.scopes.items(), key=lambda held: held[0])
        ]
        return hashlib.sha256(repr((shape, sorted(self.fields.items()), self.may_all)).encode()).hexdigest()

    def scope(self, permission: str) -> Scope | None:
        """The stated scope."""
        return self.scopes.get(permission, ALL if self.may_all else None)

    def field(self, permission: str) -> FieldAccess:
        """The stated level."""
        return self.fields.get(permission, FieldAccess.FULL if self.may_all else FieldAccess.ABSENT)


def principal(tenant_id: UUID, rights: StatedRights | None = None, *, locale: Locale = "en") -> Principal:
    """A member of staff with stated rights; everything where none are given."""
    return Principal(
        tenant_id=tenant_id,
        kind=PrincipalKind.STAFF,
        rights=rights or StatedRights(may_all=True),
        account_id=new_id(),
        locale=locale,
    )
