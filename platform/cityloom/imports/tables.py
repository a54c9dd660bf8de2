"""Uploaded tables: read by a process of their own (`reading`), kept as sealed chunks, opened again row by row."""

from __future__ import annotations

import asyncio
import base64
import sys
import zlib
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import orjson

from cityloom.core.ids import new_id
from cityloom.imports import errors
from cityloom.imports import models as m
from cityloom.imports.targets import Row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from uuid import UUID

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.errors import Refusal
    from cityloom.imports.targets import Recognised

_LINE = 32 * 1024 * 1024
#: Readers at once in one process: each may take much memory.
_readers = asyncio.Semaphore(2)
_TABLE, _COLUMN = m.ImportChunk.__tablename__, "content"


class SealedChunk(NamedTuple):
    """Rows of one sheet as they are kept."""

    id: UUID
    number: int
    sheet: int
    rows: int
    content: bytes


@dataclass(slots=True)
class TableRead:
    """What is known of a table once it was read: `sheets` with name, headers and number of rows."""

    format: str = ""
    encoding: str = ""
    sheets: list[dict[str, Any]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows of all sheets."""
        return sum(sheet["rows"] for sheet in self.sheets)


async def read_table(file: BinaryIO, keys: TenantKeys, most_rows: int, into: TableRead) -> AsyncIterator[SealedChunk]:
    """The chunks of a table; what else is known of it is written `into`, which is whole at the end.

    Refuses (`TableUnreadable`, `TableTooLarge`, `WorkbookTooLarge`, `TableEmpty`).
    """
    number = 0
    async with _readers, _reader(file, most_rows) as lines:
        async for line in lines:
            told = orjson.loads(line)
            if "refused" in told:
                raise _refusal(told)
            if "format" in told:
                into.format, into.encoding = told["format"], told["encoding"]
            elif "headers" in told:
                name = told["name"] or "CSV"
                into.sheets.append({"name": name, "headers": told["headers"], "rows": 0})
            else:
                sheet = into.sheets[told["sheet"]]
                sheet["rows"] += len(told["rows"])
                yield await asyncio.to_thread(_sealed, keys, number, told["sheet"], told["rows"])
                number += 1
    if not into.rows:
        raise errors.TableEmpty


def open_chunk(keys: TenantKeys, chunk: SealedChunk, columns: Sequence[Recognised]) -> Iterator[Row]:
    """The rows of a chunk, with the cells that stand for a column."""
    found = columns[chunk.sheet].columns
    if not found:
        return
    # One place on, because the row's number stands before its cells.
    places = [(at + 1, name) for at, name in found.items()]
    content = base64.b64decode(keys.open(_TABLE, _COLUMN, chunk.id, chunk.content))
    for row in orjson.loads(zlib.decompress(content)):
        width = len(row)
        yield Row(chunk.sheet, row[0], {name: row[at] for at, name in places if at < width and row[at]})


def _sealed(keys: TenantKeys, number: int, sheet: int, rows: list[list[Any]]) -> SealedChunk:
    row_id = new_id()
    packed = base64.b64encode(zlib.compress(orjson.dumps(rows), 1)).decode()
    return SealedChunk(row_id, number, sheet, len(rows), keys.seal(_TABLE, _COLUMN, row_id, packed))


def _refusal(told: dict[str, Any]) -> Refusal:
    made: type[Refusal] = getattr(errors, told["refused"])
    return made(**told["details"])


@asynccontextmanager
async def _reader(file: BinaryIO, most_rows: int) -> AsyncIterator[AsyncIterator[bytes]]:
    """Lines of the process that reads a file; one that was ended by the system had asked for too much memory."""
    file.flush()
    file.seek(0)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cityloom.imports.reading",
        str(most_rows),
        stdin=file.fileno(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_LINE,
    )
    assert process.stdout is not None  # noqa: S101 - it was asked for
    try:
        yield _lines(process.stdout)
        if await process.wait() != 0:
            raise errors.WorkbookTooLarge
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while line := await stream.readline():
        yield line
