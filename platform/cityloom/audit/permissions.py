"""What may be allowed in the audit log."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

READ = "audit.record.read"

PERMISSIONS = (Permission(READ, Text("查看审计日志", "Read the audit log"), roles=("auditor",)),)
