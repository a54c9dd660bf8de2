"""Names of fields that people ask for, held against those that are known."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: What stands in brackets is a unit or a note: 户数(户).
_BRACKETS: Final = re.compile(r"[(\[【〔][^)\]】〕]*[)\]】〕]")
_LETTERS: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Known:
    """Something that the platform can derive, with its names in normal form."""

    root: str
    path: str
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Match:
    """What a name stands for; certain where it is one of the known names."""

    known: Known
    is_certain: bool


def normal(name: str) -> str:
    """A name without what does not matter: width, case, blanks, punctuation, what stands in brackets."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return _LETTERS.sub("", _BRACKETS.sub("", folded)) or _LETTERS.sub("", folded)


def match(name: str, known: Sequence[Known], *, percent: int) -> Match | None:
    """What a name stands for: what is called so, or else what is called most alike, if it is alike enough."""
    wanted = normal(name)
    exact = next((one for one in known if wanted in one.names), None)
    if exact is not None:
        return Match(exact, is_certain=True)
    scored = [(_likeness(wanted, one.names), at) for at, one in enumerate(known)]
    best, at = max(scored, default=(0.0, 0), key=lambda pair: (pair[0], -pair[1]))
    return Match(known[at], is_certain=False) if best * 100 >= percent else None


def _likeness(wanted: str, names: Iterable[str]) -> float:
    return max((SequenceMatcher(None, wanted, name, autojunk=False).ratio() for name in names), default=0.0)
