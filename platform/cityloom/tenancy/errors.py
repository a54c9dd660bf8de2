"""Refusals about tenants."""

from __future__ import annotations

from typing import ClassVar

from cityloom.core.errors import Refusal, RefusalCode


class TenantNotFound(Refusal):
    """There is no tenant {slug!r}."""

    code: ClassVar[RefusalCode] = RefusalCode.NOT_FOUND
    zh = "没有租户 {slug!r}。"


class TenantSuspended(Refusal):
    """The city is suspended: it can be read but not changed. Ask the platform's operator to resume it."""

    code: ClassVar[RefusalCode] = RefusalCode.TENANT_SUSPENDED
    zh = "该城市已暂停服务:可以查询,不能更改。请联系平台运营方恢复。"


class TenantLeaving(Refusal):
    """The city is leaving the platform: nobody can sign in, and nothing can be read or changed. Ask its operator."""

    code: ClassVar[RefusalCode] = RefusalCode.TENANT_SUSPENDED
    zh = "该城市正在退出平台:不能登录,也不能查询或更改任何数据。请联系平台运营方。"


class TenantGone(Refusal):
    """The city {slug!r} has left the platform; its short name is not given to another."""

    code: ClassVar[RefusalCode] = RefusalCode.INVALID_STATE
    zh = "城市 {slug!r} 已退出平台;其短名称不再分配给其他城市。"


class TenantStateUnfit(Refusal):
    """The tenant is {state}; this can be done when it is {needed}."""

    code: ClassVar[RefusalCode] = RefusalCode.INVALID_STATE
    zh = "租户当前状态为 {state},此操作需要状态 {needed}。"


class ModuleUnknown(Refusal):
    """There is no module {module!r}; known: {known}."""

    code: ClassVar[RefusalCode] = RefusalCode.NOT_FOUND
    zh = "没有模块 {module!r};可用:{known}。"


class ModuleAlwaysOn(Refusal):
    """The module {module!r} belongs to the platform's core and cannot be switched off."""

    code: ClassVar[RefusalCode] = RefusalCode.INVALID_STATE
    zh = "模块 {module!r} 属于平台核心,不能关闭。"


class ModuleStillNeeded(Refusal):
    """The module {module!r} cannot be switched off while these need it: {needed_by}."""

    code: ClassVar[RefusalCode] = RefusalCode.STILL_IN_USE
    zh = "模块 {module!r} 不能关闭,以下模块依赖它:{needed_by}。"


class ModuleNeedsOthers(Refusal):
    """The module {module!r} needs these, which are off: {missing}."""

    code: ClassVar[RefusalCode] = RefusalCode.INVALID_STATE
    zh = "模块 {module!r} 需要先启用:{missing}。"


class SettingsRefused(Refusal):
    """Settings of the module {module!r}: {reason_en}"""  # noqa: D415 - ends with the reason

    code: ClassVar[RefusalCode] = RefusalCode.INVALID_INPUT
    zh = "模块 {module!r} 的设置有误:{reason_zh}"


class LimitUnknown(Refusal):
    """There is no limit {limit!r}; known: {known}."""

    code: ClassVar[RefusalCode] = RefusalCode.NOT_FOUND
    zh = "没有限额 {limit!r};可用:{known}。"


class LimitOutOfBounds(Refusal):
    """The limit {limit!r} must lie between {least} and {most}; given: {value}."""

    code: ClassVar[RefusalCode] = RefusalCode.INVALID_INPUT
    zh = "限额 {limit!r} 须在 {least} 与 {most} 之间;实际为 {value}。"


class TenantLimitReached(Refusal):
    """The city may have {value} under its limit {limit!r}, and this would make it {actual}: ask for a higher limit."""

    code: ClassVar[RefusalCode] = RefusalCode.LIMIT_EXCEEDED
    zh = "该城市的限额 {limit!r} 为 {value},此操作将使其达到 {actual}:请申请提高限额。"


class PackBeingApplied(Refusal):
    """The configuration of {slug!r} is being changed by somebody else; try again when that is done."""

    code: ClassVar[RefusalCode] = RefusalCode.CONFLICT
    zh = "{slug!r} 的配置正在被他人更改,请稍后重试。"


class PlanStale(Refusal):
    """The plan is no longer true: the pack or the city has changed since. Plan again and look at the difference."""

    code: ClassVar[RefusalCode] = RefusalCode.STALE
    zh = "计划已过期:配置包或城市数据已发生变化,请重新生成计划并核对差异。"


class PackFolderUnknown(Refusal):
    """There is no pack {name!r} on the server; there are: {known}."""

    code: ClassVar[RefusalCode] = RefusalCode.NOT_FOUND
    zh = "服务器上没有配置包 {name!r};现有:{known}。"
