"""OpenID Connect: tokens of a city's own identity provider, believed for one tenant.

Follows RFC 8725 (JWT Best Current Practices): the algorithm is checked against a fixed list of asymmetric ones, issuer
and audience are compared exactly, and keys come only from where an operator said that they are.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeGuard

import orjson
from sqlalchemy import select

from cityloom.access import models as m
from cityloom.access.errors import IssuerUnavailable
from cityloom.access.tokens import MAX_TOKEN_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    import httpx
    from joserfc.jwk import KeySet

    from cityloom.core.clock import Clock
    from cityloom.core.database import Database

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
LEEWAY_SECONDS = 30
_PROVIDERS_SECONDS = 10.0
_KEYS_SECONDS = 600.0
#: Keys of an issuer that does not answer are believed for this long.
_KEYS_STALE_SECONDS = 3600.0
#: How soon keys are read again for a key id that is not known: rotation, but no amplifier.
_ROTATION_SECONDS = 10.0
_MAX_KEYS_BYTES = 262_144
_YEAR_10000 = 253_402_300_800


@dataclass(frozen=True, slots=True)
class Identity:
    """What a verified token says: whose tenant, which account, until when."""

    tenant_id: UUID
    issuer: str
    subject: str
    login: str | None
    expires_at: datetime


@dataclass(slots=True)
class _Keys:
    keys: KeySet
    read_at: float


class Issuers:
    """The registered identity providers of all tenants and their keys, as this process knows them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        http: httpx.AsyncClient | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._http = http
        self._monotonic = monotonic
        self._providers: tuple[float, dict[str, list[m.IdentityProvider]]] | None = None
        self._generation = 0
        self._keys: dict[str, _Keys] = {}
        self._tried_at: dict[str, float] = {}
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """Close connections to issuers."""
        if self._http is not None:
            await self._http.aclose()

    def forget(self) -> None:
        """Read the registered providers anew when they are needed next."""
        self._providers = None
        self._generation += 1

    async def verify(self, token: str) -> Identity | None:
        """What the token says if it is valid, else None; refuses (`IssuerUnavailable`) where that cannot be known."""
        stated = _read_unverified(token)
        if stated is None:
            return None
        header, claims = stated
        issuer, audiences = claims["iss"], claims["aud"]
        providers = [p for p in (await self._registered()).get(issuer, ()) if p.audience in audiences]
        # A token that is meant for two tenants at once leads to neither.
        if len(providers) != 1:
            return None
        provider = providers[0]
        from cityloom.access.signatures import verified_claims

        kid = header.get("kid")
        verified = verified_claims(token, await self._keys_of(provider.jwks_uri, kid), kid)
        if verified is None and kid is None:
            # Without a key id in the token, a new key shows itself only by a signature that no old key made.
            verified = verified_claims(token, await self._keys_of(provider.jwks_uri, None, is_suspect=True), None)
        return None if verified is None else self._identity(provider, verified)

    def _identity(self, provider: m.IdentityProvider, claims: dict[str, Any]) -> Identity | None:
        now = self._clock.now().timestamp()
        expires, begins = claims.get("exp"), claims.get("nbf", 0)
        subject = claims.get(provider.subject_claim)
        login = claims.get(provider.login_claim) if provider.login_claim else None
        if not (_is_time(expires) and _is_time(begins) and isinstance(subject, str) and subject):
            return None
        if expires + LEEWAY_SECONDS <= now or begins - LEEWAY_SECONDS > now:
            return None
        return Identity(
            tenant_id=provider.tenant_id,
            issuer=provider.issuer,
            subject=subject,
            login=login if isinstance(login, str) else None,
            expires_at=datetime.fromtimestamp(expires + LEEWAY_SECONDS, UTC),
        )

    async def _registered(self) -> dict[str, list[m.IdentityProvider]]:
        now = self._monotonic()
        known = self._providers
        if known is None or now - known[0] > _PROVIDERS_SECONDS:
            generation = self._generation
            async with self._database.operator_sessions() as session:
                found: dict[str, list[m.IdentityProvider]] = {}
                for provider in await session.scalars(select(m.IdentityProvider).where(m.IdentityProvider.is_enabled)):
                    found.setdefault(provider.issuer, []).append(provider)
            known = (now, found)
            # What was read before a change was heard of may lack it.
            if generation == self._generation:
                self._providers = known
        return known[1]

    async def _keys_of(self, uri: str, kid: object, *, is_suspect: bool = False) -> KeySet:
        known = self._keys.get(uri)
        if known is not None and not is_suspect and self._is_good(known, kid):
            return known.keys
        async with self._lock:
            known = self._keys.get(uri)
            now = self._monotonic()
            if known is not None and not is_suspect and self._is_good(known, kid):
                return known.keys
            if now - self._tried_at.get(uri, -_ROTATION_SECONDS) >= _ROTATION_SECONDS:
                self._tried_at[uri] = now
                fetched = await self._fetch(uri)
                if fetched is not None:
                    known = self._keys[uri] = _Keys(fetched, now)
            if known is None or now - known.read_at > _KEYS_STALE_SECONDS:
                raise IssuerUnavailable
            return known.keys

    def _is_good(self, known: _Keys, kid: object) -> bool:
        is_fresh = self._monotonic() - known.read_at <= _KEYS_SECONDS
        return is_fresh and (kid is None or any(key.kid == kid for key in known.keys))

    async def _fetch(self, uri: str) -> KeySet | None:
        import httpx

        from cityloom.access.signatures import read_keys

        # Made where it is first needed: most installations and most starts have no use for it.
        self._http = self._http or httpx.AsyncClient(timeout=3.0, follow_redirects=False, trust_env=False)
        try:
            async with self._http.stream("GET", uri, headers={"accept": "application/json"}) as response:
                body = b""
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_KEYS_BYTES:
                        return None
        except httpx.HTTPError:
            return None
        return read_keys(body) if response.status_code == httpx.codes.OK else None


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _YEAR_10000


def _read_unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Header and claims before any signature is checked, with `aud` as a list: only to know whose keys to ask for."""
    if len(token) > MAX_TOKEN_BYTES or not token.isascii():
        return None
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        return None
    try:
        header, claims = (orjson.loads(base64.urlsafe_b64decode(p + "=" * (-len(p) % 4))) for p in parts[:2])
    except (ValueError, binascii.Error):
        return None
    if not isinstance(header, dict) or not isinstance(claims, dict) or header.get("alg") not in ALGORITHMS:
        return None
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not all(isinstance(a, str) for a in audiences):
        return None
    return (header, {**claims, "aud": audiences}) if isinstance(claims.get("iss"), str) else None
