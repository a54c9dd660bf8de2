"""What can be refused about the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.core.errors import NotFound, Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Callable

THINGS = {
    "buildings": ("building", "楼栋"),
    "dwellings": ("dwelling", "房屋"),
    "households": ("household", "住户"),
    "residents": ("resident", "居民"),
    "organisations": ("organisation", "单位"),
    "vehicles": ("vehicle", "车辆"),
    "resident_stays": ("stay", "居住记录"),
    "household_stays": ("stay", "居住记录"),
    "dwelling_ties": ("tie", "房屋关系"),
    "custom_fields": ("field", "自定义字段"),
    "accounts": ("account", "账号"),
}


def not_found(table: str, path: tuple[str | int, ...]) -> NotFound:
    """There is no such thing, or the caller may not know of it."""
    thing, thing_zh = THINGS[table]
    return NotFound(path=path, thing=thing, thing_zh=thing_zh)


class BuildingCodeTaken(Refusal):
    """Another building of the city has this code."""

    code = RefusalCode.CONFLICT
    zh = "该楼栋编码已被使用。"


class DwellingNumberTaken(Refusal):
    """The building has a dwelling with this unit and number already."""

    code = RefusalCode.CONFLICT
    zh = "该楼栋内已有相同单元和门牌号的房屋。"


class HouseholdNumberTaken(Refusal):
    """Another household of the city has this number."""

    code = RefusalCode.CONFLICT
    zh = "该户编号已被使用。"


class IdentityNumberTaken(Refusal):
    """Somebody with this identity number is registered in the city already: let them be moved here."""

    code = RefusalCode.CONFLICT
    zh = "本市已登记有该身份证号码的居民:请办理迁移,不要重复登记。"


class AccountOfNobody(Refusal):
    """The account is no resident's: it is one of staff or of a program."""

    zh = "该账号不是居民账号,属于工作人员或系统。"


class AccountTaken(Refusal):
    """The account is another resident's already."""

    code = RefusalCode.CONFLICT
    zh = "该账号已关联其他居民。"


class HouseholdHasHead(Refusal):
    """The household has a head already: give that resident another relationship first."""

    code = RefusalCode.CONFLICT
    zh = "该户已有户主:请先更改原户主的关系。"


class AreaMovedMeanwhile(Refusal):
    """The area was changed at the same moment: repeat."""

    code = RefusalCode.STALE
    zh = "所在区域刚刚发生调整:请重试。"


class TextMalformed(Refusal):
    """The text has 1 to {limit} characters, none of them control characters."""

    zh = "文本须为 1 至 {limit} 个字符,且不含控制字符。"


class NumberOutOfRange(Refusal):
    """The number is between {least} and {most}."""

    zh = "数值须在 {least} 至 {most} 之间。"


class ValueUnknown(Refusal):
    """The value is one of: {known}."""

    zh = "该值须为以下之一:{known}。"


class DateOutOfRange(Refusal):
    """The date is not in the future and not before 1850."""

    zh = "日期不能在将来,也不能早于 1850 年。"


class BirthDateContradicts(Refusal):
    """The birth date is not the one in the identity number."""

    zh = "出生日期与身份证号码不一致。"


class SexContradicts(Refusal):
    """The sex is not the one in the identity number."""

    zh = "性别与身份证号码不一致。"


class ResidentNotLiving(Refusal):
    """The resident has died, so this cannot be done."""

    code = RefusalCode.INVALID_STATE
    zh = "该居民已故,无法办理。"


class ResidentLeftAlready(Refusal):
    """The resident has left already."""

    code = RefusalCode.INVALID_STATE
    zh = "该居民已迁出或已故。"


class TieStillHolds(Refusal):
    """A tie since {since} stands against this day: set that one right first, or give a later day."""

    code = RefusalCode.CONFLICT
    zh = "自 {since} 起已有记录,与该日期冲突:请先更正该记录,或给出更晚的日期。"


class TieToday(Refusal):
    """What holds today is changed by moving, leaving or coming back, not by setting the past right."""

    code = RefusalCode.INVALID_STATE
    zh = "当前状态须通过迁移、迁出或迁回办理,不能以更正历史的方式修改。"


class TieEnded(Refusal):
    """The tie has ended already."""

    code = RefusalCode.INVALID_STATE
    zh = "该关系已经结束。"


class PeriodsOverlap(Refusal):
    """In a part of this time another tie is recorded: set that one right first."""

    code = RefusalCode.CONFLICT
    zh = "该时段与另一条记录重叠:请先更正那一条。"


class PeriodEmpty(Refusal):
    """The last day is before the first: `untilOn` is the first day on which it did not hold any more."""

    zh = "时段为空:untilOn 为不再成立的第一天,须晚于 fromOn。"


class HouseholdEnded(Refusal):
    """The household was merged into another one."""

    code = RefusalCode.INVALID_STATE
    zh = "该户已并入另一户。"


class DwellingEnded(Refusal):
    """The dwelling was merged into another one."""

    code = RefusalCode.INVALID_STATE
    zh = "该房屋已并入另一房屋。"


class OrganisationEnded(Refusal):
    """The organisation has been closed."""

    code = RefusalCode.INVALID_STATE
    zh = "该单位已注销。"


class MergedWithItself(Refusal):
    """Name another one: nothing is merged with itself, and dwellings only within one building."""

    zh = "不能与自身合并;房屋只能在同一楼栋内合并。"


