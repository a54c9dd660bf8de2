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


class SearchTooShort(Refusal):
    """A search for a name needs two characters at least; use the filter `name: {{prefix: …}}` for one."""

    zh = "姓名搜索至少需要两个字;单字请使用筛选条件 name: {{prefix: …}}。"


#: Constraints of this slice's tables, by name.
REFUSALS: dict[str, Callable[[], Refusal]] = {
    "uq_buildings_tenant_id_code": lambda: BuildingCodeTaken(path=("code",)),
    "uq_dwellings_tenant_id_building_id_unit_number": lambda: DwellingNumberTaken(path=("number",)),
    "uq_households_tenant_id_number": lambda: HouseholdNumberTaken(path=("number",)),
    "uq_residents_tenant_id_identity_index": lambda: IdentityNumberTaken(path=("identityNumber",)),
    "uq_residents_head_of_household": lambda: HouseholdHasHead(path=("relationship",)),
    **{
        f"fk_{table}_tenant_id_area_id_area_path": AreaMovedMeanwhile
        for table in (*THINGS, "resident_moves", "household_moves")
    },
}
