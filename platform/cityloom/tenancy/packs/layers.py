"""Reading the files of one pack, without its base, into typed rows with their places."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError

from cityloom.core.text import Text
from cityloom.tenancy.packs.geometry import canonical_geometry
from cityloom.tenancy.packs.tables import (
    BASE_FILE,
    TENANT_FILE,
    CsvTable,
    Entry,
    GeoJsonTable,
    PackRow,
    Table,
    TomlFolder,
    TomlMap,
    TomlTable,
    TomlValues,
)
from cityloom.tenancy.packs.toml_lines import Path, toml_lines
from cityloom.tenancy.packs.validation import reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cityloom.tenancy.packs.problems import Problems
    from cityloom.tenancy.packs.source import PackSource

_TOML_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)\Z")
_FEATURE = re.compile(r'"type"\s*:\s*"Feature"')
REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML file: its values, and the line of every key."""

    file: str
    values: dict[str, Any]
    lines: dict[Path, int]
    whole: int = 1

    def line(self, path: Sequence[str | int]) -> int:
        """The line of a key, or of the nearest thing around it."""
        for length in range(len(path), 0, -1):
            found = self.lines.get(tuple(path[:length]))
            if found:
                return found
        return self.whole


@dataclass(slots=True)
class Layer:
    """One pack as its own files state it."""

    source: PackSource
    root: Document
    entries: dict[Table[Any], list[Entry[Any]]] = field(default_factory=dict)


def read_root(source: PackSource, *, is_base: bool, problems: Problems) -> Document | None:
    """Read `tenant.toml`, or a base pack's `pack.toml`."""
    name = BASE_FILE if is_base else TENANT_FILE
    if name not in source.files:
        problems.say(
            source.path(name),
            0,
            "",
            Text("缺少该文件", "the file is missing"),
            Text("每个配置包都从它开始", "every pack begins with it"),
        )
        return None
    return read_toml(source, name, problems)


def read_toml(source: PackSource, name: str, problems: Problems) -> Document | None:
    """Read one TOML file; a mistake in its syntax is one problem with its line."""
    text = source.text(name, problems)
    if text is None:
        return None
    file = source.path(name)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        match = _TOML_LINE.search(message)
        line = int(match.group(1)) if match and match.group(1) else text.rstrip("\n").count("\n") + 1
        said = _TOML_LINE.sub("", message)
        problems.say(file, line, "", Text(f"TOML 语法错误:{said}", f"TOML syntax: {said}"))
        return None
    except RecursionError:
        problems.say(file, 1, "", Text("TOML 嵌套过深", "TOML: nested too deeply"))
        return None
    return Document(file, values, toml_lines(text))


def read_layer(
    source: PackSource, root: Document, root_row: type[PackRow], tables: Sequence[Table[Any]], problems: Problems
) -> Layer:
    """Read every table that stands in this pack's own files. Maps are left for merging (`merge.py`)."""
    layer = Layer(source, root)
    sections = {table.name for table in tables if isinstance(table, (TomlTable, TomlMap, TomlValues))}
    known_keys = {*root_row.model_fields, *sections, REMOVE}
    for key in root.values:
        if key not in known_keys:
            problems.say(
                root.file,
                root.line((key,)),
                key,
                Text("未知的键", "unknown key"),
                Text(f"可用:{'、'.join(sorted(known_keys))}", f"known: {', '.join(sorted(known_keys))}"),
            )
    _refuse_unknown_files(source, root, tables, problems)
    for table in tables:
        if problems.is_full:
            break
        match table:
            case CsvTable():
                layer.entries[table] = _unique(table, _read_csv(source, table, problems), problems)
            case GeoJsonTable():
                layer.entries[table] = _unique(table, _read_geojson(source, table, problems), problems)
            case TomlTable():
                layer.entries[table] = _unique(table, _read_section(root, table, problems), problems)
            case TomlValues():
                layer.entries[table] = list(_read_values(root, table, problems))
            case TomlFolder():
                layer.entries[table] = list(_read_toml_folder(source, table, problems))
    return layer


def validated(
    table: Table[Any], values: dict[str, Any], document: Document, path: Path, problems: Problems, place: str = ""
) -> Any:  # noqa: ANN401 - the table's own row type
    """A row from TOML values; None, and problems at the keys' own lines, where it is not of the right form."""
    return validated_row(table.row, values, document, path, problems, place)


