"""One mutation at a time, by who may and who may not: a refusal has to change nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.principal import Principal
    from cityloom.testing.front import Front


def mutation(name: str, type_: str, selection: str = "id") -> str:
    """A document for one mutation with one input."""
    title = name[0].upper() + name[1:]
    return (
        f"mutation ($input: {title}Input!) {{ {name}(input: $input) {{ __typename "
        f"... on {type_} {{ {selection} }} ... on Refusal {{ code reason message path }} }} }}"
    )


@dataclass
class Probe:
    """One mutation, by who may and who may not: proves that a refusal changed nothing."""

    front: Front
    tenant_id: UUID

    async def refused(self, caller: Principal, text: str, variables: dict[str, Any]) -> tuple[str, str]:
        """Code and reason of the refusal; nothing has changed."""
        before = await self.front.footprint(self.tenant_id)
        answer = await self.front.data(caller, text, variables)
        (found,) = answer.values()
        assert found["__typename"] == "Refusal", found
        assert await self.front.footprint(self.tenant_id) == before
        return found["code"], found["reason"]

    async def done(self, caller: Principal, text: str, variables: dict[str, Any]) -> dict[str, Any]:
        """What was changed; there is an event and an audit entry for it."""
        before = await self.front.footprint(self.tenant_id)
        answer = await self.front.data(caller, text, variables)
        (found,) = answer.values()
        assert found["__typename"] != "Refusal", found
        after = await self.front.footprint(self.tenant_id)
        assert after["audit_records"] > before["audit_records"]
        result: dict[str, Any] = found
        return result
