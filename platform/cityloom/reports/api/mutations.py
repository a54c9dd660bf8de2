"""The mutations of reports."""

from __future__ import annotations

from typing import Any

import strawberry

from cityloom.core.ids import decode_id, encode_id
from cityloom.core.work import Work
from cityloom.exports.api import Export, ExportFormat, ExportHeadings
from cityloom.exports.models import Export as ExportRow
from cityloom.graph import bound as b
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.reports import models as m
from cityloom.reports import service
from cityloom.reports.api.queries import values_given
from cityloom.reports.api.results import ReportRemoved, ReportScheduleRemoved
from cityloom.reports.api.shapes import Report, ReportField, ReportRequest, ReportSchedule, ReportSnapshot
from cityloom.reports.api.words import ReportFrequency, ReportRequestAnswer, ReportRhythm
from cityloom.reports.service.requests import AskedField

_VALUES = "Values of its parameters by name; their defaults where they are not given."
_VERSION = "The `version` that you read; the change is refused as STALE if it is not the current one. Or nothing."


@b.input_type(description="A parameter of a report: a variable of its query.")
class ReportParameterInput:
    """See `service.ReportValues`."""

    name: str = strawberry.field(description="The variable, without `$`.")
    title_zh: str = strawberry.field(description="What it is called in Chinese.")
    title_en: str = strawberry.field(description="What it is called in English.")
    default: b.JSON | None = strawberry.field(description="Its value where none is given.", default=None)


@b.input_type(description="What `reportCreate` stores.")
class ReportCreateInput:
    """See `service.create_report`."""

    code: str = strawberry.field(description="Small letters, digits, underscores, hyphens; unique in the city.")
    title_zh: str = strawberry.field(description="What it is called in Chinese.")
    title_en: str = strawberry.field(description="What it is called in English.")
    document: str = strawberry.field(
        description="A query with one root field: a connection, a list or an aggregate; as in `exportRequest`."
    )
    parameters: list[ReportParameterInput] = strawberry.field(
        description="Titles and defaults of its variables.", default_factory=list
    )


@b.input_type(description="What `reportChange` states anew.")
class ReportChangeInput:
    """See `service.change_report`."""

    id: strawberry.ID = strawberry.field(description="The report.")
    title_zh: str = strawberry.field(description="What it is called in Chinese.")
    title_en: str = strawberry.field(description="What it is called in English.")
    document: str = strawberry.field(description="The query.")
    parameters: list[ReportParameterInput] = strawberry.field(
        description="Titles and defaults of its variables.", default_factory=list
    )
    version: int | None = strawberry.field(description=_VERSION, default=None)


@b.input_type(description="What `reportRemove` removes.")
class ReportRemoveInput:
    """See `service.remove_report`."""

    id: strawberry.ID = strawberry.field(description="The report.")


@b.input_type(description="What `reportSnapshotTake` keeps.")
class ReportSnapshotTakeInput:
    """See `service.take_snapshot`."""

    id: strawberry.ID = strawberry.field(description="The report.")
    values: b.JSON | None = strawberry.field(description=_VALUES, default=None)


@b.input_type(description="What `reportExport` asks for.")
class ReportExportInput:
    """See `service.export_report`."""

    id: strawberry.ID = strawberry.field(description="The report.")
    values: b.JSON | None = strawberry.field(description=_VALUES, default=None)
    purpose: str = strawberry.field(description="What the file is needed for; it stands in it.")
    format: ExportFormat = strawberry.field(description="What kind of file to make.", default=ExportFormat.XLSX)
    headings: ExportHeadings = strawberry.field(description="The language of column names.", default=ExportHeadings.ZH)


@b.input_type(description="What `reportScheduleCreate` sets up.")
class ReportScheduleCreateInput:
    """See `service.create_schedule`."""

    id: strawberry.ID = strawberry.field(description="The report.")
    rhythm: ReportRhythm = strawberry.field(description="How often.")
    at: str = strawberry.field(description="The time of day in the city's zone, for example 08:30.")
    day: int | None = strawberry.field(
        description="The weekday (1 is Monday) or the day of the month (1 to 28), for those rhythms.", default=None
    )
    values: b.JSON | None = strawberry.field(description=_VALUES, default=None)


