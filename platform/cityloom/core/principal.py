"""Who is asking, and what they may do: the shapes that core and graph need; the access slice makes them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.text import Locale

#: The half-open range of every area path: '' to the highest character.
EVERYWHERE: tuple[str, str] = ("", "\U0010ffff")
#: A range that holds no path.
NOWHERE: tuple[str, str] = ("", "")


class PrincipalKind(StrEnum):
    """What sort of caller it is."""

    STAFF = "STAFF"
    RESIDENT = "RESIDENT"
    API_CLIENT = "API_CLIENT"
    OPERATOR = "OPERATOR"
    SYSTEM = "SYSTEM"
    ANONYMOUS = "ANONYMOUS"


class FieldAccess(StrEnum):
    """How much of a protected field a caller sees."""

    FULL = "FULL"
    MASKED = "MASKED"
    ABSENT = "ABSENT"


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows that a permission reaches: the union of what is named here.

    `areas` are half-open ranges of area paths; `own` stands for rows that belong to the caller's account.
    """

    everywhere: bool = False
    areas: tuple[tuple[str, str], ...] = ()
    departments: tuple[UUID, ...] = ()
    own: bool = False

    def covers(self, area_path: str) -> bool:
        """Whether rows at this area path are within the scope's areas."""
        return self.everywhere or any(low <= area_path < high for low, high in self.areas)


class Rights(Protocol):
    """What one principal may do in one tenant, decided once from the access snapshot."""

    @property
    def version(self) -> int:
        """Version of the tenant's access rules that this was made from."""
        ...

    @property
    def fingerprint(self) -> str:
        """Equal for two callers whose compiled plans are equal.

        By permissions, field levels, shapes of scopes, and which of their permissions hold in the same places.
        """
        ...

    @property
    def wall(self) -> tuple[str, str]:
        """The smallest half-open range of area paths that covers every scope: what row-level security enforces."""
        ...

    def scope(self, permission: str) -> Scope | None:
        """Where the permission holds; None where it is not granted."""
        ...

    def field(self, permission: str) -> FieldAccess:
        """How much of the protected field is seen; `permission` is its name without the level."""
        ...


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: made from a credential alone, never from what a request says about itself."""

    tenant_id: UUID
    kind: PrincipalKind
    rights: Rights
    account_id: UUID | None = None
    client_id: UUID | None = None
    locale: Locale = "zh"
    is_developer: bool = False


def subtree(path: str) -> tuple[str, str]:
    """The half-open range of an area path and all below it; `/` is the character after the delimiter `.`."""
    return path, path[:-1] + "/"
