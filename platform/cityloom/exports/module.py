"""How exports are wired into the platform."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.subjects import Copies
from cityloom.core.text import Text
from cityloom.exports.api import Export, ExportsMutation, ExportsQuery
from cityloom.exports.events import EVENTS
from cityloom.exports.jobs import JOBS
from cityloom.exports.permissions import PERMISSIONS
from cityloom.exports.service import withdraw
from cityloom.exports.settings import ExportsSettings

MODULE = Module(
    name="exports",
    title=Text("导出", "Exports"),
    description=Text(
        "把任何查询的整张列表导出为文件:审批、水印、审计、到期删除。",
        "Whole lists of any query as files: approved by a second person, watermarked, audited, deleted in time.",
    ),
    is_core=True,
    settings=ExportsSettings,
    permissions=PERMISSIONS,
    tenant_api=GraphApi(queries=(ExportsQuery,), mutations=(ExportsMutation,), types=(Export,)),
    events=EVENTS,
    jobs=JOBS,
    copies=(Copies("exports", Text("导出文件", "Files of exports"), withdraw),),
)
