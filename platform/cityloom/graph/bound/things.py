"""Arguments that name a thing of any type by its global id, for tables that hold its type tag and its row id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from cityloom.core.ids import split_id

if TYPE_CHECKING:
    from uuid import UUID

#: The row id of nothing: here there are none of another city's things.
_NOTHING = "0" * 32


def thing_key(given: str, tenant_id: UUID, *, path: tuple[str, ...]) -> str:
    """What `is_thing` compares with, for a global id; refuses (`MalformedId`) what is none."""
    tag, row_id = split_id(given, tenant_id, path=path)
    return f"{tag}{_NOTHING if row_id is None else row_id.hex}"


def is_thing(tag: Any, row: Any, key: Any) -> sa.ColumnElement[bool]:  # noqa: ANN401 - columns of an alias, and a bind
    """Whether a row is about the thing of this key."""
    return sa.and_(tag == sa.func.left(key, 4), row == sa.cast(sa.func.right(key, 32), sa.Uuid()))
