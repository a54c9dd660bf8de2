"""From a credential to a principal, and nothing from anywhere else."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from cityloom.core.errors import Unauthenticated
from cityloom.core.principal import FieldAccess, PrincipalKind, Scope, subtree
from cityloom.testing.access import City, World


def request(*headers: tuple[str, str]) -> Request:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return Request({"type": "http", "headers": raw})


async def test_a_bearer_leads_to_its_account_with_the_scope_of_its_membership(city: City, world: World) -> None:
    await city.role("grid_worker", "allow registry.resident.read", "allow registry.resident.phone.masked")
    account_id = await city.account("wang", ("grid_worker", "1.2."))
    bearer = await city.bearer("wang")
    principal = await world.authenticator(request(("Authorization", f"Bearer {bearer}"), ("Accept-Language", "en")))
    assert (principal.tenant_id, principal.account_id, principal.kind) == (city.id, account_id, PrincipalKind.STAFF)
    assert principal.locale == "en"
    assert principal.rights.scope("registry.resident.read") == Scope(areas=(subtree("1.2."),))
    assert principal.rights.scope("registry.resident.create") is None
    assert principal.rights.field("registry.resident.phone") is FieldAccess.MASKED
    assert principal.rights.wall == subtree("1.2.")


async def test_without_a_credential_the_caller_is_nobody(world: World) -> None:
    principal = await world.authenticator(request())
    assert principal.kind is PrincipalKind.ANONYMOUS
    assert principal.rights.scope("registry.resident.read") is None


async def test_a_session_ends_with_its_time(city: City, world: World) -> None:
    await city.account("wang")
    bearer = await city.bearer("wang")
    await world.authenticator.principal(bearer)
    world.clock.advance(hours=12)
    with pytest.raises(Unauthenticated):
        await world.authenticator.principal(bearer)
