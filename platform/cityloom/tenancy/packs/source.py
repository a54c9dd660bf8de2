"""Where a pack's files come from: a folder, or a list that was uploaded. Nothing outside of it is ever opened."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cityloom.core.text import Text
from cityloom.tenancy.packs.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MEBIBYTE = 1024 * 1024
MOST_FILES = 2_000
MOST_FILE_BYTES = 64 * MEBIBYTE
MOST_BYTES = 256 * MEBIBYTE
DEEPEST = 4
LONGEST_PATH = 200

_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ufeff\u202a-\u202e\u2066-\u2069]")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class PackSource:
    """The files of one pack by path. `label` stands before paths in problems of a base pack."""

    files: dict[str, bytes]
    label: str = ""

    def path(self, name: str) -> str:
        """How a file is called in problems."""
        return f"{self.label}/{name}" if self.label else name

    def text(self, name: str, problems: Problems) -> str | None:
        """The file as text with LF line ends; None, and a problem, where it is not clean UTF-8."""
        raw, file = self.files[name], self.path(name)
        if raw.startswith(_BOM):
            problems.say(
                file,
                1,
                "",
                Text("文件以字节顺序标记(BOM)开头", "the file begins with a byte order mark"),
                Text("请另存为不带 BOM 的 UTF-8", "save it as UTF-8 without BOM"),
            )
            return None
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            problems.say(
                file,
                line,
                "",
                Text("不是 UTF-8 编码", f"byte 0x{raw[error.start]:02x} is not UTF-8"),
                Text("请另存为 UTF-8(不是 GBK)", "save it as UTF-8 (not GBK)"),
            )
            return None
        if "\r" in text:
            problems.say(
                file,
                text.count("\n", 0, text.index("\r")) + 1,
                "",
                Text("行尾含有回车符(CRLF)", "the line ends with a carriage return (CRLF)"),
                Text("请使用 LF 换行", "use LF line ends"),
            )
            return None
        clean = True
        for match in _CONTROL.finditer(text):
            clean = False
            problems.say(
                file,
                text.count("\n", 0, match.start()) + 1,
                "",
                Text(f"含有不可见字符 U+{ord(match.group()):04X}", f"invisible character U+{ord(match.group()):04X}"),
                Text("请删除该字符", "remove it"),
            )
            if problems.is_full:
                break
        return text if clean else None


def read_folder(folder: Path, problems: Problems, *, label: str = "") -> PackSource:
    """Read every file below a folder; links, special files, odd names and too much of anything are problems."""
    files: dict[str, bytes] = {}
    total = 0
    shown = f"{label}/" if label else ""
    if folder.is_symlink() or not folder.is_dir():
        problems.say(
            label or folder.name,
            0,
            "",
            Text("没有这个文件夹", "there is no such folder"),
            Text("请给出含有 tenant.toml 的文件夹", "name the folder that holds tenant.toml"),
        )
        return PackSource(files, label)
    for path, name in _walk(folder):
        try:
            status = path.lstat()
        except OSError:
            problems.say(shown + name, 0, "", Text("文件无法读取", "the file cannot be read"))
            continue
        if not stat.S_ISREG(status.st_mode):
            problems.say(
                shown + name,
                0,
                "",
                Text("不是普通文件", "it is not a regular file"),
                Text("配置包内不允许链接或特殊文件", "a pack holds no links and no special files"),
            )
            continue
        total += status.st_size
        if not _is_sound(name, status.st_size, total, len(files), problems, shown):
            continue
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                files[name] = file.read(MOST_FILE_BYTES + 1)
        except OSError:
            problems.say(shown + name, 0, "", Text("文件无法读取", "the file cannot be read"))
    return PackSource(files, label)


def read_upload(uploaded: Iterable[tuple[str, bytes]], problems: Problems) -> PackSource:
    """Files that were sent as (path, content); the same bounds as for a folder."""
    files: dict[str, bytes] = {}
    total = 0
    for name, content in uploaded:
        total += len(content)
        shown = name if _PATH.match(name) else repr(name[:100])
        if name in files:
            problems.say(
                shown,
                0,
                "",
                Text("同一文件出现两次", "the file is given twice"),
                Text("每个路径只给一次", "give each path once"),
            )
        elif _is_sound(name, len(content), total, len(files), problems, ""):
            files[name] = content
    return PackSource(files)


def _walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """Files below the folder with their names relative to it, in order; links to folders come as files."""
    for root, folders, names in os.walk(folder, followlinks=False):
        here = Path(root)
        linked = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name not in linked)
        for name in sorted([*names, *linked]):
            yield here / name, (here / name).relative_to(folder).as_posix()


def _is_sound(name: str, size: int, total: int, count: int, problems: Problems, shown: str) -> bool:
    label = shown + (name if _PATH.match(name) else repr(name[:100]))
    if (
        not _PATH.match(name)
        or len(name) > LONGEST_PATH
        or name.count("/") >= DEEPEST
        or unicodedata.normalize("NFC", name) != name
    ):
        problems.say(
            label,
            0,
            "",
            Text("不允许的文件路径", "the path is not allowed in a pack"),
            Text(
                "只用字母、数字、点、横线和下划线,不以点开头,不含 ..",
                "letters, digits, dots, hyphens and underscores; no leading dot, no `..`, no absolute path",
            ),
        )
        return False
    for reached, bound, zh, en in (
        (size, MOST_FILE_BYTES, "文件太大", "the file is too large"),
        (total, MOST_BYTES, "配置包太大", "the pack is too large"),
        (count, MOST_FILES - 1, "文件太多", "the pack has too many files"),
    ):
        if reached > bound:
            limit = f"{bound // MEBIBYTE} MiB" if bound > MOST_FILES else f"{MOST_FILES}"
            problems.say(label, 0, "", Text(zh, en), Text(f"最多 {limit}", f"at most {limit}"))
            return False
    return True


def write_folder(folder: Path, files: dict[str, bytes]) -> None:
    """Write a pack's files below a folder, and remove the pack files there that are no longer part of it.

    A file that no pack holds (its name is not allowed in one) stays untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path, name in list(_walk(folder)):
        if name not in files and _PATH.match(name) and path.suffix in {".toml", ".csv", ".geojson"}:
            path.unlink()
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_file() or target.read_bytes() != content:
            target.write_bytes(content)
