"""The protected fields of a resident: checked, sealed, masked and indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cityloom.core.crypto import (
    birth_date_in,
    check_identity_number,
    check_mobile_number,
    mask_identity_number,
    mask_phone,
)
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import BirthDateContradicts, SexContradicts
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.work import Work

TABLE = m.Resident.__tablename__


async def keys_of(work: Work) -> TenantKeys:
    """The keys of the work's tenant."""
    ring: KeyRing = work.services[KeyRing]
    return await ring.of(work.tenant_id)


def identity_columns(keys: TenantKeys, row_id: UUID, number: str | None) -> dict[str, Any]:
    """The three columns of an identity number in its normal form; nothing for None."""
    if number is None:
        return {"identity_number": None, "identity_masked": None, "identity_index": None}
    return {
        "identity_number": keys.seal(TABLE, "identity_number", row_id, number),
        "identity_masked": mask_identity_number(number),
        "identity_index": index_of_identity(keys, number),
    }


def phone_columns(keys: TenantKeys, row_id: UUID, number: str | None) -> dict[str, Any]:
    """The three columns of a phone number in its normal form; nothing for None."""
    if number is None:
        return {"phone": None, "phone_masked": None, "phone_index": None}
    return {
        "phone": keys.seal(TABLE, "phone", row_id, number),
        "phone_masked": mask_phone(number),
        "phone_index": keys.blind_index(TABLE, "phone", number),
    }


def birth_columns(keys: TenantKeys, row_id: UUID, born_on: date | None) -> dict[str, Any]:
    """The exact date sealed, the year in clear: the year is what statistics and rules by age need."""
    if born_on is None:
        return {"birth_on": None, "birth_year": None}
    return {"birth_on": keys.seal(TABLE, "birth_on", row_id, born_on.isoformat()), "birth_year": born_on.year}


def identity_index(keys: TenantKeys, value: str) -> bytes:
    """What to search for; refuses (`InvalidIdentityNumber`)."""
    return index_of_identity(keys, check_identity_number(value, path=("identityNumber",)))


def index_of_identity(keys: TenantKeys, number: str) -> bytes:
    """The same for a number that was checked."""
    return keys.blind_index(TABLE, "identity_number", number)


def phone_index(keys: TenantKeys, value: str) -> bytes:
    """What to search for; refuses (`InvalidMobileNumber`)."""
    return keys.blind_index(TABLE, "phone", check_mobile_number(value, path=("phone",)))


def agree(number: str, born_on: date | None, sex: str | None) -> tuple[date, str]:
    """Birth date and sex with what the identity number says of them (the 17th digit is odd for men).

    Refuses (`BirthDateContradicts`, `SexContradicts`).
    """
    stated_on, stated_sex = birth_date_in(number), "MALE" if int(number[16]) % 2 else "FEMALE"
    if born_on is not None and born_on != stated_on:
        raise BirthDateContradicts(path=("birthOn",))
    if sex not in {None, "UNKNOWN", stated_sex}:
        raise SexContradicts(path=("sex",))
    return stated_on, stated_sex
