"""How cases are wired into the platform."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.modules.cases.api.mutations import CasesMutation
from cityloom.modules.cases.api.queries import CasesQuery
from cityloom.modules.cases.api.shapes import (
    AreaCases,
    Case,
    CaseClockEntry,
    CasePhoto,
    CaseReport,
    CaseStep,
    CaseTask,
    CaseTracking,
    CaseTrackingStep,
    Matter,
    ResidentCases,
    Workflow,
    WorkflowState,
)
from cityloom.modules.cases.events import EVENTS
from cityloom.modules.cases.holdings import HOLDINGS
from cityloom.modules.cases.jobs import JOBS
from cityloom.modules.cases.pack import CasesPart
from cityloom.modules.cases.permissions import PERMISSIONS
from cityloom.modules.cases.settings import CasesSettings

MODULE = Module(
    name="cases",
    title=Text("事件", "Cases"),
    description=Text(
        "事项目录、流程、上报、派单、办理、验收与计时:从发现到销号的闭环。",
        "The matter catalogue, workflows, intake, handling and clocks: from report to closure.",
    ),
    needs=("areas", "registry", "grid"),
    settings=CasesSettings,
    permissions=PERMISSIONS,
    tenant_api=GraphApi(
        queries=(CasesQuery,),
        mutations=(CasesMutation,),
        extensions=(AreaCases, ResidentCases),
        types=(
            Case,
            CaseStep,
            CaseClockEntry,
            CasePhoto,
            CaseReport,
            CaseTask,
            CaseTracking,
            CaseTrackingStep,
            Matter,
            Workflow,
            WorkflowState,
        ),
    ),
    pack_parts=(CasesPart(),),
    events=EVENTS,
    jobs=JOBS,
    holdings=HOLDINGS,
)
