"""How reports are wired into the platform."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.subjects import Copies
from cityloom.core.text import Text
from cityloom.reports.api.mutations import ReportsMutation
from cityloom.reports.api.queries import ReportsQuery
from cityloom.reports.api.shapes import (
    Report,
    ReportField,
    ReportRequest,
    ReportRequestField,
    ReportSchedule,
    ReportSnapshot,
)
from cityloom.reports.events import EVENTS
from cityloom.reports.jobs import JOBS
from cityloom.reports.pack import ReportsPart
from cityloom.reports.permissions import PERMISSIONS
from cityloom.reports.service import withdraw_snapshots
from cityloom.reports.settings import ReportsSettings

MODULE = Module(
    name="reports",
    title=Text("报表", "Reports"),
    description=Text(
        "勾选成表、定时运行、快照对比;填表要求的自动派生与减负统计。",
        "Reports from ticks, schedules, snapshots to compare; what departments need not ask, and what that saves.",
    ),
    needs=("exports",),
    settings=ReportsSettings,
    permissions=PERMISSIONS,
    tenant_api=GraphApi(
        queries=(ReportsQuery,),
        mutations=(ReportsMutation,),
        types=(Report, ReportSchedule, ReportSnapshot, ReportField, ReportRequest, ReportRequestField),
    ),
    pack_parts=(ReportsPart(),),
    events=EVENTS,
    jobs=JOBS,
    copies=(Copies("report_snapshots", Text("报表快照", "Snapshots of reports"), withdraw_snapshots),),
)
