"""Refusals for want of a permission have a name that an administrator can look up: one record per request at most."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from graphql import GraphQLError

from cityloom.core.errors import Forbidden, Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cityloom.core.principal import Principal


@dataclass(frozen=True, slots=True)
class Denial:
    """What was refused: the permissions or protected fields, by which refusal, in which root field, and where."""

    permissions: tuple[str, ...]
    reason: str
    field: str | None = None
    area_path: str | None = None


class Decisions(Protocol):
    """Keeps denials; a higher slice does, because they belong to a tenant's access."""

    async def record(self, principal: Principal, denial: Denial) -> str | None:
        """Keep a denial in a transaction of its own; its public id, or None where it is not kept."""
        ...


class NoDecisions:
    """For surfaces whose callers belong to no tenant: nothing is kept."""

    async def record(self, _principal: Principal, _denial: Denial) -> str | None:
        """Never an id."""
        return None


@dataclass(slots=True)
class RequestDecisions:
    """The denials of one request. The first is kept; later ones have its id where it speaks of them, else none.

    A subscription is one request, however long it lasts: `forbidden` are all the protected fields that it asks for in
    vain, so that the one record speaks of each.
    """

    decisions: Decisions
    principal: Principal
    forbidden: tuple[str, ...] = ()
    kept: dict[str, str | None] | None = field(default=None)

    async def stamp_refusal(self, refusal: Refusal, *, root: str | None = None) -> None:
        """Give a refusal for want of a permission the id of its decision, as `details.decisionId`."""
        permission = refusal.details.get("permission")
        if refusal.code is not RefusalCode.FORBIDDEN or not isinstance(permission, str):
            return
        area_path = refusal.area_path if isinstance(refusal, Forbidden) else None
        decision = await self._id(permission, Denial((permission,), refusal.reason, root, area_path))
        if decision is not None:
            refusal.details["decisionId"] = decision

    async def stamp_errors(self, errors: Iterable[GraphQLError]) -> None:
        """Give the errors of forbidden fields, and refusals that resolvers raised, the id of their decision."""
        fields: list[GraphQLError] = []
        for error in errors:
            original = error.original_error
            if isinstance(original, Refusal):
                await self.stamp_refusal(original)
            elif error.extensions and error.extensions.get("code") == RefusalCode.FORBIDDEN.value:
                fields.append(error)
        found = (str(error.extensions["permission"]) for error in fields if error.extensions)
        wanted = self.forbidden or tuple(dict.fromkeys(found))
        for error in fields:
            if error.extensions is None:
                continue
            denial = Denial(wanted, "FIELD_FORBIDDEN")
            decision = await self._id(str(error.extensions["permission"]), denial)
            if decision is not None:
                error.extensions["decisionId"] = decision

    async def stamped(self, errors: Iterable[GraphQLError]) -> list[GraphQLError]:
        """The same errors with the ids of this caller's decisions; those given, which others are told too, stay."""
        own = [
            GraphQLError(
                error.message,
                error.nodes,
                error.source,
                error.positions,
                error.path,
                error.original_error,
                dict(error.extensions or {}),
            )
            for error in errors
        ]
        await self.stamp_errors(own)
        return own

    async def _id(self, permission: str, denial: Denial) -> str | None:
        if self.kept is None:
            decision = await self.decisions.record(self.principal, denial)
            self.kept = dict.fromkeys(denial.permissions, decision)
        return self.kept.get(permission)
