"""A city keeps an administrator, and nobody gives more than they hold."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from cityloom.access import models as m
from cityloom.access.errors import (
    AboveOwnRights,
    AlreadyMember,
    LastAdministratorKept,
    PermissionUnknown,
    RolesInCircle,
    RoleStillHeld,
    RuleAlreadyStated,
    RuleNotStated,
    TemplateUnknown,
)
from cityloom.access.policy import GrantRule, LinkRule
from cityloom.access.service import accounts, clients, proposals, roles
from cityloom.access.service.guard import administrators
from cityloom.access.service.memberships import MembershipDraft, grant_membership, revoke_membership
from cityloom.core.errors import Forbidden, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from cityloom.testing.access import City


async def administrator(city: City, login: str) -> None:
    """An account that administers and can sign in."""
    if "boss" not in city.roles:
        await city.role("boss", "allow *")
    await city.account(login, ("boss", None), password_hash="set")


async def membership_of(city: City, login: str) -> UUID:
    async with city.work() as work:
        query = select(m.Membership.id).where(m.Membership.account_id == city.accounts[login])
        return (await work.session.scalars(query)).one()


@asynccontextmanager
async def refused(city: City, *refusals: type[Refusal]) -> AsyncIterator[None]:
    """The block is refused, and rules and people are afterwards as they were."""
    before = await _state(city)
    with pytest.raises(refusals):
        yield
    assert await _state(city) == before


async def _state(city: City) -> list[str]:
    async with city.work() as work:
        found = []
        for model in (
            m.Account,
            m.Membership,
            m.Role,
            m.Grant,
            m.RoleLink,
            m.ApiClient,
            m.ApiClientKey,
            m.AccessVersion,
        ):
            columns = list(model.__table__.columns)
            found += [repr(row) for row in await work.session.execute(select(*columns).order_by(columns[1]))]
        return found


async def test_the_last_administrator_stays_whatever_is_tried(city: City) -> None:
    await administrator(city, "last")
    await city.role("barred", "deny access.policy.*")
    await city.account("nologin", ("boss", None))
    await city.account("local", ("boss", "1.2."), password_hash="set")
    held = await membership_of(city, "last")
    last = city.accounts["last"]

    async with refused(city, LastAdministratorKept), city.work() as work:
        await revoke_membership(work, held)
    async with refused(city, LastAdministratorKept), city.work() as work:
        await accounts.change_account(work, last, accounts.AccountChanges(is_active=False))
    async with refused(city, LastAdministratorKept), city.work() as work:
        await roles.revoke_from_role(work, "boss", "*")
    async with refused(city, LastAdministratorKept), city.work() as work:
        await roles.grant_to_role(work, "boss", "access.*", "deny")
    async with refused(city, LastAdministratorKept), city.work() as work:
        await grant_membership(work, MembershipDraft(account_id=last, role="barred", scope_kind="TENANT"))
    async with refused(city, LastAdministratorKept), city.work() as work:
        later = work.now() + timedelta(days=300)
        area_id = (await city.area("1.2.")).id
        draft = MembershipDraft(account_id=last, role="barred", scope_kind="AREA", area_id=area_id, starts_at=later)
        await grant_membership(work, draft)
    async with city.work() as work:
        proposal = await proposals.propose(work, added=[], removed=["p, boss, *, allow"], reason="away with it")
    async with refused(city, LastAdministratorKept), city.work() as work:
        await proposals.apply_proposal(work, proposal.id)
    async with city.work() as work:
        assert await administrators(work) == {last}


async def test_two_administrators_cannot_dismiss_each_other_at_the_same_moment(city: City) -> None:
    await administrator(city, "one")
    await administrator(city, "two")
    both = [await membership_of(city, login) for login in ("one", "two")]

    async def dismiss(membership: UUID) -> bool:
        try:
            async with city.work() as work:
                await revoke_membership(work, membership)
        except LastAdministratorKept:
            return False
        return True

    assert sorted(await asyncio.gather(*map(dismiss, both))) == [False, True]
    async with city.work() as work:
        assert len(await administrators(work)) == 1


async def test_an_administrator_with_an_end_in_sight_does_not_count(city: City) -> None:
    await administrator(city, "last")
    await city.account("deputy", password_hash="set")
    async with city.work() as work:
        await grant_membership(
            work,
            MembershipDraft(
                account_id=city.accounts["deputy"],
                role="boss",
                scope_kind="TENANT",
                ends_at=work.now() + timedelta(days=1),
            ),
        )
    held = await membership_of(city, "last")
    async with refused(city, LastAdministratorKept), city.work() as work:
        await revoke_membership(work, held)


async def test_nobody_gives_a_role_beyond_their_own_rights_or_area(city: City) -> None:
    await city.role("lead", "allow access.membership.*", "allow registry.resident.read")
    await city.role("reader", "allow registry.resident.read")
    await city.role("writer", "allow registry.resident.*")
    await city.account("lead", ("lead", "1.2."))
    new = await city.account("new")
    inside, outside = (await city.area("1.2.3.")).id, (await city.area("1.3.")).id
    lead = await city.principal("lead")

    def draft(role: str, area: UUID | None) -> MembershipDraft:
        return MembershipDraft(account_id=new, role=role, scope_kind="AREA" if area else "TENANT", area_id=area)

    async with city.work(lead) as work:
        given = await grant_membership(work, draft("reader", inside))
    for role, area, refusal in (
        ("reader", outside, Forbidden), ("reader", None, Forbidden), ("writer", inside, AboveOwnRights),
        ("reader", inside, AlreadyMember),
    ):  # fmt: skip
        async with refused(city, refusal), city.work(lead) as work:
            await grant_membership(work, draft(role, area))
    await city.account("far", ("reader", "1.3."))
    far = await membership_of(city, "far")
    async with refused(city, Forbidden), city.work(lead) as work:
        await revoke_membership(work, far)
    async with city.work(lead) as work:
        await revoke_membership(work, given.id)


async def test_taking_a_denying_role_away_is_giving(city: City) -> None:
    await city.role("lead", "allow access.membership.*", "allow registry.resident.read")
    await city.role("writer", "allow registry.*")
    await city.role("barred", "deny registry.resident.create")
    await city.account("lead", ("lead", None))
    await city.account("wang", ("barred", None), ("writer", None))
    async with city.work() as work:
        query = select(m.Membership.id).where(m.Membership.role_id == city.roles["barred"])
        barring = (await work.session.scalars(query)).one()
    lead = await city.principal("lead")
    async with refused(city, AboveOwnRights), city.work(lead) as work:
        await revoke_membership(work, barring)
    async with city.work() as work:
        await revoke_membership(work, barring)


async def test_rules_are_given_and_denials_lifted_only_by_who_holds_them(city: City) -> None:
    await city.role("policy", "allow access.*", "allow registry.resident.read")
    await city.role("reader", "allow registry.resident.read", "deny registry.dwelling.create")
    await city.account("policy", ("policy", None))
    caller = await city.principal("policy")
    async with refused(city, AboveOwnRights), city.work(caller) as work:
        await roles.grant_to_role(work, "reader", "registry.resident.create")
    async with refused(city, AboveOwnRights), city.work(caller) as work:
        await roles.revoke_from_role(work, "reader", "registry.dwelling.create", "deny")
    async with refused(city, AboveOwnRights), city.work(caller) as work:
        await roles.change_rules(work, added=[LinkRule("reader", "template:city_administrator")], removed=[])
    async with city.work(caller) as work:
        proposal = await proposals.propose(work, added=["p, reader, registry.*, allow"], removed=[], reason="more")
    async with refused(city, AboveOwnRights), city.work(caller) as work:
        await proposals.apply_proposal(work, proposal.id)
    async with city.work(caller) as work:
        await roles.grant_to_role(work, "reader", "access.role.read")


async def test_nobody_takes_over_an_account_that_may_do_more(city: City) -> None:
    await city.role("desk", "allow access.account.*", "allow access.client.*")
    await city.role("reader", "allow registry.*")
    await city.account("desk", ("desk", None))
    reader = await city.account("reader", ("reader", None))
    plain = await city.account("plain")
    async with city.work() as work:
        client = await clients.create_client(work, "exporter", ["registry.*"])
        await grant_membership(work, MembershipDraft(account_id=client.account_id, role="reader", scope_kind="TENANT"))
    desk = await city.principal("desk")
    linked = accounts.AccountChanges(oidc=("https://issuer.example", "me"))
    async with refused(city, AboveOwnRights), city.work(desk) as work:
        await accounts.set_password(work, reader, "a good long one")
    async with refused(city, AboveOwnRights), city.work(desk) as work:
        await accounts.change_account(work, reader, linked)
    async with refused(city, AboveOwnRights), city.work(desk) as work:
        await clients.create_key(work, client.id)
    async with refused(city, AboveOwnRights), city.work(desk) as work:
        await clients.change_client(work, client.id, permissions=["registry.resident.*"])
    async with city.work(desk) as work:
        await accounts.set_password(work, plain, "a good long one")


async def test_what_is_no_rule_is_refused(city: City) -> None:
    await city.role("reader", "allow registry.*")
    await city.role("writer", "role:reader")
    await city.account("wang", ("reader", None))
    grant = GrantRule("reader", "registry.*", "allow")
    for added, removed, refusal in (
        ([grant], [], RuleAlreadyStated),
        ([], [GrantRule("reader", "areas.*", "allow")], RuleNotStated),
        ([GrantRule("reader", "nothing.like.this", "allow")], [], PermissionUnknown),
        ([LinkRule("reader", "writer")], [], RolesInCircle),
        ([LinkRule("reader", "template:king")], [], TemplateUnknown),
    ):
        async with refused(city, refusal), city.work() as work:
            await roles.change_rules(work, added=added, removed=removed)
    async with refused(city, RoleStillHeld), city.work() as work:
        await roles.delete_role(work, city.roles["reader"])
