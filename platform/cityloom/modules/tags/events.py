"""What happens to tags. No event says which sensitive tag somebody has, nor who it is: that is read, by who may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cityloom.core.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TagCreated(Event):
    """The catalogue has a new tag."""

    type: ClassVar[str] = "tags.tag.created.v1"
    subject_tag: ClassVar[str] = "ctag"
    zh: ClassVar[str] = "标签目录新增标签。"

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TagChanged(Event):
    """Fields of a tag have changed."""

    type: ClassVar[str] = "tags.tag.changed.v1"
    subject_tag: ClassVar[str] = "ctag"
    zh: ClassVar[str] = "标签信息已变更。"

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TagAssigned(Event):
    """A resident has a tag. Who and which are facts of tags that are not sensitive; the subject can be read by who may.

    Tags that a rule assigns when everybody is held against it are told by `tags.rule.applied` alone.
    """

    type: ClassVar[str] = "tags.tag.assigned.v1"
    subject_tag: ClassVar[str] = "rtag"
    zh: ClassVar[str] = "居民被打上标签(敏感标签不含居民与标签信息)。"
    nodes: ClassVar[Mapping[str, str]] = {"resident_id": "resd", "tag_id": "ctag"}

    resident_id: UUID | None
    tag_id: UUID | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TagWithdrawn(Event):
    """A resident does not have a tag any more; `ending` says why. Facts are as those of `tags.tag.assigned`."""

    type: ClassVar[str] = "tags.tag.withdrawn.v1"
    subject_tag: ClassVar[str] = "rtag"
    zh: ClassVar[str] = "居民的标签已失效(敏感标签不含居民与标签信息)。"
    nodes: ClassVar[Mapping[str, str]] = {"resident_id": "resd", "tag_id": "ctag"}

    resident_id: UUID | None
    tag_id: UUID | None
    source: str
    ending: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePublished(Event):
    """A tag has a rule, or another edition of one: everybody will be held against it."""

    type: ClassVar[str] = "tags.rule.published.v1"
    subject_tag: ClassVar[str] = "trul"
    zh: ClassVar[str] = "标签规则已发布,将重新评估全部居民。"
    nodes: ClassVar[Mapping[str, str]] = {"tag_id": "ctag"}

    tag_id: UUID
    edition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRetired(Event):
    """A tag has no rule any more; what the rule had assigned was withdrawn."""

    type: ClassVar[str] = "tags.rule.retired.v1"
    subject_tag: ClassVar[str] = "trul"
    zh: ClassVar[str] = "标签规则已停用,其赋予的标签已撤回。"
    nodes: ClassVar[Mapping[str, str]] = {"tag_id": "ctag"}

    tag_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleApplied(Event):
    """Everybody was held against a rule, and somebody's tags have changed: so many were assigned and withdrawn.

    The numbers are null for sensitive tags.
    """

    type: ClassVar[str] = "tags.rule.applied.v1"
    subject_tag: ClassVar[str] = "trul"
    zh: ClassVar[str] = "标签规则已应用于全部居民。"
    nodes: ClassVar[Mapping[str, str]] = {"tag_id": "ctag"}

    tag_id: UUID
    assigned: int | None
    withdrawn: int | None


EVENTS = (
    TagCreated,
    TagChanged,
    TagAssigned,
    TagWithdrawn,
    RulePublished,
    RuleRetired,
    RuleApplied,
)
