"""Access on the control plane: operators sign in and out, and register whose tokens are believed for which city."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import func, select

from cityloom.access import models as m
from cityloom.access.service import operators
from cityloom.access.service.sessions import Logins
from cityloom.audit.models import AuditRecord
from cityloom.settings import Settings
from cityloom.tenancy.models import OperatorAction
from cityloom.testing.access import City, World

from .test_oidc import Provider, provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.applications import Starlette

    from cityloom.app import Platform

PASSWORD = "correct horse battery"
REFUSAL = "... on Refusal { code reason message path }"
SHOWN = "issuer audience jwksUri subjectClaim loginClaim isEnabled"

#: Sends an operation to one of the two surfaces as the holder of a bearer.
Ask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Provider]:
    with provider() as started:
        yield started


@pytest_asyncio.fixture
async def city(opened: Platform) -> City:
    """A city of the real platform."""
    world = World(
        opened.database,
        opened.works.clock,  # type: ignore[arg-type] # only asked for the time
        opened.snapshots.catalogue,
        opened.directory,
        opened.snapshots,
        opened.authenticator,
        opened.works,
        opened.works.services[Logins],
    )
    return await world.city()


@pytest_asyncio.fixture
async def ask(app: Starlette) -> AsyncIterator[Ask]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://city.example") as client:

        async def send(
            bearer: str | None, text: str, variables: dict[str, Any] | None = None, to: str = "/platform/graphql"
        ) -> dict[str, Any]:
            headers = {"accept-language": "en"} | ({"authorization": f"Bearer {bearer}"} if bearer else {})
            sent = await client.post(to, json={"query": text, "variables": variables or {}}, headers=headers)
            answer: dict[str, Any] = sent.json()
            return answer

        yield send


@pytest_asyncio.fixture
async def operator(opened: Platform) -> str:
    """The login of an operator with a password."""
    login = f"op-{secrets.token_hex(6)}"
    await operators.ensure_operator(opened.database, login, name="Op", clock=opened.works.clock)
    logins: Logins = opened.works.services[Logins]
    assert await operators.set_operator_password(opened.database, logins.passwords, login, PASSWORD)
    return login


async def sign_in(ask: Ask, login: str, password: str = PASSWORD) -> dict[str, Any]:
    answer = await ask(
        None,
        "mutation($input: OperatorSessionCreateInput!) { operatorSessionCreate(input: $input) { __typename"
        f" ... on OperatorSessionCreated {{ id token expiresAt }} {REFUSAL} }} }}",
        {"input": {"login": login, "password": password}},
    )
    found: dict[str, Any] = answer["data"]["operatorSessionCreate"]
    return found


@pytest_asyncio.fixture
async def bearer(ask: Ask, operator: str) -> str:
    token: str = (await sign_in(ask, operator))["token"]
    return token


async def change(ask: Ask, bearer: str | None, field: str, given: dict[str, Any], selection: str = "") -> Any:
    kind = field[0].upper() + field[1:]
    text = f"mutation($input: {kind}Input!) {{ {field}(input: $input) {{ __typename {selection} {REFUSAL} }} }}"
    answer = await ask(bearer, text, {"input": given})
    return answer["data"][field] if "data" in answer else answer


def registration(city: City, issuer: str, /, **values: Any) -> dict[str, Any]:
    return {"slug": city.slug, "issuer": issuer, "audience": city.slug, "jwksUri": f"{issuer}/jwks"} | values


async def actions(opened: Platform, city: City) -> list[str]:
    async with opened.database.operator_sessions() as session:
        query = select(OperatorAction.action).where(OperatorAction.tenant_id == city.id).order_by(OperatorAction.id)
        return list(await session.scalars(query))


async def registered(opened: Platform, city: City) -> list[tuple[str, bool]]:
    async with opened.database.operator_sessions() as session:
        query = select(m.IdentityProvider.jwks_uri, m.IdentityProvider.is_enabled)
        return [(row[0], row[1]) for row in await session.execute(query.where(m.IdentityProvider.tenant_id == city.id))]


async def test_an_operator_signs_in_sees_their_sessions_and_ends_them(ask: Ask, operator: str) -> None:
    first, second = await sign_in(ask, operator), await sign_in(ask, operator.upper())
    me = "{ operatorMe { login name locale sessions { id expiresAt } } }"
    found = (await ask(first["token"], me))["data"]["operatorMe"]
    assert found == {
        "login": operator,
        "name": "Op",
        "locale": "en",
        "sessions": [{"id": one["id"], "expiresAt": one["expiresAt"]} for one in (second, first)],
    }
    shown = "... on OperatorSessionRevoked { id revokedAt }"
    ended = await change(ask, first["token"], "operatorSessionRevoke", {"id": second["id"]}, shown)
    assert ended == {"__typename": "OperatorSessionRevoked", "id": second["id"], "revokedAt": ANY}
    assert (await ask(second["token"], me))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await change(ask, first["token"], "operatorSessionRevoke", {"id": second["id"]}, shown) == ended
    await change(ask, first["token"], "operatorSessionRevoke", {"token": first["token"]})
    assert (await ask(first["token"], me))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_signing_in_does_not_say_what_was_wrong_and_is_throttled(ask: Ask, operator: str) -> None:
    unknown = await sign_in(ask, f"{operator}x")
    wrong = await sign_in(ask, operator, "wrong password")
    assert unknown == wrong
    assert (wrong["code"], wrong["reason"]) == ("UNAUTHENTICATED", "LOGIN_REFUSED")
    reasons = {(await sign_in(ask, operator, "wrong password"))["reason"] for _ in range(12)}
    assert "TOO_MANY_LOGINS" in reasons


async def test_a_session_that_is_not_there_is_told_so(ask: Ask, bearer: str) -> None:
    for given, reason in (
        ({}, "INVALID_INPUT"),
        ({"id": "x"}, "MALFORMED_ID"),
        ({"token": "nonsense"}, "NOT_FOUND"),
        ({"id": f"oses_00000000_{'0' * 32}"}, "NOT_FOUND"),
    ):
        assert (await change(ask, bearer, "operatorSessionRevoke", given))["reason"] == reason


async def test_tokens_of_a_registered_provider_are_believed_until_it_is_disabled(
    ask: Ask, bearer: str, opened: Platform, city: City, issuer: Provider
) -> None:
    await city.account("wang", oidc_issuer=issuer.issuer, oidc_subject="subject-1")
    token, me = issuer.token("subject-1", city.slug), "{ me { login } }"
    unknown = await ask(token, me, to="/graphql")
    assert unknown["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"

    given = registration(city, issuer.issuer)
    shown = f"... on IdentityProvider {{ {SHOWN} }}"
    made = await change(ask, bearer, "identityProviderRegister", given, shown)
    expected = {key: value for key, value in given.items() if key != "slug"}
    assert made == {
        "__typename": "IdentityProvider",
        **expected,
        "subjectClaim": "sub",
        "loginClaim": None,
        "isEnabled": True,
    }
    # At once, although this process has just looked and found no such provider.
    assert (await ask(token, me, to="/graphql"))["data"] == {"me": {"login": "wang"}}

    listed = await ask(
        bearer, f"query($slug: String!) {{ identityProviders(slug: $slug) {{ {SHOWN} }} }}", {"slug": city.slug}
    )
    assert listed["data"]["identityProviders"] == [{k: v for k, v in made.items() if k != "__typename"}]

    named = {key: given[key] for key in ("slug", "issuer", "audience")}
    disabled = await change(ask, bearer, "identityProviderDisable", named, shown)
    assert disabled == made | {"isEnabled": False}
    assert (await ask(token, me, to="/graphql"))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await change(ask, bearer, "identityProviderDisable", named, shown) == disabled

    again = await change(ask, bearer, "identityProviderRegister", given | {"loginClaim": "employee"}, shown)
    assert again == made | {"loginClaim": "employee"}
    assert (await ask(token, me, to="/graphql"))["data"] == {"me": {"login": "wang"}}
    assert await actions(opened, city) == [
        "identity_provider.register",
        "identity_provider.disable",
        "identity_provider.register",
    ]
    async with city.work() as work:
        audited = await work.session.scalars(select(AuditRecord.action).order_by(AuditRecord.id))
        assert [one for one in audited if "identity" in one] == [
            "access.identity_provider.register",
            "access.identity_provider.disable",
            "access.identity_provider.register",
        ]


ADDRESS, HOST = "https://login.example", "login.example"


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"issuer": "login.example"}, "issuer"),
        ({"issuer": f"ftp://{HOST}"}, "issuer"),
        ({"issuer": f"https://user@{HOST}"}, "issuer"),
        ({"issuer": f"{ADDRESS}#x"}, "issuer"),
        ({"issuer": f"{ADDRESS}?tenant=1"}, "issuer"),
        ({"issuer": f"{ADDRESS}/\n"}, "issuer"),
        ({"issuer": "https://[::1"}, "issuer"),
        ({"issuer": f"{ADDRESS}/{'a' * 500}"}, "issuer"),
        ({"jwksUri": "file:///etc/passwd"}, "jwksUri"),
        ({"jwksUri": ""}, "jwksUri"),
        ({"audience": " "}, "audience"),
        ({"audience": "a" * 201}, "audience"),
        ({"subjectClaim": ""}, "subjectClaim"),
        ({"loginClaim": "a b"}, "loginClaim"),
    ],
)
async def test_what_cannot_be_a_provider_is_refused(
    ask: Ask, bearer: str, opened: Platform, city: City, values: dict[str, str], path: str
) -> None:
    refused = await change(ask, bearer, "identityProviderRegister", registration(city, ADDRESS, **values))
    assert (refused["code"], refused["path"]) == ("INVALID_INPUT", ["input", path])
    assert (await registered(opened, city), await actions(opened, city)) == ([], [])


async def test_production_asks_for_https(ask: Ask, bearer: str, opened: Platform, city: City) -> None:
    services = opened.works.services
    usual: Settings = services[Settings]
    services[Settings] = usual.model_copy(update={"environment": "production"})
    try:
        for values, path in (({"issuer": f"http://{HOST}"}, "issuer"), ({"jwksUri": f"http://{HOST}/jwks"}, "jwksUri")):
            refused = await change(ask, bearer, "identityProviderRegister", registration(city, ADDRESS, **values))
            assert (refused["code"], refused["path"]) == ("INVALID_INPUT", ["input", path])
            assert "https://" in refused["message"]
        assert await registered(opened, city) == []
        made = await change(ask, bearer, "identityProviderRegister", registration(city, ADDRESS))
        assert made["__typename"] == "IdentityProvider"
    finally:
        services[Settings] = usual


async def test_an_issuer_and_audience_lead_to_one_city_only(
    ask: Ask, bearer: str, opened: Platform, city: City
) -> None:
    other = await city.world.city("birch")
    mine = registration(city, ADDRESS)
    await change(ask, bearer, "identityProviderRegister", mine)
    theirs = {**mine, "slug": other.slug, "jwksUri": "https://elsewhere.example/jwks"}
    refused = await change(ask, bearer, "identityProviderRegister", theirs)
    assert (refused["code"], refused["reason"]) == ("CONFLICT", "IDENTITY_PROVIDER_TAKEN")
    named = {key: theirs[key] for key in ("slug", "issuer", "audience")}
    assert (await change(ask, bearer, "identityProviderDisable", named))["code"] == "NOT_FOUND"
    absent = await change(ask, bearer, "identityProviderDisable", named | {"slug": "nowhere"})
    assert absent["reason"] == "TENANT_NOT_FOUND"
    assert await registered(opened, city) == [(mine["jwksUri"], True)]
    assert (await registered(opened, other), await actions(opened, other)) == ([], [])


async def test_nobody_but_an_operator_does_any_of_it(
    ask: Ask, bearer: str, operator: str, opened: Platform, city: City
) -> None:
    await city.role("boss", "allow *")
    await city.account("wang", ("boss", None))
    theirs = await city.bearer("wang")
    await change(ask, bearer, "identityProviderRegister", registration(city, ADDRESS))
    session = (await sign_in(ask, operator))["id"]

    async def state() -> object:
        async with opened.database.operator_sessions() as found:
            open_sessions = await found.scalar(
                select(func.count())
                .select_from(m.OperatorSignIn)
                .join(m.Operator, m.Operator.id == m.OperatorSignIn.operator_id)
                .where(m.Operator.login == operator, m.OperatorSignIn.revoked_at.is_(None))
            )
        return await registered(opened, city), await actions(opened, city), open_sessions

    before = await state()
    given = registration(city, "https://evil.example")
    for caller in (None, theirs):
        for field, values in (
            ("identityProviderRegister", given),
            ("identityProviderDisable", {key: given[key] for key in ("slug", "issuer", "audience")}),
            ("operatorSessionRevoke", {"id": session}),
        ):
            answer = await change(ask, caller, field, values)
            # A tenant's bearer is refused at the door, before the document is looked at.
            code = answer["code"] if caller is None else answer["errors"][0]["extensions"]["code"]
            assert code == "UNAUTHENTICATED", (field, answer)
        for text in ("{ operatorMe { login } }", f'{{ identityProviders(slug: "{city.slug}") {{ issuer }} }}'):
            answer = await ask(caller, text)
            assert not answer.get("data"), answer
            assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await state() == before
