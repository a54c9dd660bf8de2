"""Reports in a tenant pack: `reports/<code>.toml`, and `report_fields.csv` with what can be derived, by its names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from graphql import GraphQLError, OperationDefinitionNode, OperationType
from pydantic import Field
from sqlalchemy import select

from cityloom.core.constraints import refusing
from cityloom.core.errors import Refusal
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.graph.limits import Limits, parse_within
from cityloom.graph.wholes import Wholes
from cityloom.reports import models as m
from cityloom.reports.errors import ReportInUse
from cityloom.reports.events import CatalogueWritten
from cityloom.tenancy.packs import CsvTable, PackPart, PackRow, PackText, TomlFolder

if TYPE_CHECKING:
    from cityloom.core.work import Work
    from cityloom.tenancy.packs import Difference, Differences, Entry, Pack, Problems
    from cityloom.tenancy.packs.parts import Rows

Title = Annotated[str, Field(min_length=1, max_length=200)]


class ParameterRow(PackRow):
    """One parameter: a variable of the query, with what it is called and perhaps a value where none is given."""

    name: Annotated[str, Field(pattern=r"^[_A-Za-z][_0-9A-Za-z]{0,79}$")]
    title: PackText
    default: Any = None


class ReportRow(PackRow):
    """One report: a query whose one root list is taken whole."""

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
    title: PackText
    document: Annotated[str, Field(min_length=1, max_length=20_000)]
    parameters: Annotated[tuple[ParameterRow, ...], Field(max_length=40)] = ()


class FieldRow(PackRow):
    """One derivable field: where it stands in a list, and, between `;`, by what names people ask for it."""

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,59}$")]
    title_zh: Title
    title_en: Title
    root: Annotated[str, Field(min_length=1, max_length=80)]
    path: Annotated[str, Field(min_length=1, max_length=200)]
    synonyms: Annotated[str, Field(max_length=2_000)] | None = None

    def names(self) -> list[str]:
        """The synonyms."""
        return [name.strip() for name in (self.synonyms or "").split(";") if name.strip()]


REPORTS = TomlFolder("reports", ReportRow, key=("code",))
FIELDS = CsvTable("report_fields.csv", FieldRow, key=("code",))


class ReportsPart(PackPart):
    """Reports and derivable fields; those that people made through the API are no part of it."""

    name = "reports"
    tables = (REPORTS, FIELDS)
    order = 2

    def check(self, pack: Pack, problems: Problems) -> None:
        """Every document is one query, and each parameter a variable of it."""
        for entry in pack.entries(REPORTS):
            _check(entry, problems)

    async def read(self, work: Work) -> Rows:
        """What came from a pack."""
        reports = await work.session.scalars(select(m.Report).where(m.Report.is_from_pack))
        fields = await work.session.scalars(select(m.ReportField).where(m.ReportField.is_from_pack))
        return {
            REPORTS: [
                ReportRow(
                    code=row.code,
                    title=PackText(zh=row.title_zh, en=row.title_en),
                    document=row.document,
                    parameters=tuple(
                        ParameterRow(
                            name=one["name"],
                            title=PackText(zh=one["title_zh"], en=one["title_en"]),
                            default=one.get("default"),
                        )
                        for one in row.parameters
                    ),
                )
                for row in reports
            ],
            FIELDS: [
                FieldRow(
                    code=row.code,
                    title_zh=row.title_zh,
                    title_en=row.title_en,
                    root=row.root,
                    path=row.path,
                    synonyms=";".join(row.synonyms) or None,
                )
                for row in fields
            ],
        }

    async def write(self, work: Work, differences: Differences) -> None:
        """Make it so; refuses documents that the API does not take, and to remove what requests are answered by."""
        reports, fields = differences[REPORTS], differences[FIELDS]
        await _write_reports(work, reports)
        await _write_fields(work, fields)
        await work.session.flush()
        tables = tuple(table.name for table, found in ((REPORTS, reports), (FIELDS, fields)) if found)
        work.emit(CatalogueWritten(subject_id=work.tenant_id, tables=tables))
        work.audit(
            AuditEntry(
                action="reports.pack.write", object_tag="tent", object_id=work.tenant_id, after={"tables": list(tables)}
            )
        )


def _check(entry: Entry[ReportRow], problems: Problems) -> None:
    try:
        document = parse_within(entry.row.document, Limits())
    except (GraphQLError, Refusal) as error:
        problems.add(entry, "document", zh=f"不是有效的 GraphQL:{error}", en=f"it is no GraphQL: {error}")
        return
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].operation is not OperationType.QUERY:
        problems.add(entry, "document", zh="必须恰好是一个 query", en="it has to be exactly one query")
        return
    variables = [node.variable.name.value for node in operations[0].variable_definitions or ()]
    for one in entry.row.parameters:
        if one.name not in variables:
            problems.add(
                entry,
                "parameters",
                zh=f"查询中没有变量 {one.name!r}",
                en=f"the query has no variable {one.name!r}",
            )


async def _write_reports(work: Work, found: Difference[ReportRow]) -> None:
    rows = {row.code: row for row in await work.session.scalars(select(m.Report))}
    wholes: Wholes | None = work.services.get(Wholes)
    for wanted in (*found.added, *(new for _, new in found.changed)):
        if wholes is not None:
            wholes.valid(wanted.document)
        row = rows.get(wanted.code) or m.Report(id=new_id(), code=wanted.code, version=0)
        work.session.add(row)
        row.title_zh, row.title_en = wanted.title.zh, wanted.title.en
        row.document, row.parameters = wanted.document, _parameters(wanted)
        row.is_from_pack, row.version, row.changed_at = True, row.version + 1, work.now()
    async with refusing(work, {"fk_report_requests_tenant_id_report_id": ReportInUse}):
        for gone in found.removed:
            await work.session.delete(rows[gone.code])


def _parameters(row: ReportRow) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "title_zh": one.title.zh, "title_en": one.title.en}
        | ({} if one.default is None else {"default": one.default})
        for one in row.parameters
    ]


async def _write_fields(work: Work, found: Difference[FieldRow]) -> None:
    rows = {row.code: row for row in await work.session.scalars(select(m.ReportField))}
    for wanted in (*found.added, *(new for _, new in found.changed)):
        row = rows.get(wanted.code) or m.ReportField(id=new_id(), code=wanted.code)
        work.session.add(row)
        row.title_zh, row.title_en = wanted.title_zh, wanted.title_en
        row.root, row.path, row.synonyms, row.is_from_pack = wanted.root, wanted.path, wanted.names(), True
    for gone in found.removed:
        await work.session.delete(rows[gone.code])
