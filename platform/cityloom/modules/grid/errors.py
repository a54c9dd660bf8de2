"""What can be refused about the grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.core.errors import NotFound, Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Callable

THINGS = {
    "accounts": ("account", "账号"),
    "grid_workers": ("worker", "网格员"),
    "posts": ("post", "岗位"),
    "post_assignments": ("assignment of a post", "岗位任职"),
    "shifts": ("shift", "班次"),
    "patrols": ("patrol", "巡查"),
    "visits": ("visit", "走访"),
    "visit_forms": ("form", "走访表单"),
    "dwellings": ("dwelling", "房屋"),
    "households": ("household", "住户"),
    "residents": ("resident", "居民"),
    "daily_reports": ("daily report", "日报"),
    "score_formulas": ("formula", "评分公式"),
    "score_periods": ("score period", "评分周期"),
    "scores": ("score", "评分"),
    "score_appeals": ("appeal", "申诉"),
    "award_kinds": ("kind of award", "奖项"),
    "awards": ("award", "授奖"),
}


def not_found(table: str, path: tuple[str | int, ...]) -> NotFound:
    """There is no such thing, or the caller may not know of it."""
    thing, thing_zh = THINGS[table]
    return NotFound(path=path, thing=thing, thing_zh=thing_zh)


class NotYours(Refusal):
    """Only the worker whom it belongs to can do this."""

    code = RefusalCode.FORBIDDEN
    zh = "只有本人可以执行此操作。"


class NotPostedHere(Refusal):
    """The worker holds no post in this area at that time."""

    code = RefusalCode.INVALID_STATE
    zh = "该人员此时在该区域没有任职。"


class PostNotForKind(Refusal):
    """Areas of the kind {kind} have no post {post} on their staff."""

    zh = "类型为 {kind} 的区域没有岗位 {post} 的编制。"


class PostTaken(Refusal):
    """Somebody holds this post in the area on some of these days already: release them first."""

    code = RefusalCode.CONFLICT
    zh = "该岗位在此期间已有人任职:请先办理离任。"


class PostHeldAlready(Refusal):
    """The account holds this post in the area on some of these days already."""

    code = RefusalCode.CONFLICT
    zh = "该账号在此期间已任该岗位。"


class PostFull(Refusal):
    """The area may have {most} holders of this post at most, and has as many on some of these days."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "该区域此岗位最多 {most} 人,此期间已满。"


class AccountNotStaff(Refusal):
    """Only the active account of a member of staff can hold a post."""

    code = RefusalCode.INVALID_STATE
    zh = "只有在用的工作人员账号可以任职。"


class PeriodWrong(Refusal):
    """A period ends after it begins, and within {limit}."""

    zh = "结束时间须晚于开始时间,且不超过 {limit}。"


class TextTooLong(Refusal):
    """The text has 1 to {limit} characters, none of them control characters."""

    zh = "文本须为 1 至 {limit} 个字符,且不含控制字符。"


class ShiftOverlaps(Refusal):
    """The worker has another shift in this time."""

    code = RefusalCode.CONFLICT
    zh = "该人员在此时段已有其他班次。"


class ShiftCancelled(Refusal):
    """The shift was cancelled."""

    code = RefusalCode.INVALID_STATE
    zh = "该班次已取消。"


class ShiftBegun(Refusal):
    """Somebody has checked in to the shift, so it cannot be cancelled."""

    code = RefusalCode.INVALID_STATE
    zh = "该班次已签到,不能取消。"


class NotCheckedIn(Refusal):
    """Nobody is checked in to this shift."""

    code = RefusalCode.INVALID_STATE
    zh = "该班次尚未签到或已签退。"


class CheckedInAlready(Refusal):
    """The shift was checked in to already."""

    code = RefusalCode.INVALID_STATE
    zh = "该班次已签到。"


class OutsideShift(Refusal):
    """One can check in from {earliest} until {latest}."""

    code = RefusalCode.INVALID_STATE
    zh = "签到时间为 {earliest} 至 {latest}。"


class TooFarAway(Refusal):
    """You are {distance_m} m away from the area; one can check in at {limit_m} m at most."""

    code = RefusalCode.INVALID_STATE
    zh = "您距离该区域 {distance_m} 米;签到须在 {limit_m} 米以内。"


class PatrolUnderWay(Refusal):
    """You have a patrol under way: stop it first."""

    code = RefusalCode.CONFLICT
    zh = "您有正在进行的巡查:请先结束。"


class PatrolStopped(Refusal):
    """The patrol has been stopped already."""

    code = RefusalCode.INVALID_STATE
    zh = "该巡查已结束。"


class TrackTooLate(Refusal):
    """Points of a patrol can be handed in until {hours} hours after it stopped."""

    code = RefusalCode.INVALID_STATE
    zh = "巡查结束 {hours} 小时后不能再上传轨迹。"


