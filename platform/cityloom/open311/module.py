"""How Open311 is wired into the platform."""

from __future__ import annotations

from cityloom.core.module import Module
from cityloom.core.text import Text
from cityloom.open311.settings import Open311Settings

MODULE = Module(
    name="open311",
    title=Text("Open311 接口", "Open311"),
    description=Text(
        "国际通用的 GeoReport v2 接口,供现成客户端上报和查询。",
        "GeoReport v2, for off-the-shelf clients that report and follow requests.",
    ),
    needs=("cases",),
    settings=Open311Settings,
)
