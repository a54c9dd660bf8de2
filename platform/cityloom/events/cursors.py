"""Places in a stream as clients hold them: the same text in the pull feed, live subscriptions and webhooks."""

from __future__ import annotations

from typing import Final

from cityloom.graph.compiler.ordering import decode_cursor, encode_cursor, signature_of
from cityloom.graph.compiler.refusals import CursorRefused

#: The order of the type `Event` by its position: what the compiler writes into cursors of `events`.
SIGNATURE: Final = signature_of("Event", {"position": False})


def cursor_of(position: int) -> str:
    """The cursor of the event at this position; give it as `after` to go on behind it."""
    return encode_cursor(SIGNATURE, position)


def position_of(cursor: str) -> int:
    """The position in a cursor; refuses (`CursorRefused`) what was never answered as one."""
    keys = decode_cursor(cursor, SIGNATURE, ((int, False),))
    if keys is None:
        raise CursorRefused(argument="after", path=("after",))
    return int(keys[0])
