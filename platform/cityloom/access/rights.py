"""What one principal may do: made from a snapshot and memberships, once per account and version."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cityloom.access.catalogue import FULL, MASKED
from cityloom.access.policy import matches
from cityloom.core.principal import EVERYWHERE, NOWHERE, FieldAccess, Scope, subtree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from cityloom.access.catalogue import Catalogue
    from cityloom.access.snapshot import Snapshot

_ALL = Scope(everywhere=True)
_EMPTY: Mapping[str, Scope] = {}


@dataclass(frozen=True, slots=True)
class Held:
    """A role that an account holds, and where: a membership as rights need it."""

    role: str
    scope_kind: str
    area_path: str | None = None
    department_id: UUID | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def is_valid(self, at: datetime) -> bool:
        """Whether it holds at this moment."""
        return (self.starts_at is None or self.starts_at <= at) and (self.ends_at is None or at < self.ends_at)

    def scope(self, snapshot: Snapshot) -> Scope:
        """The rows that it reaches; a department reaches those below it."""
        match self.scope_kind:
            case "TENANT":
                return _ALL
            case "AREA" if self.area_path is not None:
                return Scope(areas=(subtree(self.area_path),))
            case "DEPARTMENT" if self.department_id is not None:
                return Scope(departments=snapshot.departments.get(self.department_id, (self.department_id,)))
            case "OWN":
                return Scope(own=True)
        message = f"a membership of kind {self.scope_kind} without its target"
        raise ValueError(message)


def union(scopes: Iterable[Scope]) -> Scope:
    """One scope that reaches what any of them reaches; nested area ranges become one."""
    given = list(scopes)
    if any(scope.everywhere for scope in given):
        return _ALL
    areas: list[tuple[str, str]] = []
    for low, high in sorted({r for scope in given for r in scope.areas}):
        if not areas or low >= areas[-1][1]:
            areas.append((low, high))
        elif high > areas[-1][1]:
            areas[-1] = (areas[-1][0], high)
    departments = sorted({d for scope in given for d in scope.departments})
    return Scope(areas=tuple(areas), departments=tuple(departments), own=any(scope.own for scope in given))


def includes(outer: Scope | None, inner: Scope) -> bool:
    """Whether the outer scope surely reaches all that the inner one reaches."""
    if outer is None:
        return False
    if outer.everywhere:
        return True
    return (
        not inner.everywhere
        and (outer.own or not inner.own)
        and set(inner.departments) <= set(outer.departments)
        and all(any(low <= r[0] and r[1] <= high for low, high in outer.areas) for r in inner.areas)
    )


@dataclass(frozen=True)
class SnapshotRights:
    """Rights of one principal: scope of each permission, level of each protected field."""

    version: int
    scopes: Mapping[str, Scope]
    fields: Mapping[str, FieldAccess]
    #: When a membership begins or ends next: they must be made again then.
    valid_until: datetime | None = None

    def scope(self, permission: str) -> Scope | None:
        """Where the permission holds; None where it is not granted."""
        return self.scopes.get(permission)

    def field(self, permission: str) -> FieldAccess:
        """How much of the protected field is seen."""
        return self.fields.get(permission, FieldAccess.ABSENT)

    @cached_property
    def wall(self) -> tuple[str, str]:
        """The smallest range of area paths that covers every scope."""
        distinct = set(self.scopes.values())
        if any(s.everywhere or s.own or s.departments for s in distinct):
            return EVERYWHERE
        ranges = [r for s in distinct for r in s.areas]
        return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else NOWHERE

    @cached_property
    def fingerprint(self) -> str:
        """Equal where permissions, field levels and the shapes of scopes are equal, and the same scopes the same."""
        digest, numbers = hashlib.sha256(), dict[Scope, int]()
        for name in sorted(self.scopes):
            scope = self.scopes[name]
            digest.update(
                f"{name}:{scope.everywhere:d},{len(scope.areas)},{len(scope.departments)},{scope.own:d}"
                f"#{numbers.setdefault(scope, len(numbers))};".encode()
            )
        for name in sorted(self.fields):
            digest.update(f"{name}={self.fields[name]};".encode())
        return digest.hexdigest()[:32]


NO_RIGHTS = SnapshotRights(0, _EMPTY, {})


def make_rights(
    snapshot: Snapshot,
    catalogue: Catalogue,
    held: Iterable[Held],
    *,
    version: int,
    at: datetime,
    cap: tuple[str, ...] | None = None,
) -> SnapshotRights:
    """The rights of an account that holds these memberships at this moment; `cap` are an API client's patterns."""
    known = list(held)
    now = [h for h in known if h.is_valid(at)]
    boundaries = [t for h in known for t in (h.starts_at, h.ends_at) if t is not None and t > at]
    permitted = snapshot.permissions({h.role for h in now})
    if cap is not None:
        permitted = frozenset(p for p in permitted if any(matches(p, pattern) for pattern in cap))
    reach: dict[str, Scope] = {}
    for role in {h.role for h in now}:
        reach[role] = union(h.scope(snapshot) for h in now if h.role == role)
    cache: dict[tuple[str, ...], Scope] = {}
    scopes: dict[str, Scope] = {}
    for permission in permitted:
        holders = tuple(role for role in reach if permission in snapshot.stated.get(role, ()))
        scope = cache.get(holders)
        if scope is None:
            scope = cache[holders] = union(reach[role] for role in holders)
        scopes[permission] = scope
    return SnapshotRights(version, scopes, _field_levels(catalogue, scopes), min(boundaries, default=None))


def _field_levels(catalogue: Catalogue, scopes: Mapping[str, Scope]) -> dict[str, FieldAccess]:
    """The level that holds for *every* row that the account can read.

    A level is not decided per row, so that a right to see phone numbers in full in one place must not unmask those of
    another place that a second role lets the account read.
    """
    levels = {}
    for name, read in catalogue.protected_fields.items():
        full, masked = scopes.get(f"{name}.{FULL}"), scopes.get(f"{name}.{MASKED}")
        reached = scopes.get(read)
        if full is not None and (reached is None or includes(full, reached)):
            levels[name] = FieldAccess.FULL
            continue
        known = [s for s in (full, masked) if s is not None]
        if known and (reached is None or includes(union(known), reached)):
            levels[name] = FieldAccess.MASKED
    return levels
