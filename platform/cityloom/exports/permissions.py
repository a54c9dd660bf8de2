"""What may be done with exports, and which shipped roles may."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

REQUEST, READ, APPROVE = "exports.export.request", "exports.export.read", "exports.export.approve"
#: The protected field: the values that a document was run with.
VARIABLES = "exports.export.variables"
ADMINISTRATOR = ("city_administrator",)
ASKERS = (*ADMINISTRATOR, "street_lead", "community_worker", "analyst", "integrator")

PERMISSIONS = (
    Permission(REQUEST, Text("申请导出", "Ask for exports"), ASKERS),
    Permission(READ, Text("查看导出记录", "See exports: one's own, city-wide grants all"), (*ASKERS, "auditor")),
    Permission(APPROVE, Text("审批导出", "Approve exports of others"), ADMINISTRATOR),
    Permission(
        f"{VARIABLES}.full", Text("查看导出的查询条件值", "See the values that exports filter by"), ADMINISTRATOR
    ),
)
