"""A first look at a document's text, before anything parses it.

One regular expression walks the text in C and stops at the first limit that is passed, so that a hostile document
costs what the limit allows and not what it contains. It counts; it does not judge the grammar: the parser does.
"""

import re
from dataclasses import dataclass
from typing import Final

# Possessive quantifiers (`*+`, Python 3.11) keep every alternative linear: nothing is ever tried a second time.
_TOKEN: Final = re.compile(
    r'''
      (?P<text>"""(?:[^"\\]|\\.|"(?!""))*+"""|"(?:[^"\\\n\r]|\\.)*+")
    | (?P<comment>\#[^\n\r]*+)
    | (?P<name>[_A-Za-z][_0-9A-Za-z]*+)
    | (?P<number>-?[0-9][0-9.eE+\-]*+)
    | (?P<open>[({\[])
    | (?P<close>[)}\]])
    | (?P<at>@)
    | (?P<sign>\.\.\.|[!$&:=|])
    | (?P<blank>[\s,\ufeff]++)
    | (?P<other>.)
    ''',
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a scan stops; every number is the largest still allowed."""

    characters: int
    tokens: int
    comments: int
    nesting: int
    directives: int
    digits: int


@dataclass(frozen=True, slots=True)
class Excess:
    """The first bound that was passed: its name, the bound, and the count at which the scan stopped."""

    what: str
    limit: int
    actual: int


def first_excess(text: str, bounds: Bounds) -> Excess | None:  # noqa: C901, PLR0912 - one flat dispatch; splitting it costs a call per token
    """Walk `text` until a bound is passed; None when it keeps all of them."""
    if len(text) > bounds.characters:
        return Excess("characters", bounds.characters, len(text))
    tokens = comments = nesting = directives = 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "blank":
            continue
        if kind == "comment":
            comments += 1
            if comments > bounds.comments:
                return Excess("comments", bounds.comments, comments)
            continue
        tokens += 1
        if tokens > bounds.tokens:
            return Excess("tokens", bounds.tokens, tokens)
        if kind == "open":
            nesting += 1
            if nesting > bounds.nesting:
                return Excess("nesting", bounds.nesting, nesting)
        elif kind == "close":
            nesting -= 1
        elif kind == "at":
            directives += 1
            if directives > bounds.directives:
                return Excess("directives", bounds.directives, directives)
        elif kind == "number":
            digits = match.end() - match.start()
            if digits > bounds.digits:
                return Excess("digits", bounds.digits, digits)
    return None
