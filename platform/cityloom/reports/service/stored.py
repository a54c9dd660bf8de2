"""Reports as they are stored."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from cityloom.core.constraints import refusing
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.graph.wholes import Wholes
from cityloom.reports import events
from cityloom.reports import models as m
from cityloom.reports.errors import (
    CodeMalformed,
    ParameterUnknown,
    ReportCodeTaken,
    ReportInUse,
    ReportStale,
    TextMissing,
    absent,
)
from cityloom.reports.permissions import CHANGE, READ

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

TAG = "rprt"
_CODE: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")
_MOST_TITLE: Final = 200


@dataclass(frozen=True, slots=True)
class ReportValues:
    """What a report states. `parameters`: objects with `name`, `title_zh`, `title_en` and perhaps `default`."""

    title_zh: str
    title_en: str
    document: str
    parameters: list[dict[str, Any]] = field(default_factory=list)


async def find_report(work: Work, report_id: UUID | None, permission: str = READ, *, locked: bool = False) -> m.Report:
    """A report; refuses (`Forbidden`, `NotFound`)."""
    work.authorise(permission)
    query = select(m.Report).where(m.Report.id == report_id)
    found = await work.session.scalar(query.with_for_update() if locked else query)
    if found is None:
        raise absent()
    return found


async def checked_parameters(work: Work, values: ReportValues) -> list[dict[str, Any]]:
    """The parameters of a report, one for each variable of its query.

    Refuses (`ParameterUnknown`, and what `Wholes` refuses): where every variable has a value, the list is compiled.
    """
    wholes: Wholes = work.services[Wholes]
    prepared = await wholes.prepared(work.principal, values.document)
    defined = prepared.operation(None).variable_definitions or ()
    found = parameters_of([node.variable.name.value for node in defined], values.parameters)
    defaults = {one["name"]: one["default"] for one in found if "default" in one}
    required = {
        node.variable.name.value for node in defined if node.type.kind == "non_null_type" and node.default_value is None
    }
    if required <= defaults.keys():
        await wholes.whole(work.principal, values.document, defaults)
    return found


def parameters_of(variables: list[str], stated: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One parameter for each variable, in the query's order; a variable that nobody gave a title is called by its name.

    Refuses (`ParameterUnknown`) a parameter without a variable.
    """
    by_name = {str(one.get("name")): one for one in stated}
    for at, name in enumerate(by_name):
        if name not in variables:
            raise ParameterUnknown(path=("parameters", at), name=name, known=", ".join(variables) or "-")
    found = []
    for name in variables:
        one = by_name.get(name, {})
        made = {"name": name, "title_zh": one.get("title_zh") or name, "title_en": one.get("title_en") or name}
        found.append(made | ({"default": one["default"]} if "default" in one else {}))
    return found


async def create_report(work: Work, code: str, values: ReportValues) -> m.Report:
    """Store a report. Refuses (`Forbidden`, `CodeMalformed`, `TextMissing`, `ReportCodeTaken`, and as above)."""
    work.authorise(CHANGE)
    if not _CODE.match(code):
        raise CodeMalformed(path=("code",), code=code[:60])
    report = m.Report(
        id=new_id(),
        code=code,
        title_zh=text(values.title_zh, "title_zh"),
        title_en=text(values.title_en, "title_en"),
        document=values.document,
        parameters=await checked_parameters(work, values),
        is_from_pack=False,
        changed_at=work.now(),
    )
    async with refusing(work, {"uq_reports_tenant_id_code": lambda: ReportCodeTaken(path=("code",), code=code)}):
        work.session.add(report)
    work.emit(events.ReportCreated(subject_id=report.id, code=code))
    _audit(work, "reports.report.create", report, None)
    return report


async def change_report(
    work: Work, report_id: UUID | None, values: ReportValues, *, version: int | None = None
) -> m.Report:
    """State a report anew. Refuses (`Forbidden`, `NotFound`, `ReportStale`, and as above)."""
    report = await find_report(work, report_id, CHANGE, locked=True)
    if version is not None and version != report.version:
        raise ReportStale(current=report.version)
    before = _state(report)
    report.title_zh, report.title_en = text(values.title_zh, "title_zh"), text(values.title_en, "title_en")
    report.document, report.parameters = values.document, await checked_parameters(work, values)
    fields = tuple(name for name, value in _state(report).items() if before[name] != value)
    if fields:
        report.version += 1
        report.changed_at, report.is_from_pack = work.now(), False
        work.emit(events.ReportChanged(subject_id=report.id, code=report.code, fields=fields))
        _audit(work, "reports.report.change", report, before)
    return report


async def remove_report(work: Work, report_id: UUID | None) -> m.Report:
    """Remove a report with its schedules and snapshots. Refuses (`Forbidden`, `NotFound`, `ReportInUse`)."""
    report = await find_report(work, report_id, CHANGE, locked=True)
    async with refusing(work, {"fk_report_requests_tenant_id_report_id": ReportInUse}):
        await work.session.delete(report)
    work.emit(events.ReportRemoved(subject_id=report.id, code=report.code))
    entry = AuditEntry(
        action="reports.report.remove", object_tag=TAG, object_id=report.id, before=_state(report), after=None
    )
    work.audit(entry)
    return report


def text(value: str, path: str, *, least: int = 1, most: int = _MOST_TITLE) -> str:
    """A text without blanks around; refuses (`TextMissing`) one that is too short or too long."""
    found = value.strip()
    if not least <= len(found) <= most:
        raise TextMissing(path=(path,), least=least, most=most)
    return found


def _state(report: m.Report) -> dict[str, Any]:
    return {name: getattr(report, name) for name in ("title_zh", "title_en", "document", "parameters")}


def _audit(work: Work, action: str, report: m.Report, before: dict[str, Any] | None) -> None:
    work.audit(AuditEntry(action=action, object_tag=TAG, object_id=report.id, before=before, after=_state(report)))
