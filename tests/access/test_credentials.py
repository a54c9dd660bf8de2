"""Sessions, keys of API clients, passwords and operators: what is good, and every way of being bad."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text, update
from starlette.requests import Request

from cityloom.access import tokens
from cityloom.access.authentication import ANONYMOUS
from cityloom.access.errors import LoginRefused, PasswordWeak, TooManyLogins, TwoKeysActive
from cityloom.access.passwords import PER_ACCOUNT, PER_ADDRESS
from cityloom.access.service import accounts, clients, operators, sessions
from cityloom.access.service.memberships import MembershipDraft, grant_membership
from cityloom.core.database import Context
from cityloom.core.errors import Forbidden, NotFound, Unauthenticated
from cityloom.core.ids import new_id
from cityloom.core.principal import PrincipalKind, Scope
from cityloom.tenancy.errors import TenantLeaving
from cityloom.tenancy.models import Tenant

if TYPE_CHECKING:
    from cityloom.testing.access import City, World

PASSWORD = "correct horse battery"


def request(*headers: tuple[str, str]) -> Request:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return Request({"type": "http", "headers": raw, "client": ("192.0.2.7", 5)})


async def refused(world: World, *credentials: str) -> None:
    for credential in credentials:
        with pytest.raises(Unauthenticated):
            await world.authenticator.principal(credential)


async def with_password(city: City, login: str = "wang") -> None:
    account_id = await city.account(login)
    async with city.work() as work:
        await accounts.set_password(work, account_id, PASSWORD)


async def client_of(city: City, *permissions: str) -> tuple[clients.NewKey, clients.NewKey]:
    """A client with a role over the whole city and two keys."""
    await city.role("reader", "allow registry.*")
    async with city.work() as work:
        client = await clients.create_client(work, "exporter", list(permissions))
        await grant_membership(work, MembershipDraft(account_id=client.account_id, role="reader", scope_kind="TENANT"))
        return await clients.create_key(work, client.id), await clients.create_key(work, client.id)


async def test_every_sort_of_bad_credential_is_refused(city: City, world: World) -> None:
    await city.account("wang")
    good = await city.bearer("wang")
    tenant, row = good.split("_")[1:3]
    other = await world.city("birch")
    assert (await world.authenticator.principal(good)).account_id == city.accounts["wang"]
    await refused(
        world, "", "x", "cs_", good[:-1], good + "x", good.replace("cs_", "cl_"), good.upper(), f"{good}\n",
        f"cs_{other.id.hex}_{row}_{good.rsplit('_', 1)[1]}", f"cs_{new_id().hex}_{row}_{'a' * 43}",
        f"cs_{tenant}_{row}_{'a' * 43}", f"cs_{tenant}_{new_id().hex}_{'a' * 43}", f"cs_{tenant}_{row}_{'é' * 43}",
        "cs_" + "0" * 9000, f"co_{row}_{'a' * 43}", f"cl_test_{tenant}{row}_{'a' * 43}",
    )  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Basic d2FuZzp4")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer  ")],
        [("Authorization", "")],
        [("Authorization", "Bearer a"), ("Authorization", "Bearer b")],
        [("Authorization", "Bearer a"), ("X-API-Key", "b")],
        [("X-API-Key", "")],
    ],
)
async def test_a_request_carries_one_credential_in_one_known_way(world: World, headers: list[tuple[str, str]]) -> None:
    with pytest.raises(Unauthenticated):
        await world.authenticator(request(*headers))


async def test_a_tenant_in_a_header_or_an_argument_means_nothing(world: World, city: City) -> None:
    caller = await world.authenticator(request(("X-Tenant", city.slug), ("Host", f"{city.slug}.example")))
    assert caller == ANONYMOUS


async def test_switching_off_signing_out_and_suspending_end_sessions(city: City, world: World) -> None:
    await city.account("wang")
    await city.account("li")
    wang, li = await city.bearer("wang"), await city.bearer("li")
    caller = await world.authenticator.principal(li)
    async with city.work(caller) as work:
        token = tokens.parse_token(li)
        assert token is not None
        await sessions.revoke_session(work, token.id)
    await refused(world, li)
    await world.authenticator.principal(wang)
    async with city.work() as work:
        await accounts.change_account(work, city.accounts["wang"], accounts.AccountChanges(is_active=False))
    await refused(world, wang)
    async with city.work() as work:
        await accounts.change_account(work, city.accounts["wang"], accounts.AccountChanges(is_active=True))
    await refused(world, wang)


async def test_nobody_ends_another_persons_session_without_the_permission(city: City, world: World) -> None:
    await city.account("wang")
    await city.account("li")
    wang = await city.bearer("wang")
    token = tokens.parse_token(wang)
    assert token is not None
    for caller in (await city.principal("li"), ANONYMOUS):
        with pytest.raises((Forbidden, NotFound)):
            async with city.work(caller) as work:
                await sessions.revoke_session(work, token.id)
    await world.authenticator.principal(wang)


async def test_a_key_is_capped_rotates_and_ends(city: City, world: World) -> None:
    first, second = await client_of(city, "registry.resident.*")
    caller = await world.authenticator(request(("X-API-Key", first.key)))
    assert (caller.kind, caller.client_id) == (PrincipalKind.API_CLIENT, first.client_id)
    assert caller.rights.scope("registry.resident.read") == Scope(everywhere=True)
    assert caller.rights.scope("registry.dwelling.read") is None
    with pytest.raises(TwoKeysActive):
        async with city.work() as work:
            await clients.create_key(work, first.client_id)
    async with city.work() as work:
        await clients.revoke_key(work, first.id)
    await refused(world, first.key)
    await world.authenticator.principal(second.key)
    async with city.work() as work:
        await clients.change_client(work, first.client_id, permissions=["registry.dwelling.*"])
    assert (await world.authenticator.principal(second.key)).rights.scope("registry.resident.read") is None
    await refused(world, second.key.replace("cl_test_", "cl_live_"))
    world.clock.advance(days=366)
    await refused(world, second.key)
    async with city.work() as work:
        third = await clients.create_key(work, first.client_id, expires_at=work.now() + timedelta(days=1))
        await clients.change_client(work, first.client_id, is_active=False)
    await refused(world, third.key)


async def test_no_secret_is_stored(city: City, world: World) -> None:
    key, _ = await client_of(city, "registry.*")
    await with_password(city)
    bearer = await city.bearer("wang")
    async with world.database.session(Context(city.id)) as session:
        for table in ("sign_ins", "api_client_keys", "accounts"):
            stored = (await session.execute(text(f"SELECT string_agg(t::text, '|') FROM {table} t"))).scalar_one()  # noqa: S608 - our own names
            for secret in (key.key.rsplit("_", 1)[1], bearer.rsplit("_", 1)[1], PASSWORD):
                assert secret not in stored
                assert secret.encode().hex() not in stored


async def test_login_and_password_open_a_session(city: City, world: World) -> None:
    await with_password(city)
    made = await world.logins.log_in(f" Wang@{city.slug.upper()} ", PASSWORD, address="192.0.2.1")
    assert (await world.authenticator.principal(made.token)).account_id == city.accounts["wang"]
    assert [type(e).__name__ for e in world.written[-1].outbox] == ["SessionCreated"]


async def test_what_is_wrong_with_a_login_is_not_told(city: City, world: World) -> None:
    await with_password(city)
    await with_password(city, "off")
    await city.account("nopass")
    async with city.work() as work:
        await accounts.change_account(work, city.accounts["off"], accounts.AccountChanges(is_active=False))
    said = set()
    for name, password in (
        (f"wang@{city.slug}", "wrong password"), (f"nobody@{city.slug}", PASSWORD), ("wang@nowhere", PASSWORD),
        ("wang", PASSWORD), ("", ""), (f"off@{city.slug}", PASSWORD), (f"nopass@{city.slug}", ""),
        (f"nopass@{city.slug}", PASSWORD), (f"wang@{city.slug}", "x" * 100_000), ("@", "x"),
    ):  # fmt: skip
        with pytest.raises(LoginRefused) as refusal:
            await world.logins.log_in(name, password)
        said.add((str(refusal.value), repr(refusal.value.details)))
    assert len(said) == 1


async def test_an_unknown_login_takes_as_long_as_a_wrong_password(city: City, world: World) -> None:
    await with_password(city)
    spent: dict[str, list[float]] = {"wang": [], "nobody": []}
    for _ in range(4):
        for login, times in spent.items():
            began = time.perf_counter()
            with pytest.raises(LoginRefused):
                await world.logins.log_in(f"{login}@{city.slug}", "wrong password")
            times.append(time.perf_counter() - began)
    # Both hash once: without that, the unknown one would be faster by the 20 ms of argon2id, a multiple of the rest.
    assert min(spent["nobody"]) > 0.5 * min(spent["wang"])


async def test_failed_logins_are_throttled_per_account_and_forgotten_in_time(city: City, world: World) -> None:
    await with_password(city)
    name = f"wang@{city.slug}"
    for _ in range(PER_ACCOUNT):
        with pytest.raises(LoginRefused):
            await world.logins.log_in(name, "wrong password")
    with pytest.raises(TooManyLogins) as refusal:
        await world.logins.log_in(name, PASSWORD)
    assert 0 < refusal.value.details["retryAfterSeconds"] <= 900
    world.clock.advance(minutes=15)
    await world.logins.log_in(name, PASSWORD)


async def test_an_address_that_tries_many_logins_is_throttled(city: City, world: World) -> None:
    await with_password(city)
    address = f"2001:db8::{city.slug}"
    for number in range(PER_ADDRESS):
        await world.logins.throttles.attempt(f"guess-{number}@{city.slug}", address)
    with pytest.raises(TooManyLogins):
        await world.logins.log_in(f"wang@{city.slug}", PASSWORD, address=address)
    await world.logins.log_in(f"wang@{city.slug}", PASSWORD, address="192.0.2.9")


async def test_a_password_is_long_enough_and_changes_end_sessions(city: City, world: World) -> None:
    await with_password(city)
    bearer = await city.bearer("wang")
    caller = await world.authenticator.principal(bearer)
    for weak in ("short", "xxwangxxxxxx", "y" * 257):
        with pytest.raises(PasswordWeak):
            async with city.work(caller) as work:
                await accounts.set_password(work, None, weak, current=PASSWORD)
    with pytest.raises(LoginRefused):
        async with city.work(caller) as work:
            await accounts.set_password(work, None, "another long one", current="not this")
    async with city.work(caller) as work:
        await accounts.set_password(work, None, "another long one", current=PASSWORD)
    await refused(world, bearer)
    with pytest.raises(LoginRefused):
        await world.logins.log_in(f"wang@{city.slug}", PASSWORD)
    await world.logins.log_in(f"wang@{city.slug}", "another long one")


async def test_operators_and_tenants_do_not_pass_each_others_doors(city: City, world: World) -> None:
    await city.account("wang")
    bearer = await city.bearer("wang")
    login = f"op-{city.slug}"
    operator_id = await operators.ensure_operator(world.database, login, name="Op", clock=world.clock)
    assert await operators.ensure_operator(world.database, login, name="Op", clock=world.clock) == operator_id
    token = await operators.open_operator_session(world.database, operator_id, clock=world.clock)
    caller = await world.authenticator.operator(request(("Authorization", f"Bearer {token}")))
    assert (caller.kind, caller.account_id) == (PrincipalKind.OPERATOR, operator_id)
    assert caller.rights.scope("platform.tenant.read") is not None
    assert caller.rights.scope("registry.resident.read") is None
    await refused(world, token)
    for bad in (bearer, token[:-1] + ("a" if token[-1] != "a" else "b"), "", f"co_{new_id().hex}_{'a' * 43}"):
        with pytest.raises(Unauthenticated):
            await world.authenticator.operator_principal(bad)
    assert (await world.authenticator.operator(request())).kind is PrincipalKind.ANONYMOUS
    world.clock.advance(hours=9)
    with pytest.raises(Unauthenticated):
        await world.authenticator.operator_principal(token)


async def test_an_operator_signs_in_with_a_password_and_is_switched_off_at_once(city: City, world: World) -> None:
    login = f"op-{city.slug}"
    operator_id = await operators.ensure_operator(world.database, login, name="Op", clock=world.clock)
    with_what = (world.database, world.logins.passwords, world.logins.throttles, login)
    with pytest.raises(LoginRefused):
        await operators.log_in_operator(*with_what, PASSWORD, clock=world.clock)
    assert await operators.set_operator_password(world.database, world.logins.passwords, login, PASSWORD)
    token = (await operators.log_in_operator(*with_what, PASSWORD, clock=world.clock)).token
    await world.authenticator.operator_principal(token)
    await operators.switch_off_operator(world.database, operator_id)
    with pytest.raises(Unauthenticated):
        await world.authenticator.operator_principal(token)
    with pytest.raises(LoginRefused):
        await operators.log_in_operator(*with_what, PASSWORD, clock=world.clock)


@pytest.mark.parametrize(("state", "is_open"), [("ONBOARDING", True), ("SUSPENDED", True), ("LEAVING", False)])
async def test_credentials_end_when_their_city_leaves(city: City, world: World, state: str, is_open: bool) -> None:  # noqa: FBT001 - a parameter of the test
    await city.account("wang")
    bearer = await city.bearer("wang")
    await world.authenticator.principal(bearer)
    async with world.database.operator_sessions.begin() as session:
        await session.execute(update(Tenant).where(Tenant.id == city.id).values(state=state))
    world.directory.forget(city.id)
    if is_open:
        await world.authenticator.principal(bearer)
    else:
        with pytest.raises(TenantLeaving):
            await world.authenticator.principal(bearer)
