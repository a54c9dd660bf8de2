"""Credentials that the platform issues: their text says where to look, their hash is what is stored.

`cs_<tenant>_<id>_<secret>` is a session, `cl_<environment>_<tenant+id>_<secret>` an API client's key and
`co_<id>_<secret>` an operator's session. Tenant and id are hexadecimal; the secret has 256 random bits, so that a plain
SHA-256 of the whole text is enough, and is compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cityloom.core.ids import read_uuid

if TYPE_CHECKING:
    from uuid import UUID

TokenKind = Literal["session", "client", "operator"]

#: Nothing longer is looked at: RFC 6750 sets no limit, identity providers stay well below.
MAX_TOKEN_BYTES = 8192

_SECRET = r"(?P<secret>[A-Za-z0-9_-]{43})\Z"  # noqa: S105 - a pattern, no secret
_FORMS: tuple[tuple[TokenKind, re.Pattern[str]], ...] = (
    ("session", re.compile(rf"cs_(?P<tenant>[0-9a-f]{{32}})_(?P<id>[0-9a-f]{{32}})_{_SECRET}")),
    (
        "client",
        re.compile(rf"cl_(?P<environment>[a-z]{{1,16}})_(?P<tenant>[0-9a-f]{{32}})(?P<id>[0-9a-f]{{32}})_{_SECRET}"),
    ),
    ("operator", re.compile(rf"co_(?P<id>[0-9a-f]{{32}})_{_SECRET}")),
)


@dataclass(frozen=True, slots=True)
class Token:
    """A credential of ours as it was presented; `tenant_id` is the zero UUID for operators."""

    kind: TokenKind
    tenant_id: UUID
    id: UUID
    environment: str | None
    hash: bytes

    def is_same(self, stored_hash: bytes) -> bool:
        """Whether it is the stored one; takes the same time wherever they differ."""
        return hmac.compare_digest(self.hash, stored_hash)


def parse_token(text: str) -> Token | None:
    """The credential in a text; None where it has none of the forms."""
    for kind, form in _FORMS:
        match = form.match(text)
        if match is not None:
            named = match.groupdict()
            tenant_id = read_uuid(named.get("tenant") or "0" * 32)
            return Token(kind, tenant_id, read_uuid(named["id"]), named.get("environment"), digest(text))
    return None


def digest(text: str) -> bytes:
    """What is stored of a credential."""
    return hashlib.sha256(text.encode()).digest()


def session_token(tenant_id: UUID, row_id: UUID) -> str:
    """A new bearer for a session row."""
    return f"cs_{tenant_id.hex}_{row_id.hex}_{secrets.token_urlsafe(32)}"


def client_token(environment: str, tenant_id: UUID, row_id: UUID) -> str:
    """A new key for an API client's key row."""
    return f"cl_{environment}_{tenant_id.hex}{row_id.hex}_{secrets.token_urlsafe(32)}"


def operator_token(row_id: UUID) -> str:
    """A new bearer for an operator's session row."""
    return f"co_{row_id.hex}_{secrets.token_urlsafe(32)}"
