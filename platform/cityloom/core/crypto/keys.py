"""Data keys of tenants, envelopes and blind indexes.

An envelope is `version (1) | algorithm (1) | key id (16) | nonce (12) | ciphertext and tag`. It is authenticated
with the names of its tenant, table, column and row, so that one that is copied elsewhere cannot be opened there. Nonces
are random: rotate a field key well before 2^32 envelopes (NIST SP 800-38D, 8.3).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag

from cityloom.core.crypto.algorithms import (
    ALGORITHMS,
    MASTER_BYTES,
    NONCE_BYTES,
    TAG_BYTES,
    Aead,
    Algorithm,
    aead,
    bind,
    derive,
    keyed_hash,
)
from cityloom.core.errors import Refusal, RefusalCode
from cityloom.core.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cityloom.core.clock import Clock
    from cityloom.core.crypto.providers import KeyProvider

VERSION = 1
_HEADER_BYTES = 1 + 1 + 16
_KEEP = timedelta(seconds=60)
#: How long before it is used a new key is there: every process has looked for keys meanwhile, so that none meets an
#: envelope that it cannot open or an index that it does not look for.
LEAD = 2 * _KEEP


class DataKeyDestroyed(Refusal):
    """The key of this data was destroyed at {destroyed_at}: the data is erased and cannot be read again."""

    code = RefusalCode.INVALID_STATE
    zh = "该数据的密钥已于 {destroyed_at} 销毁:数据已被清除,无法再读取。"


class DataKeyMissing(Refusal):
    """The key {key_id} of this data is not stored: restore it from its backup, or the data stays closed."""

    code = RefusalCode.UNAVAILABLE
    zh = "未找到该数据的密钥 {key_id}:请从备份恢复,否则数据无法读取。"


class KeyStillNeeded(Refusal):
    """The key-encryption key {key} opens keys that are in use: rotate them first."""

    code = RefusalCode.STILL_IN_USE
    zh = "密钥加密密钥 {key} 仍用于正在使用的密钥:请先轮换。"


class UnreadableEnvelope(Exception):
    """An envelope was changed, or is not at the place it was made for. Somebody wrote to the database."""


class Purpose(StrEnum):
    """What a data key is for."""

    FIELD = "FIELD"
    INDEX = "INDEX"


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it is stored, readable only with the provider's key.

    Of one tenant and purpose the newest is current that is to be used by now (`active_at`; none: since ever). `wrapped`
    is empty from `destroyed_at` on. `provider` and `provider_key` say what wrapped it.
    """

    key_id: UUID
    tenant_id: UUID
    purpose: Purpose
    algorithm: Algorithm
    wrapped: bytes
    created_at: datetime
    destroyed_at: datetime | None = None
    provider: str = ""
    provider_key: str = ""
    active_at: datetime | None = None


class DataKeyStore(Protocol):
    """Where wrapped keys are kept; the table `tenant_data_keys` in the application."""

    async def load(self, tenant_id: UUID) -> Sequence[WrappedKey]:
        """All of the tenant's keys, oldest first, the destroyed ones too."""
        ...

    async def add(self, key: WrappedKey) -> None:
        """Keep a new key. A second first key of the same tenant and purpose must fail, not stand beside the first."""
        ...

    async def destroy(self, tenant_id: UUID, destroyed_at: datetime, keys: Collection[UUID] | None = None) -> None:
        """Overwrite `wrapped` of these of the tenant's keys, or of all, with nothing and note when."""
        ...


class MemoryDataKeyStore:
    """A store that forgets with the process: for tools and tests that need no database."""

    def __init__(self) -> None:
        self._keys: list[WrappedKey] = []

    async def load(self, tenant_id: UUID) -> Sequence[WrappedKey]:
        """All of the tenant's keys, oldest first."""
        return [key for key in self._keys if key.tenant_id == tenant_id]

    async def add(self, key: WrappedKey) -> None:
        """Keep a new key."""
        self._keys.append(key)

    async def destroy(self, tenant_id: UUID, destroyed_at: datetime, keys: Collection[UUID] | None = None) -> None:
        """Empty the tenant's keys."""
        self._keys = [
            replace(key, wrapped=b"", destroyed_at=destroyed_at)
            if key.tenant_id == tenant_id and (keys is None or key.key_id in keys)
            else key
            for key in self._keys
        ]


