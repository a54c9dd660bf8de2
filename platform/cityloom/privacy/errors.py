"""What can be refused in privacy."""

from __future__ import annotations

from cityloom.core.errors import NotFound, Refusal, RefusalCode


def absent(thing: str, thing_zh: str, *path: str | int) -> NotFound:
    """There is no such thing, or the caller may not know of it."""
    return NotFound(path=path, thing=thing, thing_zh=thing_zh)


class PurposeUnknown(Refusal):
    """The register of purposes has no purpose {code} in force."""

    code = RefusalCode.NOT_FOUND
    zh = "使用目的登记册中没有生效的目的 {code}。"


class PurposeCodeTaken(Refusal):
    """The register has a purpose with this code already."""

    code = RefusalCode.CONFLICT
    zh = "登记册中已有相同代码的目的。"


class PurposeMalformed(Refusal):
    """{reason_en}"""  # noqa: D415 - the whole sentence comes from what was wrong

    zh = "{reason_zh}"


class PurposeCoversNot(Refusal):
    """The purpose {purpose} does not allow these fields: {fields}."""

    code = RefusalCode.FORBIDDEN
    zh = "目的 {purpose} 不允许查看以下字段:{fields}。"


class FieldUnknown(Refusal):
    """There is no protected field {field}; there are: {known}."""

    zh = "没有受保护字段 {field};可选:{known}。"


class UnmaskingQuotaReached(Refusal):
    """Today's {limit} unmaskings for {purpose} are used up; from {renewsAt} on there are new ones."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "今日用于 {purpose} 的 {limit} 次查看额度已用完;{renewsAt} 起重新计算。"


class ConsentMissing(Refusal):
    """The purpose {purpose} stands on consent, and this person has not given it, or has withdrawn it."""

    code = RefusalCode.INVALID_STATE
    zh = "目的 {purpose} 以个人同意为依据,而该人未同意或已撤回。"


class ConsentUnchanged(Refusal):
    """This is what the person has stated already."""

    code = RefusalCode.CONFLICT
    zh = "该人此前已作出相同表示。"


class TextUnfit(Refusal):
    """The text has 1 to {limit} characters, no control characters and no identity or phone numbers."""

    zh = "文本须为 1 至 {limit} 个字符,且不含控制字符、身份证号码或手机号码。"


class HeldByLaw(Refusal):
    """What is stored of this person is under a legal hold: it must not be erased before that is lifted."""

    code = RefusalCode.INVALID_STATE
    zh = "该人的信息处于依法保留状态:解除前不得清除。"


class HeldAlready(Refusal):
    """There is a legal hold on this person already."""

    code = RefusalCode.CONFLICT
    zh = "该人的信息已处于依法保留状态。"


class HoldLifted(Refusal):
    """The legal hold was lifted already."""

    code = RefusalCode.INVALID_STATE
    zh = "该依法保留已解除。"


class ErasedAlready(Refusal):
    """What was stored of this person was erased at {at}."""

    code = RefusalCode.INVALID_STATE
    zh = "该人的信息已于 {at} 清除。"


class RotationRunning(Refusal):
    """The keys are being rotated already."""

    code = RefusalCode.INVALID_STATE
    zh = "密钥轮换正在进行。"
