"""What can be refused about areas."""

from __future__ import annotations

from cityloom.core.errors import Refusal, RefusalCode


class AreaNotFound(Refusal):
    """There is no such area."""

    code = RefusalCode.NOT_FOUND
    zh = "没有找到该区域。"


class AreaKindUnknown(Refusal):
    """The city has no kind of area {kind!r}; it has: {known}."""

    zh = "本市没有区域类型 {kind!r};可用的类型:{known}。"


class AreaCodeTaken(Refusal):
    """The code {area_code} names another area in this period."""

    code = RefusalCode.CONFLICT
    zh = "代码 {area_code} 在此有效期内已被其他区域使用。"


class AreaCodeMalformed(Refusal):
    """The code {area_code!r} is not right for the kind {kind}: {expected_en}."""

    zh = "代码 {area_code!r} 不符合类型 {kind} 的要求:{expected_zh}。"


class AreaNameMalformed(Refusal):
    """A name has 1 to {limit} characters, none of them control characters."""

    zh = "名称须为 1 至 {limit} 个字符,且不含控制字符。"


class AreaFigureNegative(Refusal):
    """A stated figure is 0 or more."""

    zh = "填报的数字不能小于 0。"


class AreaLevelWrong(Refusal):
    """An area of the kind {kind} cannot lie in one of the kind {parent_kind}: it must be of a lower level."""

    code = RefusalCode.CONFLICT
    zh = "类型 {kind} 的区域不能置于类型 {parent_kind} 之下:下级区域的层级必须更低。"


class AreaTooDeep(Refusal):
    """Areas can be nested {limit} levels below the top at most."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "区域最多可在顶层之下嵌套 {limit} 级。"


class AreaClosed(Refusal):
    """The area {name} ({area_code}) is closed since {since}."""

    code = RefusalCode.INVALID_STATE
    zh = "区域 {name}({area_code})已于 {since} 停用。"


class AreaStillInUse(Refusal):
    """Things still lie in the area {name}: {counts}; move, merge or split it instead."""

    code = RefusalCode.STILL_IN_USE
    zh = "区域 {name} 内仍有数据:{counts};请改用调整、合并或拆分。"


class AreaKindStillInUse(Refusal):
    """There are still areas of a kind that would be removed."""

    code = RefusalCode.STILL_IN_USE
    zh = "仍有区域属于将被删除的类型。"


class AreaValidityWrong(Refusal):
    """A period of validity ends after it begins, and nothing can be closed before it began or in the future."""

    zh = "有效期的结束日期须晚于开始日期;停用日期不能早于启用日期,也不能在将来。"


class AreaPlanStale(Refusal):
    """The tree has changed since the plan was made: make the plan again and look at it."""

    code = RefusalCode.STALE
    zh = "自制定方案以来区域树已有变化:请重新制定并核对方案。"


class AreaPlanImpossible(Refusal):
    """The plan cannot be carried out: {reasons_en}"""  # noqa: D415 - the reasons end the sentence

    code = RefusalCode.CONFLICT
    zh = "该方案无法执行:{reasons_zh}"


class BoundaryMalformed(Refusal):
    """The boundary is not usable: {reason_en}."""

    zh = "边界无法使用:{reason_zh}。"


class CoordinateOutOfRange(Refusal):
    """A longitude is between -180 and 180, a latitude between -90 and 90: given {longitude}, {latitude}."""

    zh = "经度须在 -180 至 180 之间,纬度须在 -90 至 90 之间:给出的是 {longitude}, {latitude}。"


class ChangedMeanwhile(Refusal):
    """It was changed by somebody else (version {current}, you read {given}): read it again and repeat."""

    code = RefusalCode.STALE
    zh = "该记录已被他人修改(当前版本 {current},您读取的是 {given}):请重新读取后再提交。"
