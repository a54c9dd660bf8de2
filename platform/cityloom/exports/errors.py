"""What can be refused about exports."""

from __future__ import annotations

from cityloom.core.errors import NotFound, Refusal, RefusalCode


def absent(path: tuple[str | int, ...] = ("id",)) -> NotFound:
    """There is no such export, or the caller may not know of it."""
    return NotFound(path=path, thing="export", thing_zh="导出")


class PurposeMissing(Refusal):
    """Say in {least} to {most} characters what the file is needed for."""

    zh = "请用 {least} 至 {most} 个字说明导出用途。"


class TooManyRows(Refusal):
    """It has {rows} rows; at most {limit} are exported at once: narrow it down."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "共 {rows} 行,一次最多导出 {limit} 行:请缩小范围。"


class OwnExport(Refusal):
    """Nobody decides on an export that they asked for: it needs a second person."""

    code = RefusalCode.FORBIDDEN
    zh = "不能审批自己申请的导出:需要第二人审批。"


class ExportNotPending(Refusal):
    """The export waits for no decision: it is {state}."""

    code = RefusalCode.INVALID_STATE
    zh = "该导出不在待审批状态:当前为 {state}。"


class ExportOver(Refusal):
    """The export is over: it is {state}."""

    code = RefusalCode.INVALID_STATE
    zh = "该导出已结束:当前为 {state}。"


class ExportNotReady(Refusal):
    """There is no file to download: the export is {state}."""

    code = RefusalCode.INVALID_STATE
    zh = "没有可下载的文件:该导出当前为 {state}。"


class ExportWithdrawn(Refusal):
    """Somebody of whom the file told was erased, and the file with them: ask for the export again."""

    code = RefusalCode.INVALID_STATE
    zh = "文件中涉及的个人信息已依法清除,文件随之撤回:请重新申请导出。"


class NotYourExport(Refusal):
    """Only who asked for an export downloads its file."""

    code = RefusalCode.FORBIDDEN
    zh = "只有申请人可以下载该文件。"


class RightsNarrowed(Refusal):
    """You may read less now than when the file was made: ask for the export again."""

    code = RefusalCode.FORBIDDEN
    zh = "您的权限已小于文件生成之时:请重新申请导出。"


class BoundWrong(Refusal):
    """The bound is from 1 to the {counted} rows that were counted."""

    zh = "行数上限须在 1 到已统计的 {counted} 行之间。"


class ApprovalNeeded(Refusal):
    """It would tell protected fields in full that nobody approved: {fields}."""

    code = RefusalCode.FORBIDDEN
    zh = "将完整导出未经审批的受保护字段:{fields}。"


class GaveUp(Refusal):
    """It was begun {tries} times and never ended."""

    code = RefusalCode.UNAVAILABLE
    zh = "已尝试 {tries} 次仍未完成。"
