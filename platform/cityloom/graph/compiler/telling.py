"""Which rows an answer tells of: said in the answer itself by the same statement, and taken out before it is kept.

Whoever keeps an answer (a file, a result, a body) has to find it again when one of those rows is destroyed, however
deep in the selection it stands and whatever was selected of it. Both are done to the bytes: a whole list has very many
rows, and to go through each of their objects takes as long as writing them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cityloom.core.ids import read_uuid

if TYPE_CHECKING:
    from uuid import UUID

#: Stands first in each object of a table that is asked for, with the row's id; no response key can be called so, and in
#: a text its quotation marks are escaped.
TELLS: Final = "!row"
#: It begins with letters that are looked for at once: beginning with what may be there it takes ten times as long.
_TOLD: Final = re.compile(rb'"!row"\s*:\s*"([0-9a-f-]{36})",?')


def told(answer: bytes) -> frozenset[UUID]:
    """The ids of the rows that an answer in JSON tells of."""
    return frozenset(read_uuid(found.decode()) for found in told_in_text(answer))


def told_in_text(answer: bytes) -> set[bytes]:
    """The same as PostgreSQL writes them: whoever only hands on very many of them spares himself making each."""
    return set(_TOLD.findall(answer))


def untold(answer: bytes) -> bytes:
    """The answer without them."""
    return _TOLD.sub(b"", answer)
