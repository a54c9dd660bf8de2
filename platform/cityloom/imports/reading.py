"""`python -m cityloom.imports.reading`: reads one table from standard input, in a process that may use little memory.

Unpacking and parsing a stranger's file is the most dangerous thing that an import does: a workbook of some kilobytes
can unfold to any size. So it is done beside the server, under a limit of memory and of processor time, by a process
that knows no key and has no connection.

It writes lines of JSON: `{"format", "encoding"}`, then for each sheet `{"sheet", "name", "headers"}` and
`{"sheet", "rows": [[number, cell, …], …]}` in chunks; or `{"refused", "details"}`, which ends it. Cells are texts: a
whole number without a fraction, a day as 2026-01-31.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import resource
import sys
import zipfile
from io import BufferedReader, TextIOWrapper
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_COLUMNS, MOST_SHEETS, MOST_CELL = 200, 20, 4_000
MOST_MEMBERS, MOST_UNPACKED = 2_000, 600_000_000
MEMORY, PROCESSOR_SECONDS = 2_500_000_000, 300
#: A chunk has so many rows, or so many characters and a row.
CHUNK_ROWS, _CHUNK_SIZE = 1_000, 1_000_000
_HEAD_ROWS = 10
_BLOCK = 256 * 1024
#: From here on a float is not exact any more, and Excel has replaced further digits by zeros.
_EXACT = 10**15


class Refused(Exception):
    """The table cannot be taken; `reason` is the name of a refusal of `imports.errors`."""

    def __init__(self, reason: str, **details: Any) -> None:  # noqa: ANN401 - JSON values
        self.reason, self.details = reason, details
        super().__init__(reason)


def main() -> None:
    """Read standard input, which must be a file; `argv` is the largest number of rows."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = sys.stdout.buffer
    try:
        for told in read(cast("BinaryIO", sys.stdin.buffer), int(sys.argv[1])):
            out.write(orjson.dumps(told) + b"\n")
    except Refused as refused:
        out.write(orjson.dumps({"refused": refused.reason, "details": refused.details}) + b"\n")
    except MemoryError:
        out.write(orjson.dumps({"refused": "WorkbookTooLarge", "details": {}}) + b"\n")
    out.flush()


def read(file: BinaryIO, most_rows: int) -> Iterator[dict[str, Any]]:
    """What the process writes."""
    is_workbook = file.read(4) == b"PK\x03\x04"
    file.seek(0)
    if is_workbook:
        _demand_bounded(file)
        sheets = _workbook(file)
        yield {"format": "XLSX", "encoding": "UTF-8"}
    else:
        encoding = _encoding(file)
        sheets = iter([("", _csv(file, encoding))])
        yield {"format": "CSV", "encoding": {"utf-8-sig": "UTF-8", "utf-16": "UTF-16"}.get(encoding, "GB18030")}
    left, at = most_rows, 0
    for name, rows in sheets:
        has_headers = False
        for told in _table(at, name, rows):
            has_headers = True
            left -= len(told.get("rows", ()))
            if left < 0:
                raise Refused("TableTooLarge", what="rows", what_zh="行数", limit=most_rows)
            yield told
        at += has_headers


def _table(at: int, name: str, rows: Iterable[list[str]]) -> Iterator[dict[str, Any]]:
    """Headers and rows of one sheet: the first row with two cells or more holds the headers."""
    numbered = enumerate(rows, 1)
    width = 0
    for number, row in numbered:
        if sum(map(bool, row)) > 1:
            width = max(place for place, cell in enumerate(row, 1) if cell)
            if width > MOST_COLUMNS:
                raise Refused("TableTooLarge", what="columns", what_zh="列数", limit=MOST_COLUMNS)
            yield {"sheet": at, "name": name[:100], "headers": row[:width]}
            break
        if number >= _HEAD_ROWS:
            return
    kept: list[list[Any]] = []
    size = 0
    for number, row in numbered:
        if not any(row):
            continue
        kept.append([number, *row[:width]])
        size += sum(map(len, row))
        if len(kept) == CHUNK_ROWS or size > _CHUNK_SIZE:
            yield {"sheet": at, "rows": kept}
            kept, size = [], 0
    if kept:
        yield {"sheet": at, "rows": kept}


