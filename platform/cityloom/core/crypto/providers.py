"""Where key-encryption keys live: files by default; a KMS or an HSM by PKCS#11 is another `KeyProvider`.

Each tenant has key-encryption keys of its own, so that destroying them closes what they wrapped for good: in the
database, in every backup of it, and in no other tenant. See ADR 21.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
import re
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidTag

from cityloom.core.crypto.algorithms import MASTER_BYTES, NONCE_BYTES, Aead, Algorithm, aead, derive
from cityloom.core.errors import Refusal, RefusalCode
from cityloom.core.ids import new_id

if TYPE_CHECKING:
    from uuid import UUID

#: `<owner>/<id>`, or `<id>` alone: one that wrapped for all tenants, as the first release made them.
_NAME = re.compile(r"(?:[0-9a-f]{32}/)?[0-9a-zA-Z_-]+")


class KeyFileExposed(Refusal):
    """The key file {file} can be read by others (mode {mode}): run `chmod 600` on it and consider it known to them."""

    code = RefusalCode.UNAVAILABLE
    zh = "密钥文件 {file} 可被他人读取(权限 {mode}):请执行 chmod 600,并视其为已泄露。"


class KeyFileMalformed(Refusal):
    """The key file {file} does not hold one base64 line of 32 bytes: restore it from its backup."""

    code = RefusalCode.UNAVAILABLE
    zh = "密钥文件 {file} 的内容不是一行 32 字节的 base64:请从备份恢复。"


class KeyEncryptionKeyMissing(Refusal):
    """The key-encryption key {key} is not in {place}: without it the fields under it stay closed."""

    code = RefusalCode.UNAVAILABLE
    zh = "密钥加密密钥 {key} 不在 {place} 中:缺少它将无法解开相关数据密钥及字段。"


class WrappedKeyUnreadable(Exception):
    """A wrapped data key was changed, or belongs to another tenant, key or purpose than it was presented for."""


class KeyProvider(Protocol):
    """Wraps data keys with key-encryption keys that never leave it. Its calls may go over a network.

    Each owner, a tenant, has its own; the newest is current. One that is destroyed is gone for everybody: a provider
    that keeps copies (a KMS with a waiting time, a folder in a backup) must be told to forget those as well.
    """

    @property
    def name(self) -> str:
        """Which kind of provider it is, as stored beside the wrapped key."""
        ...

    async def create(self, owner: UUID) -> str:
        """Make a key-encryption key of this owner, current from now on; answers its name."""
        ...

    async def names(self, owner: UUID) -> list[str]:
        """The owner's key-encryption keys that there are, oldest first."""
        ...

    async def destroy(self, provider_key: str) -> None:
        """Destroy a key-encryption key; one that is gone already stays gone."""
        ...

    async def wrap(self, owner: UUID, key: bytes, context: bytes, algorithm: Algorithm) -> tuple[str, bytes]:
        """The owner's current key-encryption key, and the data key wrapped by it, bound to the context.

        Makes the owner's first where there is none.
        """
        ...

    async def unwrap(self, provider_key: str, wrapped: bytes, context: bytes, algorithm: Algorithm) -> bytes:
        """The data key; refuses (`KeyEncryptionKeyMissing`), raises `WrappedKeyUnreadable` for another context."""
        ...


class FileKeyProvider:
    """Key-encryption keys as files `<owner>/<id>.key` in one folder, each readable by its owner alone.

    Back the folder up apart from the database, for together they are the data, and no longer than backups of the
    database are kept. A destroyed key is overwritten before it is removed; copies that a file system or a disk keeps
    of old blocks are its own affair: where that matters, use an encrypted disk or an HSM.
    """

    name = "file"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def create(self, owner: UUID) -> str:
        """Make a new current key of the owner; the old ones stay, for what they wrapped."""
        return self._make(owner)

    async def names(self, owner: UUID) -> list[str]:
        """The names of the owner's files, oldest first."""
        return sorted(f"{owner.hex}/{file.stem}" for file in (self._folder / owner.hex).glob("*.key"))

    async def destroy(self, provider_key: str) -> None:
        """Overwrite and remove a key file."""
        file = self._file(provider_key)
        if not file.exists():
            return
        with file.open("r+b") as opened:
            opened.write(secrets.token_bytes(file.stat().st_size))
            opened.flush()
            os.fsync(opened.fileno())
        file.unlink()
        _settle(file.parent)

    async def wrap(self, owner: UUID, key: bytes, context: bytes, algorithm: Algorithm) -> tuple[str, bytes]:
        """The name of the owner's newest key file, and `nonce|ciphertext`."""
        names = await self.names(owner) or [self._make_first(owner)]
        nonce = secrets.token_bytes(NONCE_BYTES)
        return names[-1], nonce + self._aead(names[-1], algorithm).encrypt(nonce, key, context)

    async def unwrap(self, provider_key: str, wrapped: bytes, context: bytes, algorithm: Algorithm) -> bytes:
        """The data key; refuses a key file that is missing, malformed or readable by others."""
        try:
            return self._aead(provider_key, algorithm).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
        except (InvalidTag, ValueError) as error:
            raise WrappedKeyUnreadable(provider_key) from error

    def _make(self, owner: UUID) -> str:
        folder = self._folder / owner.hex
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = new_id().hex
        unfinished = folder / f".{name}"
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(MASTER_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(folder / f"{name}.key")
        # What a key wrapped is lost with it, so its name must survive a power cut as well.
        _settle(folder)
        _settle(self._folder)
        return f"{owner.hex}/{name}"

    def _make_first(self, owner: UUID) -> str:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            names = sorted((self._folder / owner.hex).glob("*.key"))
            return f"{owner.hex}/{names[-1].stem}" if names else self._make(owner)

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise KeyEncryptionKeyMissing(key=name, place=str(self._folder))
        return self._folder / f"{name}.key"

    def _aead(self, name: str, algorithm: Algorithm) -> Aead:
        return aead(algorithm, derive(algorithm, self._read(name), b"cityloom wrap", length=algorithm.key_bytes))

    def _read(self, name: str) -> bytes:
        # Read each time: what another process has destroyed must not live on in the memory of this one.
        file = self._file(name)
        if not file.exists():
            raise KeyEncryptionKeyMissing(key=name, place=str(self._folder))
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileExposed(file=str(file), mode=f"{mode:03o}")
        try:
            key = base64.b64decode(file.read_bytes().strip(), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != MASTER_BYTES:
            raise KeyFileMalformed(file=str(file))
        return key


def _settle(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
