"""What may be done to areas, and which shipped roles may."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

EVERYONE = (
    "street_lead",
    "community_worker",
    "grid_lead",
    "grid_worker",
    "analyst",
    "integrator",
    "resident",
    "auditor",
)

PERMISSIONS = (
    Permission("areas.area.read", Text("查看区域", "See areas"), ("city_administrator", *EVERYONE)),
    Permission("areas.area.create", Text("新建区域", "Create areas"), ("city_administrator",)),
    Permission(
        "areas.area.change", Text("修改区域名称与边界", "Change names and boundaries of areas"), ("city_administrator",)
    ),
    Permission("areas.area.close", Text("停用区域", "Close areas"), ("city_administrator",)),
    Permission(
        "areas.area.restructure", Text("调整、合并、拆分区域", "Move, merge and split areas"), ("city_administrator",)
    ),
)
