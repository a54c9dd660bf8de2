"""What can be said against a row; no message repeats what stands in it."""

from __future__ import annotations

from cityloom.core.errors import Refusal, RefusalCode


class CellNoNumber(Refusal):
    """This is no number: write digits, for example {example}."""

    zh = "不是数值:请写数字,例如 {example}。"


class CellNoDate(Refusal):
    """This is no date: write 1990-01-31, 19900131 or 1990年1月31日."""

    zh = "不是日期:请写 1990-01-31、19900131 或 1990年1月31日。"


class CellWordUnknown(Refusal):
    """The word is not known here; known are: {known}."""

    zh = "无法识别该词;可用:{known}。"


class DigitsLost(Refusal):
    """The spreadsheet has kept only 15 digits of this number: format the column as text, and enter it again."""

    zh = "电子表格只保留了该号码的前 15 位:请把该列设为文本格式后重新填写。"


class LinkNotNamed(Refusal):
    """The row says something of a {thing}, but not which: fill in {column}."""

    zh = "该行填写了{thing_zh}的信息,但未指明是哪一个:请填写 {column}。"


class RowSaysNothing(Refusal):
    """The row names no building, dwelling, household or resident."""

    zh = "该行未写明任何楼栋、房屋、住户或居民。"


class StatedOtherwise(Refusal):
    """Another row states it otherwise: what the first row states is taken."""

    zh = "另有一行的内容与此不同:以先出现的一行为准。"


class BuildingUnknown(Refusal):
    """There is no such building yet: state the area code and the building's name to record it."""

    code = RefusalCode.NOT_FOUND
    zh = "尚无该楼栋:请填写网格编码与楼栋名称以便登记。"


class AreaUnknown(Refusal):
    """The city has no open area with this code."""

    code = RefusalCode.NOT_FOUND
    zh = "本市没有该编码的有效区域。"


class OutsideScope(Refusal):
    """You may not do this in that area: it needs {permission} there."""

    code = RefusalCode.FORBIDDEN
    zh = "您在该区域无权执行此操作:需要权限 {permission}。"


class LiesElsewhere(Refusal):
    """It is registered in another place than the row states: move it there first, or correct the row."""

    code = RefusalCode.CONFLICT
    zh = "登记的所在位置与该行不一致:请先办理迁移,或更正该行。"


class PremisesUnknown(Refusal):
    """No such building or dwelling is registered: record it first, or correct the row."""

    code = RefusalCode.NOT_FOUND
    zh = "未登记该楼栋或房屋:请先登记,或更正该行。"


class DwellingUnknown(Refusal):
    """There is no such dwelling yet: state its use to record it."""

    code = RefusalCode.NOT_FOUND
    zh = "尚无该房屋:请填写房屋用途以便登记。"


class HouseholdUnknown(Refusal):
    """There is no such household yet: state its dwelling, or the area code, to record it."""

    code = RefusalCode.NOT_FOUND
    zh = "尚无该住户:请填写其房屋或网格编码以便登记。"


class HolderRefused(Refusal):
    """What it belongs to is refused, see the other findings: a building, a dwelling or a household."""

    code = RefusalCode.CONFLICT
    zh = "其所属的楼栋、房屋或住户未能通过校验,见其他条目。"


class AlreadyRegistered(Refusal):
    """It is registered already, with other values: by the rule SKIP they stay as they are."""

    code = RefusalCode.CONFLICT
    zh = "已登记且内容不同:按 SKIP 规则保持不变。"


class LikelyDuplicate(Refusal):
    """Somebody of the same name and date of birth is in the same household: likely the same person."""

    code = RefusalCode.CONFLICT
    zh = "同一住户中已有同名且出生日期相同者:很可能是同一人。"


class LikelySameOrganisation(Refusal):
    """An organisation of the same name is in the same place: likely the same one."""

    code = RefusalCode.CONFLICT
    zh = "同一地点已有同名单位:很可能是同一家。"


class VehicleUnknown(Refusal):
    """There is no such vehicle yet: state its kind, and whose it is by identity number or credit code, to record it."""

    code = RefusalCode.NOT_FOUND
    zh = "尚无该车辆:请填写车辆类型,并以身份证号或统一社会信用代码写明车主,以便登记。"


class HolderUnknown(Refusal):
    """No resident of this identity number, or organisation of this credit code, is registered: record them first."""

    code = RefusalCode.NOT_FOUND
    zh = "未登记该身份证号的居民或该信用代码的单位:请先登记,或更正该行。"


class TwoHolders(Refusal):
    """A vehicle is one's: state an identity number or a credit code, not both."""

    zh = "车辆只能有一个车主:身份证号与统一社会信用代码请只填一个。"


class HeldByAnother(Refusal):
    """It is registered as somebody else's than the row states: transfer it first, or correct the row."""

    code = RefusalCode.CONFLICT
    zh = "登记的车主与该行不一致:请先办理车辆变更,或更正该行。"


class StatedTwice(Refusal):
    """An earlier row has the same identity number, credit code or number plate."""

    code = RefusalCode.CONFLICT
    zh = "前面已有一行使用相同的身份证号、信用代码或车牌号。"
