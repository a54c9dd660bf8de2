"""What happens to a tenant, as its own subscribers see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cityloom.core.events import Event

#: Type tag of a tenant's global id.
TENANT_TAG = "tent"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackApplied(Event):
    """The tenant's configuration was brought to what a pack states."""

    type: ClassVar[str] = "tenancy.pack.applied.v1"
    subject_tag: ClassVar[str] = TENANT_TAG
    zh: ClassVar[str] = "配置包已应用到该城市。"

    pack_digest: str
    added: int
    changed: int
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantStateChanged(Event):
    """The tenant was suspended or resumed, is to leave the platform, or stays after all."""

    type: ClassVar[str] = "tenancy.tenant.state_changed.v1"
    subject_tag: ClassVar[str] = TENANT_TAG
    zh: ClassVar[str] = "该城市已暂停或恢复服务,或即将退出平台,或撤回退出。"

    state: str
    former_state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSwitched(Event):
    """A module was switched on or off, or its settings were changed."""

    type: ClassVar[str] = "tenancy.module.switched.v1"
    subject_tag: ClassVar[str] = TENANT_TAG
    zh: ClassVar[str] = "模块已启用或停用,或其设置已变更。"

    module: str
    is_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChanged(Event):
    """A limit of the tenant was changed; None stands for the platform's default."""

    type: ClassVar[str] = "tenancy.limit.changed.v1"
    subject_tag: ClassVar[str] = TENANT_TAG
    zh: ClassVar[str] = "该城市的某项限额已变更;为空表示使用平台默认值。"

    limit: str
    value: int | None
