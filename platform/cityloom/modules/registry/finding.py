"""What somebody typed into a search box: an identity number, a phone number, a name or an address."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cityloom.modules.registry import names, people
from cityloom.modules.registry.errors import SearchTooShort

if TYPE_CHECKING:
    from cityloom.core.crypto import TenantKeys

_LONGEST = 100
_IDENTITY = re.compile(r"\d{17}[\dXx]")
_PHONE = re.compile(r"(?:\+?86)?1\d{10}")
#: A place, and after it what stands on a door: `3号楼 301`, `3号楼2单元301室`.
_DOOR = re.compile(
    r"(?P<place>.*?)(?:(?P<unit>\d{1,3})单元)?\s*(?P<number>[0-9A-Za-z]*\d[0-9A-Za-z-]*)?\s*(?:室|户)?", re.DOTALL
)
_SHORTEST = 2


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for; None, each, where the text cannot mean it.

    `number` is on a door in the `place`, `door` on any door; `units` are the ways in which a unit is written.
    """

    identity: list[bytes] | None = None
    phone: list[bytes] | None = None
    name: list[str] | None = None
    place: list[str] | None = None
    units: list[str] | None = None
    number: list[str] | None = None
    door: list[str] | None = None


def recognise(keys: TenantKeys, text: str) -> Wanted:
    """What a text means; one without digits may be a name as well as an address.

    Refuses (`SearchTooShort`, `InvalidIdentityNumber`, `InvalidMobileNumber`).
    """
    text = unicodedata.normalize("NFKC", text).strip()[:_LONGEST]
    joined = re.sub(r"[\s-]", "", text)
    if _IDENTITY.fullmatch(joined):
        return Wanted(identity=people.identity_indexes(keys, joined))
    if _PHONE.fullmatch(joined):
        return Wanted(phone=people.phone_indexes(keys, joined))
    if not re.search(r"\d", text):
        tokens = names.search_tokens(text)
        return Wanted(name=tokens, place=tokens)
    door = _DOOR.fullmatch(text)
    place, unit, number = (door["place"], door["unit"], door["number"]) if door else (text, None, None)
    tokens = sorted({token for word in place.split() for token in names.tokens(word) if len(token) >= _SHORTEST})
    if not tokens and number is None:
        raise SearchTooShort(path=("text",))
    units = None if unit is None else [unit, f"{unit}单元"]
    doors = None if number is None else [number]
    return Wanted(place=tokens, units=units, number=doors) if tokens else Wanted(units=units, door=doors)
