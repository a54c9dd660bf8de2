"""Row ids (UUIDv7, RFC 9562) and the global ids that clients see."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING

# A `uuid.UUID` as the driver answers it; the one of the standard library takes thirty times as long to make.
from asyncpg.pgproto.pgproto import UUID as QuickUUID  # noqa: N811 - what it is, beside the usual one

from cityloom.core.errors import Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

#: A UUIDv7 that the database makes, for rows that no program sees: 48 bits of milliseconds over the random bits of a
#: version 4, whose version becomes 7. PostgreSQL 18 has its own.
NEW_ID_SQL = (
    "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING "
    "substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), "
    "53, 1), 'hex')::uuid"
)

_GLOBAL_ID = re.compile(r"([a-z]{4})_([0-9a-f]{8})_([0-9a-f]{32})\Z")


class MalformedId(Refusal):
    """{value!r} is not an id: an id is what the API answered in a field `id`, for example {example}."""

    code = RefusalCode.INVALID_INPUT
    zh = "{value!r} 不是有效的编号:请使用接口在 id 字段中返回的值,例如 {example}。"

    def __init__(self, value: str, *, path: tuple[str, ...] = ()) -> None:
        super().__init__(path=path, value=value[:80], example="area_1a2b3c4d_0198c0a0b1c27d3e8f90a1b2c3d4e5f6")


def new_id(unix_ms: int | None = None) -> UUID:
    """A UUIDv7: 48 bits of Unix milliseconds, then 74 random bits, so that new rows land at the end of an index.

    Those that one process makes at its own time are in the order in which they were made, also within a millisecond
    (RFC 9562, 6.2, method 2): what happened later is later in a stream.
    """
    with _in_turn:
        if unix_ms is not None:
            return _uuid(unix_ms, _noise.word() << 10 | _noise.word() >> 54)
        milliseconds = time.time_ns() // 1_000_000
        if milliseconds > _latest[0]:
            # Half of the range is left for those that follow in the same millisecond.
            _latest[:] = milliseconds, _noise.word() << 9 | _noise.word() >> 55
        else:
            _latest[1] += 1 + (_noise.word() >> 24)
        return _uuid(*_latest)


class _Noise:
    """Random bits of the system, taken by the page: asking it for each id takes as long as everything else of one."""

    def __init__(self) -> None:
        self._words: Iterator[int] = iter(())
        # Else children would go on with the page of their parent, and make the same ids.
        os.register_at_fork(after_in_child=self._forget)

    def word(self) -> int:
        """64 of them; for one thread at a time."""
        for word in self._words:
            return word
        self._words = iter(_PAGE.unpack(os.urandom(_PAGE.size)))
        return next(self._words)

    def _forget(self) -> None:
        self._words = iter(())


_PAGE = struct.Struct("512Q")
_noise = _Noise()
#: Milliseconds and random bits of the latest id, for one thread at a time.
_latest = [0, 0]
_in_turn = threading.Lock()


def _uuid(milliseconds: int, random: int) -> UUID:
    high, low = random >> 62, random & (1 << 62) - 1
    bits = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | high << 64 | 0x2 << 62 | low
    made: UUID = QuickUUID(bits.to_bytes(16))
    return made


def read_uuid(digits: str) -> UUID:
    """The UUID of 32 hexadecimal digits, which have been checked to be that, or as PostgreSQL writes it."""
    made: UUID = QuickUUID(digits)
    return made


@lru_cache(maxsize=16_384)
def tenant_tag(tenant_id: UUID) -> str:
    """Eight hexadecimal digits that bind a global id to its tenant without naming the tenant."""
    return hashlib.sha256(tenant_id.bytes).hexdigest()[:8]


def id_prefix(tag: str, tenant_id: UUID) -> str:
    """What stands before the 32 hexadecimal digits of a row id in a global id."""
    return f"{tag}_{tenant_tag(tenant_id)}_"


def encode_id(tag: str, tenant_id: UUID, row_id: UUID) -> str:
    """The global id of a row: `<type tag>_<tenant tag>_<32 hexadecimal digits>`."""
    return id_prefix(tag, tenant_id) + row_id.hex


def decode_id(value: str, tenant_id: UUID, *tags: str, path: tuple[str, ...] = ()) -> UUID | None:
    """The row id in a global id; None where it belongs to another tenant or type, which is to be treated as absent.

    Refuses (`MalformedId`) what never was an id.
    """
    tag, uuid = split_id(value, tenant_id, path=path)
    return uuid if uuid is not None and (not tags or tag in tags) else None


def split_id(value: str, tenant_id: UUID, *, path: tuple[str, ...] = ()) -> tuple[str, UUID | None]:
    """The type tag and the row id of a global id; the row id is None where it belongs to another tenant."""
    match = _GLOBAL_ID.match(value)
    if match is None:
        raise MalformedId(value, path=path)
    tag, tenant, digits = match.groups()
    return tag, read_uuid(digits) if tenant == tenant_tag(tenant_id) else None