def validated_row(
    row: type[PackRow], values: dict[str, Any], document: Document, path: Path, problems: Problems, place: str = ""
) -> Any:  # noqa: ANN401 - the row type
    """A row of any type from TOML values; see `validated`."""
    try:
        # JSON keeps types apart ("1" is no number) and still admits dates and choices written as texts.
        return row.model_validate_json(orjson.dumps(values, default=str), strict=True)
    except (ValidationError, TypeError) as error:
        if isinstance(error, TypeError):
            problems.say(document.file, document.line(path), place, Text("数值超出范围", "a number is out of bounds"))
            return None
        for detail in error.errors(include_url=False):
            loc = detail["loc"]
            why, hint = reason(detail)
            dotted = ".".join(str(part) for part in (place, *loc) if part != "")
            problems.say(document.file, document.line((*path, *loc)), dotted, why, hint)
        return None


def _refuse_unknown_files(source: PackSource, root: Document, tables: Sequence[Table[Any]], problems: Problems) -> None:
    names = {table.name for table in tables if isinstance(table, (CsvTable, GeoJsonTable))}
    folders = tuple(f"{table.name}/" for table in tables if isinstance(table, TomlFolder))
    for name in sorted(source.files):
        if source.path(name) == root.file or name in names or (name.endswith(".toml") and name.startswith(folders)):
            continue
        known = sorted({root.file.rsplit("/", 1)[-1], *names, *(f"{folder}*.toml" for folder in folders)})
        problems.say(
            source.path(name),
            0,
            "",
            Text("未知的文件", "unknown file"),
            Text(f"可用:{'、'.join(known)}", f"known: {', '.join(known)}"),
        )


def _unique(table: Table[Any], entries: Iterable[Entry[Any]], problems: Problems) -> list[Entry[Any]]:
    kept: dict[tuple[str, ...], Entry[Any]] = {}
    for entry in entries:
        key = table.key_of(entry.row)
        first = kept.setdefault(key, entry)
        if first is not entry:
            shown = ", ".join(key)
            problems.add(
                entry,
                ", ".join(table.key),
                zh=f"{shown!r} 重复",
                en=f"{shown!r} is given twice",
                hint_zh=f"首次出现在第 {first.line} 行",
                hint_en=f"first given in line {first.line}",
            )
    return list(kept.values())


def _read_section(root: Document, table: Table[Any], problems: Problems) -> Iterator[Entry[Any]]:
    given = root.values.get(table.name, [])
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        problems.say(
            root.file,
            root.line((table.name,)),
            table.name,
            Text("应为表的列表", "it must be a list of tables"),
            Text(f"每项写作 [[{table.name}]]", f"write each as [[{table.name}]]"),
        )
        return
    for index, item in enumerate(given):
        row = validated(table, item, root, (table.name, index), problems, table.name)
        if row is not None:
            yield Entry(row, root.file, root.line((table.name, index)))


def _read_values(root: Document, table: Table[Any], problems: Problems) -> Iterator[Entry[Any]]:
    given = root.values.get(table.name, {})
    key, value = tuple(table.row.model_fields)
    if not isinstance(given, dict):
        problems.say(
            root.file,
            root.line((table.name,)),
            table.name,
            Text("应为表", "it must be a table"),
            Text(f"写作 [{table.name}]", f"write it as [{table.name}]"),
        )
        return
    for name, item in given.items():
        here = Document(root.file, {}, {}, root.line((table.name, name)))
        row = validated(table, {key: name, value: item}, here, (), problems, f"{table.name}.{name}")
        if row is not None:
            yield Entry(row, root.file, root.line((table.name, name)))


def _read_toml_folder(source: PackSource, table: Table[Any], problems: Problems) -> Iterator[Entry[Any]]:
    (key,) = table.key
    for name in sorted(source.files):
        if not (name.startswith(f"{table.name}/") and name.endswith(".toml")):
            continue
        document = read_toml(source, name, problems)
        if document is None:
            continue
        stem = name.removeprefix(f"{table.name}/").removesuffix(".toml")
        if key in document.values or "/" in stem:
            problems.say(
                document.file,
                document.line((key,)),
                key,
                Text("该键取自文件名", "this key is the file's name"),
                Text("请删除", "remove it; files lie directly in the folder"),
            )
            continue
        row = validated(table, {key: stem, **document.values}, document, (), problems)
        if row is not None:
            yield Entry(row, document.file, 1)


