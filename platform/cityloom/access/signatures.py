"""Signatures of identity providers (JWS, RFC 7515). Imported only when a token of one arrives: loading takes time."""

from __future__ import annotations

from typing import Any

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from cityloom.access.oidc import ALGORITHMS

_MOST_KEYS = 8


def read_keys(body: bytes) -> KeySet | None:
    """The public signature keys of a key set (RFC 7517); None where it is none."""
    try:
        # A symmetric key in a public set would make everyone a signer.
        keys = [key for key in orjson.loads(body)["keys"] if key.get("kty") != "oct" and key.get("use", "sig") == "sig"]
        return KeySet.import_key_set({"keys": keys})
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        return None


def verified_claims(token: str, keys: KeySet, kid: object) -> dict[str, Any] | None:
    """The claims, where one of the keys signed them; only keys of this id are tried where the token names one."""
    for key in [key for key in keys if kid is None or key.kid == kid][:_MOST_KEYS]:
        try:
            return jwt.decode(token, key, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError, TypeError, RecursionError):
            continue
    return None
