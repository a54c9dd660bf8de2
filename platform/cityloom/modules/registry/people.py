"""The protected fields of a resident: checked, sealed, masked and indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text

from cityloom.core.crypto import (
    birth_date_in,
    check_identity_number,
    check_mobile_number,
    mask_identity_number,
    mask_phone,
)
from cityloom.core.database import beyond_wall
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import BirthDateContradicts, SexContradicts
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from sqlalchemy.orm import InstrumentedAttribute

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.errors import Refusal
    from cityloom.core.work import Work

TABLE = m.Resident.__tablename__
_SAME_VALUE = text("SELECT pg_advisory_xact_lock(hashtextextended('cityloom.sealed:' || :key, 0))")


async def keys_of(work: Work) -> TenantKeys:
    """The keys of the work's tenant."""
    ring: KeyRing = work.services[KeyRing]
    return await ring.of(work.tenant_id)


def identity_columns(keys: TenantKeys, row_id: UUID, number: str | None, index: bytes | None = None) -> dict[str, Any]:
    """The three columns of an identity number in its normal form; nothing for None. `index` is known from before."""
    if number is None:
        return {"identity_number": None, "identity_masked": None, "identity_index": None}
    return {
        "identity_number": keys.seal(TABLE, "identity_number", row_id, number),
        "identity_masked": mask_identity_number(number),
        "identity_index": index or index_of_identity(keys, number),
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


def index_of_identity(keys: TenantKeys, number: str) -> bytes:
    """What is stored for a number that was checked."""
    return keys.blind_index(TABLE, "identity_number", number)


def identity_indexes(keys: TenantKeys, value: str) -> list[bytes]:
    """What to search for, the index that is written now first; refuses (`InvalidIdentityNumber`)."""
    return keys.blind_indexes(TABLE, "identity_number", check_identity_number(value, path=("identityNumber",)))


def phone_indexes(keys: TenantKeys, value: str) -> list[bytes]:
    """What to search for, the index that is written now first; refuses (`InvalidMobileNumber`)."""
    return keys.blind_indexes(TABLE, "phone", check_mobile_number(value, path=("phone",)))


async def demand_new(
    work: Work, index: InstrumentedAttribute[Any], known: list[bytes], row_id: UUID, taken: Refusal
) -> None:
    """Refuse (`taken`) a value that another row has by the index of a key that is coming or going.

    `known` are the value's blind indexes, the one that is written now first. By that one the unique constraint tells,
    so there is nothing to ask while no key is rotated. Asked after the row is written: before, the other row might be
    indexed anew between the question and the writing.
    """
    others = known[1:]
    if others:
        # Two who write the same value by different keys at once see each other here.
        await work.session.execute(_SAME_VALUE, {"key": b"".join(sorted(known)).hex()})
        model = index.class_
        query = select(model.id).where(index.in_(others), model.id != row_id)
        async with beyond_wall(work.session):
            if await work.session.scalar(query.limit(1)) is not None:
                raise taken


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
