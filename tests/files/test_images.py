"""Photos are kept without anything but their pixels, upright, and are never decoded where they are too large."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image

from cityloom.files import images
from cityloom.files.errors import FileBroken, ImageTooManyPixels
from cityloom.files.sniffing import JPEG, PNG, WEBP, Kind, sniff
from cityloom.testing.files import SECRET, picture

MOST = 50_000_000
KINDS = {"JPEG": JPEG, "PNG": PNG, "WEBP": WEBP}


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that says that it is enormous."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10_000_000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", sorted(KINDS))
def test_nothing_of_what_the_camera_wrote_is_left(form: str) -> None:
    given = picture(form=form)
    assert SECRET in given
    photo = images.clean(given, KINDS[form], MOST)
    for kept in (photo.content, photo.thumbnail):
        assert SECRET not in kept
        assert b"Exif" not in kept
        assert b"xmpmeta" not in kept
        with Image.open(io.BytesIO(kept)) as read:
            assert not read.getexif()
            assert not set(read.info) & {"exif", "xmp", "comment", "icc_profile"}
    assert sniff(photo.content) == KINDS[form]
    assert sniff(photo.thumbnail) == JPEG


@pytest.mark.parametrize(
    ("orientation", "size", "corner"), [(1, (64, 48), "red"), (6, (48, 64), "red"), (3, (64, 48), "blue")]
)
def test_a_photo_is_turned_upright(orientation: int, size: tuple[int, int], corner: str) -> None:
    photo = images.clean(picture(orientation=orientation), JPEG, MOST)
    assert (photo.width, photo.height) == size
    with Image.open(io.BytesIO(photo.content)) as read:
        assert read.size == size
        red, _, blue = read.convert("RGB").getpixel((2, 2))  # type: ignore[misc] # an RGB image has three values
        assert ("red" if red > blue else "blue") == corner


@pytest.mark.parametrize("size", [(30_000, 30_000), (65_000, 65_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    given = bomb(*size)
    assert len(given) < 20_000
    tracemalloc.start()
    try:
        with pytest.raises((ImageTooManyPixels, FileBroken)):
            images.clean(given, PNG, MOST)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_large_webp_is_refused_by_its_header() -> None:
    canvas = (16_000).to_bytes(3, "little") * 2
    given = b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + canvas
    with pytest.raises(ImageTooManyPixels) as refused:
        images.clean(given, WEBP, MOST)
    assert refused.value.details == {"found": 16_001**2, "width": 16_001, "height": 16_001, "limit": MOST}
    assert "256032001" in refused.value.message("en")
    assert "256032001" in refused.value.message("zh")


@pytest.mark.parametrize("tail", [b"PK\x03\x04 a zip", b"<script>alert(1)</script>", b"%PDF-1.7"])
def test_what_hides_behind_a_photo_is_gone(tail: bytes) -> None:
    photo = images.clean(picture() + tail, JPEG, MOST)
    assert tail not in photo.content


@pytest.mark.parametrize("form", sorted(KINDS))
def test_a_damaged_photo_is_refused(form: str) -> None:
    whole = picture(form=form)
    with pytest.raises(FileBroken):
        images.clean(whole[: len(whole) // 2], KINDS[form], MOST)
    with pytest.raises(FileBroken):
        images.clean(whole[:32], KINDS[form], MOST)


def test_a_photo_of_another_kind_than_its_beginning_is_refused() -> None:
    with pytest.raises(FileBroken):
        images.clean(picture(form="PNG"), JPEG, MOST)


def test_the_first_frame_of_an_animation_is_kept_and_transparency_too() -> None:
    frames = [Image.new("RGBA", (20, 10), (0, 200, 0, alpha)) for alpha in (0, 255)]
    out = io.BytesIO()
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:])
    photo = images.clean(out.getvalue(), PNG, MOST)
    with Image.open(io.BytesIO(photo.content)) as read:
        assert (getattr(read, "n_frames", 1), read.mode) == (1, "RGBA")
    with Image.open(io.BytesIO(photo.thumbnail)) as small:
        assert min(small.convert("RGB").getpixel((5, 5))) > 240  # type: ignore[arg-type] # three values


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"GIF89a", "GIF"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04", "ZIP"),
        (b"<svg xmlns=", "SVG"),
        (b"  <!DOCTYPE html>", "HTML"),
        (struct.pack(">I", 24) + b"ftypheic", "HEIC"),
        (b"\x1a\x45\xdf\xa3....matroska", "Matroska"),
        (b"\x00" * 64, "unknown"),
    ],
)
def test_what_is_not_taken_is_named(head: bytes, found: Kind | str) -> None:
    assert sniff(head) == found
