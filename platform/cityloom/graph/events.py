"""What happens to the ways in which the API is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cityloom.core.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentsRegistered(Event):
    """Documents were registered, for one API client or for all callers of the city: the subject is the city."""

    type: ClassVar[str] = "graph.documents.registered.v1"
    subject_tag: ClassVar[str] = "tent"
    zh: ClassVar[str] = "登记了查询文档,供某一接口客户端或本城市全体调用方使用;对象为该城市。"
    nodes: ClassVar[Mapping[str, str]] = {"client_id": "clnt"}

    client_id: UUID | None
    added: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentsRemoved(Event):
    """Registered documents were removed, of one API client or of all callers of the city: the subject is the city."""

    type: ClassVar[str] = "graph.documents.removed.v1"
    subject_tag: ClassVar[str] = "tent"
    zh: ClassVar[str] = "移除了已登记的查询文档,属于某一接口客户端或本城市全体调用方;对象为该城市。"
    nodes: ClassVar[Mapping[str, str]] = {"client_id": "clnt"}

    client_id: UUID | None
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRestricted(Event):
    """An API client is held to registered documents, or may send any again."""

    type: ClassVar[str] = "graph.client.restricted.v1"
    subject_tag: ClassVar[str] = "clnt"
    zh: ClassVar[str] = "接口客户端被限定只能使用已登记的查询文档,或已解除限定。"

    is_restricted: bool


EVENTS = (DocumentsRegistered, DocumentsRemoved, ClientRestricted)
