"""Node, connections, edges and page information, after the Relay specifications."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Generic, TypeVar

import strawberry

from cityloom.graph.bound.bindings import BINDING, GlobalIdBinding

T = TypeVar("T")


@strawberry.interface(description="Anything with an id of its own. `node(id)` finds it again.")
class Node:
    """The interface of every bound type that has a tag."""

    id: strawberry.ID = strawberry.field(
        description="The global id: opaque, bound to the type and the city, stable for ever.",
        metadata={BINDING: GlobalIdBinding()},
    )


@strawberry.type(description="Where a page lies within its list.")
class PageInfo:
    """Relay's PageInfo."""

    has_next_page: bool = strawberry.field(description="Whether there is more after this page.")
    has_previous_page: bool = strawberry.field(description="Whether there is more before this page.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first edge; null on an empty page.")
    end_cursor: str | None = strawberry.field(
        description="The cursor of the last edge; null on an empty page. Give it as `after` for the next page."
    )


@strawberry.type(description="One item of a list and its place in it.")
class Edge(Generic[T]):
    """Relay's edge."""

    node: T = strawberry.field(description="The item itself.")
    cursor: str = strawberry.field(description="Its place in the list, opaque; valid for the same ordering only.")


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    """Relay's connection, with `nodes` as a short way to the items."""

    edges: list[Edge[T]] = strawberry.field(description="The items of this page with their cursors.")
    nodes: list[T] = strawberry.field(description="The items of this page without cursors.")
    page_info: PageInfo = strawberry.field(description="Where this page lies within the list.")
    total_count: int = strawberry.field(
        description="How many items the whole list has; counted only where it is selected."
    )


@strawberry.enum(description="In which direction a list is ordered.")
class OrderDirection(Enum):
    """Ascending or descending."""

    ASC = strawberry.enum_value("ASC", description="Smallest first; missing values last.")
    DESC = strawberry.enum_value("DESC", description="Largest first; missing values first.")


Id = Annotated[strawberry.ID, strawberry.argument(description="A global id, as answered in a field `id`.")]
