"""What happens to areas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cityloom.core.events import Event
from cityloom.tenancy.events import TENANT_TAG

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaCreated(Event):
    """There is a new area."""

    type: ClassVar[str] = "areas.area.created.v1"
    subject_tag: ClassVar[str] = "area"
    zh: ClassVar[str] = "新增区域。"

    code: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaChanged(Event):
    """Name, order or stated figures of an area have changed."""

    type: ClassVar[str] = "areas.area.changed.v1"
    subject_tag: ClassVar[str] = "area"
    zh: ClassVar[str] = "区域的名称、顺序或登记数据已变更。"

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaBoundarySet(Event):
    """An area has another boundary, or none any more."""

    type: ClassVar[str] = "areas.area.boundary_set.v1"
    subject_tag: ClassVar[str] = "area"
    zh: ClassVar[str] = "区域边界已变更或删除。"

    has_boundary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaClosed(Event):
    """An area is valid no longer."""

    type: ClassVar[str] = "areas.area.closed.v1"
    subject_tag: ClassVar[str] = "area"
    zh: ClassVar[str] = "区域已撤销。"

    closed_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaMoved(Event):
    """An area lies in another parent, with everything in it."""

    type: ClassVar[str] = "areas.area.moved.v1"
    subject_tag: ClassVar[str] = "area"
    zh: ClassVar[str] = "区域及其下全部内容已划归另一上级。"
    nodes: ClassVar[Mapping[str, str]] = {"former_parent_id": "area", "parent_id": "area"}

    former_parent_id: UUID | None
    parent_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaMerged(Event):
    """An area was closed and everything in it now lies in the successor."""

    type: ClassVar[str] = "areas.area.merged.v1"
    subject_tag: ClassVar[str] = "area"
    zh: ClassVar[str] = "区域已撤并,其全部内容划入承接区域。"
    nodes: ClassVar[Mapping[str, str]] = {"successor_id": "area"}

    successor_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaSplit(Event):
    """An area was closed and everything in it now lies in its successors."""

    type: ClassVar[str] = "areas.area.split.v1"
    subject_tag: ClassVar[str] = "area"
    zh: ClassVar[str] = "区域已拆分,其全部内容划入各承接区域。"
    nodes: ClassVar[Mapping[str, str]] = {"successor_ids": "area"}

    successor_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeWritten(Event):
    """The city's pack was applied to its areas; there is no event per area then."""

    type: ClassVar[str] = "areas.tree.written.v1"
    subject_tag: ClassVar[str] = TENANT_TAG
    zh: ClassVar[str] = "配置包已应用到区域树;此时不逐个区域发送事件。"

    added: int
    changed: int
    removed: int
