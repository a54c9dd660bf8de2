"""Exports in GraphQL. Files come by the link that `exportDownload` answers."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import strawberry
from sqlalchemy import select

from cityloom.access.api.shapes import Account
from cityloom.core.ids import decode_id
from cityloom.core.work import Work
from cityloom.exports import models as m
from cityloom.exports import service
from cityloom.exports.permissions import READ, VARIABLES
from cityloom.exports.service.rows import TAG, variables_of
from cityloom.exports.writing import file_name
from cityloom.graph import bound as b
from cityloom.graph.mutations import mutation, mutation_root


@strawberry.enum(description="What kind of file an export is.")
class ExportFormat(Enum):
    """See `models.FORMATS`."""

    CSV = strawberry.enum_value("CSV", description="A ZIP with `data.csv` in UTF-8 and `manifest.json`.")
    XLSX = strawberry.enum_value("XLSX", description="A workbook, with a sheet that says where it comes from.")
    JSONL = strawberry.enum_value(
        "JSONL", description="A ZIP with `data.jsonl`, each line a row as the API answers it, and `manifest.json`."
    )


@strawberry.enum(description="How far an export is.")
class ExportState(Enum):
    """See `models.STATES`."""

    PENDING = strawberry.enum_value("PENDING", description="It waits for a second person (待审批).")
    QUEUED = strawberry.enum_value("QUEUED", description="It is run as soon as a worker is free.")
    RUNNING = strawberry.enum_value("RUNNING", description="Its file is being written.")
    READY = strawberry.enum_value("READY", description="Its file can be downloaded.")
    REJECTED = strawberry.enum_value("REJECTED", description="The second person said no.")
    CANCELLED = strawberry.enum_value("CANCELLED", description="It was taken back.")
    FAILED = strawberry.enum_value("FAILED", description="It could not be made; `failure` says why.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="Nobody decided in time, or the file's time is over.")
    WITHDRAWN = strawberry.enum_value(
        "WITHDRAWN", description="Somebody of whom the file told was erased, and the file with them (已撤回)."
    )


@strawberry.enum(description="The language of column names.")
class ExportHeadings(Enum):
    """See `Export.headings`."""

    ZH = strawberry.enum_value("zh", description="Chinese.")
    EN = strawberry.enum_value("en", description="English.")


async def _variables(rows: list[Any], services: dict[type, Any]) -> list[dict[str, Any]]:
    return [await variables_of(services, row.tenant_id, row.id, row.variables) for row in rows]


async def _names(rows: list[Any], _services: dict[type, Any]) -> list[str]:
    return [file_name(row.format, row.watermark) for row in rows]


@b.bound(
    m.Export,
    tag=TAG,
    module="exports",
    read=READ,
    scope=b.ScopeRule(rows=lambda export, reach: reach.caller(export.requester_id)),
    orderings={"REQUESTED": b.Ordering((m.Export.id,), "By when they were asked for.")},
)
class Export(b.Node):
    """A whole list that leaves the platform as a file (数据导出), made with the rights of whoever asked for it."""

    state: ExportState = b.column(m.Export.state, "How far it is.", filters=b.EXACT)
    format: ExportFormat = b.column(m.Export.format, "What kind of file it is.")
    headings: ExportHeadings = b.column(m.Export.headings, "The language of column names.")
    purpose: str = b.column(m.Export.purpose, "What the file is needed for.")
    document: str = b.column(m.Export.document, "The query whose one root list is exported.")
    document_hash: str = b.column(m.Export.document_hash, "The SHA-256 of the query's text, in hexadecimal digits.")
    variables: b.JSON | None = b.resolved(
        _variables,
        needs=(m.Export.tenant_id, m.Export.id, m.Export.variables),
        description="The values that it was asked for with.",
        field=VARIABLES,
    )
    root: str = b.column(m.Export.root, "The root field that is exported.")
    requester: Account | None = b.one(m.Export.requester_id, "Who asked for it.")
    requested_at: datetime = b.column(m.Export.requested_at, "When it was asked for.")
    approval_reasons: list[str] = b.column(
        m.Export.approval_reasons, "Why a second person is needed: `ROWS`, `PROTECTED_FIELDS`; empty where none is."
    )
    protected_fields: list[str] = b.column(m.Export.protected_fields, "The protected fields that are told in full.")
    counted_rows: int = b.column(m.Export.counted_rows, "How many rows there were when it was asked for.")
    row_bound: int = b.column(m.Export.row_bound, "How many rows are delivered at most.")
    decider: Account | None = b.one(m.Export.decider_id, "Who approved or rejected it.")
    decided_at: datetime | None = b.column(m.Export.decided_at, "When that was.")
    decision_note: str | None = b.column(m.Export.decision_note, "What they said.")
    rows_done: int | None = b.expression(
        lambda export: select(m.ExportRun.rows_done).where(m.ExportRun.id == export.id).scalar_subquery(),
        "How many rows are written so far, to a second or so; null unless it is queued or running.",
    )
    finished_at: datetime | None = b.column(m.Export.finished_at, "When it ended, well or not.")
    expires_at: datetime | None = b.column(
        m.Export.expires_at, "Until when a decision, or the file, can be had; null where neither is there."
    )
    row_count: int | None = b.column(m.Export.row_count, "How many rows the file has.")
    is_truncated: bool = b.column(m.Export.is_truncated, "Whether there were more rows than may be delivered.")
    byte_size: b.BigInt | None = b.column(m.Export.byte_size, "How many bytes the file has.")
    sha256: str | None = b.column(m.Export.sha256, "The SHA-256 of the file, in hexadecimal digits.")
    file_name: str = b.resolved(
        _names, needs=(m.Export.format, m.Export.watermark), description="What the file is called when it is saved."
    )
    watermark: str = b.column(
        m.Export.watermark,
        "Twelve digits that stand in the file: they lead from a leaked file to who took it.",
        filters=b.EXACT,
    )
    failure: str | None = b.column(m.Export.failure, "Why it failed, in words.")
    download_count: int = b.column(m.Export.download_count, "How often the file was fetched.")


@b.input_type(description="What `exportRequest` asks for.")
class ExportRequestInput:
    """See `service.request_export`."""

    document: str = strawberry.field(
        description="A query with exactly one root field: a connection (select `nodes`), a list or an aggregate. It is"
        " taken whole, so leave out `first`, `after`, `last` and `before`; nested lists keep their pages."
    )
    variables: b.JSON | None = strawberry.field(description="The query's variables.", default=None)
    format: ExportFormat = strawberry.field(description="What kind of file to make.", default=ExportFormat.CSV)
    purpose: str = strawberry.field(description="What the file is needed for, in 4 to 500 characters; it stands in it.")
    headings: ExportHeadings = strawberry.field(
        description="The language of column names; a column that the query gives an alias keeps that.",
        default=ExportHeadings.ZH,
    )
    has_bom: bool = strawberry.field(
        description="Whether a CSV file begins with a byte order mark, without which Excel misreads Chinese.",
        default=True,
    )


@b.input_type(description="What `exportApprove` decides.")
class ExportApproveInput:
    """See `service.approve_export`."""

    id: strawberry.ID = strawberry.field(description="The export.")
    row_bound: int | None = strawberry.field(
        description="Deliver at most so many rows; as many as were counted where it is not given.", default=None
    )
    note: str | None = strawberry.field(description="What to say about it.", default=None)


@b.input_type(description="What `exportReject` decides.")
class ExportRejectInput:
    """See `service.reject_export`."""

    id: strawberry.ID = strawberry.field(description="The export.")
    note: str = strawberry.field(description="Why it is rejected.")


@b.input_type(description="What `exportCancel` takes back.")
class ExportCancelInput:
    """See `service.cancel_export`."""

    id: strawberry.ID = strawberry.field(description="The export.")


@b.input_type(description="What `exportDownload` gives.")
class ExportDownloadInput:
    """See `service.download_export`."""

    id: strawberry.ID = strawberry.field(description="The export.")


@b.output_type(description="Where an export's file is.")
class ExportDownload:
    """See `service.download_export`."""

    url: str = strawberry.field(
        description="A path under the platform's address that gives the file to anybody, for ten to fifteen minutes."
    )
    file_name: str = strawberry.field(description="What the file is called when it is saved.")
    sha256: str | None = strawberry.field(description="The SHA-256 of the file, in hexadecimal digits.")


async def _request(work: Work, input: ExportRequestInput) -> m.Export:  # noqa: A002 - the argument's name in GraphQL
    variables: Any = input.variables
    asked = service.Asked(
        document=input.document,
        purpose=input.purpose,
        format=str(input.format.value),
        variables=variables if isinstance(variables, dict) else {},
        headings="en" if input.headings is ExportHeadings.EN else "zh",
        has_bom=input.has_bom,
    )
    return await service.request_export(work, asked)


async def _approve(work: Work, input: ExportApproveInput) -> m.Export:  # noqa: A002 - as above
    export_id = decode_id(input.id, work.tenant_id, TAG, path=("id",))
    return await service.approve_export(work, export_id, note=input.note, row_bound=input.row_bound)


async def _reject(work: Work, input: ExportRejectInput) -> m.Export:  # noqa: A002 - as above
    return await service.reject_export(work, decode_id(input.id, work.tenant_id, TAG, path=("id",)), note=input.note)


async def _cancel(work: Work, input: ExportCancelInput) -> m.Export:  # noqa: A002 - as above
    return await service.cancel_export(work, decode_id(input.id, work.tenant_id, TAG, path=("id",)))


async def _download(work: Work, input: ExportDownloadInput) -> ExportDownload:  # noqa: A002 - as above
    export, url = await service.download_export(work, decode_id(input.id, work.tenant_id, TAG, path=("id",)))
    return ExportDownload(url=url, file_name=file_name(export.format, export.watermark), sha256=export.sha256)


@b.query(module="exports")
class ExportsQuery:
    """Exports by id and in pages."""

    export: Export | None = b.root_one(Export, "One export by its id.")
    exports: b.Connection[Export] = b.root_connection(
        Export, "The caller's own exports; everybody's for who may read them city-wide."
    )


@mutation_root(module="exports")
class ExportsMutation:
    """Asking for exports, deciding on them, and getting their files."""

    export_request: Export = mutation(
        _request,
        "Ask for a whole list as a file (申请导出). It is made with your rights at the time of running; above the"
        " city's row limit, or where protected fields are told in full, a second person approves it first.",
    )
    export_approve: Export = mutation(_approve, "Let somebody else's export run (批准导出).")
    export_reject: Export = mutation(_reject, "Refuse somebody else's export (驳回导出).")
    export_cancel: Export = mutation(_cancel, "Take back an export that is not ready yet (取消导出).")
    export_download: ExportDownload = mutation(
        _download, "Get a link to the file of an export of your own (下载导出). Each time is noted in the audit log."
    )
