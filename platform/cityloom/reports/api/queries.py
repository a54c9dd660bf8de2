"""The root query fields of reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import select

from cityloom.access.models import Department
from cityloom.core.ids import decode_id, encode_id
from cityloom.exports.titles import headings, title, word
from cityloom.graph import bound as b
from cityloom.graph.context import GraphContext
from cityloom.graph.wholes import Wholes
from cityloom.reports import service
from cityloom.reports.api.results import (
    BurdenStat,
    ReportColumn,
    ReportComparison,
    ReportComposition,
    ReportResult,
    ReportRoot,
    ReportTick,
    shown_comparison,
    shown_result,
    shown_tick_kind,
)
from cityloom.reports.api.shapes import Report, ReportField, ReportRequest, ReportSchedule, ReportSnapshot
from cityloom.reports.burden import month_of
from cityloom.reports.composing import compose, roots, ticks
from cityloom.reports.permissions import READ

if TYPE_CHECKING:
    from cityloom.core.work import Work


async def _roots(info: strawberry.Info) -> list[ReportRoot]:
    context: GraphContext = info.context
    async with context.begin(context.principal) as work:
        work.authorise(READ)
        schema = (await _wholes(work).contract(work.principal)).graphql
        return [
            ReportRoot(
                name=one.name,
                title_zh=word(one.name, "zh"),
                title_en=word(one.name, "en"),
                description=one.description,
                is_grouped=one.is_grouped,
            )
            for one in roots(schema, work.rights)
        ]


def _wholes(work: Work) -> Wholes:
    found: Wholes = work.services[Wholes]
    return found


async def _ticks(
    info: strawberry.Info,
    root_field: Annotated[str, strawberry.argument(description="A list, as `reportRoots` names it.")],
) -> list[ReportTick]:
    context: GraphContext = info.context
    async with context.begin(context.principal) as work:
        work.authorise(READ)
        schema = (await _wholes(work).contract(work.principal)).graphql
        return [
            ReportTick(
                path=one.path,
                title_zh=title(one.fields, "zh"),
                title_en=title(one.fields, "en"),
                type=one.type,
                kind=shown_tick_kind(one.kind),
                description=one.description,
            )
            for one in ticks(schema, work.rights, root_field)
        ]


@b.input_type(description="What `reportCompose` puts together (勾选成表).")
class ReportComposeInput:
    """See `composing.compose`."""

    root_field: str = strawberry.field(description="The list, as `reportRoots` names it.")
    fields: list[str] = strawberry.field(
        description="Paths of what was ticked, as `reportFields` tells them: the columns, in this order."
    )
    where: b.JSON | None = strawberry.field(
        description="A filter to try it with, of the list's own filter type; it becomes the variable `$where`.",
        default=None,
    )


async def _compose(
    info: strawberry.Info,
    input: Annotated[ReportComposeInput, strawberry.argument(description="What was ticked.")],  # noqa: A002 - the argument's name in GraphQL
) -> ReportComposition:
    context: GraphContext = info.context
    async with context.begin(context.principal) as work:
        work.authorise(READ)
        wholes = _wholes(work)
        schema = (await wholes.contract(work.principal)).graphql
        document = compose(schema, work.rights, input.root_field, input.fields)
        whole = await wholes.whole(work.principal, document, {"where": input.where})
    zh, en = headings(whole.columns, "zh"), headings(whole.columns, "en")
    columns = [
        ReportColumn(path=".".join(column.path), title_zh=zh[at], title_en=en[at], type=column.type)
        for at, column in enumerate(whole.columns)
    ]
    return ReportComposition(document=document, columns=columns)


def values_given(given: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The values of parameters that were sent."""
    return given if isinstance(given, dict) else {}


async def _result(
    info: strawberry.Info,
    id: Annotated[strawberry.ID, strawberry.argument(description="The report.")],  # noqa: A002 - as above
    values: Annotated[
        b.JSON | None, strawberry.argument(description="Values of its parameters by name; else their defaults.")
    ] = None,
) -> ReportResult:
    context: GraphContext = info.context
    async with context.begin(context.principal) as work:
        report_id = decode_id(id, work.tenant_id, "rprt", path=("id",))
        _, found = await service.run_report(work, report_id, values_given(values))
    return shown_result(found.columns, found.rows, is_truncated=found.is_truncated)


