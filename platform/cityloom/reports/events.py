"""What happens to reports and report requests. No event carries a row of a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cityloom.core.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCreated(Event):
    """A report was stored."""

    type: ClassVar[str] = "reports.report.created.v1"
    subject_tag: ClassVar[str] = "rprt"
    zh: ClassVar[str] = "新建了报表。"

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportChanged(Event):
    """A report was changed."""

    type: ClassVar[str] = "reports.report.changed.v1"
    subject_tag: ClassVar[str] = "rprt"
    zh: ClassVar[str] = "修改了报表。"

    code: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRemoved(Event):
    """A report was removed, with its schedules and snapshots."""

    type: ClassVar[str] = "reports.report.removed.v1"
    subject_tag: ClassVar[str] = "rprt"
    zh: ClassVar[str] = "删除了报表及其定时与快照。"

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleCreated(Event):
    """A report is run by itself from now on."""

    type: ClassVar[str] = "reports.schedule.created.v1"
    subject_tag: ClassVar[str] = "rsch"
    zh: ClassVar[str] = "报表开始定时运行。"
    nodes: ClassVar[Mapping[str, str]] = {"report_id": "rprt", "owner_id": "acct"}

    report_id: UUID
    owner_id: UUID
    rhythm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRemoved(Event):
    """A report is no longer run by itself."""

    type: ClassVar[str] = "reports.schedule.removed.v1"
    subject_tag: ClassVar[str] = "rsch"
    zh: ClassVar[str] = "报表不再定时运行。"
    nodes: ClassVar[Mapping[str, str]] = {"report_id": "rprt"}

    report_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFailed(Event):
    """A scheduled report could not be run; it is tried again at its next time."""

    type: ClassVar[str] = "reports.schedule.failed.v1"
    subject_tag: ClassVar[str] = "rsch"
    zh: ClassVar[str] = "定时报表未能运行,下次到期再试。"
    nodes: ClassVar[Mapping[str, str]] = {"report_id": "rprt"}

    report_id: UUID
    refusal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotTaken(Event):
    """A report's result was kept."""

    type: ClassVar[str] = "reports.snapshot.taken.v1"
    subject_tag: ClassVar[str] = "rsnp"
    zh: ClassVar[str] = "保存了报表快照。"
    nodes: ClassVar[Mapping[str, str]] = {"report_id": "rprt", "owner_id": "acct"}

    report_id: UUID
    owner_id: UUID
    row_count: int
    is_scheduled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotWithdrawn(Event):
    """Somebody of whom a kept result told was erased, and its rows with them."""

    type: ClassVar[str] = "reports.snapshot.withdrawn.v1"
    subject_tag: ClassVar[str] = "rsnp"
    zh: ClassVar[str] = "报表快照涉及的个人信息已清除,内容随之撤回。"
    nodes: ClassVar[Mapping[str, str]] = {"report_id": "rprt"}

    report_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDefined(Event):
    """The catalogue of derivable fields has a field, or its names have changed."""

    type: ClassVar[str] = "reports.field.defined.v1"
    subject_tag: ClassVar[str] = "rfld"
    zh: ClassVar[str] = "可派生字段目录新增或修改了字段。"

    code: str
    root: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueWritten(Event):
    """Reports or derivable fields were written from a pack."""

    type: ClassVar[str] = "reports.catalogue.written.v1"
    subject_tag: ClassVar[str] = "tent"
    zh: ClassVar[str] = "由配置包写入了报表或可派生字段。"

    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFiled(Event):
    """A department asks for something to be filled in; `proposed` fields of it may not have to be."""

    type: ClassVar[str] = "reports.request.filed.v1"
    subject_tag: ClassVar[str] = "rreq"
    zh: ClassVar[str] = "部门提出填表要求;proposed 为建议免填的字段数。"
    nodes: ClassVar[Mapping[str, str]] = {"department_id": "dept"}

    department_id: UUID
    state: str
    field_count: int
    proposed: int
    is_overridden: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDecided(Event):
    """Somebody decided which fields of a request need not be asked."""

    type: ClassVar[str] = "reports.request.decided.v1"
    subject_tag: ClassVar[str] = "rreq"
    zh: ClassVar[str] = "已确认填表要求中哪些字段免填。"
    nodes: ClassVar[Mapping[str, str]] = {"department_id": "dept"}

    department_id: UUID
    state: str
    asked: int
    spared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestWithdrawn(Event):
    """A department asks for something no longer."""

    type: ClassVar[str] = "reports.request.withdrawn.v1"
    subject_tag: ClassVar[str] = "rreq"
    zh: ClassVar[str] = "部门撤回填表要求。"
    nodes: ClassVar[Mapping[str, str]] = {"department_id": "dept"}

    department_id: UUID


EVENTS: tuple[type[Event], ...] = (
    ReportCreated,
    ReportChanged,
    ReportRemoved,
    ScheduleCreated,
    ScheduleRemoved,
    ScheduleFailed,
    SnapshotTaken,
    SnapshotWithdrawn,
    FieldDefined,
    CatalogueWritten,
    RequestFiled,
    RequestDecided,
    RequestWithdrawn,
)