def _encoding(file: BinaryIO) -> str:
    """How a text is encoded: by its mark, as UTF-8 if all of it is, as GB18030 if all of it is."""
    start = file.read(4)
    file.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-8-sig", "gb18030"):
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while block := file.read(_BLOCK):
                if b"\0" in block:
                    raise Refused("TableUnreadable", what="NUL")
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        else:
            return encoding
        finally:
            file.seek(0)
    raise Refused("TableUnreadable", what="encoding")


def _csv(file: BinaryIO, encoding: str) -> Iterator[list[str]]:
    csv.field_size_limit(MOST_CELL)
    text = TextIOWrapper(BufferedReader(cast("Any", file)), encoding, newline="")
    head = text.readline(64 * 1024)
    text.seek(0)
    delimiter = max(",;\t", key=head.count)
    try:
        for row in csv.reader(text, delimiter=delimiter, strict=True):
            yield [cell.strip() for cell in row]
    except csv.Error as error:
        raise Refused("TableUnreadable", what=str(error).split("(")[0].strip()) from None
    except UnicodeDecodeError:
        raise Refused("TableUnreadable", what="encoding") from None


def _demand_bounded(file: BinaryIO) -> None:
    """Refuse an archive that unfolds to more than is allowed: each member is unpacked, whatever it says of itself."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise Refused("WorkbookTooLarge")
            unpacked = 0
            for member in members:
                with archive.open(member) as stream:
                    while block := stream.read(_BLOCK):
                        unpacked += len(block)
                        if unpacked > MOST_UNPACKED:
                            raise Refused("WorkbookTooLarge")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise Refused("TableUnreadable", what=type(error).__name__) from None
    file.seek(0)


def _workbook(file: BinaryIO) -> Iterator[tuple[str, Iterator[list[str]]]]:
    import python_calamine as calamine

    try:
        book = calamine.CalamineWorkbook.from_filelike(file)
        shown = [
            one.name
            for one in book.sheets_metadata
            if one.typ == calamine.SheetTypeEnum.WorkSheet and one.visible == calamine.SheetVisibleEnum.Visible
        ]
    except (calamine.CalamineError, ValueError, OSError) as error:
        raise Refused("TableUnreadable", what=type(error).__name__) from None
    if len(shown) > MOST_SHEETS:
        raise Refused("TableTooLarge", what="sheets", what_zh="工作表数", limit=MOST_SHEETS)
    for name in shown:
        try:
            sheet = book.get_sheet_by_name(name)
        except (calamine.CalamineError, ValueError) as error:
            raise Refused("TableUnreadable", what=type(error).__name__) from None
        # Rows above the first one that is not empty are left out by the library, and count nevertheless.
        above = sheet.start[0] if sheet.start else 0
        yield name, _rows(sheet, above)


def _rows(sheet: Any, above: int) -> Iterator[list[str]]:  # noqa: ANN401 - calamine's
    for _ in range(above):
        yield []
    for row in sheet.iter_rows():
        yield [_cell(value) for value in row]


def _cell(value: object) -> str:
    """What stands in a cell, as a text; of a formula its last result."""
    if isinstance(value, str):
        return value.strip()[: MOST_CELL + 1]
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value).upper()
    if isinstance(value, dt.datetime):
        is_day = value.time() == dt.time()
        return value.date().isoformat() if is_day else value.isoformat(" ", "seconds")
    if isinstance(value, int | dt.date | dt.time | dt.timedelta):
        return str(value)
    return ""


if __name__ == "__main__":
    main()
