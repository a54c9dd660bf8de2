"""Videos lose what tells where they were made, without a byte being moved; what is no video is refused."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.files import videos
from cityloom.files.errors import FileBroken
from cityloom.files.sniffing import MOV, MP4, WEBM, Kind, sniff
from cityloom.testing.examples import examples
from cityloom.testing.files import SECRET, box, mp4, webm

VIDEOS = {
    "mp4": (mp4(), MP4),
    "quicktime": (mp4(brand=b"qt  "), MOV),
    "webm": (webm(), WEBM),
    "live webm": (webm(is_live=True), WEBM),
}


def cleaned(content: bytes, kind: Kind) -> bytes:
    file = io.BytesIO(content)
    videos.clean(file, len(content), kind)
    return file.getvalue()


@pytest.mark.parametrize("name", sorted(VIDEOS))
def test_places_are_emptied_and_nothing_moves(name: str) -> None:
    content, kind = VIDEOS[name]
    assert sniff(content[:64]) == kind
    assert SECRET in content
    kept = cleaned(content, kind)
    assert SECRET not in kept
    assert len(kept) == len(content)
    assert kept.index(b"FRAMES") == content.index(b"FRAMES")
    assert kept.count(b"FRAMES") == content.count(b"FRAMES")
    assert cleaned(kept, kind) == kept


def test_the_track_of_pictures_stays_and_the_track_of_positions_goes() -> None:
    kept = cleaned(mp4(), MP4)
    assert kept.count(b"trak") == 1
    assert b"vide" in kept
    assert b"udta" not in kept


@pytest.mark.parametrize("name", sorted(VIDEOS))
@pytest.mark.parametrize("tail", [b"PK\x03\x04 a zip behind", b"<script>alert(1)</script>"])
def test_what_hides_behind_a_video_is_refused(name: str, tail: bytes) -> None:
    content, kind = VIDEOS[name]
    with pytest.raises(FileBroken):
        cleaned(content + tail, kind)


@pytest.mark.parametrize("name", sorted(VIDEOS))
def test_a_video_that_is_cut_is_refused(name: str) -> None:
    content, kind = VIDEOS[name]
    with pytest.raises(FileBroken):
        cleaned(content[:-5], kind)


def test_a_container_without_pictures_or_with_strangers_is_refused() -> None:
    ftyp = box(b"ftyp", b"isom", bytes(4))
    for content in (ftyp, ftyp + box(b"evil", b"x"), ftyp + struct.pack(">I4s", 4, b"moov"), box(b"moov")):
        with pytest.raises(FileBroken):
            cleaned(content, MP4)


@given(name=st.sampled_from(sorted(VIDEOS)), at=st.integers(0, 10_000), byte=st.integers(0, 255))
@examples(100)
def test_damage_is_refused_or_harmless(name: str, at: int, byte: int) -> None:
    """Whatever byte is wrong: refused as damaged, or cleaned to the same length; never an error or an endless walk."""
    content, kind = VIDEOS[name]
    damaged = bytearray(content)
    damaged[at % len(damaged)] = byte
    try:
        kept = cleaned(bytes(damaged), kind)
    except FileBroken:
        return
    assert len(kept) == len(content)