async def _snapshot(
    info: strawberry.Info,
    id: Annotated[strawberry.ID, strawberry.argument(description="The snapshot.")],  # noqa: A002 - as above
) -> ReportResult:
    context: GraphContext = info.context
    async with context.begin(context.principal) as work:
        snapshot, rows = await service.read_snapshot(work, decode_id(id, work.tenant_id, "rsnp", path=("id",)))
    return shown_result(snapshot.columns, rows, is_truncated=snapshot.is_truncated)


async def _compare(
    info: strawberry.Info,
    before: Annotated[strawberry.ID, strawberry.argument(description="The earlier snapshot.")],
    after: Annotated[strawberry.ID, strawberry.argument(description="The later snapshot.")],
) -> ReportComparison:
    context: GraphContext = info.context
    async with context.begin(context.principal) as work:
        ids = [decode_id(one, work.tenant_id, "rsnp") for one in (before, after)]
        first, _, found = await service.compare_snapshots(work, ids[0], ids[1])
    return shown_comparison(first.columns, found)


async def _burden(
    info: strawberry.Info,
    from_month: Annotated[str, strawberry.argument(description="The first month, for example 2026-01.")],
    to_month: Annotated[str, strawberry.argument(description="The last month; at most 60 in all.")],
) -> list[BurdenStat]:
    context: GraphContext = info.context
    async with context.begin(context.principal) as work:
        found = await service.burden(work, month_of(from_month), month_of(to_month))
        names: dict[Any, str] = {
            row[0]: row[1] for row in await work.session.execute(select(Department.id, Department.name))
        }
        return [
            BurdenStat(
                department_id=strawberry.ID(encode_id("dept", work.tenant_id, department_id)),
                department_name=names[department_id],
                month=f"{month:%Y-%m}",
                forms_before=one.forms_before,
                forms_after=one.forms_after,
                minutes_before=b.BigInt(one.minutes_before),
                minutes_asked=b.BigInt(one.minutes_asked),
                minutes_saved=b.BigInt(one.minutes_saved),
            )
            for (department_id, month), one in sorted(
                found.items(), key=lambda item: (item[0][1], names[item[0][0]], item[0][0])
            )
        ]


@b.query(module="reports")
class ReportsQuery:
    """Reports, their results, and the burden of forms."""

    report: Report | None = b.root_one(Report, "One report by its id.")
    reports: b.Connection[Report] = b.root_connection(Report, "The city's reports.")
    report_schedule: ReportSchedule | None = b.root_one(ReportSchedule, "One schedule by its id.")
    report_snapshot: ReportSnapshot | None = b.root_one(ReportSnapshot, "One snapshot by its id.")
    report_roots: list[ReportRoot] = strawberry.field(
        resolver=_roots, description="The lists that the caller can make reports of."
    )
    report_fields: list[ReportTick] = strawberry.field(
        resolver=_ticks, description="What of a list can be ticked for a report, under the caller's rights."
    )
    report_compose: ReportComposition = strawberry.field(
        resolver=_compose, description="The query that ticks amount to (勾选成表)."
    )
    report_result: ReportResult = strawberry.field(
        resolver=_result, description="What a report finds now, as the caller may see it."
    )
    report_snapshot_result: ReportResult = strawberry.field(
        resolver=_snapshot,
        description="The rows of a snapshot of the caller's own, while their rights still reach them.",
    )
    report_compare: ReportComparison = strawberry.field(
        resolver=_compare, description="What differs between two snapshots of one report (快照对比)."
    )
    report_request: ReportRequest | None = b.root_one(ReportRequest, "One report request by its id.")
    report_requests: b.Connection[ReportRequest] = b.root_connection(
        ReportRequest, "What departments ask communities to fill in."
    )
    derivable_fields: b.Connection[ReportField] = b.root_connection(
        ReportField, "The city's own catalogue of what the platform can derive, by the names that people use."
    )
    burden_stats: list[BurdenStat] = strawberry.field(
        resolver=_burden,
        description="Forms and minutes, before and after, by department and month: what people were spared (减负).",
    )