@b.input_type(description="What `reportScheduleRemove` stops.")
class ReportScheduleRemoveInput:
    """See `service.remove_schedule`."""

    id: strawberry.ID = strawberry.field(description="The schedule.")


@b.input_type(description="One field of a form.")
class ReportRequestFieldInput:
    """See `service.Asked`."""

    name: str = strawberry.field(description="What it is called in the form.")
    minutes: int = strawberry.field(description="How many minutes it takes one who fills it in.")


@b.input_type(description="What `reportRequestFile` files.")
class ReportRequestFileInput:
    """See `service.file_request`."""

    title: str = strawberry.field(description="What it is called.")
    department_id: strawberry.ID = strawberry.field(description="The department that asks.")
    frequency: ReportFrequency = strawberry.field(description="How often it is to be filled in.")
    units: int = strawberry.field(description="How many are to fill it in: communities, grids, …")
    fields: list[ReportRequestFieldInput] = strawberry.field(description="What it asks for, from 1 to 100 fields.")
    on_derivable: ReportRequestAnswer | None = strawberry.field(
        description="What becomes of it if the platform knows every field already; refused where nothing is said.",
        default=None,
    )
    override_reason: str | None = strawberry.field(description="Why it is asked for nevertheless.", default=None)


@b.input_type(description="What `reportRequestDecide` decides.")
class ReportRequestDecideInput:
    """See `service.decide_request`."""

    id: strawberry.ID = strawberry.field(description="The request.")
    confirmed: list[int] = strawberry.field(
        description="Positions of fields whose match is right: nobody fills them in.", default_factory=list
    )
    rejected: list[int] = strawberry.field(
        description="Positions of fields whose match is wrong: they are filled in.", default_factory=list
    )


@b.input_type(description="What `reportRequestWithdraw` takes back.")
class ReportRequestWithdrawInput:
    """See `service.withdraw_request`."""

    id: strawberry.ID = strawberry.field(description="The request.")


@b.input_type(description="What `derivableFieldDefine` states.")
class DerivableFieldDefineInput:
    """See `service.define_field`."""

    code: str = strawberry.field(
        description="Small letters, digits, underscores, hyphens. One that is there is stated anew."
    )
    title_zh: str = strawberry.field(description="What it is called in Chinese.")
    title_en: str = strawberry.field(description="What it is called in English.")
    root_field: str = strawberry.field(description="The list, as `reportRoots` names it.")
    path: str = strawberry.field(description="The field, as `reportFields` tells it.")
    synonyms: list[str] = strawberry.field(description="Other names by which people ask for it.", default_factory=list)


def _stated(input: ReportCreateInput | ReportChangeInput) -> service.ReportValues:  # noqa: A002 - as in GraphQL
    parameters: list[dict[str, Any]] = []
    for one in input.parameters:
        made = {"name": one.name, "title_zh": one.title_zh, "title_en": one.title_en}
        parameters.append(made if one.default is None else made | {"default": one.default})
    return service.ReportValues(input.title_zh, input.title_en, input.document, parameters)


async def _create(work: Work, input: ReportCreateInput) -> m.Report:  # noqa: A002 - the argument's name in GraphQL
    return await service.create_report(work, input.code, _stated(input))


async def _change(work: Work, input: ReportChangeInput) -> m.Report:  # noqa: A002 - as above
    report_id = decode_id(input.id, work.tenant_id, "rprt", path=("id",))
    return await service.change_report(work, report_id, _stated(input), version=input.version)


async def _remove(work: Work, input: ReportRemoveInput) -> ReportRemoved:  # noqa: A002 - as above
    report = await service.remove_report(work, decode_id(input.id, work.tenant_id, "rprt", path=("id",)))
    return ReportRemoved(id=strawberry.ID(encode_id("rprt", work.tenant_id, report.id)), code=report.code)


async def _take(work: Work, input: ReportSnapshotTakeInput) -> m.ReportSnapshot:  # noqa: A002 - as above
    report_id = decode_id(input.id, work.tenant_id, "rprt", path=("id",))
    return await service.take_snapshot(work, report_id, values_given(input.values))


