"""Where key-encryption keys live: a file by default; a KMS or an HSM by PKCS#11 is another `KeyProvider`."""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag

from cityloom.core.crypto.algorithms import MASTER_BYTES, NONCE_BYTES, Aead, Algorithm, aead, derive
from cityloom.core.errors import Refusal, RefusalCode
from cityloom.core.ids import new_id


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
    """Wraps data keys with a key-encryption key that never leaves it. Its calls may go over a network."""

    @property
    def name(self) -> str:
        """Which kind of provider it is, as stored beside the wrapped key."""
        ...

    async def wrap(self, key: bytes, context: bytes, algorithm: Algorithm) -> tuple[str, bytes]:
        """The name of the key-encryption key that is current, and the data key wrapped by it, bound to the context."""
        ...

    async def unwrap(self, provider_key: str, wrapped: bytes, context: bytes, algorithm: Algorithm) -> bytes:
        """The data key; refuses (`KeyEncryptionKeyMissing`), raises `WrappedKeyUnreadable` for another context."""
        ...


class FileKeyProvider:
    """Key-encryption keys as files `<id>.key` in one folder, each readable by its owner alone; the newest is current.

    The first is made when it is first needed. Back the folder up apart from the database: together they are the data.
    """

    name = "file"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: dict[str, bytes] = {}

    async def wrap(self, key: bytes, context: bytes, algorithm: Algorithm) -> tuple[str, bytes]:
        """The id of the newest key file, and `nonce|ciphertext`."""
        names = self._names() or [self._make_first()]
        nonce = secrets.token_bytes(NONCE_BYTES)
        return names[-1], nonce + self._aead(names[-1], algorithm).encrypt(nonce, key, context)

    async def unwrap(self, provider_key: str, wrapped: bytes, context: bytes, algorithm: Algorithm) -> bytes:
        """The data key; refuses a key file that is missing, malformed or readable by others."""
        try:
            return self._aead(provider_key, algorithm).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
        except (InvalidTag, ValueError) as error:
            raise WrappedKeyUnreadable(provider_key) from error

    def add(self) -> str:
        """Make a new current key and return its id; the old ones stay, for what they wrapped."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = new_id().hex
        unfinished = self._folder / f".{name}"
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(MASTER_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self._folder / f"{name}.key")
        # What a key wrapped is lost with it, so its name must survive a power cut as well.
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        return name

    def _names(self) -> list[str]:
        return sorted(file.stem for file in self._folder.glob("*.key"))

    def _make_first(self) -> str:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            names = self._names()
            return names[-1] if names else self.add()

    def _aead(self, name: str, algorithm: Algorithm) -> Aead:
        return aead(algorithm, derive(algorithm, self._read(name), b"cityloom wrap", length=algorithm.key_bytes))

    def _read(self, name: str) -> bytes:
        if name in self._keys:
            return self._keys[name]
        file = self._folder / f"{name}.key"
        if not re.fullmatch(r"[0-9a-zA-Z_-]+", name) or not file.exists():
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
        self._keys[name] = key
        return key
