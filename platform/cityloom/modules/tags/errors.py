"""What can be refused about tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.core.errors import NotFound, Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Callable

THINGS = {
    "tags": ("tag", "标签"),
    "tag_rules": ("rule of a tag", "标签规则"),
    "resident_tags": ("tag of a resident", "居民标签"),
    "residents": ("resident", "居民"),
}


def not_found(table: str, path: tuple[str | int, ...]) -> NotFound:
    """There is no such thing, or the caller may not know of it."""
    thing, thing_zh = THINGS[table]
    return NotFound(path=path, thing=thing, thing_zh=thing_zh)


class TagCodeTaken(Refusal):
    """Another tag of the city has this code."""

    code = RefusalCode.CONFLICT
    zh = "该标签代码已被使用。"


class TagCodeMalformed(Refusal):
    """A code has 1 to 40 lower-case letters, digits and underscores, and begins with a letter."""

    zh = "代码由 1 至 40 个小写字母、数字和下划线组成,并以字母开头。"


class TagInUse(Refusal):
    """A tag that somebody has or had, or that a rule decides, cannot be removed from the catalogue."""

    code = RefusalCode.STILL_IN_USE
    zh = "已有居民使用过或由规则决定的标签不能从目录中删除。"


class ConsentNeeded(Refusal):
    """This tag is assigned with the resident's consent to {purpose} only: send `consentEvidence` once they gave it."""

    zh = "该标签须经居民本人对目的 {purpose} 表示同意:取得同意后请填写 consentEvidence(同意书编号等依据)。"


class TagPurposeMissing(Refusal):
    """A tag that needs consent names the purpose of the register to which residents consent."""

    zh = "须经同意的标签必须指明登记册中居民所同意的使用目的。"


class TagPurposeFixed(Refusal):
    """Residents have this tag by their consent to {purpose}, which is no consent to another purpose."""

    code = RefusalCode.CONFLICT
    zh = "已有居民因同意目的 {purpose} 而具有该标签,该同意不适用于其他目的。"


class ValidityWrong(Refusal):
    """A tag is valid until a day after today, at most 100 years from now."""

    zh = "有效期截止日须晚于今天,且不超过 100 年。"


class TagIsByRule(Refusal):
    """A rule assigned this tag and takes it back itself: change the resident's data, or the rule."""

    code = RefusalCode.INVALID_STATE
    zh = "该标签由规则赋予,也由规则撤回:请更正居民信息或修改规则。"


class TagEndedAlready(Refusal):
    """The resident does not have this tag any more."""

    code = RefusalCode.INVALID_STATE
    zh = "该居民已不再具有此标签。"


class ResidentNotHere(Refusal):
    """Only residents who live here are given tags."""

    code = RefusalCode.INVALID_STATE
    zh = "只能为在住居民打标签。"


class TooManyResidents(Refusal):
    """One call takes 1 to {most} residents, each once."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "一次须给出 1 至 {most} 位居民,且不得重复。"


class TooManyHolders(Refusal):
    """More than {most} residents have these sensitive tags where you see them: ask area by area, by `areaId`."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "您可见范围内有超过 {most} 位居民具有这些敏感标签:请用 areaId 按区域分别查询。"


class RuleMalformed(Refusal):
    """The rule is wrong at {at}: {why_en}"""  # noqa: D415 - the reason ends the sentence

    zh = "规则在 {at} 处有误:{why_zh}"


class RuleInCircle(Refusal):
    """Rules that stand on each other's tags cannot be evaluated: {codes}."""

    zh = "规则之间循环引用标签,无法评估:{codes}。"


class RuleNeedsNoConsent(Refusal):
    """A tag that needs consent is assigned by people, never by a rule."""

    zh = "须经同意的标签只能由人赋予,不能由规则赋予。"


#: Constraints of this slice's tables, by name.
REFUSALS: dict[str, Callable[[], Refusal]] = {
    "uq_tags_tenant_id_code": lambda: TagCodeTaken(path=("code",)),
    "ck_tags_code_formed": lambda: TagCodeMalformed(path=("code",)),
    "fk_resident_tags_tag": TagInUse,
    "fk_tag_rules_tenant_id_tag_id": TagInUse,
}
