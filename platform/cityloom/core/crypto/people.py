"""Identity and mobile numbers: checked, brought into one form, and masked. No refusal here repeats what was typed."""

from __future__ import annotations

import re
from datetime import date
from operator import mul

from cityloom.core.errors import Refusal, RefusalCode

_IDENTITY = re.compile(r"[0-9]{17}[0-9X]")
_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_MOBILE_PREFIX = re.compile(r"(?:\+|00)?86(?=1[3-9][0-9]{9}\Z)")
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015\u3000]")
_CHECK_DIGITS = "10X98765432"
_WEIGHTS = tuple(2 ** (17 - position) % 11 for position in range(17))
_SHOWN = 4


class InvalidIdentityNumber(Refusal):
    """This is no identity number: {reason}. It has 17 digits and a check character (GB 11643-1999)."""

    code = RefusalCode.INVALID_INPUT
    zh = "身份证号码无效:{reason_zh}。应为 17 位数字加 1 位校验码(GB 11643-1999)。"


class InvalidMobileNumber(Refusal):
    """This is no mobile number of mainland China: it has 11 digits and begins with 13 to 19, after +86 or not."""

    code = RefusalCode.INVALID_INPUT
    zh = "手机号码无效:应为以 13 至 19 开头的 11 位数字,可带 +86 前缀。"


def check_identity_number(value: str, *, path: tuple[str | int, ...] = ()) -> str:
    """The number in its normal form, with a capital X and no spaces; refuses (`InvalidIdentityNumber`).

    Checked are form, check character (GB 11643-1999, ISO 7064 MOD 11-2) and that the birth date is a date; not whether
    the division code of the first six digits was ever given out.
    """
    # Most have no separators: numbers are checked by the million.
    number = value if _IDENTITY.fullmatch(value) else _SEPARATORS.sub("", value).upper()
    if not _IDENTITY.fullmatch(number):
        raise InvalidIdentityNumber(path=path, reason="it has another form", reason_zh="格式不符")
    if identity_check_digit(number[:17]) != number[17]:
        raise InvalidIdentityNumber(path=path, reason="its check character is wrong", reason_zh="校验码错误")
    try:
        date.fromisoformat(number[6:14])
    except ValueError:
        raise InvalidIdentityNumber(path=path, reason="its birth date is no date", reason_zh="出生日期无效") from None
    return number


def identity_check_digit(first_17: str) -> str:
    """The check character for 17 digits: weights 2^(17-i) mod 11 (GB 11643-1999, ISO 7064 MOD 11-2)."""
    total = sum(map(mul, _WEIGHTS, map(int, first_17)))
    return _CHECK_DIGITS[total % 11]


def birth_date_in(identity_number: str) -> date:
    """The birth date that a checked identity number carries."""
    return date.fromisoformat(identity_number[6:14])


def check_mobile_number(value: str, *, path: tuple[str | int, ...] = ()) -> str:
    """The 11 digits without +86, spaces and dashes; refuses (`InvalidMobileNumber`)."""
    number = value if _MOBILE.fullmatch(value) else _MOBILE_PREFIX.sub("", _SEPARATORS.sub("", value))
    if not _MOBILE.fullmatch(number):
        raise InvalidMobileNumber(path=path)
    return number


def mask_phone(number: str) -> str:
    """A mobile number as 138****1234; of any other number the last four digits, and no more than half of it."""
    if _MOBILE.fullmatch(number):
        return f"{number[:3]}****{number[-_SHOWN:]}"
    return _mask(number)


def mask_identity_number(number: str) -> str:
    """The last four characters behind stars; no more than half of a number that is shorter than eight."""
    return _mask(number)


def _mask(number: str) -> str:
    shown = min(_SHOWN, len(number) // 2)
    return "*" * (len(number) - shown) + number[len(number) - shown :]
