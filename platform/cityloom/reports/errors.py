"""What can be refused about reports."""

from __future__ import annotations

from cityloom.core.errors import NotFound, Refusal, RefusalCode


def absent(path: tuple[str | int, ...] = ("id",), thing: str = "report", thing_zh: str = "报表") -> NotFound:
    """There is no such thing, or the caller may not know of it."""
    return NotFound(path=path, thing=thing, thing_zh=thing_zh)


class CodeMalformed(Refusal):
    """A code begins with a small letter and has small letters, digits, underscores and hyphens: {code}."""

    zh = "编码须以小写字母开头,只含小写字母、数字、下划线和连字符:{code}。"


class ReportCodeTaken(Refusal):
    """There is a report with the code {code}."""

    code = RefusalCode.CONFLICT
    zh = "已有编码为 {code} 的报表。"


class ReportStale(Refusal):
    """The report was changed meanwhile: its version is {current}. Read it again and repeat."""

    code = RefusalCode.STALE
    zh = "该报表已被他人修改:当前版本为 {current}。请重新读取后再试。"


class ReportInUse(Refusal):
    """Report requests are answered by this report: it stays."""

    code = RefusalCode.STILL_IN_USE
    zh = "有填表要求由该报表代答,不能删除。"


class ParameterUnknown(Refusal):
    """The query has no variable {name}; it has: {known}."""

    zh = "查询中没有变量 {name};现有:{known}。"


class FieldUnknown(Refusal):
    """There is nothing to tick called {field} in {root}: `reportFields` lists what there is."""

    zh = "{root} 中没有可勾选的字段 {field}:请参见 reportFields。"


class RootUnknown(Refusal):
    """There is no list called {root} to report on: `reportRoots` lists them."""

    zh = "没有可制作报表的列表 {root}:请参见 reportRoots。"


class NothingTicked(Refusal):
    """Tick at least one field."""

    zh = "请至少勾选一个字段。"


class TooMuchTicked(Refusal):
    """At most {limit} fields are ticked at once."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "一次最多勾选 {limit} 个字段。"


class FieldsInFull(Refusal):
    """A report tells protected fields in no other than their masked form: {fields}. Ask for an export."""

    code = RefusalCode.FORBIDDEN
    zh = "报表只以脱敏形式显示受保护字段:{fields}。请申请导出。"


class TimeWrong(Refusal):
    """A schedule has a time such as 08:30, a weekday from 1 to 7, or a day of the month from 1 to 28: {what}."""

    zh = "定时须为形如 08:30 的时间、1 至 7 的星期、或 1 至 28 的日期:{what}。"


class SnapshotsDiffer(Refusal):
    """Only two snapshots of the same report with the same columns can be compared."""

    zh = "只能比较同一报表且列相同的两个快照。"


class NotYourSnapshot(Refusal):
    """Only whose rights it was taken with see its rows, as long as they hold: take one of your own."""

    code = RefusalCode.FORBIDDEN
    zh = "只有以其权限生成快照的人可以查看其内容,且权限须仍然有效:请自行生成快照。"


class SnapshotWithdrawn(Refusal):
    """Somebody of whom the snapshot told was erased, and its rows with them: take another."""

    code = RefusalCode.INVALID_STATE
    zh = "快照中涉及的个人信息已依法清除,内容随之撤回:请重新生成快照。"


class TextMissing(Refusal):
    """It needs {least} to {most} characters."""

    zh = "须有 {least} 至 {most} 个字。"


class NumberWrong(Refusal):
    """It is a whole number from {least} to {most}."""

    zh = "须为 {least} 至 {most} 的整数。"


class NothingAsked(Refusal):
    """A request has from 1 to {limit} fields, each named once."""

    zh = "一份填表要求有 1 至 {limit} 个字段,名称不重复。"


class WhollyDerivable(Refusal):
    """Nobody has to fill this in, the platform knows it: {fields}. Have it generated, or say why it must be asked."""

    code = RefusalCode.CONFLICT
    zh = "无需填报,平台已掌握这些数据:{fields}。请选择自动生成,或说明必须填报的理由。"


class RequestSettled(Refusal):
    """The request is {state}: nothing is to be decided any more."""

    code = RefusalCode.INVALID_STATE
    zh = "该填表要求当前为 {state},无需再决定。"


class FieldNotProposed(Refusal):
    """Field {position} has no proposal that could be confirmed."""

    zh = "字段 {position} 没有可确认的匹配建议。"


class FieldCodeTaken(Refusal):
    """There is a derivable field with the code {code}."""

    code = RefusalCode.CONFLICT
    zh = "已有编码为 {code} 的可派生字段。"


class MonthWrong(Refusal):
    """Months are written as 2026-03, the first not after the last, at most {limit} of them."""

    zh = "月份写作 2026-03,起始不晚于结束,最多 {limit} 个月。"
