"""What the compiler refuses to compile or to bind: always data of the request, never a bug."""

from __future__ import annotations

from cityloom.core.errors import Refusal, RefusalCode


class PageSizeRefused(Refusal):
    """`{argument}` is {given}: a page has from 0 to {largest} items."""

    code = RefusalCode.INVALID_INPUT
    zh = "`{argument}` 的值为 {given}:每页条数须在 0 到 {largest} 之间。"


class PageBothWays(Refusal):
    """`first` and `last` exclude each other: give one of them."""

    code = RefusalCode.INVALID_INPUT
    zh = "`first` 与 `last` 不能同时使用:请只给出其中一个。"


class CursorRefused(Refusal):
    """`{argument}` is not a cursor of this list in this ordering: use what `cursor`.

    `startCursor` or `endCursor` answered.
    """

    code = RefusalCode.INVALID_INPUT
    zh = "`{argument}` 不是此列表在当前排序下的游标:请使用 `cursor`、`startCursor` 或 `endCursor` 返回的值。"


class TextRefused(Refusal):
    """The text holds a character that cannot be stored (U+0000 or half of a surrogate pair)."""

    code = RefusalCode.INVALID_INPUT
    zh = "文本中含有无法存储的字符(U+0000 或不成对的代理字符)。"


class NumberRefused(Refusal):
    """The value is outside of what can be compared with this field."""

    code = RefusalCode.INVALID_INPUT
    zh = "该值超出此字段可比较的范围。"


class TooManyIds(Refusal):
    """{given} ids were given: at most {largest} are answered at once."""

    code = RefusalCode.INVALID_INPUT
    zh = "给出了 {given} 个编号:一次最多 {largest} 个。"


class SelectionTooLarge(Refusal):
    """The operation selects more than {largest} fields in all: ask for less at once."""

    code = RefusalCode.TOO_EXPENSIVE
    zh = "该操作总共选择了超过 {largest} 个字段:请减少一次请求的内容。"


class FilterForbidden(Refusal):
    """You may not filter by {name}: it needs the permission {permission}."""

    code = RefusalCode.FORBIDDEN
    zh = "您不能按 {name} 筛选:需要权限 {permission}。"


class NotWhole(Refusal):
    """The document cannot be taken as one whole list: {why}."""

    code = RefusalCode.INVALID_INPUT
    zh = "该文档不能作为整表处理:{why}。"
