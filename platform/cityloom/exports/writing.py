"""Files of a table: CSV and JSON lines in a ZIP with a manifest, or a workbook with a sheet that tells the same.

Each is written as rows arrive, so that memory does not grow with them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

import orjson
import xlsxwriter

from cityloom.core.clock import CIVIL_TIME
from cityloom.exports.cells import csv_cell, sheet_cell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cityloom.core.text import Locale
    from cityloom.graph.compiler.columns import Column
    from cityloom.graph.compiler.whole import Row

ZIP_TYPE: Final = "application/zip"
SHEET_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: Rows of a sheet, below the 1,048,576 that the format has room for; then another sheet begins.
SHEET_ROWS: Final = 1_000_000
#: Characters that a cell of a workbook has room for; longer ones are cut, and counted.
CELL_CHARACTERS: Final = 32_767
_HEADER_CHARACTERS: Final = 120
_WIDEST: Final = 60


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who took the file, when, why, and which export it is: what every file tells of itself."""

    export: str
    watermark: str
    city: str
    requested_by: str
    requested_at: str
    approved_by: str | None
    purpose: str
    document_sha256: str
    made_at: str


@dataclass(slots=True)
class Written:
    """What was written; `is_truncated` where there were more rows than were approved."""

    rows: int = 0
    cut_cells: int = 0
    is_truncated: bool = False


class Writer(Protocol):
    """Writes one file."""

    @property
    def written(self) -> Written:
        """What has been written so far."""
        ...

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        ...

    def close(self) -> None:
        """Write the rest; then the file is whole."""
        ...


@dataclass(frozen=True, slots=True)
class Form:
    """How a table becomes a file."""

    columns: tuple[Column, ...]
    headings: Sequence[str]
    locale: Locale
    provenance: Provenance
    has_bom: bool = False


class _Hashed(io.RawIOBase):
    """A stream that counts and hashes what goes through."""

    def __init__(self, target: Any) -> None:  # noqa: ANN401 - a member of a ZIP
        self.target, self.sha256, self.size = target, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:  # noqa: ANN401 - any buffer
        self.sha256.update(content)
        self.size += len(content)
        self.target.write(content)
        return len(content)


