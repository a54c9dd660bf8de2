"""What may be done with cases, and which shipped roles may."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

ADMINISTRATOR = ("city_administrator",)
STAFF = (*ADMINISTRATOR, "street_lead", "community_worker")
FIELD = (*STAFF, "grid_lead", "grid_worker")
READERS = (*FIELD, "analyst", "integrator")
RESIDENTS = ("resident",)

PERMISSIONS = (
    Permission("cases.case.read", Text("查看事件", "See cases"), (*READERS, *RESIDENTS)),
    Permission("cases.case.report", Text("上报事件", "Report cases"), (*FIELD, "integrator", *RESIDENTS)),
    Permission(
        "cases.case.track", Text("凭查询码查看进度", "Follow a case by its tracking code"), (*READERS, *RESIDENTS)
    ),
    Permission(
        "cases.case.handle",
        Text("办理事件(流程另行限定谁可办理)", "Handle cases, as far as their workflow allows it"),
        (*FIELD, *RESIDENTS),
    ),
    Permission("cases.case.comment", Text("为事件添加备注", "Comment on cases"), FIELD),
    Permission("cases.case.supervise", Text("督办、催办", "Supervise and remind"), STAFF),
    Permission("cases.case.merge", Text("合并重复事件", "Merge duplicates"), (*STAFF, "grid_lead")),
    Permission("cases.case.visit", Text("回访", "Make return visits"), STAFF),
    Permission("cases.task.read", Text("查看协办任务", "See tasks of co-handlers"), READERS),
    Permission("cases.report.read", Text("查看上报记录", "See reports"), (*FIELD, "analyst")),
    Permission("cases.report.phone.masked", Text("查看脱敏联系电话", "See masked phone numbers"), (*FIELD, "analyst")),
    Permission("cases.report.phone.full", Text("查看完整联系电话", "See whole phone numbers"), ADMINISTRATOR),
    Permission("cases.matter.read", Text("查看事项目录", "See the matter catalogue"), (*READERS, *RESIDENTS)),
    Permission("cases.matter.propose", Text("申请事项准入", "Propose matters"), STAFF),
    Permission("cases.matter.approve", Text("审批事项准入", "Admit matters"), ADMINISTRATOR),
    Permission("cases.workflow.read", Text("查看流程", "See workflows"), (*READERS, *RESIDENTS)),
    Permission("cases.workflow.publish", Text("发布流程", "Publish workflows"), ADMINISTRATOR),
)
