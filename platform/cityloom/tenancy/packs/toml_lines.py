"""At which line each key of a TOML document stands, which the standard parser does not tell.

The document has been parsed by `tomllib` before, so this scanner may rely on it being valid TOML 1.0.
"""

from __future__ import annotations

import re
from bisect import bisect_right

Path = tuple["str | int", ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}\n#]*")
_ESCAPED = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_SIMPLE = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


def toml_lines(text: str) -> dict[Path, int]:
    """Line (from 1) of every table header, array element and key, by path."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.lines: dict[Path, int] = {}
        self.counts: dict[Path, int] = {}
        self.ends = [match.start() for match in re.finditer("\n", text)]

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        self._skip_blank()
        while self.at < len(self.text):
            line = self._line()
            if self.text.startswith("[[", self.at):
                self.at += 2
                names = self._dotted()
                parent = self._resolve(names[:-1])
                self._mark(parent, line)
                array = (*parent, names[-1])
                index = self.counts.get(array, 0)
                self.counts[array] = index + 1
                table = (*array, index)
                self.lines.setdefault(array, line)
                self.lines[table] = line
                self.at = self.text.index("]]", self.at) + 2
            elif self.text[self.at] == "[":
                self.at += 1
                table = self._resolve(self._dotted())
                self._mark(table, line)
                self.at = self.text.index("]", self.at) + 1
            else:
                self._pair(table)
            self._skip_blank()
        return self.lines

    def _resolve(self, names: Path) -> Path:
        path: Path = ()
        for name in names:
            path = (*path, name)
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        return path

    def _mark(self, path: Path, line: int) -> None:
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)

    def _line(self) -> int:
        return bisect_right(self.ends, self.at - 1) + 1

    def _skip_blank(self) -> None:
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _skip_space(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1

    def _dotted(self) -> Path:
        names: list[str] = []
        while True:
            self._skip_space()
            names.append(self._name())
            self._skip_space()
            if self.text[self.at] != ".":
                return tuple(names)
            self.at += 1

    def _name(self) -> str:
        if self.text[self.at] in "\"'":
            return self._string()
        match = _BARE.match(self.text, self.at)
        if match is None:  # pragma: no cover - tomllib has refused such a document
            raise ValueError(self.at)
        self.at = match.end()
        return match.group()

    def _string(self) -> str:
        quote = self.text[self.at]
        mark = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        start = self.at = self.at + len(mark)
        while not self.text.startswith(mark, self.at):
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        # Up to two quotation marks may stand right before the closing three.
        while len(mark) > 1 and self.text.startswith(mark, self.at + 1):
            self.at += 1
        raw = self.text[start : self.at]
        self.at += len(mark)
        return _ESCAPED.sub(_unescape, raw) if quote == '"' else raw

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = (*table, *self._dotted())
        self._mark(path, line)
        self.at += 1
        self._skip_space()
        self._value(path)

    def _value(self, path: Path) -> None:
        self.lines.setdefault(path, self._line())
        match self.text[self.at]:
            case '"' | "'":
                self._string()
            case "[":
                self.at += 1
                self._elements(path)
            case "{":
                self.at += 1
                self._members(path)
            case _:
                match = _SCALAR.match(self.text, self.at)
                self.at = match.end() if match else self.at

    def _elements(self, path: Path) -> None:
        index = 0
        while True:
            self._skip_blank()
            if self.text[self.at] == "]":
                self.at += 1
                return
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._value((*path, index))
            index += 1

    def _members(self, path: Path) -> None:
        while True:
            self._skip_blank()
            if self.text[self.at] == "}":
                self.at += 1
                return
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._pair(path)


def _unescape(match: re.Match[str]) -> str:
    short, long, simple = match.groups()
    return chr(int(short or long, 16)) if short or long else _SIMPLE.get(simple, simple)