class TrackTooLong(Refusal):
    """One upload has 1 to {batch} points, one patrol {patrol} at most."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "每次上传 1 至 {batch} 个点,每次巡查最多 {patrol} 个点。"


class TrackKeyReused(Refusal):
    """This upload key was used before for other points of the same patrol."""

    code = RefusalCode.CONFLICT
    zh = "该上传键已用于本次巡查的其他轨迹点。"


class PointMalformed(Refusal):
    """A point needs a longitude from -180 to 180, a latitude from -90 to 90, and an accuracy of 0 m or more."""

    zh = "轨迹点须有 -180 至 180 的经度、-90 至 90 的纬度,且精度不小于 0 米。"


class DayWrong(Refusal):
    """The day is not in the future, and not before {earliest}."""

    zh = "日期不能在将来,也不能早于 {earliest}。"


class DayEvaluatedElsewhere(Refusal):
    """The day of somebody here was evaluated at the same moment or for another area: repeat, or let the city do it."""

    code = RefusalCode.STALE
    zh = "有人员的当日考核正由他人或其他区域进行:请重试,或由市级统一考核。"


class VisitNowhere(Refusal):
    """Name the dwelling, the household, or both; a household is visited in the dwelling where it lives."""

    zh = "请给出房屋、住户或两者;住户须居住在该房屋内。"


class MomentWrong(Refusal):
    """The moment is not in the future and not more than {hours} hours ago."""

    zh = "时间不能在将来,也不能早于 {hours} 小时前。"


class ChangesTooMany(Refusal):
    """A visit names {limit} changed things at most, each once."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "一次走访最多列出 {limit} 项变更,且不重复。"


class ReportAcknowledged(Refusal):
    """The report has been acknowledged and cannot be changed."""

    code = RefusalCode.INVALID_STATE
    zh = "该日报已被确认,不能再修改。"


class ReportedElsewhere(Refusal):
    """You have handed in a report of this day for another area."""

    code = RefusalCode.CONFLICT
    zh = "您已为其他区域提交当日日报。"


class FormulaMalformed(Refusal):
    """The formula cannot be used: {reason_en}."""

    zh = "评分公式无法使用:{reason_zh}。"


class FormulaCodeMalformed(Refusal):
    """A code has 1 to 40 small letters, digits, `-` or `_`, and begins with a letter."""

    zh = "代码须为 1 至 40 个小写字母、数字、- 或 _,且以字母开头。"


class PeriodTaken(Refusal):
    """This area has been scored by this formula over these days already."""

    code = RefusalCode.CONFLICT
    zh = "该区域在此周期已按该公式评分。"


class PeriodPublished(Refusal):
    """The scores have been published: they change by appeals only."""

    code = RefusalCode.INVALID_STATE
    zh = "评分已公布:只能通过申诉更正。"


class PeriodNotPublished(Refusal):
    """The scores have not been published yet."""

    code = RefusalCode.INVALID_STATE
    zh = "评分尚未公布。"


class AppealOpen(Refusal):
    """There is an open appeal against this score already."""

    code = RefusalCode.CONFLICT
    zh = "该评分已有未处理的申诉。"


class AppealDecided(Refusal):
    """The appeal has been decided."""

    code = RefusalCode.INVALID_STATE
    zh = "该申诉已作出决定。"


class OwnAppeal(Refusal):
    """Nobody decides an appeal of their own."""

    code = RefusalCode.FORBIDDEN
    zh = "不能处理自己的申诉。"


class AdjustmentWrong(Refusal):
    """An adjustment is given where an appeal is upheld, and is within ±{most} thousandths of a point."""

    zh = "申诉成立时须给出调整分值,且不超过 ±{most} 千分之一分。"


class AwardGivenAlready(Refusal):
    """The worker has this award for the period already."""

    code = RefusalCode.CONFLICT
    zh = "该人员本周期已获此奖项。"


class AwardsGone(Refusal):
    """All {places} awards of this kind have been given for the period."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "本周期该奖项的 {places} 个名额已用完。"


class ScoreTooLow(Refusal):
    """The award needs {least_milli} thousandths of a point, and the score has {points_milli}."""

    code = RefusalCode.INVALID_STATE
    zh = "该奖项要求 {least_milli} 千分之一分,该评分为 {points_milli}。"


class AwardRevoked(Refusal):
    """The award has been taken back already."""

    code = RefusalCode.INVALID_STATE
    zh = "该授奖已撤销。"


class PlaceMovedMeanwhile(Refusal):
    """The area was changed at the same moment: repeat."""

    code = RefusalCode.STALE
    zh = "所在区域刚刚发生调整:请重试。"


class PostStillHeld(Refusal):
    """A post, form, formula or award that is in use cannot be removed from the city."""

    code = RefusalCode.STILL_IN_USE
    zh = "仍在使用的岗位、表单、公式或奖项不能删除。"


#: Constraints of this slice's tables, by name.
REFUSALS: dict[str, Callable[[], Refusal]] = {
    "ex_post_assignments_single": lambda: PostTaken(path=("postId",)),
    "ex_post_assignments_once": lambda: PostHeldAlready(path=("accountId",)),
    "ck_post_assignments_validity_ordered": lambda: PeriodWrong(path=("validUntil",), limit="–"),
    "ex_shifts_one_at_a_time": lambda: ShiftOverlaps(path=("startsAt",)),
    "uq_patrols_under_way": PatrolUnderWay,
    "uq_score_periods_once": lambda: PeriodTaken(path=("startsOn",)),
    "uq_patrol_days_tenant_id_account_id_day": DayEvaluatedElsewhere,
    "uq_daily_reports_tenant_id_account_id_day": lambda: ReportedElsewhere(path=("day",)),
    "uq_score_appeals_open": lambda: AppealOpen(path=("scoreId",)),
    "uq_awards_once": lambda: AwardGivenAlready(path=("scoreId",)),
    "fk_post_assignments_post": PostStillHeld,
}
