"""What may be done with files, and which shipped roles may."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

FIELD = ("city_administrator", "street_lead", "community_worker", "grid_lead", "grid_worker")
RESIDENTS = ("resident",)

PERMISSIONS = (
    Permission(
        "files.file.read",
        Text("查看附件(仅限可见事项的附件)", "See files, of things that they can see"),
        (*FIELD, "analyst", "integrator", *RESIDENTS),
    ),
    Permission("files.file.upload", Text("上传附件", "Upload files"), (*FIELD, "integrator", *RESIDENTS)),
    Permission(
        "files.ticket.issue",
        Text("发放一次性上传凭条", "Give tickets for uploads without a credential"),
        ("city_administrator", "integrator"),
    ),
)
