"""The ciphers and hashes, by the names they are stored under.

AES-256-GCM: FIPS 197, NIST SP 800-38D. SM4-GCM: GB/T 32907-2016, RFC 8998. HMAC: RFC 2104 with SHA-256 (FIPS 180-4) or
SM3 (GB/T 32905-2016). HKDF: RFC 5869.
"""

from __future__ import annotations

from enum import StrEnum
from hmac import digest
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
TAG_BYTES = 16
MASTER_BYTES = 32


class Algorithm(StrEnum):
    """A suite: the cipher of its envelopes, and the hash of its derivations and blind indexes."""

    AES_256_GCM = "AES-256-GCM"
    """With SHA-256. The default."""
    SM4_GCM = "SM4-GCM"
    """With SM3, where a tenant demands the national (国密) algorithms."""

    @property
    def number(self) -> int:
        """The byte that stands for it in an envelope."""
        return _NUMBERS[self]

    @property
    def key_bytes(self) -> int:
        """Length of the cipher's key."""
        return 32 if self is Algorithm.AES_256_GCM else 16

    @property
    def hash(self) -> hashes.HashAlgorithm:
        """The suite's hash."""
        return hashes.SHA256() if self is Algorithm.AES_256_GCM else hashes.SM3()


_NUMBERS = {Algorithm.AES_256_GCM: 1, Algorithm.SM4_GCM: 2}
ALGORITHMS = {number: algorithm for algorithm, number in _NUMBERS.items()}


class Aead(Protocol):
    """An authenticated cipher with its key: `InvalidTag` for anything it did not make itself."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """The ciphertext followed by the tag of 16 bytes."""
        ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """The text that was encrypted."""
        ...


class Sm4Gcm:
    """SM4 in Galois/Counter mode, in the form of `cryptography`'s AESGCM, which has no SM4 sibling."""

    def __init__(self, key: bytes) -> None:
        self._cipher = algorithms.SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """The ciphertext followed by the tag of 16 bytes."""
        encryptor = Cipher(self._cipher, modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(associated_data or b"")
        return encryptor.update(data) + encryptor.finalize() + encryptor.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """The text that was encrypted; raises `InvalidTag`."""
        if len(data) < TAG_BYTES:
            raise InvalidTag
        decryptor = Cipher(self._cipher, modes.GCM(nonce, data[-TAG_BYTES:])).decryptor()
        decryptor.authenticate_additional_data(associated_data or b"")
        return decryptor.update(data[:-TAG_BYTES]) + decryptor.finalize()


def aead(algorithm: Algorithm, key: bytes) -> Aead:
    """The suite's cipher with this key, which must be of the suite's length."""
    return AESGCM(key) if algorithm is Algorithm.AES_256_GCM else Sm4Gcm(key)


def derive(algorithm: Algorithm, master: bytes, purpose: bytes, *, length: int) -> bytes:
    """A key for one purpose from a master key, by HKDF with the suite's hash and no salt (the master is random)."""
    return HKDF(algorithm.hash, length, None, purpose).derive(master)


def keyed_hash(algorithm: Algorithm, key: bytes, value: bytes) -> bytes:
    """HMAC with the suite's hash, 32 bytes."""
    if algorithm is Algorithm.AES_256_GCM:
        # In one call, 1 µs instead of 5: an import asks for millions.
        return digest(key, value, "sha256")
    mac = hmac.HMAC(key, algorithm.hash)
    mac.update(value)
    return mac.finalize()


def bind(*parts: bytes) -> bytes:
    """The parts in one string that no other parts give: each after its length in two bytes."""
    return b"".join(len(part).to_bytes(2) + part for part in parts)
