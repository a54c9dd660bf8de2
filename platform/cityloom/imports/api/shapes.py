"""The GraphQL types of imports."""

from __future__ import annotations

from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import strawberry
from sqlalchemy import exists
from sqlalchemy.orm import aliased

from cityloom.access.api.shapes import Account
from cityloom.graph import bound as b
from cityloom.imports import models as m
from cityloom.imports.api.words import ImportFormat, ImportRule, ImportSeverity, ImportState
from cityloom.imports.permissions import READ
from cityloom.imports.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from cityloom.graph.context import GraphContext
    from cityloom.imports.targets import Column


def _own(row: type[m.Import], reach: b.Reach) -> ColumnElement[bool]:
    return reach.caller(row.account_id)


def _of_own(row: type[m.ImportFinding], reach: b.Reach) -> ColumnElement[bool]:
    found = aliased(m.Import)
    return exists().where(found.id == row.import_id, reach.caller(found.account_id))


@b.output_type(description="A header of a sheet.")
class ImportHeader:
    """See `targets.recognise`."""

    header: str = strawberry.field(description="As it stands in the file.")
    column: str | None = strawberry.field(
        description="The column of the target that it stands for, by the import's mapping; null: it is left out."
    )


@b.output_type(description="One table of an uploaded file.")
class ImportSheet:
    """See `models.Import.sheets`."""

    name: str = strawberry.field(description="The sheet's name; `CSV` for the one table of a text.")
    rows: int = strawberry.field(description="How many rows it has below its headers, blank ones left out.")
    headers: list[ImportHeader] = strawberry.field(description="Its headers, from left to right.")


@b.output_type(description="What is new and changed of one kind of thing.")
class ImportThings:
    """See `targets.Counts.things`."""

    thing: str = strawberry.field(description="The kind, for example `household`.")
    new: int = strawberry.field(description="How many are new.")
    changed: int = strawberry.field(description="How many are changed.")


def _sheets(rows: list[Any], _services: object) -> list[list[ImportSheet]]:
    return [[_sheet(**sheet) for sheet in row.sheets] for row in rows]


def _sheet(name: str, rows: int, headers: list[str], columns: Sequence[str | None] = ()) -> ImportSheet:
    # Files of before columns were kept with their headers have none.
    found = zip_longest(headers, columns)
    return ImportSheet(name=name, rows=rows, headers=[ImportHeader(header=h, column=column) for h, column in found])


def _things(rows: list[Any], _services: object) -> list[list[ImportThings]]:
    return [[ImportThings(**one) for one in row.things] for row in rows]


@b.bound(
    m.Import,
    tag="impt",
    module="imports",
    read=READ,
    scope=b.ScopeRule(rows=_own),
    orderings={"UPLOADED": (m.Import.id,)},
)
class Import(b.Node):
    """A file of rows on its way into a part of the platform (批量导入).

    Upload it by `POST /imports/{target}`, check it with `importCheck`, look at counts and findings, take it over with
    `importApply`. Whoever may see imports in a part of the city only sees their own.
    """

    target: str = b.column(m.Import.target, "What it is imported into, see `importTargets`.", filters=b.EXACT)
    state: ImportState = b.column(m.Import.state, "How far it is.", filters=b.EXACT)
    failure: str | None = b.column(
        m.Import.failure,
        "Why it failed, as the reason of a refusal; `TOO_MANY_ERRORS` where a check ended early, `EXPIRED` where nobody"
        " imported the file in time.",
    )
    importer: Account | None = b.one(m.Import.account_id, "Who uploaded it; their rights hold for every row.")
    format: ImportFormat = b.column(m.Import.format, "What the file is.")
    encoding: str = b.column(m.Import.encoding, "How its text is encoded.")
    byte_size: b.BigInt = b.column(m.Import.byte_size, "How many bytes the file had.")
    sha256: str = b.column(m.Import.sha256, "The SHA-256 of the file, in hexadecimal digits.")
    sheets: list[ImportSheet] = b.resolved(
        _sheets,
        needs=(m.Import.sheets,),
        description="Its tables, and what their headers stand for.",
    )
    rule: ImportRule = b.column(m.Import.rule, "What is done with what is registered already.")
    total: int = b.column(m.Import.rows_total, "How many rows it has.")
    done: int = b.column(m.Import.rows_done, "How many rows were checked so far.")
    rows_new: int = b.column(m.Import.rows_new, "Rows that state something new.")
    rows_changed: int = b.column(m.Import.rows_changed, "Rows that change what is registered.")
    rows_unchanged: int = b.column(m.Import.rows_unchanged, "Rows that state what is registered, or was said before.")
    rows_skipped: int = b.column(
        m.Import.rows_skipped, "Rows left out by the rule SKIP: registered otherwise, or twice."
    )
    rows_refused: int = b.column(m.Import.rows_refused, "Rows with errors.")
    things: list[ImportThings] = b.resolved(
        _things, needs=(m.Import.things,), description="What is new and changed by it, by kind."
    )
    uploaded_at: datetime = b.column(m.Import.uploaded_at, "When the file was uploaded.")
    ended_at: datetime | None = b.column(m.Import.ended_at, "When it was completed, cancelled or failed.")
    expires_at: datetime | None = b.column(m.Import.expires_at, "When the file is deleted if it is not imported.")
    findings: b.Connection[ImportFinding] = b.connection(
        m.ImportFinding.import_id, "What is wrong, or worth knowing, about its rows, in their order."
    )


