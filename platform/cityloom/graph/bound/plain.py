"""GraphQL types without a table: what mutations take, and what they answer besides rows."""

from __future__ import annotations

import inspect
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

import strawberry
from strawberry.types.field import StrawberryField

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
C = TypeVar("C", bound=type[Any])


def settled(cls: C) -> C:
    """The class with its annotations evaluated, as far as their names are known yet.

    Strawberry evaluates an annotation that is text every time it meets it until it succeeds, six times on average:
    half a second of every start.
    """
    known = sys.modules[cls.__module__].__dict__
    annotations = inspect.get_annotations(cls)
    for name, annotation in annotations.items():
        if isinstance(annotation, str):
            with suppress(NameError, TypeError):
                annotations[name] = eval(annotation, known)  # noqa: S307 - an annotation of our own source
    cls.__annotations__ = annotations
    return cls


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field, StrawberryField))
def input_type(*, description: str, name: str | None = None) -> Callable[[type[T]], type[T]]:
    """Make a class a GraphQL input."""
    return lambda cls: strawberry.input(settled(cls), name=name, description=description)


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field, StrawberryField))
def output_type(*, description: str, name: str | None = None) -> Callable[[type[T]], type[T]]:
    """Make a class a GraphQL object type that no table stands behind."""
    return lambda cls: strawberry.type(settled(cls), name=name, description=description)