class NotInHousehold(Refusal):
    """Name people who live in this household, each once, and not all of them."""

    zh = "请给出本户在住人员,不重复,且不能是全部。"


class HouseholdNotHere(Refusal):
    """Name households that live in this dwelling, each once."""

    zh = "请给出居住在该房屋内的住户,且不重复。"


class HolderMissing(Refusal):
    """Name one of resident and organisation."""

    zh = "请给出居民或单位中的一个。"


class PlaceMissing(Refusal):
    """Name one of building, dwelling and area."""

    zh = "请给出楼栋、房屋或区域中的一个。"


class CreditCodeTaken(Refusal):
    """Another organisation of the city has this unified social credit code."""

    code = RefusalCode.CONFLICT
    zh = "该统一社会信用代码已登记。"


class CreditCodeInvalid(Refusal):
    """This is no unified social credit code: it has 18 characters, the last of which follows from the others."""

    zh = "统一社会信用代码无效:应为 18 位,末位为校验码。"


class PlateTaken(Refusal):
    """A vehicle with this plate is registered in the city already."""

    code = RefusalCode.CONFLICT
    zh = "该车牌号已登记。"


class PlateInvalid(Refusal):
    """This is no number plate: for example 粤B12345, or 粤BD12345 for a new energy vehicle."""

    zh = "车牌号无效:例如 粤B12345,新能源车 粤BD12345。"


class FieldCodeTaken(Refusal):
    """There is a field with this code already."""

    code = RefusalCode.CONFLICT
    zh = "该字段代码已被使用。"


class FieldCodeMalformed(Refusal):
    """A field's code begins with a lowercase letter, then lowercase letters, digits and _, 40 at most."""

    zh = "字段代码须以小写字母开头,仅含小写字母、数字和下划线,最多 40 个字符。"


class FieldChoicesWrong(Refusal):
    """A field of choices has 1 to {limit} different ones without `|`, any other field none; those there are stay."""

    zh = "选择类字段须有 1 至 {limit} 个不重复且不含 | 的选项,其他字段不得有;已有的选项须保留。"


class FieldKindFixed(Refusal):
    """What the field {field} asks for, and who may see it, cannot be changed: take a new code."""

    code = RefusalCode.CONFLICT
    zh = "字段 {field} 的类型和敏感级别不可更改:请使用新的代码。"


class FieldRestricted(Refusal):
    """The field {field} is restricted: your role may not write it."""

    code = RefusalCode.FORBIDDEN
    zh = "字段 {field} 受限:您的角色不可填写。"


class FieldSealed(Refusal):
    """What the field {field} is answered is sealed: it is found whole, by `custom`, and not by a range."""

    zh = "字段 {field} 的内容已加密:只能用 custom 按完整值查找,不能按范围查找。"


class FieldsTooMany(Refusal):
    """A city has {limit} fields for one kind of thing at most."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "每类对象最多 {limit} 个自定义字段。"


class ChangesTooMany(Refusal):
    """Send 1 to {limit} changes at a time."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "每次提交 1 至 {limit} 项更改。"


class ClientIdWrong(Refusal):
    """A client's id is a UUID of version 7, made at the time of the change, and new for each change."""

    zh = "客户端编号须为更改时生成的 UUIDv7,每项更改各不相同。"


class ChangeAmbiguous(Refusal):
    """Name exactly one change under each id."""

    zh = "每个编号下须恰好给出一项更改。"


class SearchTooShort(Refusal):
    """A search for a name needs two characters at least; use the filter `name: {{prefix: …}}` for one."""

    zh = "姓名搜索至少需要两个字;单字请使用筛选条件 name: {{prefix: …}}。"


def _tables() -> tuple[str, ...]:
    """Tables whose rows lie in areas."""
    return (
        *(name for name in THINGS if name != "custom_fields"),
        "dwelling_usages",
        "organisation_stays",
        "vehicle_holdings",
    )


#: Constraints of this slice's tables, by name.
REFUSALS: dict[str, Callable[[], Refusal]] = {
    "uq_buildings_tenant_id_code": lambda: BuildingCodeTaken(path=("code",)),
    "uq_dwellings_tenant_id_building_id_unit_number": lambda: DwellingNumberTaken(path=("number",)),
    "uq_households_tenant_id_number": lambda: HouseholdNumberTaken(path=("number",)),
    "uq_residents_tenant_id_identity_index": lambda: IdentityNumberTaken(path=("identityNumber",)),
    "uq_residents_tenant_id_account_id": lambda: AccountTaken(path=("accountId",)),
    "uq_residents_head_of_household": lambda: HouseholdHasHead(path=("relationship",)),
    "uq_organisations_tenant_id_credit_code": lambda: CreditCodeTaken(path=("creditCode",)),
    "uq_vehicles_tenant_id_plate_index": lambda: PlateTaken(path=("plate",)),
    "uq_custom_fields_tenant_id_thing_code": lambda: FieldCodeTaken(path=("code",)),
    **{
        f"ex_{table}_one_at_a_time": lambda: PeriodsOverlap(path=("fromOn",))
        for table in ("resident_stays", "household_stays", "dwelling_usages", "organisation_stays", "vehicle_holdings")
    },
    "ex_dwelling_ties_once": lambda: PeriodsOverlap(path=("fromOn",)),
    "ex_dwelling_ties_one_host": lambda: PeriodsOverlap(path=("fromOn",)),
    **{f"fk_{table}_tenant_id_area_id_area_path": AreaMovedMeanwhile for table in _tables()},
}
