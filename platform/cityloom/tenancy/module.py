"""The manifest of tenants."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.tenancy.api.control import ControlMutation, ControlQuery
from cityloom.tenancy.api.own import TenancyQuery
from cityloom.tenancy.events import LimitChanged, ModuleSwitched, PackApplied, TenantStateChanged
from cityloom.tenancy.settings import TenancySettings

MODULE = Module(
    name="tenancy",
    title=Text("租户", "Tenants"),
    description=Text("城市、模块、设置、限额与配置包", "Cities with their modules, settings, limits and packs"),
    is_core=True,
    settings=TenancySettings,
    tenant_api=GraphApi(queries=(TenancyQuery,)),
    platform_api=GraphApi(queries=(ControlQuery,), mutations=(ControlMutation,)),
    events=(PackApplied, TenantStateChanged, ModuleSwitched, LimitChanged),
)
