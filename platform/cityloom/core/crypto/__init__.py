"""Encryption of single fields, and what is checked and masked before a field is stored.

A tenant has data keys of two purposes, `FIELD` for envelopes and `INDEX` for blind indexes, each wrapped by a key
of the tenant's own that never is in the database. `Keyring.of(tenant)` gives `TenantKeys`, which seal, open and index
without waiting. Destroying a tenant's keys makes every envelope of the tenant unreadable for good, in backups too.
"""

from cityloom.core.crypto.algorithms import Algorithm
from cityloom.core.crypto.content import ContentKey
from cityloom.core.crypto.keys import (
    LEAD,
    DataKeyDestroyed,
    DataKeyMissing,
    DataKeyStore,
    Keyring,
    KeyStillNeeded,
    MemoryDataKeyStore,
    Purpose,
    TenantKeys,
    UnreadableEnvelope,
    WrappedKey,
)
from cityloom.core.crypto.people import (
    InvalidIdentityNumber,
    InvalidMobileNumber,
    birth_date_in,
    check_identity_number,
    check_mobile_number,
    identity_check_digit,
    mask_identity_number,
    mask_phone,
)
from cityloom.core.crypto.providers import (
    FileKeyProvider,
    KeyEncryptionKeyMissing,
    KeyFileExposed,
    KeyFileMalformed,
    KeyProvider,
)

__all__ = [
    "LEAD",
    "Algorithm",
    "ContentKey",
    "DataKeyDestroyed",
    "DataKeyMissing",
    "DataKeyStore",
    "FileKeyProvider",
    "InvalidIdentityNumber",
    "InvalidMobileNumber",
    "KeyEncryptionKeyMissing",
    "KeyFileExposed",
    "KeyFileMalformed",
    "KeyProvider",
    "KeyStillNeeded",
    "Keyring",
    "MemoryDataKeyStore",
    "Purpose",
    "TenantKeys",
    "UnreadableEnvelope",
    "WrappedKey",
    "birth_date_in",
    "check_identity_number",
    "check_mobile_number",
    "identity_check_digit",
    "mask_identity_number",
    "mask_phone",
]
