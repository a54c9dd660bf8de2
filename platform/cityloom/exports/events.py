"""What happens to exports. No event says what is in a file, nor what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cityloom.core.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequested(Event):
    """Somebody asked for an export; `needs_approval` says whether it waits for a second person."""

    type: ClassVar[str] = "exports.export.requested.v1"
    subject_tag: ClassVar[str] = "xprt"
    zh: ClassVar[str] = "有人申请导出;needsApproval 表示是否等待第二人审批。"
    nodes: ClassVar[Mapping[str, str]] = {"requester_id": "acct"}

    requester_id: UUID
    root: str
    format: str
    counted_rows: int
    needs_approval: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportApproved(Event):
    """A second person approved an export, for at most so many rows."""

    type: ClassVar[str] = "exports.export.approved.v1"
    subject_tag: ClassVar[str] = "xprt"
    zh: ClassVar[str] = "第二人批准了导出,行数以 rowBound 为限。"
    nodes: ClassVar[Mapping[str, str]] = {"decider_id": "acct"}

    decider_id: UUID
    row_bound: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRejected(Event):
    """A second person rejected an export."""

    type: ClassVar[str] = "exports.export.rejected.v1"
    subject_tag: ClassVar[str] = "xprt"
    zh: ClassVar[str] = "第二人驳回了导出。"
    nodes: ClassVar[Mapping[str, str]] = {"decider_id": "acct"}

    decider_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportCancelled(Event):
    """An export was cancelled before it was ready."""

    type: ClassVar[str] = "exports.export.cancelled.v1"
    subject_tag: ClassVar[str] = "xprt"
    zh: ClassVar[str] = "导出在完成前被取消。"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportCompleted(Event):
    """An export's file is ready."""

    type: ClassVar[str] = "exports.export.completed.v1"
    subject_tag: ClassVar[str] = "xprt"
    zh: ClassVar[str] = "导出文件已生成。"

    row_count: int
    is_truncated: bool
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFailed(Event):
    """An export could not be made; `refusal` is the stable word for why."""

    type: ClassVar[str] = "exports.export.failed.v1"
    subject_tag: ClassVar[str] = "xprt"
    zh: ClassVar[str] = "导出未能完成;refusal 为稳定的原因代码。"

    refusal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportDownloaded(Event):
    """Whoever asked for an export was given a link to its file."""

    type: ClassVar[str] = "exports.export.downloaded.v1"
    subject_tag: ClassVar[str] = "xprt"
    zh: ClassVar[str] = "申请人获取了导出文件的下载链接。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportExpired(Event):
    """Nobody decided on an export in time, or its file was deleted after its time; `had_file` says which."""

    type: ClassVar[str] = "exports.export.expired.v1"
    subject_tag: ClassVar[str] = "xprt"
    zh: ClassVar[str] = "导出逾期未审批,或其文件保存期满已删除;由 hadFile 区分。"

    had_file: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportWithdrawn(Event):
    """Somebody of whom an export's file told was erased, and the file with them."""

    type: ClassVar[str] = "exports.export.withdrawn.v1"
    subject_tag: ClassVar[str] = "xprt"
    zh: ClassVar[str] = "导出文件涉及的个人信息已清除,文件随之撤回。"


EVENTS: tuple[type[Event], ...] = (
    ExportRequested,
    ExportApproved,
    ExportRejected,
    ExportCancelled,
    ExportCompleted,
    ExportFailed,
    ExportDownloaded,
    ExportExpired,
    ExportWithdrawn,
)
