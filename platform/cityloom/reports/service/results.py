"""Running a report: as whoever asks, at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from cityloom.exports.cells import cell
from cityloom.exports.service import Asked, request_export
from cityloom.exports.service.requesting import demand_readable
from cityloom.exports.service.rows import rights_used
from cityloom.exports.titles import headings
from cityloom.graph.compiler import tells_of
from cityloom.graph.wholes import Wholes
from cityloom.reports.errors import FieldsInFull, ParameterUnknown
from cityloom.reports.service.stored import find_report
from cityloom.reports.settings import settings_of

if TYPE_CHECKING:
    from cityloom.core.text import Locale
    from cityloom.core.work import Work
    from cityloom.exports import models as exports
    from cityloom.reports import models as m
    from cityloom.reports.comparing import Rows


@dataclass(frozen=True, slots=True)
class Result:
    """What a report found: its columns, as `columns_of` tells them, and rows of cells with their keys.

    `tells` are the rows of which it tells that somebody's erasure can destroy.
    """

    columns: list[dict[str, Any]]
    rows: Rows
    is_truncated: bool
    rights: dict[str, Any]
    tells: frozenset[UUID] = frozenset()


async def run_report(work: Work, report_id: UUID | None, given: dict[str, Any]) -> tuple[m.Report, Result]:
    """A report and its result, at most as many rows as the city shows. Refuses (`NotFound`, and as `result`)."""
    report = await find_report(work, report_id)
    return report, await result(work, report, given, most=(await settings_of(work)).result_rows)


async def result(work: Work, report: m.Report, given: dict[str, Any], *, most: int) -> Result:
    """At most so many rows of a report, by one statement under the caller's rights.

    Refuses (`ParameterUnknown`, `FieldsInFull`, `Forbidden`, and what `Wholes.whole` refuses).
    """
    wholes: Wholes = work.services[Wholes]
    whole = await wholes.whole(work.principal, report.document, values_of(report, given))
    demand_readable(whole)
    if whole.full:
        raise FieldsInFull(fields=", ".join(whole.full))
    found: Rows = []
    tells: set[bytes] = set()
    async for batch in whole.rows(await work.connection(), context=work.services):
        for row in batch:
            cells: list[Any] = [cell(column, row.value) for column in whole.columns]
            found.append((row.key or _key(cells), cells))
        tells |= tells_of(batch)
        if len(found) > most:
            break
    zh, en = headings(whole.columns, "zh"), headings(whole.columns, "en")
    columns = [
        {
            "path": ".".join(column.path),
            "title_zh": zh[at],
            "title_en": en[at],
            "type": "String" if column.is_list else column.type,
        }
        for at, column in enumerate(whole.columns)
    ]
    rights = rights_used(dict(whole.query.plan.permissions), whole.full)
    return Result(columns, found[:most], len(found) > most, rights, frozenset(UUID(one.decode()) for one in tells))


def _key(cells: list[Any]) -> str:
    """What tells a group apart: its texts, which do not count anything."""
    return orjson.dumps([one for one in cells if isinstance(one, str)]).decode()


def values_of(report: m.Report, given: dict[str, Any]) -> dict[str, Any]:
    """The values of a run: what is given, else the defaults; refuses (`ParameterUnknown`) a name that it has not."""
    names = [one["name"] for one in report.parameters]
    for name in given:
        if name not in names:
            raise ParameterUnknown(path=("values",), name=name[:80], known=", ".join(names) or "-")
    return {one["name"]: one["default"] for one in report.parameters if "default" in one} | given


async def export_report(
    work: Work, report_id: UUID | None, given: dict[str, Any], *, purpose: str, format_: str, locale: Locale
) -> exports.Export:
    """Ask for a report as a file. Refuses (`Forbidden`, `NotFound`, and what `request_export` refuses)."""
    report = await find_report(work, report_id)
    asked = Asked(report.document, purpose, format_, values_of(report, given), locale)
    return await request_export(work, asked)
