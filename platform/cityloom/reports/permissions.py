"""What may be done with reports, and which shipped roles may."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

READ, CHANGE, SCHEDULE = "reports.report.read", "reports.report.change", "reports.report.schedule"
REQUEST_READ, FILE, CONFIRM = "reports.request.read", "reports.request.file", "reports.request.confirm"
FIELDS = "reports.field.change"
ADMINISTRATOR = ("city_administrator",)
LEADS = (*ADMINISTRATOR, "street_lead")
STAFF = (*LEADS, "community_worker")

PERMISSIONS = (
    Permission(READ, Text("查看与运行报表", "See reports and run them"), (*STAFF, "grid_lead", "analyst")),
    Permission(CHANGE, Text("编制报表", "Make and change reports"), (*ADMINISTRATOR, "analyst")),
    Permission(SCHEDULE, Text("定时运行报表", "Have reports run by themselves"), (*LEADS, "analyst")),
    Permission(REQUEST_READ, Text("查看填表要求与减负统计", "See report requests and the burden"), (*STAFF, "analyst")),
    Permission(FILE, Text("提出与撤回填表要求", "File report requests and withdraw them"), LEADS),
    Permission(CONFIRM, Text("确认字段匹配", "Decide which fields need not be asked"), LEADS),
    Permission(FIELDS, Text("维护可派生字段目录", "Keep the catalogue of derivable fields"), ADMINISTRATOR),
)
