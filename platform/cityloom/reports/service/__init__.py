"""What can be done with reports and report requests."""

from cityloom.reports.service.requests import (
    Asked,
    burden,
    decide_request,
    define_field,
    file_request,
    withdraw_request,
)
from cityloom.reports.service.results import Result, export_report, run_report
from cityloom.reports.service.schedules import create_schedule, remove_schedule, run_schedules
from cityloom.reports.service.snapshots import (
    compare_snapshots,
    forget_snapshots,
    read_snapshot,
    take_snapshot,
    withdraw_snapshots,
)
from cityloom.reports.service.stored import ReportValues, change_report, create_report, remove_report

__all__ = [
    "Asked",
    "ReportValues",
    "Result",
    "burden",
    "change_report",
    "compare_snapshots",
    "create_report",
    "create_schedule",
    "decide_request",
    "define_field",
    "export_report",
    "file_request",
    "forget_snapshots",
    "read_snapshot",
    "remove_report",
    "remove_schedule",
    "run_report",
    "run_schedules",
    "take_snapshot",
    "withdraw_request",
    "withdraw_snapshots",
]
