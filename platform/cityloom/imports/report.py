"""What was found in an import, as a CSV that a spreadsheet opens: read page by page, never held as a whole."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, tuple_

from cityloom.imports import models as m

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from cityloom.core.principal import Principal
    from cityloom.core.text import Locale
    from cityloom.graph.context import Begin

_PAGE: Final = 1_000
_HEADERS: Final = {
    "zh": ("工作表", "行号", "列", "代码", "级别", "说明"),
    "en": ("sheet", "row", "column", "code", "severity", "message"),
}
#: What a spreadsheet would take for the beginning of a formula; the only texts of strangers here are names of sheets.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


async def written(begin: Begin, principal: Principal, row: m.Import, locale: Locale) -> AsyncIterator[bytes]:
    """The lines of the report, with the mark by which spreadsheets know UTF-8."""
    yield "\ufeff".encode() + _lines([_HEADERS[locale]])
    last: tuple[Any, ...] = (-1, -1, row.id)
    f = m.ImportFinding
    while True:
        async with begin(principal) as work:
            page = (
                await work.session.scalars(
                    select(f)
                    .where(f.import_id == row.id, tuple_(f.sheet, f.row, f.id) > last)
                    .order_by(f.sheet, f.row, f.id)
                    .limit(_PAGE)
                )
            ).all()
        if not page:
            return
        last = page[-1].sheet, page[-1].row, page[-1].id
        yield _lines(
            [
                (
                    row.sheets[one.sheet]["name"],
                    one.row,
                    one.column or "",
                    one.code,
                    one.severity,
                    one.message_zh if locale == "zh" else one.message_en,
                )
                for one in page
            ]
        )


def _lines(rows: list[tuple[Any, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[_harmless(cell) for cell in row] for row in rows])
    return text.getvalue().encode()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
