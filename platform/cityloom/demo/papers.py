"""Identity and phone numbers, credit codes and number plates that are well formed and can be nobody's.

Identity numbers (GB 11643) begin with the six digits of a county by GB/T 2260, whose first two are 11 to 82: these
begin with 00, which is no province and never was. All else is right: the birth date is the resident's, the 17th digit
is odd for men, the check character is correct. Phone numbers begin with 154, which the ministry's numbering plan keeps
and no operator has been given. Unified social credit codes (GB 32100) name a region 000000, which is none; plates
(GA 36) an issuer I, a letter that no province gives its issuers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cityloom.core.crypto import identity_check_digit
from cityloom.modules.registry.papers import credit_check_character

if TYPE_CHECKING:
    from datetime import date

IMPOSSIBLE_PROVINCE: Final = "00"
UNOPENED_PREFIX: Final = "154"
_COUNTIES = 10_000
_PHONES = 100_000_000
_PLATE_LETTERS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_PLATE_LENGTH = 5
#: Prime to 10^8, so that neighbours do not have neighbouring numbers.
_STRIDE = 38_567_891
#: 500 sequence numbers for each sex in each of 10,000 impossible counties.
LARGEST_POPULATION = 500 * _COUNTIES


def identity_number(resident: int, born_on: date, sex: str) -> str:
    """The number of the n-th resident: unique whatever the birth date."""
    if not 0 <= resident < LARGEST_POPULATION:
        message = f"at most {LARGEST_POPULATION} residents have numbers of their own"
        raise ValueError(message)
    sequence = resident // _COUNTIES * 2 + (sex == "MALE")
    first = f"{IMPOSSIBLE_PROVINCE}{resident % _COUNTIES:04d}{born_on:%Y%m%d}{sequence:03d}"
    return first + identity_check_digit(first)


def phone_number(resident: int) -> str:
    """The number of the n-th resident."""
    return f"{UNOPENED_PREFIX}{resident * _STRIDE % _PHONES:08d}"


def credit_code(organisation: int) -> str:
    """The unified social credit code of the n-th organisation."""
    first = f"Y1000000{organisation:09d}"
    return first + credit_check_character(first)


def plate_number(vehicle: int) -> str:
    """The number plate of the n-th vehicle."""
    letters = ""
    for _ in range(_PLATE_LENGTH):
        vehicle, rest = divmod(vehicle, len(_PLATE_LETTERS))
        letters = _PLATE_LETTERS[rest] + letters
    return f"京I{letters}"
