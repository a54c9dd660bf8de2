"""Videos: containers walked from end to end, and what tells where they were made overwritten in place.

Nothing is decoded or moved: boxes and elements with metadata become empty ones of the same length (`free`, `Void`), so
that every offset in the file stays right. In MP4 and QuickTime that is `udta`, `meta` and `uuid` (Apple's and Android's
location, XMP), and tracks of timed metadata with their samples (positions of phones and action cameras); in WebM it is
`Tags` and `Attachments`. What is not removed: what is seen and heard in the video, and data inside the coded frames.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from cityloom.files.errors import FileBroken
from cityloom.files.sniffing import WEBM, Kind

_METADATA = {b"udta", b"meta", b"uuid", b"free", b"skip"}
_TOP = {b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"styp", b"wide", b"pnot", b"prft", b"emsg", *_METADATA}
#: Handlers of tracks that are seen, heard or read; any other track is timed metadata.
_SHOWN = {b"vide", b"soun", b"subt", b"sbtl", b"text", b"clcp", b"tmcd"}
_MOST_BOXES = 20_000
_MOST_ELEMENTS = 500_000
_BLOCK = 1024 * 1024

_SEGMENT, _VOID, _CLUSTER = 0x18538067, 0xEC, 0x1F43B675
_EBML = 0x1A45DFA3
_PRIVATE = {0x1254C367, 0x1941A469}
_LEVEL_ONE = {0x114D9B74, 0x1549A966, 0x1654AE6B, _CLUSTER, 0x1C53BB6B, 0x1043A770, _VOID, 0xBF, *_PRIVATE}
_IN_CLUSTER = {0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0x5854, 0xAF}


def clean(file: BinaryIO, size: int, kind: Kind) -> None:
    """Empty every place of a video that may tell where it was made; refuses (`FileBroken`) what is not wholly one."""
    try:
        if kind is WEBM:
            _Matroska(file, size).clean()
        else:
            _Boxes(file, size, kind).clean()
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise FileBroken(kind=kind.name, what="structure") from error


def _empty(file: BinaryIO, begin: int, end: int) -> None:
    file.seek(begin)
    while begin < end:
        step = min(_BLOCK, end - begin)
        file.write(bytes(step))
        begin += step


class _Boxes:
    """ISO/IEC 14496-12 and QuickTime: boxes of length, type and content."""

    def __init__(self, file: BinaryIO, size: int, kind: Kind) -> None:
        self.file, self.size, self.kind = file, size, kind
        self.seen = 0

    def clean(self) -> None:
        found = {name for name, _, _, _ in self.walk(0, self.size)}
        if not {b"ftyp", b"moov"} <= found or not found <= _TOP:
            raise FileBroken(kind=self.kind.name, what="moov")
        for name, start, begin, end in list(self.walk(0, self.size)):
            if name in _METADATA:
                self.free(start, begin, end)
            elif name in {b"moov", b"moof"}:
                self.clean_inside(begin, end)

    def clean_inside(self, low: int, high: int) -> None:
        for name, start, begin, end in list(self.walk(low, high)):
            if name in _METADATA:
                self.free(start, begin, end)
            elif name == b"trak" and self.handler(begin, end) not in _SHOWN:
                self.empty_samples(begin, end)
                self.free(start, begin, end)
            elif name in {b"trak", b"traf", b"mdia", b"minf"}:
                self.clean_inside(begin, end)

    def walk(self, low: int, high: int) -> list[tuple[bytes, int, int, int]]:
        """Type, start, beginning and end of the content of each box; refuses what does not fill the space exactly."""
        found, at = [], low
        while at < high:
            self.seen += 1
            self.file.seek(at)
            length, name = struct.unpack(">I4s", self.file.read(8))
            begin = at + 8
            if length == 1:
                length, begin = struct.unpack(">Q", self.file.read(8))[0], at + 16
            elif length == 0 and high == self.size:
                length = high - at
            if at + length > high or at + length < begin or self.seen > _MOST_BOXES:
                raise FileBroken(kind=self.kind.name, what=name.decode("latin-1"))
            found.append((name, at, begin, at + length))
            at += length
        return found

    def free(self, start: int, begin: int, end: int) -> None:
        self.file.seek(start + 4)
        self.file.write(b"free")
        _empty(self.file, begin, end)

    def inside(self, low: int, high: int, *names: bytes) -> tuple[int, int] | None:
        """Where the content of a box lies that is reached by these names."""
        for wanted in names:
            place = next(((b, e) for name, _, b, e in self.walk(low, high) if name == wanted), None)
            if place is None:
                return None
            low, high = place
        return low, high

    def handler(self, low: int, high: int) -> bytes:
        place = self.inside(low, high, b"mdia", b"hdlr")
        return b"" if place is None else self.read(place[0] + 8, 4)

    def read(self, at: int, count: int) -> bytes:
        self.file.seek(at)
        found = self.file.read(count)
        if len(found) != count:
            raise ValueError(count)
        return found

    def table(self, low: int, high: int, name: bytes, form: str) -> list[int]:
        """The numbers of a sample table, after its count."""
        place = self.inside(low, high, name)
        if place is None:
            return []
        content = self.read(place[0] + 8, place[1] - place[0] - 8)
        return list(struct.unpack(f">{len(content) // struct.calcsize(form)}{form}", content))

    def empty_samples(self, low: int, high: int) -> None:
        """Overwrite what a track of metadata holds in `mdat`."""
        place = self.inside(low, high, b"mdia", b"minf", b"stbl")
        if place is None:
            return
        offsets = self.table(*place, b"stco", "I") or self.table(*place, b"co64", "Q")
        self._check_count(offsets)
        chunks = self.table(*place, b"stsc", "I")
        sizes_at = self.inside(*place, b"stsz")
        if not offsets or sizes_at is None:
            return
        same, count = struct.unpack(">II", self.read(sizes_at[0] + 4, 8))
        own = [] if same else list(struct.unpack(f">{count}I", self.read(sizes_at[0] + 12, 4 * count)))
        runs = [chunks[at : at + 3] for at in range(0, len(chunks) - 2, 3)]
        at = per_chunk = 0
        for number, offset in enumerate(offsets, 1):
            per_chunk = next((run[1] for run in reversed(runs) if run[0] <= number), per_chunk)
            length = same * per_chunk if same else sum(own[at : at + per_chunk])
            at += per_chunk
            if offset + length > self.size:
                raise ValueError(offset)
            _empty(self.file, offset, offset + length)

    def _check_count(self, offsets: list[int]) -> None:
        if len(offsets) > _MOST_BOXES:
            raise FileBroken(kind=self.kind.name, what="stco")


class _Matroska:
    """WebM: elements of id, length and content (RFC 8794)."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size

    def clean(self) -> None:
        name, begin, length = self.element(0)
        at = begin + (length or 0)
        if name != _EBML or length is None:
            raise FileBroken(kind=WEBM.name, what="EBML")
        name, begin, length = self.element(at)
        if name != _SEGMENT or (length is not None and begin + length != self.size):
            raise FileBroken(kind=WEBM.name, what="Segment")
        at, seen, is_in_cluster = begin, 0, False
        while at < self.size:
            seen += 1
            name, begin, length = self.element(at)
            if not (name in _LEVEL_ONE or (is_in_cluster and name in _IN_CLUSTER)) or seen > _MOST_ELEMENTS:
                raise FileBroken(kind=WEBM.name, what=f"{name:X}")
            if length is None:
                # A cluster of a live recording, as browsers write them: its blocks follow until the next one begins.
                if name != _CLUSTER:
                    raise FileBroken(kind=WEBM.name, what=f"{name:X}")
                at, is_in_cluster = begin, True
                continue
            end = begin + length
            if end > self.size:
                raise FileBroken(kind=WEBM.name, what=f"{name:X}")
            if name in _PRIVATE or name == _VOID:
                self.void(at, end)
            at = end

    def element(self, at: int) -> tuple[int, int, int | None]:
        """Id, beginning of the content, and its length; None where that is not known."""
        self.file.seek(at)
        head = self.file.read(12)
        id_length = 9 - head[0].bit_length()
        name = int.from_bytes(head[:id_length], "big")
        width = 9 - head[id_length].bit_length()
        raw = head[id_length : id_length + width]
        if id_length > 4 or width > 8 or len(raw) != width:  # noqa: PLR2004 - the longest that the format knows
            raise ValueError(at)
        length = int.from_bytes(raw, "big") & ((1 << 7 * width) - 1)
        return name, at + id_length + width, None if length == (1 << 7 * width) - 1 else length

    def void(self, start: int, end: int) -> None:
        """An element `Void` of the same extent, its length in eight bytes."""
        space = end - start
        if space < 2:  # noqa: PLR2004 - no element is shorter
            raise ValueError(space)
        width = 8 if space > 9 else 1  # noqa: PLR2004 - one byte of id and eight of length
        length = space - 1 - width
        self.file.seek(start)
        self.file.write(bytes([_VOID]) + (length | 1 << 7 * width).to_bytes(width, "big"))
        _empty(self.file, start + 1 + width, end)