async def _export(work: Work, input: ReportExportInput) -> ExportRow:  # noqa: A002 - as above
    return await service.export_report(
        work,
        decode_id(input.id, work.tenant_id, "rprt", path=("id",)),
        values_given(input.values),
        purpose=input.purpose,
        format_=str(input.format.value),
        locale="en" if input.headings is ExportHeadings.EN else "zh",
    )


async def _schedule(work: Work, input: ReportScheduleCreateInput) -> m.ReportSchedule:  # noqa: A002 - as above
    return await service.create_schedule(
        work,
        decode_id(input.id, work.tenant_id, "rprt", path=("id",)),
        rhythm=str(input.rhythm.value),
        at=input.at,
        day=input.day,
        given=values_given(input.values),
    )


async def _unschedule(work: Work, input: ReportScheduleRemoveInput) -> ReportScheduleRemoved:  # noqa: A002 - as above
    schedule = await service.remove_schedule(work, decode_id(input.id, work.tenant_id, "rsch", path=("id",)))
    return ReportScheduleRemoved(id=strawberry.ID(encode_id("rsch", work.tenant_id, schedule.id)))


async def _file(work: Work, input: ReportRequestFileInput) -> m.ReportRequest:  # noqa: A002 - as above
    asked = service.Asked(
        title=input.title,
        frequency=str(input.frequency.value),
        units=input.units,
        fields=[AskedField(one.name, one.minutes) for one in input.fields],
        on_derivable=None if input.on_derivable is None else str(input.on_derivable.value),
        override_reason=input.override_reason,
    )
    department_id = decode_id(input.department_id, work.tenant_id, "dept", path=("department_id",))
    return await service.file_request(work, department_id, asked)


async def _decide(work: Work, input: ReportRequestDecideInput) -> m.ReportRequest:  # noqa: A002 - as above
    return await service.decide_request(
        work,
        decode_id(input.id, work.tenant_id, "rreq", path=("id",)),
        confirmed=input.confirmed,
        rejected=input.rejected,
    )


async def _withdraw(work: Work, input: ReportRequestWithdrawInput) -> m.ReportRequest:  # noqa: A002 - as above
    return await service.withdraw_request(work, decode_id(input.id, work.tenant_id, "rreq", path=("id",)))


async def _define(work: Work, input: DerivableFieldDefineInput) -> m.ReportField:  # noqa: A002 - as above
    return await service.define_field(
        work,
        input.code,
        title_zh=input.title_zh,
        title_en=input.title_en,
        root=input.root_field,
        path=input.path,
        synonyms=input.synonyms,
    )


@mutation_root(module="reports")
class ReportsMutation:
    """Storing and running reports, and asking communities for less."""

    report_create: Report = mutation(_create, "Store a report (新建报表).")
    report_change: Report = mutation(_change, "State a report anew.")
    report_remove: ReportRemoved = mutation(_remove, "Remove a report with its schedules and snapshots.")
    report_snapshot_take: ReportSnapshot = mutation(_take, "Run a report and keep its result, to compare it later.")
    report_export: Export = mutation(_export, "Ask for a report as a file; the rules of `exportRequest` hold.")
    report_schedule_create: ReportSchedule = mutation(
        _schedule, "Have a report run by itself with your rights, and its results kept (定时报表)."
    )
    report_schedule_remove: ReportScheduleRemoved = mutation(_unschedule, "Stop a schedule.")
    report_request_file: ReportRequest = mutation(
        _file,
        "File what a department wants communities to fill in (提出填表要求). What the platform can derive, or is asked"
        " for elsewhere, is proposed not to be asked.",
    )
    report_request_decide: ReportRequest = mutation(
        _decide, "Say which proposals are right: those fields nobody fills in (确认免填字段)."
    )
    report_request_withdraw: ReportRequest = mutation(_withdraw, "Ask for something no longer (撤回填表要求).")
    derivable_field_define: ReportField = mutation(
        _define, "Put a field into the catalogue of what can be derived, or give it other names."
    )