@b.bound(
    m.ImportFinding,
    tag="impf",
    module="imports",
    read=READ,
    scope=b.ScopeRule(rows=_of_own),
    orderings={"ROW": (m.ImportFinding.sheet, m.ImportFinding.row)},
)
class ImportFinding(b.Node):
    """What is wrong, or worth knowing, about a row; it never repeats what stands there."""

    sheet: int = b.column(m.ImportFinding.sheet, "The position of the row's sheet in `sheets`, from 0.")
    row: int = b.column(m.ImportFinding.row, "The row's number in its sheet, as spreadsheets count.")
    column: str | None = b.column(m.ImportFinding.column, "The column of the target; null: the row as a whole.")
    code: str = b.column(m.ImportFinding.code, "A stable word for it, the `reason` of refusals.", filters=b.EXACT)
    severity: ImportSeverity = b.column(m.ImportFinding.severity, "How much it matters.", filters=b.EXACT)
    message_zh: str = b.column(m.ImportFinding.message_zh, "What to do about it, in Chinese (中文说明).")
    message_en: str = b.column(m.ImportFinding.message_en, "What to do about it, in English.")


@b.output_type(description="What a header of the city's own stands for.")
class ImportMappingColumn:
    """See `models.ImportMapping.columns`."""

    header: str = strawberry.field(description="The header.")
    column: str | None = strawberry.field(description="The column of the target; null: it is left out.")


def _mapped(rows: list[Any], _services: object) -> list[list[ImportMappingColumn]]:
    return [[ImportMappingColumn(header=h, column=column) for h, column in row.columns.items()] for row in rows]


@b.bound(
    m.ImportMapping,
    tag="impm",
    module="imports",
    read=READ,
    orderings={"NAME": (m.ImportMapping.target, m.ImportMapping.name)},
)
class ImportMapping(b.Node):
    """What the headers of a city's own sheets stand for, under a name (列对应关系)."""

    target: str = b.column(m.ImportMapping.target, "The target whose columns they stand for.", filters=b.EXACT)
    name: str = b.column(m.ImportMapping.name, "Its name, unique for the target.")
    columns: list[ImportMappingColumn] = b.resolved(
        _mapped, needs=(m.ImportMapping.columns,), description="The headers that are not known by themselves."
    )
    changed_at: datetime = b.column(m.ImportMapping.changed_at, "When it was saved last.")


@b.output_type(description="A column of a target.")
class ImportColumn:
    """See `targets.Column`."""

    name: str = strawberry.field(description="Its name, as mappings use it; it is known as a header as well.")
    title_zh: str = strawberry.field(description="Its usual header in Chinese.")
    title_en: str = strawberry.field(description="Its usual header in English.")
    synonyms: list[str] = strawberry.field(description="Other headers that are known to stand for it.")
    needs: list[list[str]] = strawberry.field(
        description="A sheet that has it must have one column of each of these choices."
    )
    is_own: bool = strawberry.field(
        description="Whether it is a field of the city's own (自定义字段), see `customFields`. A header that could"
        " stand for several such columns stands for none: write what has the field before its title, or map it."
    )


@b.output_type(description="Something that rows can be imported into (导入目标).")
class ImportTarget:
    """See `targets.Target`."""

    name: str = strawberry.field(description="Its name: files are sent to `POST /imports/{name}`.")
    title_zh: str = strawberry.field(description="What it is called in Chinese.")
    title_en: str = strawberry.field(description="What it is called in English.")
    columns: list[ImportColumn] = strawberry.field(
        description="Its columns; of the city's own fields those that the caller may write, restricted ones among them."
    )


async def _targets(info: strawberry.Info) -> list[ImportTarget]:
    context: GraphContext = info.context
    targets: Targets = context.services[Targets]
    async with context.begin(context.principal) as work:
        return [
            ImportTarget(
                name=target.name,
                title_zh=target.title.zh,
                title_en=target.title.en,
                columns=[_column(column) for column in await target.columns(work)],
            )
            for target in targets.by_name.values()
        ]


def _column(column: Column) -> ImportColumn:
    return ImportColumn(
        name=column.name,
        title_zh=column.title.zh,
        title_en=column.title.en,
        synonyms=list(column.synonyms),
        needs=[list(choice) for choice in column.needs],
        is_own=column.is_own,
    )


@b.query(module="imports")
class ImportsQuery:
    """Imports, what was found in them, and mappings."""

    import_targets: list[ImportTarget] = strawberry.field(
        resolver=_targets, description="What can be imported into, with the columns and the headers that are known."
    )
    import_: Import | None = b.root_one(Import, "One import by its id.", name="import")
    imports: b.Connection[Import] = b.root_connection(Import, "The imports that the caller may see.")
    import_mappings: b.Connection[ImportMapping] = b.root_connection(ImportMapping, "The city's named mappings.")
