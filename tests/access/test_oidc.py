"""Tokens of a real identity provider, and all that is not one."""

from __future__ import annotations

import base64
import hmac
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlparse

import httpx
import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from cityloom.access import models as m
from cityloom.access.authentication import Authenticator
from cityloom.access.changes import begin_change
from cityloom.access.errors import IssuerUnavailable
from cityloom.access.oidc import Issuers
from cityloom.core.errors import Unauthenticated
from cityloom.core.principal import PrincipalKind
from cityloom.testing.access import City, World

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVE = (
    "import sys, oidc_provider_mock as mock\n"
    "with mock.run_server_in_thread(port=int(sys.argv[1])) as server:\n"
    "    print(server.server_port, flush=True)\n"
    "    sys.stdin.read()\n"
)


@dataclass(frozen=True)
class Provider:
    """An identity provider in its own process."""

    issuer: str

    def token(self, subject: str, client: str = "cityloom", **claims: str) -> str:
        """The id token that somebody gets by signing in for a client: the whole authorization code flow."""
        with httpx.Client(base_url=self.issuer, trust_env=False) as http:
            http.put(f"/users/{subject}", json=claims).raise_for_status()
            wanted = {
                "client_id": client,
                "redirect_uri": "http://city.example/back",
                "response_type": "code",
                "scope": "openid",
            }
            sent = http.post("/oauth2/authorize", params=wanted, data={"sub": subject})
            code = parse_qs(urlparse(sent.headers["location"]).query)["code"][0]
            got = http.post(
                "/oauth2/token",
                data={"grant_type": "authorization_code", "code": code, "redirect_uri": "http://city.example/back"},
                auth=(client, "secret"),
            )
            token: str = got.json()["id_token"]
            return token


