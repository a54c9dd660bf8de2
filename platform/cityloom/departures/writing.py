"""The parts of a bundle: files that only their owner may read, hashed while they are written, there whole or not."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final
from uuid import UUID

import asyncpg
import orjson

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

_BLOCK: Final = 1024 * 1024
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the bundle: rows are its lines, if it has any; `byte_size` and `sha256` are of the file as it lies."""

    path: str
    row_count: int | None
    byte_size: int
    sha256: str


class _Hashed:
    """A file that knows size and SHA-256 of what was written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.byte_size, self._digest = 0, hashlib.sha256()

    def write(self, content: bytes) -> int:
        """Write bytes."""
        self._file.write(content)
        self._digest.update(content)
        self.byte_size += len(content)
        return len(content)

    def flush(self) -> None:
        """Hand them to the system."""
        self._file.flush()

    @property
    def sha256(self) -> str:
        """The hash so far, in hexadecimal."""
        return self._digest.hexdigest()


class Writing:
    """A part that is being written; packed where its name ends in `.gz`. Writing waits in a thread."""

    def __init__(self, path: str, file: IO[bytes]) -> None:
        self._path = path
        self._hashed = _Hashed(file)
        self._rows: int | None = None
        self._packed: gzip.GzipFile | None = None
        if path.endswith(".gz"):
            # Without name and time, the same rows are the same bytes.
            self._packed = gzip.GzipFile("", "wb", 6, self._hashed, mtime=0)

    async def lines(self, rows: Iterable[object]) -> None:
        """Write rows as JSON, one a line."""
        await asyncio.to_thread(self._lines, rows)

    async def bytes(self, content: bytes) -> None:
        """Write bytes as they are."""
        await asyncio.to_thread((self._packed or self._hashed).write, content)

    def _lines(self, rows: Iterable[object]) -> None:
        self._rows = self._rows or 0
        for row in rows:
            self._rows += 1
            (self._packed or self._hashed).write(orjson.dumps(row, default=_plain, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> Part:
        """Nothing more comes."""
        if self._packed is not None:
            self._packed.close()
        return Part(self._path, self._rows, self._hashed.byte_size, self._hashed.sha256)


def _plain(value: object) -> object:
    """What JSON has no word for: the driver's own ids, and the corners of an area, as longitude and latitude."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, asyncpg.Polygon):
        return [[corner.x, corner.y] for corner in value]
    raise TypeError(type(value))


@dataclass
class Bundle:
    """The folder of a bundle."""

    folder: Path

    def prepare(self) -> None:
        """Make the folder, for its owner alone."""
        self.folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self.folder.chmod(_FOLDER_MODE)

    def write(self, path: str, content: bytes) -> None:
        """Write a small file at once."""
        with self._draft(path) as file:
            file.write(content)
        self._settle(path)

    @asynccontextmanager
    async def part(self, path: str) -> AsyncIterator[tuple[Writing, list[Part]]]:
        """A part to write, and where it is told afterwards; it is there under its name when it is whole."""
        told: list[Part] = []
        with self._draft(path) as file:
            writing = Writing(path, file)
            yield writing, told
            told.append(await asyncio.to_thread(writing.close))
            file.flush()
            os.fsync(file.fileno())
        self._settle(path)

    def measured(self, path: str) -> Part | None:
        """A part without rows that is there already, as it lies; None where it is not."""
        with suppress(FileNotFoundError), (self.folder / path).open("rb") as file:
            size, digest = 0, hashlib.sha256()
            while block := file.read(_BLOCK):
                size += len(block)
                digest.update(block)
            return Part(path, None, size, digest.hexdigest())
        return None

    def _draft(self, path: str) -> IO[bytes]:
        place = self.folder / f"{path}.part"
        place.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        # What a killed process has left is begun anew; a link that somebody laid there is not followed.
        place.unlink(missing_ok=True)
        return os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _FILE_MODE), "wb")

    def _settle(self, path: str) -> None:
        (self.folder / f"{path}.part").rename(self.folder / path)
