"""Standard Webhooks: keys, signatures, and the chain that numbers and links the deliveries of an endpoint.

The specification signs `id.timestamp.body` and nothing else, so the id carries the rest: it holds the sequence number
and the hash of the chain at this delivery, `msg_<sequence>_<64 hexadecimal digits>`, with

    hash = SHA-256(previous hash (32 bytes) | sequence (8 bytes, big endian) | SHA-256(body))

The headers `webhook-sequence` and `webhook-previous-hash` repeat what is needed to check it. Every library that
verifies the signature has thereby verified number and hash; see ADR 16.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from standardwebhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

HMAC_PREFIX, PRIVATE_PREFIX, PUBLIC_PREFIX = "whsec_", "whsk_", "whpk_"
_HMAC_BYTES = 32

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SEQUENCE, PREVIOUS_HASH = "webhook-sequence", "webhook-previous-hash"


class Signer(Protocol):
    """What makes one signature of `webhook-signature`."""

    def sign(self, webhook_id: str, at: datetime, body: bytes) -> str:
        """`v1,…` or `v1a,…` over id, time in whole seconds, and body."""
        ...


class HmacSigner:
    """`v1`: HMAC-SHA256 by a secret that both sides know."""

    def __init__(self, secret: str) -> None:
        self._webhook = Webhook(secret)

    def sign(self, webhook_id: str, at: datetime, body: bytes) -> str:
        """`v1,` and the code in Base64."""
        signature: str = self._webhook.sign(webhook_id, at, body.decode())
        return signature


class Ed25519Signer:
    """`v1a`: Ed25519, so that the receiver needs no secret."""

    def __init__(self, secret: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(_decoded(secret, PRIVATE_PREFIX))

    def sign(self, webhook_id: str, at: datetime, body: bytes) -> str:
        """`v1a,` and the signature in Base64."""
        return "v1a," + base64.b64encode(self._key.sign(signed_content(webhook_id, at, body))).decode()


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A key that was just made: the secret as its owner is told it once, and the public half of a pair."""

    secret: str
    public_key: bytes | None


def new_secret(algorithm: str) -> NewSecret:
    """A fresh key: `HMAC_SHA256` has a secret that both sides know, `ED25519` a pair."""
    if algorithm == "HMAC_SHA256":
        return NewSecret(HMAC_PREFIX + base64.b64encode(secrets.token_bytes(_HMAC_BYTES)).decode(), None)
    key = Ed25519PrivateKey.generate()
    secret = PRIVATE_PREFIX + base64.b64encode(key.private_bytes_raw()).decode()
    return NewSecret(secret, key.public_key().public_bytes_raw())


def signer(secret: str) -> Signer:
    """What signs with this secret."""
    return HmacSigner(secret) if secret.startswith(HMAC_PREFIX) else Ed25519Signer(secret)


def public_text(public_key: bytes) -> str:
    """A public key as Standard Webhooks writes it: `whpk_…`."""
    return PUBLIC_PREFIX + base64.b64encode(public_key).decode()


def jwk(key_id: str, public_key: bytes) -> dict[str, str]:
    """A public key as a JSON Web Key (RFC 8037)."""
    value = base64.urlsafe_b64encode(public_key).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key_id, "x": value}


def signed_content(webhook_id: str, at: datetime, body: bytes) -> bytes:
    """What is signed: id, time in whole seconds, and body, joined by full stops."""
    return f"{webhook_id}.{int(at.timestamp())}.".encode() + body


def headers(webhook_id: str, at: datetime, body: bytes, signers: Iterable[Signer]) -> dict[str, str]:
    """The three headers of Standard Webhooks."""
    return {
        ID: webhook_id,
        TIMESTAMP: str(int(at.timestamp())),
        SIGNATURE: " ".join(one.sign(webhook_id, at, body) for one in signers),
    }


def verify_ed25519(public: str, webhook_id: str, timestamp: str, body: bytes, signatures: str) -> bool:
    """Whether one of the `v1a` signatures is by this `whpk_…` key."""
    key = Ed25519PublicKey.from_public_bytes(_decoded(public, PUBLIC_PREFIX))
    content = f"{webhook_id}.{timestamp}.".encode() + body
    for entry in signatures.split(" "):
        version, _, value = entry.partition(",")
        if version != "v1a":
            continue
        try:
            key.verify(base64.b64decode(value), content)
        except InvalidSignature:
            continue
        return True
    return False


def genesis(endpoint_id: str) -> bytes:
    """The hash before the first delivery of an endpoint, from its id as clients know it."""
    return hashlib.sha256(b"cityloom webhook chain\n" + endpoint_id.encode()).digest()


def link(previous: bytes, sequence: int, body: bytes) -> bytes:
    """The hash of the chain at a delivery."""
    return hashlib.sha256(previous + sequence.to_bytes(8) + hashlib.sha256(body).digest()).digest()


def chained_id(sequence: int, chain_hash: bytes) -> str:
    """The `webhook-id` of a delivery in the chain."""
    return f"msg_{sequence}_{chain_hash.hex()}"


def _decoded(text: str, prefix: str) -> bytes:
    return base64.b64decode(text.removeprefix(prefix))
