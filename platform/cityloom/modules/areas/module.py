"""How areas are wired into the platform."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.modules.areas import events
from cityloom.modules.areas.api.mutations import AreasMutation
from cityloom.modules.areas.api.queries import AreasQuery
from cityloom.modules.areas.api.shapes import Area, AreaChange, AreaKind, EventArea, MembershipArea
from cityloom.modules.areas.pack import AreasPart
from cityloom.modules.areas.permissions import PERMISSIONS

MODULE = Module(
    name="areas",
    title=Text("区域", "Areas"),
    description=Text(
        "街道、社区、网格等任意层级的区域树:代码、边界、定位,以及调整、合并与拆分。",
        "The tree of territory, of any depth: codes, boundaries, point lookup, moves, mergers and splits.",
    ),
    is_core=True,
    permissions=PERMISSIONS,
    tenant_api=GraphApi(
        queries=(AreasQuery,),
        mutations=(AreasMutation,),
        extensions=(MembershipArea, EventArea),
        types=(Area, AreaKind, AreaChange),
    ),
    pack_parts=(AreasPart(),),
    events=(
        events.AreaCreated,
        events.AreaChanged,
        events.AreaBoundarySet,
        events.AreaClosed,
        events.AreaMoved,
        events.AreaMerged,
        events.AreaSplit,
        events.TreeWritten,
    ),
)
