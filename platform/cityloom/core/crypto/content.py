"""Keys of single things that are too large to be sealed again, such as files.

What is large is sealed once by a key of its own, which is kept beside it in an envelope (`core.sealed`): a rotation of
the tenant's keys seals that key again and leaves the thing as it is, and destroying that key erases the thing alone,
wherever its bytes are.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Self

from cryptography.exceptions import InvalidTag

from cityloom.core.crypto.algorithms import ALGORITHMS, MASTER_BYTES, NONCE_BYTES, Algorithm, aead, bind, derive
from cityloom.core.crypto.keys import UnreadableEnvelope

if TYPE_CHECKING:
    from uuid import UUID


class ContentKey:
    """The key of one thing. Nothing here waits, so it can be used in threads.

    What is sealed is `nonce (12) | ciphertext and tag`, authenticated with the tenant, the thing and the place in it.
    """

    def __init__(self, tenant_id: UUID, thing_id: UUID, secret: bytes) -> None:
        """Take the key as `secret` gives it: `algorithm (1) | master (32)`; raises `UnreadableEnvelope` for others."""
        algorithm = ALGORITHMS.get(secret[0]) if len(secret) == 1 + MASTER_BYTES else None
        if algorithm is None:
            raise UnreadableEnvelope(f"the key of {thing_id}")
        self.tenant_id, self.thing_id, self.secret = tenant_id, thing_id, secret
        self._thing = bind(tenant_id.bytes, thing_id.bytes)
        self._aead = aead(algorithm, derive(algorithm, secret[1:], b"cityloom content", length=algorithm.key_bytes))

    @classmethod
    def new(cls, tenant_id: UUID, thing_id: UUID, algorithm: Algorithm) -> Self:
        """A fresh key."""
        return cls(tenant_id, thing_id, bytes((algorithm.number,)) + secrets.token_bytes(MASTER_BYTES))

    def seal(self, place: str, value: bytes) -> bytes:
        """A part of the thing, sealed for its place in it."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, value, self._thing + bind(place.encode()))

    def open(self, place: str, sealed: bytes) -> bytes:
        """A part that was sealed for this place; raises `UnreadableEnvelope` for what was changed or moved."""
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._aead.decrypt(nonce, rest, self._thing + bind(place.encode()))
        except (InvalidTag, ValueError) as error:
            raise UnreadableEnvelope(f"{place} of {self.thing_id}") from error
