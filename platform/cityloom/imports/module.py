"""How imports are wired into the platform."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.imports.api.mutations import ImportsMutation
from cityloom.imports.api.shapes import Import, ImportFinding, ImportMapping, ImportsQuery
from cityloom.imports.events import EVENTS
from cityloom.imports.jobs import JOBS
from cityloom.imports.permissions import PERMISSIONS
from cityloom.imports.settings import ImportsSettings

MODULE = Module(
    name="imports",
    title=Text("批量导入", "Imports"),
    description=Text(
        "从 CSV 与 XLSX 批量导入:先校验、再整体生效;全部成功或毫无更改。",
        "Rows from CSV and XLSX files: checked first, then taken over all at once or not at all.",
    ),
    is_core=True,
    settings=ImportsSettings,
    permissions=PERMISSIONS,
    tenant_api=GraphApi(
        queries=(ImportsQuery,), mutations=(ImportsMutation,), types=(Import, ImportFinding, ImportMapping)
    ),
    events=EVENTS,
    jobs=JOBS,
)