@contextmanager
def provider(port: int = 0) -> Iterator[Provider]:
    """Start the provider; each start has a key of its own."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _SERVE, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"AUTHLIB_INSECURE_TRANSPORT": "1"},
    )
    try:
        assert process.stdout is not None
        yield Provider(f"http://localhost:{int(process.stdout.readline())}")
    finally:
        process.communicate(timeout=10)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Provider]:
    with provider() as started:
        yield started


async def register(world: World, city: City, issuer: str, audience: str, **values: Any) -> None:
    async with world.database.operator_sessions.begin() as session:
        session.add(
            m.IdentityProvider(tenant_id=city.id, issuer=issuer, audience=audience, jwks_uri=f"{issuer}/jwks", **values)
        )


def authenticator(world: World, http: httpx.AsyncClient | None = None) -> Authenticator:
    """One that knows nothing yet."""
    world.clock.set(datetime.now(UTC))
    return Authenticator(
        world.database,
        world.snapshots,
        world.directory,
        clock=world.clock,
        environment="development",
        issuers=Issuers(world.database, world.clock, http=http),
    )


async def test_issuer_and_audience_alone_lead_to_the_city(city: City, world: World, issuer: Provider) -> None:
    other = await world.city("birch")
    await register(world, city, issuer.issuer, f"app-{city.slug}")
    await register(world, other, issuer.issuer, f"app-{other.slug}")
    await city.role("reader", "allow registry.resident.read")
    await city.account("wang", ("reader", None), oidc_issuer=issuer.issuer, oidc_subject="subject-1")
    there = await other.account("li", oidc_issuer=issuer.issuer, oidc_subject="subject-1")
    door = authenticator(world)
    principal = await door.principal(issuer.token("subject-1", f"app-{city.slug}"))
    assert (principal.tenant_id, principal.account_id) == (city.id, city.accounts["wang"])
    assert principal.kind is PrincipalKind.STAFF
    assert principal.rights.scope("registry.resident.read") is not None
    assert (await door.principal(issuer.token("subject-1", f"app-{other.slug}"))).account_id == there
    for subject, audience in (("subject-2", f"app-{city.slug}"), ("subject-1", "app-of-nobody")):
        with pytest.raises(Unauthenticated):
            await door.principal(issuer.token(subject, audience))
    await door.close()


async def test_a_claim_may_name_the_login(city: City, world: World, issuer: Provider) -> None:
    await register(world, city, issuer.issuer, city.slug, login_claim="employee")
    await city.account("wang")
    door = authenticator(world)
    token = issuer.token("subject-7", city.slug, employee="wang")
    assert (await door.principal(token)).account_id == city.accounts["wang"]
    # Once a login belongs to a subject, no other subject can claim it.
    async with city.work() as work:
        account = await work.session.get_one(m.Account, (city.id, city.accounts["wang"]))
        account.oidc_issuer, account.oidc_subject = issuer.issuer, "subject-8"
        await begin_change(work)
    with pytest.raises(Unauthenticated):
        await door.principal(token)
    await door.close()


async def test_a_token_ends_with_its_time(city: City, world: World, issuer: Provider) -> None:
    await register(world, city, issuer.issuer, city.slug)
    await city.account("wang", oidc_issuer=issuer.issuer, oidc_subject="subject-1")
    door = authenticator(world)
    token = issuer.token("subject-1", city.slug)
    await door.principal(token)
    world.clock.advance(hours=1, minutes=1)
    with pytest.raises(Unauthenticated):
        await door.principal(token)
    await door.close()


async def test_keys_are_read_again_after_rotation_and_an_outage_is_no_bad_credential(city: City, world: World) -> None:
    with provider() as first:
        port = int(first.issuer.rsplit(":", 1)[1])
        await register(world, city, first.issuer, city.slug)
        await city.account("wang", oidc_issuer=first.issuer, oidc_subject="subject-1")
        now = [0.0]
        door = authenticator(world)
        door._issuers._monotonic = lambda: now[0]
        old = first.token("subject-1", city.slug)
        await door.principal(old)
    world.clock.set(datetime.now(UTC))
    with provider(port) as second:
        now[0] += 11
        assert (await door.principal(second.token("subject-1", city.slug))).account_id == city.accounts["wang"]
        fresh = second.token("subject-1", city.slug)
    cold = authenticator(world)
    with pytest.raises(IssuerUnavailable):
        await cold.principal(fresh)
    now[0] += 601
    assert (await door.principal(fresh)).account_id == city.accounts["wang"], "keys that were read are believed on"
    await door.close()
    await cold.close()


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims = (orjson.loads(base64.urlsafe_b64decode(p + "==")) for p in token.split(".")[:2])
    return header, claims


def _text(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


async def test_no_forged_token_is_believed(city: City, world: World, issuer: Provider) -> None:
    await register(world, city, issuer.issuer, city.slug)
    await register(world, await world.city("birch"), issuer.issuer, f"{city.slug}-2")
    await city.account("wang", oidc_issuer=issuer.issuer, oidc_subject="subject-1")
    good = issuer.token("subject-1", city.slug)
    header, claims = _parts(good)
    signature = good.split(".")[2]
    async with httpx.AsyncClient(trust_env=False) as http:
        keys = (await http.get(f"{issuer.issuer}/jwks")).json()["keys"]
    public_pem = RSAKey.import_key(keys[0]).as_pem(private=False)
    own = RSAKey.generate_key(2048)

    def signed(**changes: Any) -> str:
        return jwt.encode(header, claims | changes, own)

    hs256 = f"{_text(header | {'alg': 'HS256'})}.{_text(claims)}"
    mac = hmac.digest(public_pem, hs256.encode(), "sha256")
    forged = {
        "no algorithm": f"{_text({'alg': 'none'})}.{_text(claims)}.",
        "public key as a shared secret": f"{hs256}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}",
        "another key": signed(),
        "another subject, old signature": f"{_text(header)}.{_text(claims | {'sub': 'subject-9'})}.{signature}",
        "an embedded key": jwt.encode({"alg": "RS256", "jwk": own.as_dict(private=False)}, claims, own),
        "no signature": f"{_text(header)}.{_text(claims)}.",
        "two audiences of two cities": signed(aud=[city.slug, f"{city.slug}-2"]),
        "an unknown issuer": signed(iss="http://evil.example"),
        "audience as a number": signed(aud=5),
        "no parts": "..",
        "no JSON": "e30.e30.e30",
        "deep JSON": f"{base64.urlsafe_b64encode(b'[' * 3000).decode().rstrip('=')}.e30.x",
        "not ASCII": good + "é",
        "too long": f"{good}{'A' * 8192}",
    }
    door = authenticator(world)
    await door.principal(good)
    for what, token in forged.items():
        try:
            await door.principal(token)
        except Unauthenticated:
            continue
        pytest.fail(f"believed: {what}")
    await door.close()


async def test_nothing_is_asked_of_an_issuer_for_a_token_that_is_too_long(city: City, world: World) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(500)

    await register(world, city, "https://issuer.example", city.slug)
    door = authenticator(world, httpx.AsyncClient(transport=httpx.MockTransport(answer)))
    token = f"{_text({'alg': 'RS256'})}.{_text({'iss': 'https://issuer.example', 'aud': city.slug, 'x': 'y' * 8200})}.x"
    with pytest.raises(Unauthenticated):
        await door.principal(token)
    assert asked == []
    with pytest.raises(IssuerUnavailable):
        await door.principal(
            f"{_text({'alg': 'RS256'})}.{_text({'iss': 'https://issuer.example', 'aud': city.slug})}.x"
        )
    assert len(asked) == 1
    await door.close()
