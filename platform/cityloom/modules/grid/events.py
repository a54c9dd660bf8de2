"""What happens on the grid. No event carries a position, a track, an answer of a form or a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cityloom.core.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PostAssigned(Event):
    """An account holds a post in an area, from a day on."""

    type: ClassVar[str] = "grid.post.assigned.v1"
    subject_tag: ClassVar[str] = "pasg"
    zh: ClassVar[str] = "账号自某日起在某区域任岗。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID
    post: str
    valid_from: str
    valid_until: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostReleased(Event):
    """An account holds a post no longer, from a day on."""

    type: ClassVar[str] = "grid.post.released.v1"
    subject_tag: ClassVar[str] = "pasg"
    zh: ClassVar[str] = "账号自某日起不再任岗。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID
    valid_until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftPlanned(Event):
    """A shift was planned."""

    type: ClassVar[str] = "grid.shift.planned.v1"
    subject_tag: ClassVar[str] = "shft"
    zh: ClassVar[str] = "已排班。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID
    starts_at: str
    ends_at: str
    is_duty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftCancelled(Event):
    """A planned shift will not take place."""

    type: ClassVar[str] = "grid.shift.cancelled.v1"
    subject_tag: ClassVar[str] = "shft"
    zh: ClassVar[str] = "已取消排班。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftCheckedIn(Event):
    """A worker began a shift; `is_inside` says whether in its area, null where that is not known."""

    type: ClassVar[str] = "grid.shift.checked_in.v1"
    subject_tag: ClassVar[str] = "shft"
    zh: ClassVar[str] = "网格员上岗签到;isInside 表示是否在责任区域内,未知时为空。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID
    is_inside: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftCheckedOut(Event):
    """A worker ended a shift."""

    type: ClassVar[str] = "grid.shift.checked_out.v1"
    subject_tag: ClassVar[str] = "shft"
    zh: ClassVar[str] = "网格员下岗签退。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID
    is_inside: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatrolStarted(Event):
    """A patrol began."""

    type: ClassVar[str] = "grid.patrol.started.v1"
    subject_tag: ClassVar[str] = "ptrl"
    zh: ClassVar[str] = "开始巡查。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatrolStopped(Event):
    """A patrol ended; points that arrive later still change its figures, and are told by `track_extended`."""

    type: ClassVar[str] = "grid.patrol.stopped.v1"
    subject_tag: ClassVar[str] = "ptrl"
    zh: ClassVar[str] = "结束巡查;之后补传的轨迹点仍会改变统计,另以 track_extended 通知。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID
    active_s: int
    length_m: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackExtended(Event):
    """Points arrived after their patrol had stopped, and its figures are others now."""

    type: ClassVar[str] = "grid.patrol.track_extended.v1"
    subject_tag: ClassVar[str] = "ptrl"
    zh: ClassVar[str] = "巡查结束后补传了轨迹点,统计已变更。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID
    active_s: int
    length_m: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PatrolDayEvaluated(Event):
    """A worker's day was held against the daily rule, with another result than before."""

    type: ClassVar[str] = "grid.patrol_day.evaluated.v1"
    subject_tag: ClassVar[str] = "pday"
    zh: ClassVar[str] = "按每日规则核定网格员当日巡查,结果与之前不同。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID
    day: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRecorded(Event):
    """A visit was made."""

    type: ClassVar[str] = "grid.visit.recorded.v1"
    subject_tag: ClassVar[str] = "visi"
    zh: ClassVar[str] = "已走访。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct", "dwelling_id": "dwel", "household_id": "hshd"}

    account_id: UUID
    dwelling_id: UUID | None
    household_id: UUID | None
    outcome: str
    changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSubmitted(Event):
    """A daily report was handed in, or handed in again."""

    type: ClassVar[str] = "grid.report.submitted.v1"
    subject_tag: ClassVar[str] = "drep"
    zh: ClassVar[str] = "已提交或重新提交日报。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID
    day: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAcknowledged(Event):
    """A daily report was acknowledged."""

    type: ClassVar[str] = "grid.report.acknowledged.v1"
    subject_tag: ClassVar[str] = "drep"
    zh: ClassVar[str] = "日报已审阅。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FormulaPublished(Event):
    """There is another version of a formula; scores from now on may be made by it."""

    type: ClassVar[str] = "grid.formula.published.v1"
    subject_tag: ClassVar[str] = "sfml"
    zh: ClassVar[str] = "评分公式发布了新版本,此后的评分按新版本计算。"

    code: str
    edition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresCalculated(Event):
    """The scores of a period were calculated, or calculated anew."""

    type: ClassVar[str] = "grid.score_period.calculated.v1"
    subject_tag: ClassVar[str] = "sper"
    zh: ClassVar[str] = "已计算或重新计算某周期的评分。"

    scores: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresPublished(Event):
    """The scores of a period were published."""

    type: ClassVar[str] = "grid.score_period.published.v1"
    subject_tag: ClassVar[str] = "sper"
    zh: ClassVar[str] = "某周期的评分已发布。"

    scores: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealFiled(Event):
    """A worker appealed against their score."""

    type: ClassVar[str] = "grid.appeal.filed.v1"
    subject_tag: ClassVar[str] = "sapp"
    zh: ClassVar[str] = "网格员对评分提出申诉。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct", "score_id": "scor"}

    account_id: UUID
    score_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealDecided(Event):
    """An appeal was decided."""

    type: ClassVar[str] = "grid.appeal.decided.v1"
    subject_tag: ClassVar[str] = "sapp"
    zh: ClassVar[str] = "申诉已处理。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct", "score_id": "scor"}

    account_id: UUID
    score_id: UUID
    state: str
    adjustment_milli: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardGranted(Event):
    """A worker got an award."""

    type: ClassVar[str] = "grid.award.granted.v1"
    subject_tag: ClassVar[str] = "awrd"
    zh: ClassVar[str] = "授予网格员荣誉。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardRevoked(Event):
    """An award was taken back."""

    type: ClassVar[str] = "grid.award.revoked.v1"
    subject_tag: ClassVar[str] = "awrd"
    zh: ClassVar[str] = "撤销荣誉。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID


EVENTS = (
    PostAssigned,
    PostReleased,
    ShiftPlanned,
    ShiftCancelled,
    ShiftCheckedIn,
    ShiftCheckedOut,
    PatrolStarted,
    PatrolStopped,
    TrackExtended,
    PatrolDayEvaluated,
    VisitRecorded,
    ReportSubmitted,
    ReportAcknowledged,
    FormulaPublished,
    ScoresCalculated,
    ScoresPublished,
    AppealFiled,
    AppealDecided,
    AwardGranted,
    AwardRevoked,
)
