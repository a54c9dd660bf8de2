"""What happens to areas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cityloom.core.events import Event
from cityloom.tenancy.events import TENANT_TAG

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaCreated(Event):
    """There is a new area."""

    type: ClassVar[str] = "areas.area.created.v1"
    subject_tag: ClassVar[str] = "area"

    code: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaChanged(Event):
    """Name, order or stated figures of an area have changed."""

    type: ClassVar[str] = "areas.area.changed.v1"
    subject_tag: ClassVar[str] = "area"

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaBoundarySet(Event):
    """An area has another boundary, or none any more."""

    type: ClassVar[str] = "areas.area.boundary_set.v1"
    subject_tag: ClassVar[str] = "area"

    has_boundary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaClosed(Event):
    """An area is valid no longer."""

    type: ClassVar[str] = "areas.area.closed.v1"
    subject_tag: ClassVar[str] = "area"

    closed_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaMoved(Event):
    """An area lies in another parent, with everything in it."""

    type: ClassVar[str] = "areas.area.moved.v1"
    subject_tag: ClassVar[str] = "area"

    former_parent_id: UUID | None
    parent_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaMerged(Event):
    """An area was closed and everything in it now lies in the successor."""

    type: ClassVar[str] = "areas.area.merged.v1"
    subject_tag: ClassVar[str] = "area"

    successor_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaSplit(Event):
    """An area was closed and everything in it now lies in its successors."""

    type: ClassVar[str] = "areas.area.split.v1"
    subject_tag: ClassVar[str] = "area"

    successor_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeWritten(Event):
    """The city's pack was applied to its areas; there is no event per area then."""

    type: ClassVar[str] = "areas.tree.written.v1"
    subject_tag: ClassVar[str] = TENANT_TAG

    added: int
    changed: int
    removed: int
