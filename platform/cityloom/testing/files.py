"""Photos and videos for tests, with what cameras put into them; and uploads below HTTP."""

from __future__ import annotations

import io
import struct
import tempfile
from typing import TYPE_CHECKING, cast

from PIL import Image

from cityloom.core.ids import encode_id
from cityloom.files import service
from cityloom.tenancy.limits import LIMITS

if TYPE_CHECKING:
    from typing import BinaryIO

    from cityloom.core.principal import Principal
    from cityloom.testing.front import Front

#: A text that only metadata hold: it must be nowhere in what is kept.
SECRET = b"Kim's phone, +42.9056+129.5133/"
_GPS, _DESCRIPTION, _ORIENTATION = 0x8825, 0x010E, 0x0112
_LIMITS = {name: limit.default for name, limit in LIMITS.items()}


def picture(width: int = 64, height: int = 48, *, form: str = "JPEG", orientation: int = 1) -> bytes:
    """A photo whose left half is red and right half blue, with EXIF, GPS, XMP and a comment."""
    made = Image.new("RGB", (width, height), "blue")
    made.paste((200, 0, 0), (0, 0, width // 2, height))
    exif = Image.Exif()
    exif[_DESCRIPTION], exif[_ORIENTATION] = SECRET.decode(), orientation
    exif.get_ifd(_GPS).update({1: "N", 2: (42.0, 54.0, 20.0), 3: "E", 4: (129.0, 30.0, 48.0)})
    out = io.BytesIO()
    more = {"comment": SECRET} if form == "JPEG" else {}
    made.save(out, form, exif=exif, xmp=b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>", **more)
    return out.getvalue()


def box(name: bytes, *content: bytes) -> bytes:
    """A box of an MP4."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), name) + body


def mp4(*, brand: bytes = b"isom") -> bytes:
    """A container with a picture track, a track of positions, and user data that tell where it was."""
    ftyp = box(b"ftyp", brand, bytes(4), b"mp42")
    frames, positions = b"FRAMES" * 20, SECRET
    mdat = box(b"mdat", frames, positions)
    begin = len(ftyp) + 8

    def track(handler: bytes, offset: int, size: int) -> bytes:
        table = box(
            b"stbl",
            box(b"stsz", bytes(4), struct.pack(">III", 0, 1, size)),
            box(b"stsc", bytes(4), struct.pack(">IIII", 1, 1, 1, 1)),
            box(b"stco", bytes(4), struct.pack(">II", 1, offset)),
        )
        hdlr = box(b"hdlr", bytes(8), handler, bytes(12))
        return box(b"trak", box(b"mdia", hdlr, box(b"minf", table)), box(b"udta", box(b"name", SECRET)))

    moov = box(
        b"moov",
        box(b"mvhd", bytes(100)),
        track(b"vide", begin, len(frames)),
        track(b"meta", begin + len(frames), len(positions)),
        box(b"udta", box(b"\xa9xyz", SECRET)),
        box(b"meta", bytes(4), box(b"ilst", SECRET)),
    )
    return ftyp + mdat + moov + box(b"uuid", b"\xbe\x7a\xcf\xcb" + bytes(12), SECRET) + box(b"free", SECRET)


def element(name: int, content: bytes) -> bytes:
    """An element of a WebM with its length in eight bytes."""
    head = name.to_bytes((name.bit_length() + 7) // 8, "big")
    return head + (len(content) | 1 << 56).to_bytes(8, "big") + content


def webm(*, is_live: bool = False) -> bytes:
    """A container with tags that tell where it was; live ones have lengths that nobody knew when they were written."""
    head = element(0x1A45DFA3, element(0x4282, b"webm"))
    block = element(0xA3, b"FRAMES" * 20)
    cluster = b"\x1f\x43\xb6\x75" + b"\x01" + b"\xff" * 7 + block if is_live else element(0x1F43B675, block)
    content = element(0x1254C367, element(0x7373, SECRET)) + cluster + element(0xEC, SECRET)
    return head + (b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + content if is_live else element(0x18538067, content))


async def uploaded(front: Front, who: Principal, content: bytes | None = None) -> str:
    """The global id of a fresh upload."""
    with tempfile.SpooledTemporaryFile() as file:
        file.write(content or picture())
        received = await service.receive(cast("BinaryIO", file), _LIMITS)
        made = await service.upload(front.works.begin, who, received)
    return encode_id("file", who.tenant_id, made.id)
