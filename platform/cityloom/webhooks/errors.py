"""What can be refused about webhooks."""

from __future__ import annotations

from cityloom.core.errors import NotFound, Refusal, RefusalCode


def endpoint_not_found(path: tuple[str | int, ...] = ("id",)) -> NotFound:
    """There is no such endpoint, or the caller may not know of it."""
    return NotFound(path=path, thing="webhook endpoint", thing_zh="推送端点")


def key_not_found(path: tuple[str | int, ...] = ("id",)) -> NotFound:
    """There is no such key, or the caller may not know of it."""
    return NotFound(path=path, thing="webhook key", thing_zh="推送密钥")


class ConditionsWrong(Refusal):
    """A filter names 1 to {most} facts with 1 to {most} values each, and {most} changed fields at most."""

    zh = "过滤条件最多列出 {most} 个事实(每个 1 至 {most} 个取值)和 {most} 个变更字段。"


class HeaderRefused(Refusal):
    """The header {name!r} cannot be sent: it is no token, the platform sets it, or its value has odd characters."""

    zh = "不能发送请求头 {name!r}:名称须为平台未使用的合法名称,值须为不含换行的可见字符。"


class TooManyPatterns(Refusal):
    """An endpoint names 1 to {most} patterns of events."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "一个端点须列出 1 至 {most} 个事件类型模式。"


class RateLimitWrong(Refusal):
    """A rate is from 1 to {most} deliveries a second."""

    zh = "速率须为每秒 1 至 {most} 条。"


class EndpointClosed(Refusal):
    """The endpoint is closed: its log can be read, nothing is sent there any more."""

    code = RefusalCode.INVALID_STATE
    zh = "该端点已关闭:只能查看其记录,不再推送。"


class EndpointNotPaused(Refusal):
    """The endpoint is not paused."""

    code = RefusalCode.INVALID_STATE
    zh = "该端点未暂停。"


class EndpointPausedAlready(Refusal):
    """The endpoint is paused already."""

    code = RefusalCode.INVALID_STATE
    zh = "该端点已暂停。"


class OrderingStuck(Refusal):
    """The order cannot be changed while {open} deliveries are open: wait for them, or create another endpoint."""

    code = RefusalCode.STILL_IN_USE
    zh = "尚有 {open} 条未完成的推送,不能更改顺序方式:请等待完成,或新建端点。"


class KeyRetired(Refusal):
    """The key is retired already."""

    code = RefusalCode.INVALID_STATE
    zh = "该密钥已停用。"


class KeyNotProven(Refusal):
    """The key cannot be retired: the endpoint has accepted no delivery signed by another key alone."""

    code = RefusalCode.INVALID_STATE
    zh = "不能停用该密钥:端点尚未接受仅由另一密钥签名的推送。"


class TooManyKeys(Refusal):
    """An endpoint has at most {most} keys of one algorithm at once: retire one first."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "一个端点同一算法最多同时有 {most} 个密钥:请先停用其一。"


class NothingToReplay(Refusal):
    """There is nothing to replay there: no finished delivery of this endpoint is named."""

    code = RefusalCode.NOT_FOUND
    zh = "没有可重放的推送。"


class ReplayTooLarge(Refusal):
    """At most {most} deliveries are replayed at once: ask for a narrower range."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "一次最多重放 {most} 条推送:请缩小范围。"


class CertificationUnderWay(Refusal):
    """The endpoint is being examined: wait for the result."""

    code = RefusalCode.CONFLICT
    zh = "该端点正在认证:请等待结果。"


class DescriptionTooLong(Refusal):
    """A description has at most {most} characters, none of them control characters."""

    zh = "说明最多 {most} 个字符,且不含控制字符。"


class EndpointStale(Refusal):
    """The endpoint was changed since it was read: read it again and repeat."""

    code = RefusalCode.STALE
    zh = "该端点已被更改:请重新读取后重试。"
