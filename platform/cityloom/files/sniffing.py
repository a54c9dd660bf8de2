"""What a file is by its content. Names and headers are never asked: whoever sends them chooses them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

#: How much of a file is looked at.
HEAD = 64
#: Brands of the container of ISO/IEC 14496-12 that are still pictures.
_PICTURES = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"hevc": "HEIC", b"avif": "AVIF"}
_QUICKTIME = b"qt  "
_OTHERS = (
    (b"GIF8", "GIF"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "ZIP"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
    (b"<!DOCTYPE", "HTML"),
    (b"<html", "HTML"),
    (b"\x7fELF", "ELF"),
    (b"MZ", "EXE"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A type that is taken: `kind` is IMAGE or VIDEO, `media_type` what it is served as."""

    kind: str
    name: str
    media_type: str


JPEG = Kind("IMAGE", "JPEG", "image/jpeg")
PNG = Kind("IMAGE", "PNG", "image/png")
WEBP = Kind("IMAGE", "WEBP", "image/webp")
MP4 = Kind("VIDEO", "MP4", "video/mp4")
MOV = Kind("VIDEO", "QuickTime", "video/quicktime")
WEBM = Kind("VIDEO", "WebM", "video/webm")
TAKEN = (JPEG, PNG, WEBP, MP4, MOV, WEBM)


def sniff(head: bytes) -> Kind | str:
    """The kind of a file by its first bytes; for what is not taken, what it seems to be."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp" and struct.unpack(">I", head[:4])[0] >= 16:  # noqa: PLR2004 - the smallest ftyp box
        brand = head[8:12]
        return _PICTURES.get(brand) or (MOV if brand == _QUICKTIME else MP4)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"webm" in head else "Matroska"
    return next((name for start, name in _OTHERS if head.lstrip()[: len(start)] == start), "unknown")
