"""Refusals of access."""

from __future__ import annotations

from cityloom.core.errors import Refusal, RefusalCode


class PolicyLineWrong(Refusal):
    """{line!r} is not a rule: write `p, role, module.resource.action, allow|deny` or `g, role, parent`."""

    code = RefusalCode.INVALID_INPUT
    zh = "{line!r} 不是有效的规则:请写成 `p, 角色, 模块.资源.操作, allow|deny` 或 `g, 角色, 上级角色`。"


class PermissionUnknown(Refusal):
    """No permission matches {pattern!r}; the query `permissions` lists them."""

    code = RefusalCode.INVALID_INPUT
    zh = "没有与 {pattern!r} 匹配的权限;可用查询 permissions 列出全部权限。"


class RoleUnknown(Refusal):
    """There is no role {role!r} in this city."""

    code = RefusalCode.NOT_FOUND
    zh = "本城市没有角色 {role!r}。"


class TemplateUnknown(Refusal):
    """There is no role template {template!r}; shipped are {shipped}."""

    code = RefusalCode.INVALID_INPUT
    zh = "没有角色模板 {template!r};现有模板:{shipped}。"


class RoleCodeTaken(Refusal):
    """There is a role with the code {value!r} already."""

    code = RefusalCode.CONFLICT
    zh = "角色代码 {value!r} 已被使用。"


class RoleStillHeld(Refusal):
    """The role {role!r} is held by {memberships} memberships: revoke them first."""

    code = RefusalCode.STILL_IN_USE
    zh = "仍有 {memberships} 条授权使用角色 {role!r}:请先撤销。"


class RolesInCircle(Refusal):
    """The role {role!r} would inherit from itself, or through more than nine others."""

    code = RefusalCode.CONFLICT
    zh = "角色 {role!r} 将继承自身,或继承层级超过九级。"


class RuleAlreadyStated(Refusal):
    """The rule `{rule}` is stated already."""

    code = RefusalCode.CONFLICT
    zh = "规则 `{rule}` 已存在。"


class RuleNotStated(Refusal):
    """The rule `{rule}` is not stated, so it cannot be taken away."""

    code = RefusalCode.NOT_FOUND
    zh = "规则 `{rule}` 不存在,无法删除。"


class LoginTaken(Refusal):
    """There is an account with the login {value!r} already."""

    code = RefusalCode.CONFLICT
    zh = "登录名 {value!r} 已被使用。"


class ClientNameTaken(Refusal):
    """There is an API client with the name {value!r} already."""

    code = RefusalCode.CONFLICT
    zh = "接口客户端名称 {value!r} 已被使用。"


class AlreadyMember(Refusal):
    """The account holds this role in this scope already."""

    code = RefusalCode.CONFLICT
    zh = "该账号在此范围内已拥有该角色。"


class LastAdministratorKept(Refusal):
    """Nobody could administer the city after this change: name another administrator first."""

    code = RefusalCode.LAST_ADMINISTRATOR
    zh = "此更改将使城市失去最后一名管理员:请先指定另一名管理员。"


class AboveOwnRights(Refusal):
    """You cannot give {permission} there, because you do not hold it there yourself."""

    code = RefusalCode.ABOVE_OWN_RIGHTS
    zh = "您自己在该范围内没有权限 {permission},因此不能授予他人。"


class ProposalStale(Refusal):
    """Rules or memberships have changed since this proposal was made: propose it again."""

    code = RefusalCode.STALE
    zh = "自该提案提出以来,规则或授权已发生变化:请重新提出。"


class ProposalAlreadyApplied(Refusal):
    """This proposal was applied already."""

    code = RefusalCode.INVALID_STATE
    zh = "该提案已经应用。"


class TwoKeysActive(Refusal):
    """The client has two active keys already: revoke one first."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "该客户端已有两个有效密钥:请先吊销其中一个。"


class LoginRefused(Refusal):
    """Login or password is wrong."""

    code = RefusalCode.UNAUTHENTICATED
    zh = "登录名或密码不正确。"


class TooManyLogins(Refusal):
    """Too many failed logins: try again in {retryAfterSeconds} seconds."""

    code = RefusalCode.RATE_LIMITED
    zh = "登录失败次数过多:请在 {retryAfterSeconds} 秒后重试。"


class PasswordWeak(Refusal):
    """A password needs at least {minimum} characters, at most 256, and may not contain the login."""

    code = RefusalCode.INVALID_INPUT
    zh = "密码至少需要 {minimum} 个字符,最多 256 个,且不能包含登录名。"


class AccessUnavailable(Refusal):
    """Access rules cannot be checked at present, so everything is refused: try again shortly."""

    code = RefusalCode.UNAVAILABLE
    zh = "目前无法核对访问规则,所有请求均被拒绝:请稍后重试。"


class IssuerUnavailable(Refusal):
    """The identity provider's keys cannot be read at present: try again shortly."""

    code = RefusalCode.UNAVAILABLE
    zh = "目前无法读取身份提供方的密钥:请稍后重试。"


class IdentityProviderTaken(Refusal):
    """Tokens of {issuer} for the audience {audience!r} lead to another city: agree on an audience of its own."""

    code = RefusalCode.CONFLICT
    zh = "{issuer} 面向受众 {audience!r} 的令牌已归属其他城市:请使用独立的受众。"


class RoleStillHeldInPack(Refusal):
    """Somebody still holds one of the roles {roles}, which the pack does not have: export it first, or revoke them."""

    code = RefusalCode.STILL_IN_USE
    zh = "角色 {roles} 不在租户包中,但仍有人持有:请先导出租户包,或撤销相应授权。"


class DepartmentStillUsed(Refusal):
    """A department that is to go still has departments below it or members."""

    code = RefusalCode.STILL_IN_USE
    zh = "要删除的部门仍有下级部门或成员。"


class PackAreaUnknown(Refusal):
    """memberships.csv names the area {area!r}, which the city does not have."""

    code = RefusalCode.INVALID_PACK
    zh = "memberships.csv 引用了不存在的区域 {area!r}。"
