"""What may be allowed in events."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

READ = "events.event.read"

PERMISSIONS = (
    Permission(READ, Text("查看和订阅事件", "Read and follow events"), roles=("integrator", "auditor", "analyst")),
)