def _read_csv(source: PackSource, table: CsvTable[Any], problems: Problems) -> Iterator[Entry[Any]]:
    if table.name not in source.files:
        return
    text = source.text(table.name, problems)
    if text is None:
        return
    file = source.path(table.name)
    columns = list(table.row.model_fields)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    named: list[str] | None = None if table.header else columns
    start = 1
    while not problems.is_full:
        start = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            problems.say(file, start, "", Text(f"CSV 格式错误:{error}", f"CSV syntax: {error}"))
            return
        if cells is None:
            break
        if not cells or (not table.header and cells[0].startswith("#")):
            continue
        if not table.header:
            cells = [cell.strip() for cell in cells]
            cells += [""] * (len(columns) - len(cells)) if _may_be_short(table, len(cells)) else []
        if named is None:
            named = _header(table, cells, file, start, problems)
            if named is None:
                return
            continue
        row = _csv_row(table, named, cells, file, start, problems)
        if row is not None:
            yield Entry(row, file, start)
    if named is None:
        problems.say(
            file,
            1,
            "",
            Text("缺少表头", "the header line is missing"),
            Text(f"应为:{','.join(columns)}", f"it should be: {','.join(columns)}"),
        )


def _may_be_short(table: Table[Any], count: int) -> bool:
    fields = list(table.row.model_fields.values())
    return count < len(fields) and all(not one.is_required() for one in fields[count:])


def _header(table: Table[Any], cells: list[str], file: str, line: int, problems: Problems) -> list[str] | None:
    columns = table.row.model_fields
    right = Text(f"应为:{','.join(columns)}", f"it should be: {','.join(columns)}")
    is_sound = True
    for index, name in enumerate(cells):
        if name not in columns:
            problems.say(file, line, name[:60], Text("未知的列", "unknown column"), right)
            is_sound = False
        elif name in cells[:index]:
            problems.say(file, line, name, Text("列重复", "the column is given twice"), right)
            is_sound = False
    for name, one in columns.items():
        if name not in cells and one.is_required():
            problems.say(file, line, name, Text("缺少该列", "the column is missing"), right)
            is_sound = False
    return cells if is_sound else None


def _csv_row(table: Table[Any], names: list[str], cells: list[str], file: str, line: int, problems: Problems) -> Any:  # noqa: ANN401 - the table's own row type
    if len(cells) != len(names):
        problems.say(
            file,
            line,
            "",
            Text(f"应有 {len(names)} 列,实有 {len(cells)} 列", f"{len(cells)} cells instead of {len(names)}"),
            Text("含逗号的值须用双引号括起", "a value with a comma stands in double quotation marks"),
        )
        return None
    for name, cell in zip(names, cells, strict=True):
        if cell != cell.strip():
            problems.say(
                file,
                line,
                name,
                Text(f"{cell!r} 前后有空格", f"{cell!r} has spaces around it"),
                Text("请删除空格", "remove them"),
            )
            return None
    try:
        return table.row.model_validate_strings({n: cell for n, cell in zip(names, cells, strict=True) if cell != ""})
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            why, hint = reason(detail)
            problems.say(file, line, ".".join(str(part) for part in detail["loc"]), why, hint)
        return None


def _read_geojson(source: PackSource, table: GeoJsonTable[Any], problems: Problems) -> Iterator[Entry[Any]]:
    if table.name not in source.files:
        return
    text = source.text(table.name, problems)
    if text is None:
        return
    file = source.path(table.name)
    try:
        collection = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        problems.say(file, error.lineno, "", Text(f"JSON 语法错误:{error.msg}", f"JSON syntax: {error.msg}"))
        return
    features = collection.get("features") if isinstance(collection, dict) else None
    if not isinstance(features, list) or collection.get("type") != "FeatureCollection":
        problems.say(file, 1, "", Text("不是 FeatureCollection", "it is not a FeatureCollection (RFC 7946)"))
        return
    lines = _feature_lines(text, len(features))
    for index, feature in enumerate(features):
        line = lines[index]
        if not isinstance(feature, dict) or not isinstance(feature.get("properties"), dict):
            problems.say(
                file, line, f"features[{index}]", Text("不是带属性的 Feature", "it is not a feature with properties")
            )
            continue
        geometry, fault = canonical_geometry(feature.get("geometry"))
        if fault is not None:
            problems.say(file, line, "geometry", fault)
            continue
        values = {**feature["properties"], "geometry": geometry}
        row = validated(table, values, Document(file, {}, {}, line), (), problems)
        if row is not None:
            yield Entry(row, file, line)


def _feature_lines(text: str, count: int) -> list[int]:
    lines: list[int] = []
    line, last = 1, 0
    for match in _FEATURE.finditer(text):
        line += text.count("\n", last, match.start())
        last = match.start()
        lines.append(line)
    return lines if len(lines) == count else [0] * count
