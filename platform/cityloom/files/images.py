"""Photos: opened only when their size is known, turned upright, and written anew from the pixels alone."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from cityloom.files.errors import FileBroken, ImageTooManyPixels
from cityloom.files.sniffing import JPEG, WEBP, Kind

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

#: The longest side of a thumbnail, in pixels.
THUMBNAIL = 480
_QUALITY = 90
_THUMBNAIL_QUALITY = 80
_LONGEST_PROFILE = 256 * 1024
#: Pillow's own limit warns where ours refuses: one of the two is enough.
Image.MAX_IMAGE_PIXELS = None
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, UnidentifiedImageError)


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as it is stored; the thumbnail is a JPEG."""

    content: bytes
    width: int
    height: int
    thumbnail: bytes


def clean(content: bytes, kind: Kind, most_pixels: int) -> Photo:
    """The photo without anything but its pixels: no EXIF, GPS, XMP, IPTC, comment, profile, nor what hides behind it.

    Its orientation is applied, its colours are converted to sRGB; of an animation the first frame is kept. Nothing is
    decoded before the number of pixels is known. Refuses (`ImageTooManyPixels`, `FileBroken`).
    """
    if kind is WEBP:
        # Pillow's decoder takes memory for the whole canvas as soon as it opens one.
        _demand_pixels(_webp_size(content), most_pixels)
    try:
        with Image.open(io.BytesIO(content), formats=(kind.name,)) as opened:
            _demand_pixels(opened.size, most_pixels)
            picture = ImageOps.exif_transpose(opened)
            picture = _plain(_in_srgb(picture), has_alpha=kind is not JPEG)
        out = io.BytesIO()
        if kind is JPEG:
            picture.save(out, "JPEG", quality=_QUALITY, optimize=True)
        else:
            picture.save(out, kind.name, **({"quality": _QUALITY} if kind is WEBP else {"optimize": False}))
        small = _plain(picture, has_alpha=False)
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        thumbnail = io.BytesIO()
        small.save(thumbnail, "JPEG", quality=_THUMBNAIL_QUALITY)
    except _DAMAGED as error:
        raise FileBroken(kind=kind.name, what=type(error).__name__) from error
    return Photo(out.getvalue(), *picture.size, thumbnail.getvalue())


def _demand_pixels(size: tuple[int, int], most: int) -> None:
    width, height = size
    if width * height > most:
        raise ImageTooManyPixels(found=width * height, width=width, height=height, limit=most)


def _webp_size(content: bytes) -> tuple[int, int]:
    """Width and height from the first chunk (RFC 9649)."""
    chunk, body = content[12:16], content[20:30]
    if len(body) == 10:  # noqa: PLR2004 - the bytes read
        if chunk == b"VP8X":
            return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
        if chunk == b"VP8L" and body[0] == 0x2F:  # noqa: PLR2004 - its signature
            bits = int.from_bytes(body[1:5], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        if chunk == b"VP8 ":
            return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    raise FileBroken(kind=WEBP.name, what="VP8")


def _in_srgb(picture: Picture) -> Picture:
    profile = picture.info.get("icc_profile")
    if not profile or len(profile) > _LONGEST_PROFILE or picture.mode not in {"RGB", "RGBA", "CMYK", "L"}:
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "RGB" if picture.mode != "RGBA" else "RGBA"
        found = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, *_DAMAGED):
        # A profile that cannot be read changes no colour.
        return picture
    return found or picture


def _plain(picture: Picture, *, has_alpha: bool) -> Picture:
    """A copy that holds pixels and nothing else; without alpha, what was transparent is white."""
    is_clear = picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info
    if is_clear and has_alpha:
        made = picture.convert("RGBA")
    elif is_clear:
        layer = picture.convert("RGBA")
        made = Image.new("RGB", layer.size, "white")
        made.paste(layer, mask=layer.getchannel("A"))
    else:
        made = picture.convert("L" if picture.mode in {"1", "L"} else "RGB")
    made = made.copy()
    made.info = {}
    return made
