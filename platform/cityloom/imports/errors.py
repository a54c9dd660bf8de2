"""What can be refused about imports."""

from __future__ import annotations

from cityloom.core.errors import NotFound, Refusal, RefusalCode


def absent(path: tuple[str | int, ...] = ("id",)) -> NotFound:
    """There is no such import, or the caller may not know of it."""
    return NotFound(path=path, thing="import", thing_zh="导入")


class TargetUnknown(Refusal):
    """Nothing of the name {target} can be imported into; there are: {known}."""

    zh = "没有名为 {target} 的导入目标;可用:{known}。"


class TableUnreadable(Refusal):
    """The file is neither a CSV text (UTF-8, UTF-16 or GB18030) nor an XLSX workbook that can be read: {what}."""

    zh = "文件既不是 CSV 文本(UTF-8、UTF-16 或 GB18030),也不是可读的 XLSX 工作簿:{what}。"


class TableTooLarge(Refusal):
    """The file has more {what} than the {limit} that are allowed: split it."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "文件的{what_zh}超过上限 {limit}:请拆分。"


class WorkbookTooLarge(Refusal):
    """The workbook needs more memory than is allowed when it is unpacked: export it as CSV, or split it."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "工作簿解压后所需内存超过上限:请导出为 CSV 或拆分。"


class TableEmpty(Refusal):
    """The file has no table: a first row of headers, at least two of them, and rows below it."""

    zh = "文件中没有表格:首行应为表头(至少两列),其下为数据行。"


class NoColumnKnown(Refusal):
    """No header of the file is known for {target}; known are: {known}. Map them with `mapping`."""

    zh = "文件表头均无法识别({target});可识别:{known}。请用 mapping 指明对应关系。"


class ColumnMissing(Refusal):
    """The sheet {sheet} has the column {column} and therefore needs one of: {needed}."""

    zh = "工作表 {sheet} 含有列 {column},因此还需要以下列之一:{needed}。"


class ColumnTwice(Refusal):
    """The sheet {sheet} has two headers for the column {column}: {headers}. Map one of them to null."""

    zh = "工作表 {sheet} 中有两个表头对应列 {column}:{headers}。请将其一映射为 null。"


class HeaderUnknown(Refusal):
    """The mapping names the header {header}, which no sheet has."""

    zh = "对应关系中的表头 {header} 在文件中不存在。"


class ColumnUnknown(Refusal):
    """The target has no column {column}; it has: {known}."""

    zh = "该导入目标没有列 {column};可用:{known}。"


class MappingNameUnknown(Refusal):
    """The city has no mapping of the name {name} for this target."""

    code = RefusalCode.NOT_FOUND
    zh = "本市没有名为 {name} 的列对应关系。"


class ImportStateWrong(Refusal):
    """The import is {state}, so this cannot be done."""

    code = RefusalCode.INVALID_STATE
    zh = "该导入当前状态为 {state},无法执行此操作。"


class ImporterUnknown(Refusal):
    """Only people and systems with an account of the city can import: whose rights would hold for the rows?"""

    code = RefusalCode.FORBIDDEN
    zh = "只有本市账号可以导入:每一行均须按导入人的权限校验。"
