"""The platform itself as a principal of one tenant: packs are applied and maintenance is done by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.core.principal import EVERYWHERE, FieldAccess, Principal, PrincipalKind, Scope

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.text import Locale

_EVERYTHING = Scope(everywhere=True)


class EveryRight:
    """All permissions in the whole tenant. Row-level security still keeps it within the tenant."""

    version = 0
    fingerprint = "system"
    wall = EVERYWHERE

    def scope(self, permission: str) -> Scope:  # noqa: ARG002 - every permission
        """The whole tenant."""
        return _EVERYTHING

    def field(self, permission: str) -> FieldAccess:  # noqa: ARG002 - every field
        """In full."""
        return FieldAccess.FULL


_RIGHTS = EveryRight()


def system_principal(tenant_id: UUID, *, locale: Locale = "zh") -> Principal:
    """The platform as a principal of this tenant, with every right in it and none anywhere else."""
    return Principal(tenant_id=tenant_id, kind=PrincipalKind.SYSTEM, rights=_RIGHTS, locale=locale)
