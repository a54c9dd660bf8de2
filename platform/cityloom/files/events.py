"""What happens to files. No event says what is in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cityloom.core.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUploaded(Event):
    """Somebody uploaded a file."""

    type: ClassVar[str] = "files.file.uploaded.v1"
    subject_tag: ClassVar[str] = "file"
    zh: ClassVar[str] = "有人上传了文件。"

    kind: str
    byte_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileExpired(Event):
    """Nothing used an uploaded file in time: it is deleted."""

    type: ClassVar[str] = "files.file.expired.v1"
    subject_tag: ClassVar[str] = "file"
    zh: ClassVar[str] = "上传的文件逾期未被使用,已删除。"


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketIssued(Event):
    """Somebody may upload one file without a credential of their own."""

    type: ClassVar[str] = "files.ticket.issued.v1"
    subject_tag: ClassVar[str] = "acct"
    zh: ClassVar[str] = "允许某人无需自有凭证上传一个文件。"
    nodes: ClassVar[Mapping[str, str]] = {"ticket_id": ""}

    ticket_id: UUID


EVENTS: tuple[type[Event], ...] = (FileUploaded, FileExpired, TicketIssued)
