"""Searching for names: two characters are enough, and find an index."""

from __future__ import annotations

import re
import unicodedata

from cityloom.modules.registry.errors import SearchTooShort

_IGNORED = re.compile(r"[\s\u00b7\u2022\u30fb.\-]")
_SHORTEST = 2
_LONGEST_SEARCH = 40


def normal(name: str) -> str:
    """A name as it is searched for: full-width letters narrowed, lower case, without blanks and dots."""
    return _IGNORED.sub("", unicodedata.normalize("NFKC", name)).casefold()


def tokens(name: str) -> set[str]:
    """The pairs of neighbouring characters of a name; a single character stands for itself."""
    text = normal(name)
    return {text[i : i + 2] for i in range(len(text) - 1)} or ({text} if text else set())


def place_tokens(*texts: str | None) -> set[str]:
    """The pairs of neighbouring characters of what a place is called, and of its address."""
    return set().union(*(tokens(text) for text in texts if text))


def search_tokens(term: str) -> list[str]:
    """What a name must have for the term to be part of it, the last pair first; refuses (`SearchTooShort`) a character.

    Family names come first and are few, so that the last pair is had by fewer people than the first.
    """
    text = normal(term)[:_LONGEST_SEARCH]
    if len(text) < _SHORTEST:
        raise SearchTooShort(path=("search",))
    return list(dict.fromkeys(text[at : at + 2] for at in reversed(range(len(text) - 1))))
