"""What has happened in access, for streams and webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from cityloom.core.events import Event
from cityloom.tenancy.events import TENANT_TAG

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCreated(Event):
    """There is a new account."""

    type: ClassVar[str] = "access.account.created.v1"
    subject_tag: ClassVar[str] = "acct"
    zh: ClassVar[str] = "新增账号。"

    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged(Event):
    """An account has other details, or was switched on or off."""

    type: ClassVar[str] = "access.account.changed.v1"
    subject_tag: ClassVar[str] = "acct"
    zh: ClassVar[str] = "账号资料已变更,或已启用、停用。"

    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSet(Event):
    """An account has a new password."""

    type: ClassVar[str] = "access.account.password_set.v1"
    subject_tag: ClassVar[str] = "acct"
    zh: ClassVar[str] = "账号设置了新密码。"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCreated(Event):
    """Somebody has signed in with a password."""

    type: ClassVar[str] = "access.session.created.v1"
    subject_tag: ClassVar[str] = "sesn"
    zh: ClassVar[str] = "有人使用密码登录。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRevoked(Event):
    """A session has ended before its time."""

    type: ClassVar[str] = "access.session.revoked.v1"
    subject_tag: ClassVar[str] = "sesn"
    zh: ClassVar[str] = "会话提前结束。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipGranted(Event):
    """An account holds a role within a scope."""

    type: ClassVar[str] = "access.membership.granted.v1"
    subject_tag: ClassVar[str] = "memb"
    zh: ClassVar[str] = "账号在某一范围内被授予角色。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID
    role: str
    scope_kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipRevoked(Event):
    """An account holds a role no more within a scope."""

    type: ClassVar[str] = "access.membership.revoked.v1"
    subject_tag: ClassVar[str] = "memb"
    zh: ClassVar[str] = "账号在某一范围内的角色被收回。"
    nodes: ClassVar[Mapping[str, str]] = {"account_id": "acct"}

    account_id: UUID
    role: str
    scope_kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChanged(Event):
    """A role was made, renamed or deleted."""

    type: ClassVar[str] = "access.role.changed.v1"
    subject_tag: ClassVar[str] = "role"
    zh: ClassVar[str] = "角色已新建、更名或删除。"

    role: str
    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChanged(Event):
    """Rules of a role were added or taken away."""

    type: ClassVar[str] = "access.policy.changed.v1"
    subject_tag: ClassVar[str] = "role"
    zh: ClassVar[str] = "角色的权限规则有增减。"

    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyProposed(Event):
    """A change of rules was proposed and previewed."""

    type: ClassVar[str] = "access.policy.proposed.v1"
    subject_tag: ClassVar[str] = "prop"
    zh: ClassVar[str] = "有人提出权限规则变更并预览了影响。"

    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyApplied(Event):
    """A proposed change of rules holds now."""

    type: ClassVar[str] = "access.policy.applied.v1"
    subject_tag: ClassVar[str] = "prop"
    zh: ClassVar[str] = "权限规则变更提案已生效。"

    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChanged(Event):
    """An API client was made, changed, or switched off."""

    type: ClassVar[str] = "access.client.changed.v1"
    subject_tag: ClassVar[str] = "clnt"
    zh: ClassVar[str] = "API 客户端已新建、变更或停用。"

    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProviderChanged(Event):
    """An operator registered or disabled an identity provider of the city: the subject is the tenant."""

    type: ClassVar[str] = "access.identity_provider.changed.v1"
    subject_tag: ClassVar[str] = TENANT_TAG
    zh: ClassVar[str] = "平台运维人员登记或停用了该城市的身份提供方;对象为该城市。"

    issuer: str
    audience: str
    is_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessWritten(Event):
    """A pack was applied: the subject is the tenant; `tables` names the files whose rows differ now."""

    type: ClassVar[str] = "access.pack.written.v1"
    subject_tag: ClassVar[str] = TENANT_TAG
    zh: ClassVar[str] = "配置包已应用;对象为该城市,tables 列出有变化的文件。"

    tables: tuple[str, ...]


EVENTS = (
    AccessWritten,
    AccountCreated,
    AccountChanged,
    PasswordSet,
    SessionCreated,
    SessionRevoked,
    MembershipGranted,
    MembershipRevoked,
    RoleChanged,
    PolicyChanged,
    PolicyProposed,
    PolicyApplied,
    ClientChanged,
    IdentityProviderChanged,
)
