"""Why somebody may or may not: the layer, the rule, the scope, and what would allow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cityloom.access.errors import PermissionUnknown
from cityloom.access.service import accounts
from cityloom.access.service.explanations import Explanation, NearestGrant, Place, explain_access
from cityloom.core.errors import Forbidden
from cityloom.core.principal import FieldAccess, Scope, subtree

if TYPE_CHECKING:
    from cityloom.core.principal import Principal
    from cityloom.testing.access import City

READ = "registry.resident.read"
INSIDE, OUTSIDE = Place(area_path="1.2.3."), Place(area_path="1.3.")


async def ask(
    city: City, login: str, action: str, place: Place | None = None, *, by: Principal | None = None, about: bool = True
) -> Explanation:
    async with city.work(by) as work:
        return await explain_access(work, city.accounts[login], action, place, is_about_object=about)


async def staff(city: City) -> None:
    await city.role("worker", f"allow {READ}", "allow registry.resident.phone.masked")
    await city.role("clerk", "allow registry.*")
    await city.role("barred", "deny registry.resident.*")
    await city.account("wang", ("worker", "1.2."))
    await city.account("li", ("worker", "1.2."), ("barred", None))
    await city.account("none")


async def test_what_is_allowed_names_role_rule_and_scope(city: City) -> None:
    await staff(city)
    found = await ask(city, "wang", READ, INSIDE)
    assert (found.is_allowed, found.layer, found.role) == (True, "NONE", "worker")
    assert found.rule == f"p, worker, {READ}, allow"
    assert found.scope == Scope(areas=(subtree("1.2."),))
    assert found.nearest is None


async def test_an_account_that_is_switched_off(city: City) -> None:
    await staff(city)
    async with city.work() as work:
        await accounts.change_account(work, city.accounts["wang"], accounts.AccountChanges(is_active=False))
    found = await ask(city, "wang", READ, INSIDE)
    assert (found.is_allowed, found.layer, found.nearest) == (False, "ACCOUNT", NearestGrant("SWITCH_ON"))


async def test_no_role_that_allows_it(city: City) -> None:
    await staff(city)
    found = await ask(city, "wang", "registry.dwelling.create", INSIDE)
    assert (found.is_allowed, found.layer, found.rule) == (False, "ROLE", None)
    assert found.nearest == NearestGrant("MEMBERSHIP", "clerk", "1.2.3.")
    nobody_has = await ask(city, "wang", "areas.area.move", INSIDE)
    assert nobody_has.nearest == NearestGrant("RULE", "worker", rule="p, worker, areas.area.move, allow")
    # The role that gives the least besides is the nearest.
    assert (await ask(city, "none", READ, INSIDE)).nearest == NearestGrant("MEMBERSHIP", "worker", "1.2.3.")


async def test_a_role_that_denies_it(city: City) -> None:
    await staff(city)
    found = await ask(city, "li", READ, INSIDE)
    rule = "p, barred, registry.resident.*, deny"
    assert (found.layer, found.role, found.rule) == ("ROLE", "barred", rule)
    assert found.nearest == NearestGrant("REMOVE_RULE", "barred", rule=rule)


async def test_a_place_outside_of_the_scope(city: City) -> None:
    await staff(city)
    found = await ask(city, "wang", READ, OUTSIDE)
    assert (found.is_allowed, found.layer, found.scope) == (False, "SCOPE", Scope(areas=(subtree("1.2."),)))
    assert found.nearest == NearestGrant("MEMBERSHIP", "worker", "1.3.")
    assert (await ask(city, "wang", READ, about=False)).is_allowed


async def test_a_protected_field(city: City) -> None:
    await staff(city)
    masked = await ask(city, "wang", "registry.resident.phone", INSIDE)
    assert (masked.is_allowed, masked.field_access) == (True, FieldAccess.MASKED)
    absent = await ask(city, "none", "registry.resident.phone", INSIDE)
    assert (absent.is_allowed, absent.layer, absent.field_access) == (False, "FIELD", FieldAccess.ABSENT)
    assert absent.nearest is not None


async def test_about_oneself_everybody_may_ask_without_learning_what_exists(city: City) -> None:
    await staff(city)
    wang = await city.principal("wang")
    exists, absent = await ask(city, "wang", READ, OUTSIDE, by=wang), await ask(city, "wang", READ, None, by=wang)
    for found in (exists, absent):
        assert (found.layer, found.nearest, found.scope) == ("SCOPE", None, Scope(areas=(subtree("1.2."),)))
    with pytest.raises(Forbidden):
        await ask(city, "li", READ, INSIDE, by=wang)


async def test_an_action_that_is_none_is_refused(city: City) -> None:
    await staff(city)
    with pytest.raises(PermissionUnknown):
        await ask(city, "wang", "registry.resident.fly", INSIDE)


async def test_every_explanation_has_a_decision_id_that_is_audited(city: City) -> None:
    await staff(city)
    found = await ask(city, "wang", READ, OUTSIDE)
    [entry] = city.world.written[-1].audited
    assert entry.after == {"decision_id": str(found.decision_id), "permission": READ}