class TenantKeys:
    """The unwrapped keys of one tenant. Nothing here waits, so it can be used row by row and in threads."""

    def __init__(self, tenant_id: UUID, keys: Sequence[tuple[WrappedKey, bytes]], now: datetime | None = None) -> None:
        """Take the keys with their unwrapped bytes, oldest first; destroyed ones with no bytes.

        With `now`, keys that are not active by then are known, but not used for what is new.
        """
        self.tenant_id = tenant_id
        self._known = {key.key_id: key for key, _ in keys}
        self._ciphers: dict[tuple[UUID, Algorithm], Aead] = {}
        # By place, not by key and place: an import asks for millions, and the hash of a UUID alone takes 0.4 µs.
        self._columns: dict[tuple[str, str], list[tuple[Algorithm, bytes]]] = {}
        self._places: dict[tuple[bytes, str, str], bytes] = {}
        self._field: WrappedKey | None = None
        self._indexes: list[tuple[WrappedKey, bytes]] = []
        for key, master in keys:
            if not master:
                continue
            is_waiting = now is not None and key.active_at is not None and key.active_at > now
            if key.purpose is Purpose.INDEX:
                # The current one first, the others after it, as they are looked for.
                self._indexes.insert(1 if is_waiting and self._indexes else 0, (key, master))
                continue
            if self._field is None or not is_waiting:
                self._field = key
            secret = derive(key.algorithm, master, b"cityloom field", length=key.algorithm.key_bytes)
            self._ciphers[key.key_id, key.algorithm] = aead(key.algorithm, secret)
        #: The header of envelopes that are made now, and the cipher for them.
        self._sealing: tuple[bytes, Aead] | None = None
        if self._field is not None:
            header = bytes((VERSION, self._field.algorithm.number)) + self._field.key_id.bytes
            self._sealing = header, self._ciphers[self._field.key_id, self._field.algorithm]

    @property
    def field_key_id(self) -> UUID:
        """The key that seals at present; refuses (`DataKeyDestroyed`, `DataKeyMissing`) where there is none."""
        if self._field is None:
            raise self._no_key(Purpose.FIELD)
        return self._field.key_id

    @property
    def algorithm(self) -> Algorithm:
        """The suite of the key that seals at present; refuses as `field_key_id`."""
        if self._field is None:
            raise self._no_key(Purpose.FIELD)
        return self._field.algorithm

    def seal(self, table: str, column: str, row_id: UUID, value: str) -> bytes:
        """The envelope of a value for this place. Refuses (`DataKeyDestroyed`, `DataKeyMissing`) without a key."""
        return self.seal_bytes(table, column, row_id, value.encode())

    def seal_bytes(self, table: str, column: str, row_id: UUID, value: bytes) -> bytes:
        """The same for what is no text."""
        if self._sealing is None:
            raise self._no_key(Purpose.FIELD)
        header, cipher = self._sealing
        nonce = secrets.token_bytes(NONCE_BYTES)
        return header + nonce + cipher.encrypt(nonce, value, self._place(header, table, column, row_id))

    def open(self, table: str, column: str, row_id: UUID, envelope: bytes) -> str:
        """The value in an envelope that was sealed for this place.

        Refuses (`DataKeyDestroyed`, `DataKeyMissing`); raises `UnreadableEnvelope` for what was changed or moved.
        """
        return self.open_bytes(table, column, row_id, envelope).decode()

    def open_bytes(self, table: str, column: str, row_id: UUID, envelope: bytes) -> bytes:
        """The same for what is no text."""
        key_id, algorithm = _read_header(envelope)
        cipher = self._ciphers.get((key_id, algorithm))
        if cipher is None:
            raise self._unusable(key_id)
        header = envelope[:_HEADER_BYTES]
        nonce, sealed = envelope[_HEADER_BYTES : _HEADER_BYTES + NONCE_BYTES], envelope[_HEADER_BYTES + NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, sealed, self._place(header, table, column, row_id))
        except InvalidTag as error:
            raise UnreadableEnvelope(f"{table}.{column} of {row_id}") from error

    def is_current(self, envelope: bytes) -> bool:
        """Whether the envelope was sealed with the current field key; where not, open and seal it again."""
        return self._field is not None and _read_header(envelope)[0] == self._field.key_id

    def blind_index(self, table: str, column: str, value: str) -> bytes:
        """32 bytes that are equal for equal values of this column of this tenant, and tell nothing without the key.

        Pass the checked, normal form of the value (`check_mobile_number`, `check_identity_number`).
        """
        algorithm, key = self._index_keys(table, column)[0]
        return keyed_hash(algorithm, key, value.encode())

    def blind_indexes(self, table: str, column: str, value: str) -> list[bytes]:
        """What to look for: the index that is written at present, then those of keys that are coming or going."""
        return [keyed_hash(algorithm, key, value.encode()) for algorithm, key in self._index_keys(table, column)]

    def _index_keys(self, table: str, column: str) -> list[tuple[Algorithm, bytes]]:
        """The keys of a column's blind indexes, the one that is written now first."""
        found = self._columns.get((table, column))
        if found is None:
            if not self._indexes:
                raise self._no_key(Purpose.INDEX)
            purpose = b"cityloom index" + bind(self.tenant_id.bytes, table.encode(), column.encode())
            found = self._columns[table, column] = [
                (key.algorithm, derive(key.algorithm, master, purpose, length=32)) for key, master in self._indexes
            ]
        return found

    def _place(self, header: bytes, table: str, column: str, row_id: UUID) -> bytes:
        before = self._places.get((header, table, column))
        if before is None:
            before = bind(header, self.tenant_id.bytes, table.encode(), column.encode())
            # The length of a row's id stands before it, as `bind` would put it there.
            before = self._places[header, table, column] = before + len(row_id.bytes).to_bytes(2)
        return before + row_id.bytes

    def _unusable(self, key_id: UUID) -> Refusal:
        known = self._known.get(key_id)
        if known is not None and known.destroyed_at is not None:
            return DataKeyDestroyed(destroyed_at=known.destroyed_at.isoformat())
        return DataKeyMissing(key_id=str(key_id))

    def _no_key(self, purpose: Purpose) -> Refusal:
        for key in self._known.values():
            if key.purpose is purpose and key.destroyed_at is not None:
                return self._unusable(key.key_id)
        return DataKeyMissing(key_id=purpose.value)


