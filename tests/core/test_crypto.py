"""Envelopes, blind indexes, keys and numbers, against the standards they name and what can go wrong."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from cityloom.core import crypto
from cityloom.core.crypto import (
    LEAD,
    Algorithm,
    DataKeyDestroyed,
    DataKeyMissing,
    FileKeyProvider,
    InvalidIdentityNumber,
    InvalidMobileNumber,
    KeyEncryptionKeyMissing,
    KeyFileExposed,
    KeyFileMalformed,
    Keyring,
    KeyStillNeeded,
    MemoryDataKeyStore,
    Purpose,
    TenantKeys,
    UnreadableEnvelope,
    WrappedKey,
)
from cityloom.core.crypto.algorithms import aead, bind, derive, keyed_hash
from cityloom.core.crypto.providers import WrappedKeyUnreadable

if TYPE_CHECKING:
    from pathlib import Path

ALDER, BIRCH = UUID(int=1), UUID(int=2)
ROW = UUID(int=0xD0E)
BOTH = pytest.mark.parametrize("algorithm", list(Algorithm))
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = WHEN

    def now(self) -> datetime:
        return self.time


def keys_of(tenant_id: UUID, algorithm: Algorithm, *, seed: bytes = b"k") -> TenantKeys:
    """Keys made from a seed instead of by chance."""
    made = []
    for purpose in Purpose:
        digest = hashlib.sha256(seed + purpose.encode() + tenant_id.bytes).digest()
        made.append((WrappedKey(UUID(bytes=digest[:16]), tenant_id, purpose, algorithm, b"", WHEN), digest))
    return TenantKeys(tenant_id, made)


# The standards


def test_sm4_is_the_standards() -> None:
    """GB/T 32907-2016, appendix A, example 1."""
    key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    encryptor = Cipher(algorithms.SM4(key), modes.ECB()).encryptor()  # noqa: S305 - the standard's example is one block
    assert (encryptor.update(key) + encryptor.finalize()).hex() == "681edf34d206965e86b3e94f536e4246"


def test_sm3_is_the_standards() -> None:
    """GB/T 32905-2016, appendix A, example 1."""
    digest = hashes.Hash(Algorithm.SM4_GCM.hash)
    digest.update(b"abc")
    assert digest.finalize().hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


GCM = {
    # RFC 8998, appendix A.1
    Algorithm.SM4_GCM: (
        "0123456789abcdeffedcba9876543210",
        "00001234567800000000abcd",
        (
            "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
            "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa"
        ),
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        (
            "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
            "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
            "83de3541e4c2b58177e065a9bf7b62ec"
        ),
    ),
    # McGrew and Viega, "The Galois/Counter Mode of Operation" (submitted to NIST), test case 16
    Algorithm.AES_256_GCM: (
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        (
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        ),
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        (
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
            "76fc6ece0f4e1768cddf8853bb2d551b"
        ),
    ),
}


@BOTH
def test_gcm_is_the_standards(algorithm: Algorithm) -> None:
    key, nonce, text, extra, sealed = map(bytes.fromhex, GCM[algorithm])
    assert aead(algorithm, key).encrypt(nonce, text, extra) == sealed
    assert aead(algorithm, key).decrypt(nonce, sealed, extra) == text
    with pytest.raises(InvalidTag):
        aead(algorithm, key).decrypt(nonce, sealed[:7], extra)


def test_hmac_and_hkdf_are_the_standards() -> None:
    """RFC 4231, test case 2, and RFC 5869, A.3 (no salt, no info)."""
    mac = keyed_hash(Algorithm.AES_256_GCM, b"Jefe", b"what do ya want for nothing?")
    assert mac.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    okm = derive(Algorithm.AES_256_GCM, b"\x0b" * 22, b"", length=42)
    assert okm.hex() == ("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")


@given(st.binary(max_size=64), st.binary(max_size=100))
def test_hmac_sm3_is_rfc_2104_over_sm3(key: bytes, value: bytes) -> None:
    def sm3(data: bytes) -> bytes:
        digest = hashes.Hash(hashes.SM3())
        digest.update(data)
        return digest.finalize()

    padded = key.ljust(64, b"\0")
    inner = sm3(bytes(byte ^ 0x36 for byte in padded) + value)
    expected = sm3(bytes(byte ^ 0x5C for byte in padded) + inner)
    assert keyed_hash(Algorithm.SM4_GCM, key, value) == expected


# Envelopes


@BOTH
@given(value=st.text(max_size=200))
def test_what_is_sealed_opens_at_its_place(algorithm: Algorithm, value: str) -> None:
    keys = keys_of(ALDER, algorithm)
    envelope = keys.seal("residents", "phone", ROW, value)
    assert keys.open("residents", "phone", ROW, envelope) == value
    assert keys.is_current(envelope)


PLACES = st.tuples(
    st.sampled_from([ALDER, BIRCH]),
    st.sampled_from(["residents", "residentsp", "households"]),
    st.sampled_from(["phone", "hone", "identity_number"]),
    st.sampled_from([ROW, UUID(int=1)]),
)


@BOTH
@given(here=PLACES, there=PLACES)
def test_an_envelope_opens_nowhere_else(
    algorithm: Algorithm, here: tuple[UUID, str, str, UUID], there: tuple[UUID, str, str, UUID]
) -> None:
    """Even where both tenants hold the same key bytes, so that nothing but the bound place can tell them apart."""
    key = WrappedKey(UUID(int=9), ALDER, Purpose.FIELD, algorithm, b"", WHEN)
    sealed = TenantKeys(here[0], [(key, b"k" * 32)]).seal(*here[1:], "13812345678")
    other = TenantKeys(there[0], [(key, b"k" * 32)])
    if here == there:
        assert other.open(*there[1:], sealed) == "13812345678"
        return
    with pytest.raises(UnreadableEnvelope):
        other.open(*there[1:], sealed)


@BOTH
@given(data=st.data())
def test_no_bit_of_an_envelope_can_be_changed(algorithm: Algorithm, data: st.DataObject) -> None:
    keys = keys_of(ALDER, algorithm)
    envelope = bytearray(keys.seal("residents", "phone", ROW, "13812345678"))
    position = data.draw(st.integers(0, len(envelope) * 8 - 1))
    envelope[position // 8] ^= 1 << position % 8
    with pytest.raises((UnreadableEnvelope, DataKeyMissing)):
        keys.open("residents", "phone", ROW, bytes(envelope))


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_in_an_orderly_way(junk: bytes) -> None:
    with pytest.raises((UnreadableEnvelope, DataKeyMissing)):
        keys_of(ALDER, Algorithm.AES_256_GCM).open("residents", "phone", ROW, junk)


@given(st.text(max_size=200))
def test_an_envelope_is_as_long_as_the_value_and_46_bytes(value: str) -> None:
    assert len(keys_of(ALDER, Algorithm.SM4_GCM).seal("t", "c", ROW, value)) == len(value.encode()) + 46


STORED = {
    Algorithm.AES_256_GCM: (
        "AQEZSVDcd/gFOXp75w0+i4WmvXD6OGEvHY17bhA3ttIWsPFkFfcMT7aYKkivl1x0BzcfR8Qrxc0g "
        "otRe5UsEMjCl1bZ5PmpHLSCwV3cQ97MLhw+uR4qOBA0="
    ),
    Algorithm.SM4_GCM: (
        "AQIZSVDcd/gFOXp75w0+i4Wm8m/rhAZVm42dXYk+pQR37OWe1qYpJrsXnwEruo3B/jrokziKTt56 "
        "MbfWPiWrDP43rNTcxmPjMqByxPm0E2CC4qk9IpQfIFo="
    ),
}


@BOTH
def test_envelopes_and_indexes_of_earlier_releases_stay_valid(algorithm: Algorithm) -> None:
    """Written by the first release: if this fails, what cities have stored can no longer be read."""
    envelope, index = map(base64.b64decode, STORED[algorithm].split())
    keys = keys_of(ALDER, algorithm)
    assert keys.open("residents", "phone", ROW, envelope) == "13812345678"
    assert keys.blind_index("residents", "phone", "13812345678") == index


@given(st.lists(st.binary(max_size=5)), st.lists(st.binary(max_size=5)))
def test_bound_parts_cannot_be_regrouped(one: list[bytes], other: list[bytes]) -> None:
    assert (bind(*one) == bind(*other)) == (one == other)


# Blind indexes


@BOTH
@given(one=st.text(max_size=20), other=st.text(max_size=20))
def test_indexes_are_equal_exactly_for_equal_values(algorithm: Algorithm, one: str, other: str) -> None:
    keys, again = keys_of(ALDER, algorithm), keys_of(ALDER, algorithm)
    assert (keys.blind_index("r", "phone", one) == again.blind_index("r", "phone", other)) == (one == other)


@BOTH
def test_an_index_tells_nothing_across_columns_tables_and_tenants(algorithm: Algorithm) -> None:
    shared = WrappedKey(UUID(int=9), ALDER, Purpose.INDEX, algorithm, b"", WHEN)
    alder, birch = (TenantKeys(tenant, [(shared, b"k" * 32)]) for tenant in (ALDER, BIRCH))
    found = {
        keys.blind_index(table, column, "13812345678")
        for keys in (alder, birch)
        for table in ("residents", "contacts")
        for column in ("phone", "other")
    }
    assert len(found) == 8
    assert all(len(index) == 32 for index in found)


# Keys


class Ring:
    """A keyring over files, with what it stands on."""

    def __init__(self, folder: Path) -> None:
        self.provider = FileKeyProvider(folder / "keys")
        self.store = MemoryDataKeyStore()
        self.clock = HandClock()
        self.keyring = self.again()

    def again(self) -> Keyring:
        """The keyring of another process on the same store."""
        return Keyring(self.provider, self.store, self.clock)


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    return Ring(tmp_path)


@BOTH
async def test_keys_made_once_serve_every_process(ring: Ring, algorithm: Algorithm) -> None:
    await ring.keyring.create(ALDER, algorithm)
    await ring.keyring.create(ALDER, algorithm)
    assert len(await ring.store.load(ALDER)) == 2
    envelope = (await ring.keyring.of(ALDER)).seal("r", "phone", ROW, "x")
    assert (await ring.again().of(ALDER)).open("r", "phone", ROW, envelope) == "x"


async def test_a_tenant_without_keys_is_told_so(ring: Ring) -> None:
    with pytest.raises(DataKeyMissing):
        (await ring.keyring.of(ALDER)).seal("r", "phone", ROW, "x")
    with pytest.raises(DataKeyMissing):
        (await ring.keyring.of(ALDER)).blind_index("r", "phone", "x")


async def test_a_rotated_key_reads_the_old_and_seals_with_the_new(ring: Ring) -> None:
    await ring.keyring.create(ALDER)
    before = await ring.keyring.of(ALDER)
    old, index = before.seal("r", "phone", ROW, "x"), before.blind_index("r", "phone", "x")
    await ring.keyring.rotate(ALDER, Algorithm.SM4_GCM, lead=timedelta(0))
    keys = await ring.keyring.of(ALDER)
    new = keys.seal("r", "phone", ROW, "x")
    assert (keys.is_current(old), keys.is_current(new)) == (False, True)
    assert (old[1], new[1]) == (1, 2)
    assert keys.open("r", "phone", ROW, old) == keys.open("r", "phone", ROW, new) == "x"
    # What is written now comes first, and what was written before is looked for too.
    written, former = keys.blind_indexes("r", "phone", "x")
    assert (written, former) == (keys.blind_index("r", "phone", "x"), index)
    assert written != index


async def test_a_new_key_is_known_everywhere_before_it_is_used_anywhere(ring: Ring) -> None:
    await ring.keyring.create(ALDER)
    other = ring.again()
    first = (await other.of(ALDER)).seal("r", "phone", ROW, "x")
    await ring.keyring.rotate(ALDER)
    for second in range(0, int(LEAD.total_seconds()) + 62, 10):
        sealed = (await ring.keyring.of(ALDER)).seal("r", "phone", ROW, "x")
        index = (await ring.keyring.of(ALDER)).blind_index("r", "phone", "x")
        # The other process has looked at another moment; it opens and finds what this one writes.
        reader = await other.of(ALDER)
        assert reader.open("r", "phone", ROW, sealed) == "x", second
        assert index in reader.blind_indexes("r", "phone", "x"), second
        ring.clock.time += timedelta(seconds=10)
    assert sealed[2:18] != first[2:18]


async def test_a_retired_key_is_gone_and_its_key_encryption_key_opens_old_backups_until_it_is_shredded(
    ring: Ring,
) -> None:
    await ring.keyring.create(ALDER)
    old = (await ring.keyring.of(ALDER)).seal("r", "phone", ROW, "x")
    backup = list(await ring.store.load(ALDER))
    made = await ring.keyring.rotate(ALDER, lead=timedelta(0))
    current = (await ring.store.load(ALDER))[-1].provider_key
    with pytest.raises(KeyStillNeeded):
        await ring.keyring.shred(ALDER, backup[0].provider_key)
    going = await ring.keyring.retire(ALDER, made.values())
    assert going == [backup[0].provider_key]
    keys = await ring.keyring.of(ALDER)
    with pytest.raises(DataKeyDestroyed):
        keys.open("r", "phone", ROW, old)
    assert keys.open("r", "phone", ROW, keys.seal("r", "phone", ROW, "y")) == "y"
    restored = MemoryDataKeyStore()
    for key in backup:
        await restored.add(key)
    assert (await Keyring(ring.provider, restored, ring.clock).of(ALDER)).open("r", "phone", ROW, old) == "x"
    await ring.keyring.shred(ALDER, going[0])
    with pytest.raises(KeyEncryptionKeyMissing):
        await Keyring(ring.provider, restored, ring.clock).of(ALDER)
    assert await ring.provider.names(ALDER) == [current]


async def test_a_backup_of_a_tenant_that_left_is_opened_by_nobody(ring: Ring, tmp_path: Path) -> None:
    await ring.keyring.create(ALDER)
    await ring.keyring.create(BIRCH)
    backup = MemoryDataKeyStore()
    for tenant in (ALDER, BIRCH):
        for key in await ring.store.load(tenant):
            await backup.add(key)
    await ring.keyring.destroy(ALDER)
    assert not list((tmp_path / "keys" / ALDER.hex).glob("*.key"))
    restored = Keyring(FileKeyProvider(tmp_path / "keys"), backup, ring.clock)
    with pytest.raises(KeyEncryptionKeyMissing):
        await restored.of(ALDER)
    await restored.of(BIRCH)


async def test_destroyed_keys_erase_one_tenant_and_no_other(ring: Ring) -> None:
    sealed = {}
    for tenant in (ALDER, BIRCH):
        await ring.keyring.create(tenant)
        sealed[tenant] = (await ring.keyring.of(tenant)).seal("r", "phone", ROW, "x")
    other = ring.again()
    await other.of(ALDER)
    await ring.keyring.destroy(ALDER)
    ring.clock.time += timedelta(seconds=61)
    for keyring in (ring.keyring, other):
        keys = await keyring.of(ALDER)
        with pytest.raises(DataKeyDestroyed, match=r"destroyed at 2026-01-01.*erased"):
            keys.open("r", "phone", ROW, sealed[ALDER])
        with pytest.raises(DataKeyDestroyed):
            keys.seal("r", "phone", ROW, "y")
        with pytest.raises(DataKeyDestroyed):
            keys.blind_index("r", "phone", "y")
    with pytest.raises(DataKeyDestroyed):
        await ring.keyring.rotate(ALDER)
    assert (await other.of(BIRCH)).open("r", "phone", ROW, sealed[BIRCH]) == "x"


async def test_a_wrapped_key_is_bound_to_its_tenant(ring: Ring) -> None:
    await ring.keyring.create(ALDER)
    for key in await ring.store.load(ALDER):
        await ring.store.add(WrappedKey(**{**as_dict(key), "tenant_id": BIRCH}))
    with pytest.raises(WrappedKeyUnreadable):
        await ring.keyring.of(BIRCH)


def as_dict(key: WrappedKey) -> dict[str, Any]:
    return {name: getattr(key, name) for name in WrappedKey.__slots__}


# Key files


async def test_a_key_file_is_its_owners_alone(ring: Ring, tmp_path: Path) -> None:
    await ring.keyring.create(ALDER)
    (file,) = (tmp_path / "keys").glob("*/*.key")
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
async def test_a_key_file_that_others_can_read_is_refused(ring: Ring, tmp_path: Path, mode: int) -> None:
    await ring.keyring.create(ALDER)
    (file,) = (tmp_path / "keys").glob("*/*.key")
    file.chmod(mode)
    with pytest.raises(KeyFileExposed, match=rf"mode {mode:o}.*chmod 600"):
        await Keyring(FileKeyProvider(tmp_path / "keys"), ring.store, ring.clock).of(ALDER)


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff\xfe", base64.b64encode(b"x" * 31)])
async def test_a_damaged_key_file_is_refused(ring: Ring, tmp_path: Path, content: bytes) -> None:
    await ring.keyring.create(ALDER)
    (file,) = (tmp_path / "keys").glob("*/*.key")
    file.write_bytes(content)
    with pytest.raises(KeyFileMalformed):
        await Keyring(FileKeyProvider(tmp_path / "keys"), ring.store, ring.clock).of(ALDER)


async def test_a_lost_key_file_is_named(ring: Ring, tmp_path: Path) -> None:
    await ring.keyring.create(ALDER)
    (file,) = (tmp_path / "keys").glob("*/*.key")
    file.unlink()
    with pytest.raises(KeyEncryptionKeyMissing, match=file.stem):
        await Keyring(FileKeyProvider(tmp_path / "keys"), ring.store, ring.clock).of(ALDER)


async def test_an_id_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyEncryptionKeyMissing):
        await FileKeyProvider(tmp_path).unwrap("../../etc/passwd", b"", b"", Algorithm.AES_256_GCM)


async def test_a_new_key_file_leaves_the_old_in_use(ring: Ring) -> None:
    await ring.keyring.create(ALDER)
    envelope = (await ring.keyring.of(ALDER)).seal("r", "phone", ROW, "x")
    first = await ring.provider.names(ALDER)
    await ring.keyring.rotate(ALDER)
    newest = (await ring.provider.names(ALDER))[-1]
    assert newest not in first
    assert {key.provider_key for key in (await ring.store.load(ALDER))[-2:]} == {newest}
    assert (await ring.again().of(ALDER)).open("r", "phone", ROW, envelope) == "x"


async def test_many_first_uses_at_once_make_one_key_file(tmp_path: Path) -> None:
    providers = [FileKeyProvider(tmp_path / "keys") for _ in range(8)]
    wraps = [
        asyncio.to_thread(asyncio.run, each.wrap(ALDER, b"k" * 32, b"c", Algorithm.AES_256_GCM)) for each in providers
    ]
    assert len({name for name, _ in await asyncio.gather(*wraps)}) == 1


# Numbers


def test_the_standards_own_identity_numbers_are_valid() -> None:
    """GB 11643-1999, 4.1 and annex A."""
    assert crypto.check_identity_number("11010519491231002X") == "11010519491231002X"
    assert crypto.check_identity_number(" 440524 18800101 0014 ") == "440524188001010014"
    assert crypto.check_identity_number("11010519491231002x") == "11010519491231002X"
    assert crypto.birth_date_in("11010519491231002X") == date(1949, 12, 31)


@given(
    st.from_regex(r"[0-9]{6}(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])[0-9]{3}", fullmatch=True), st.data()
)
def test_one_wrong_digit_is_always_noticed(first_17: str, data: st.DataObject) -> None:
    number = first_17 + crypto.identity_check_digit(first_17)
    assert crypto.check_identity_number(number) == number
    position = data.draw(st.integers(0, 16))
    digit = data.draw(st.sampled_from([each for each in "0123456789" if each != number[position]]))
    with pytest.raises(InvalidIdentityNumber):
        crypto.check_identity_number(number[:position] + digit + number[position + 1 :])


@pytest.mark.parametrize(
    "number", ["", "110105194912310021", "1101051949123100", "身份证", "１" * 18, "1" * 19, "110105491231002"]
)
def test_other_things_are_no_identity_numbers(number: str) -> None:
    with pytest.raises(InvalidIdentityNumber) as refusal:
        crypto.check_identity_number(number, path=("identityNumber",))
    assert refusal.value.path == ("identityNumber",)
    assert not number or number not in str(refusal.value)


def test_an_impossible_birth_date_is_refused() -> None:
    with pytest.raises(InvalidIdentityNumber, match="birth date"):
        crypto.check_identity_number("11010519490231002" + crypto.identity_check_digit("11010519490231002"))


@pytest.mark.parametrize("number", ["13812345678", "+86 138 1234 5678", "0086-138-1234-5678", "86 13812345678"])
def test_mobile_numbers_come_in_one_form(number: str) -> None:
    assert crypto.check_mobile_number(number) == "13812345678"


@pytest.mark.parametrize(
    "number", ["", "12812345678", "1381234567", "138123456789", "+1 13812345678", "１３８１２３４５６７８"]
)
def test_other_things_are_no_mobile_numbers(number: str) -> None:
    with pytest.raises(InvalidMobileNumber):
        crypto.check_mobile_number(number)


def test_masks_show_the_last_four() -> None:
    assert crypto.mask_phone("13812345678") == "138****5678"
    assert crypto.mask_phone("04332512345") == "*******2345"
    assert crypto.mask_identity_number("11010519491231002X") == "**************002X"


@given(st.text(st.characters(exclude_characters="*"), min_size=1, max_size=30))
def test_a_mask_never_shows_the_number(number: str) -> None:
    for mask in (crypto.mask_phone(number), crypto.mask_identity_number(number)):
        assert len(mask) == len(number)
        assert number not in mask
