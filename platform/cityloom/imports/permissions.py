"""What may be done with imports, and which shipped roles may; each row needs the target's own permissions besides."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

STAFF = ("city_administrator", "street_lead", "community_worker")
READ, RUN, MAP = "imports.import.read", "imports.import.run", "imports.mapping.change"

PERMISSIONS = (
    Permission(READ, Text("查看批量导入及其报告", "See imports and what was found in them"), STAFF),
    Permission(RUN, Text("上传并执行批量导入", "Upload files and import them"), STAFF),
    Permission(MAP, Text("维护列对应关系", "Keep mappings of headers"), ("city_administrator",)),
)