class _Zipped:
    """One data file in a ZIP, and beside it a manifest with its hash."""

    def __init__(self, file: BinaryIO, form: Form, name: str) -> None:
        self.written = Written()
        self.form = form
        self._name = name
        self._at = datetime.fromisoformat(form.provenance.made_at).astimezone(CIVIL_TIME)
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        self._member = self._zip.open(self._info(name), "w", force_zip64=True)
        self._hashed = _Hashed(self._member)
        self.stream = io.BufferedWriter(self._hashed, 64 * 1024)

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, self._at.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        return info

    def close(self) -> None:
        self.stream.flush()
        self._member.close()
        manifest = asdict(self.form.provenance) | {
            "rows": self.written.rows,
            "is_truncated": self.written.is_truncated,
            "file": {"name": self._name, "bytes": self._hashed.size, "sha256": self._hashed.sha256.hexdigest()},
            "columns": [
                {"heading": heading, "path": ".".join(column.path), "type": column.type, "is_list": column.is_list}
                for column, heading in zip(self.form.columns, self.form.headings, strict=True)
            ],
        }
        self._zip.writestr(self._info("manifest.json"), orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        self._zip.close()


class CsvWriter(_Zipped):
    """RFC 4180 in UTF-8, with a byte order mark where a spreadsheet shall open it; formulas are defused."""

    def __init__(self, file: BinaryIO, form: Form) -> None:
        super().__init__(file, form, "data.csv")
        encoding = "utf-8-sig" if form.has_bom else "utf-8"
        self._text = io.TextIOWrapper(self.stream, encoding, newline="", write_through=True)
        self._csv = csv.writer(self._text, lineterminator="\r\n")
        self._csv.writerow(form.headings)

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        self._csv.writerows([csv_cell(column, row.value) for column in self.form.columns] for row in rows)
        self.written.rows += len(rows)


class JsonLinesWriter(_Zipped):
    """One row a line, as the API answers it, nested and all."""

    def __init__(self, file: BinaryIO, form: Form) -> None:
        super().__init__(file, form, "data.jsonl")

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        for row in rows:
            self.stream.write(orjson.dumps(row.value, option=orjson.OPT_APPEND_NEWLINE))
        self.written.rows += len(rows)


_ABOUT: Final = {
    "zh": {
        "sheet": "数据",
        "about": "说明",
        "export": "导出编号",
        "watermark": "水印",
        "city": "城市",
        "requested_by": "申请人",
        "requested_at": "申请时间",
        "approved_by": "审批人",
        "purpose": "用途",
        "document_sha256": "查询文档 SHA-256",
        "made_at": "生成时间",
        "rows": "行数",
        "is_truncated": "是否因审批行数而截断",
        "cut_cells": "被截短的单元格数",
        "zone": "表中时间均为北京时间(UTC+8)",
    },
    "en": {
        "sheet": "Data",
        "about": "About",
        "export": "Export",
        "watermark": "Watermark",
        "city": "City",
        "requested_by": "Requested by",
        "requested_at": "Requested at",
        "approved_by": "Approved by",
        "purpose": "Purpose",
        "document_sha256": "SHA-256 of the query",
        "made_at": "Made at",
        "rows": "Rows",
        "is_truncated": "Cut at the approved number of rows",
        "cut_cells": "Cells that were cut",
        "zone": "Times in the table are China's civil time (UTC+8)",
    },
}


@dataclass
class SheetWriter:
    """A workbook (Office Open XML): texts are never formulas, times are real times, and each page names its taker."""

    file: BinaryIO
    form: Form
    written: Written = field(default_factory=Written)

    def __post_init__(self) -> None:
        """Begin the first sheet."""
        self._words = _ABOUT[self.form.locale]
        self._book = xlsxwriter.Workbook(
            self.file,
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_numbers": False,
                "strings_to_urls": False,
                "nan_inf_to_errors": False,
            },
        )
        self._book.use_zip64()
        self._bold = self._book.add_format({"bold": True})
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._time = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._sheets = 0
        self._begin()

    def _begin(self) -> None:
        self._sheets += 1
        self._sheet = self._page(self._words["sheet"] + (f" {self._sheets}" if self._sheets > 1 else ""))
        for at, heading in enumerate(self.form.headings):
            self._sheet.set_column(at, at, min(_WIDEST, 6 + 2 * len(heading)))
        self._sheet.freeze_panes(1, 0)
        for at, heading in enumerate(self.form.headings):
            self._sheet.write_string(0, at, heading, self._bold)
        self._row = 0

    def _page(self, name: str) -> Any:  # noqa: ANN401 - a worksheet
        sheet = self._book.add_worksheet(name)
        told = self.form.provenance
        # An ampersand begins an instruction in a header.
        left = f"{told.city} {told.requested_by} {told.purpose}"[:_HEADER_CHARACTERS].replace("&", "&&")
        sheet.set_header(f"&L{left}&R{told.made_at[:19]}")
        sheet.set_footer(f"&L{told.watermark}&C{told.export}&R&P/&N")
        return sheet

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        for row in rows:
            if self._row == SHEET_ROWS:
                self._begin()
            self._row += 1
            for at, column in enumerate(self.form.columns):
                self._write(at, sheet_cell(column, row.value))
        self.written.rows += len(rows)

    def _write(self, at: int, value: str | float | bool | date | None) -> None:  # noqa: FBT001 - a cell
        match value:
            case None:
                return
            case bool():
                self._sheet.write_boolean(self._row, at, value)
            case str():
                if len(value) > CELL_CHARACTERS:
                    value = value[: CELL_CHARACTERS - 1] + "…"
                    self.written.cut_cells += 1
                self._sheet.write_string(self._row, at, value)
            case datetime():
                self._sheet.write_datetime(self._row, at, value, self._time)
            case date():
                self._sheet.write_datetime(self._row, at, value, self._day)
            case _:
                self._sheet.write_number(self._row, at, value)

    def close(self) -> None:
        """Write the sheet about the file, and the file's properties."""
        told, words = asdict(self.form.provenance), self._words
        sheet = self._page(words["about"])
        sheet.set_column(0, 0, 30)
        sheet.set_column(1, 1, 80)
        last = {"rows": self.written.rows, "cut_cells": self.written.cut_cells}
        for at, (name, value) in enumerate((told | last).items()):
            sheet.write_string(at, 0, words[name], self._bold)
            sheet.write_string(at, 1, "" if value is None else str(value))
        at = len(told | last)
        sheet.write_string(at, 0, words["is_truncated"], self._bold)
        sheet.write_boolean(at, 1, self.written.is_truncated)
        sheet.write_string(at + 1, 0, words["zone"])
        self._book.set_properties(
            {
                "title": told["export"],
                "subject": told["purpose"],
                "author": told["requested_by"],
                "company": told["city"],
            }
        )
        self._book.set_custom_property("watermark", told["watermark"])
        self._book.set_custom_property("export", told["export"])
        self._book.close()


WRITERS: Final[dict[str, Any]] = {"CSV": CsvWriter, "JSONL": JsonLinesWriter, "XLSX": SheetWriter}


def writer(format_: str, file: BinaryIO, form: Form) -> Writer:
    """What writes a format into a file."""
    made: Writer = WRITERS[format_](file, form)
    return made


def media_type(format_: str) -> str:
    """What a file is served as."""
    return SHEET_TYPE if format_ == "XLSX" else ZIP_TYPE


def file_name(format_: str, watermark: str) -> str:
    """What a file is called when it is saved."""
    return f"{watermark}.xlsx" if format_ == "XLSX" else f"{watermark}.{format_.lower()}.zip"
