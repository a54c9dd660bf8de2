"""Which fields of an input object the client sent."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from typing import TYPE_CHECKING, Any

from strawberry.types.unset import UNSET

from cityloom.core.errors import InvalidInput

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def given(
    values: DataclassInstance, *, without: tuple[str, ...] = (), never_null: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The fields of an input that were sent, by their Python names; null where null was sent, enums as their values.

    GraphQL has no field that may be left out but not be null: those are named in `never_null`, and null is refused
    (`InvalidInput`).
    """
    found = {field.name: getattr(values, field.name) for field in fields(values) if field.name not in without}
    for name in never_null:
        if found.get(name, UNSET) is None:
            raise InvalidInput(
                "此项不能为 null;不修改时请省略。",
                "This cannot be null; leave it out to keep it as it is.",
                path=(name,),
            )
    return {
        name: value.value if isinstance(value, Enum) else value for name, value in found.items() if value is not UNSET
    }


def word(value: Enum) -> str:
    """What an enum's value is stored as."""
    return str(value.value)