class Keyring:
    """Unwraps, makes, rotates and destroys the data keys of all tenants; keeps unwrapped ones for a minute."""

    def __init__(self, provider: KeyProvider, store: DataKeyStore, clock: Clock) -> None:
        self._provider = provider
        self._store = store
        self._clock = clock
        self._kept: dict[UUID, tuple[datetime, TenantKeys]] = {}

    async def of(self, tenant_id: UUID) -> TenantKeys:
        """The tenant's keys. Another process that destroys or rotates them is noticed within a minute."""
        now = self._clock.now()
        kept = self._kept.get(tenant_id)
        if kept is not None and now - kept[0] < _KEEP:
            return kept[1]
        keys = [(key, await self._unwrap(key)) for key in await self._store.load(tenant_id)]
        opened = TenantKeys(tenant_id, keys, now)
        self._kept[tenant_id] = (now, opened)
        return opened

    async def create(self, tenant_id: UUID, algorithm: Algorithm = Algorithm.AES_256_GCM) -> None:
        """Make the first keys of a new tenant; does nothing for the purposes that have one, destroyed or not."""
        present = {key.purpose for key in await self._store.load(tenant_id)}
        for purpose in Purpose:
            if purpose not in present:
                await self._add(tenant_id, purpose, algorithm)

    async def rotate(
        self, tenant_id: UUID, algorithm: Algorithm = Algorithm.AES_256_GCM, *, lead: timedelta = LEAD
    ) -> dict[Purpose, UUID]:
        """Make new keys of both purposes under a new key-encryption key; answers their ids.

        They are used from `lead` on: a shorter one than `LEAD` only where no other process is. What older keys sealed
        and indexed is read and found until they are retired. Refuses (`DataKeyDestroyed`) for a tenant whose keys were
        destroyed: it has left.
        """
        stored = await self._store.load(tenant_id)
        if stored and all(key.destroyed_at is not None for key in stored):
            raise DataKeyDestroyed(destroyed_at=str(stored[-1].destroyed_at))
        await self._provider.create(tenant_id)
        active_at = self._clock.now() + lead
        return {purpose: await self._add(tenant_id, purpose, algorithm, active_at) for purpose in Purpose}

    async def retire(self, tenant_id: UUID, successors: Collection[UUID]) -> list[str]:
        """Destroy the data keys but these; answers the key-encryption keys that wrap nothing any more.

        What the retired keys sealed and nobody has sealed again is erased. The key-encryption keys are still what opens
        older backups: they are to be destroyed (`shred`) when those are no longer kept.
        """
        stored = await self._store.load(tenant_id)
        going = {key.key_id for key in stored if key.destroyed_at is None and key.key_id not in successors}
        await self._store.destroy(tenant_id, self._clock.now(), going)
        self.forget(tenant_id)
        used = {key.provider_key for key in stored if key.key_id in successors}
        return [name for name in await self._provider.names(tenant_id) if name not in used]

    async def shred(self, tenant_id: UUID, provider_key: str) -> None:
        """Destroy a key-encryption key of the tenant that wraps nothing any more: backups under it are closed for good.

        Refuses (`KeyStillNeeded`) one that opens a key in use.
        """
        stored = await self._store.load(tenant_id)
        if any(key.provider_key == provider_key and key.destroyed_at is None for key in stored):
            raise KeyStillNeeded(key=provider_key)
        if provider_key in await self._provider.names(tenant_id):
            await self._provider.destroy(provider_key)

    async def destroy(self, tenant_id: UUID) -> None:
        """Destroy all the tenant's keys: erases everything they sealed, for good, in backups of the database too."""
        await self._store.destroy(tenant_id, self._clock.now())
        for name in await self._provider.names(tenant_id):
            await self._provider.destroy(name)
        self.forget(tenant_id)

    def forget(self, tenant_id: UUID) -> None:
        """Drop what is kept of a tenant, so that the next use asks the store."""
        self._kept.pop(tenant_id, None)

    async def _add(
        self, tenant_id: UUID, purpose: Purpose, algorithm: Algorithm, active_at: datetime | None = None
    ) -> UUID:
        key_id = new_id()
        context = _context(tenant_id, key_id, purpose)
        master = secrets.token_bytes(MASTER_BYTES)
        provider_key, wrapped = await self._provider.wrap(tenant_id, master, context, algorithm)
        await self._store.add(
            WrappedKey(
                key_id=key_id,
                tenant_id=tenant_id,
                purpose=purpose,
                algorithm=algorithm,
                wrapped=wrapped,
                created_at=self._clock.now(),
                provider=self._provider.name,
                provider_key=provider_key,
                active_at=active_at,
            )
        )
        self.forget(tenant_id)
        return key_id

    async def _unwrap(self, key: WrappedKey) -> bytes:
        if key.destroyed_at is not None:
            return b""
        context = _context(key.tenant_id, key.key_id, key.purpose)
        return await self._provider.unwrap(key.provider_key, key.wrapped, context, key.algorithm)


def _context(tenant_id: UUID, key_id: UUID, purpose: Purpose) -> bytes:
    return bind(b"cityloom data key", tenant_id.bytes, key_id.bytes, purpose.encode())


def _read_header(envelope: bytes) -> tuple[UUID, Algorithm]:
    if len(envelope) < _HEADER_BYTES + NONCE_BYTES + TAG_BYTES or envelope[0] != VERSION:
        raise UnreadableEnvelope("not an envelope of this version")
    algorithm = ALGORITHMS.get(envelope[1])
    if algorithm is None:
        raise UnreadableEnvelope(f"algorithm {envelope[1]} is unknown")
    return UUID(bytes=envelope[2:_HEADER_BYTES]), algorithm
