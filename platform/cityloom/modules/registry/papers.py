"""Numbers of organisations and vehicles: in their normal form, checked and masked."""

from __future__ import annotations

import re
from typing import Final

from cityloom.modules.registry.errors import CreditCodeInvalid, PlateInvalid

#: GB 32100-2015, 4.3: digits and letters without I, O, Z, S and V; the weight of a place is a power of 3 modulo 31.
ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_LENGTH, _MODULUS = 18, 31
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
#: GA 36-2018: province, letter of the issuer, then five or (new energy) six characters without I and O.
_PLATE = re.compile(rf"[{_PROVINCES}][A-Z](?:[A-HJ-NP-Z0-9]{{6}}|[A-HJ-NP-Z0-9]{{4}}[A-HJ-NP-Z0-9挂学警港澳])")
#: Electric bicycles have plates of their cities: letters and digits, perhaps behind the city's name.
_BICYCLE = re.compile(r"[\u4e00-\u9fff]{0,4}[A-Z0-9]{4,10}")
_SEPARATORS = re.compile(r"[\s\u00b7\u2022\u30fb.\-]")
_SHOWN = 2


def credit_check_character(first: str) -> str:
    """The 18th character of a unified social credit code, from the 17 before it."""
    total = sum(ALPHABET.index(character) * pow(3, at, _MODULUS) for at, character in enumerate(first))
    return ALPHABET[-total % _MODULUS]


def checked_credit_code(value: str) -> str:
    """A unified social credit code (统一社会信用代码) in capitals; refuses (`CreditCodeInvalid`)."""
    code = value.strip().upper()
    if len(code) != _LENGTH or not set(code) <= set(ALPHABET) or code[-1] != credit_check_character(code[:-1]):
        raise CreditCodeInvalid(path=("creditCode",))
    return code


def checked_plate(value: str, kind: str | None = None) -> str:
    """A plate in capitals, without dots and blanks; refuses (`PlateInvalid`). A kind is asked for where it is known."""
    plate = _SEPARATORS.sub("", value).upper()
    if not _PLATE.fullmatch(plate) and not (kind in {None, "ELECTRIC_BICYCLE", "OTHER"} and _BICYCLE.fullmatch(plate)):
        raise PlateInvalid(path=("plate",))
    return plate


def mask_plate(plate: str) -> str:
    """The first two characters, which tell the city, and the last two: 粤B***45."""
    return plate[:_SHOWN] + "*" * (len(plate) - 2 * _SHOWN) + plate[-_SHOWN:]
