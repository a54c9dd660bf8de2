"""A whole pack: what it states once its base packs are merged in."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import orjson

from cityloom.core.text import Text
from cityloom.tenancy.packs.layers import REMOVE, Document, Layer, read_layer, read_root, validated_row
from cityloom.tenancy.packs.manifest import BASE_NAME, INHERITED, BaseRow, TenantRow
from cityloom.tenancy.packs.merge import deep_merged, deep_without, split_path
from cityloom.tenancy.packs.source import PackSource, read_folder
from cityloom.tenancy.packs.tables import Entry, PackRow, Table, TomlFolder, TomlMap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cityloom.tenancy.packs.problems import Problems

R = TypeVar("R", bound=PackRow)
#: Base packs may build on base packs, but nobody needs to look through more of them than this.
LONGEST_CHAIN = 8


class Bases(Protocol):
    """Where base packs come from."""

    def read(self, name: str, problems: Problems) -> PackSource | None:
        """The files of `packs/<name>`; None where there is no such base pack."""
        ...


@dataclass(frozen=True, slots=True)
class FolderBases:
    """Base packs below the folder of the tenants' packs."""

    tenants: Path

    def read(self, name: str, problems: Problems) -> PackSource | None:
        """The files of `packs/<name>`; None where there is no such folder."""
        folder = self.tenants / name
        if not re.match(BASE_NAME, name) or folder.is_symlink() or not folder.is_dir():
            return None
        return read_folder(folder, problems, label=name)


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a pack's file."""

    file: str
    line: int


@dataclass(slots=True)
class Pack:
    """The rows of all tables, with what was inherited merged in; `tenant` is None for a base pack."""

    tenant: TenantRow | None
    root: Document
    tables: dict[Table[Any], dict[tuple[str, ...], Entry[Any]]] = field(default_factory=dict)
    removals: dict[str, list[str]] = field(default_factory=dict)
    inherited: dict[str, Any] = field(default_factory=dict)
    base: Pack | None = None

    def entries(self, table: Table[R]) -> list[Entry[R]]:
        """The table's rows with their places."""
        return list(self.tables.get(table, {}).values())

    def rows(self, table: Table[R]) -> list[R]:
        """The table's rows."""
        return [entry.row for entry in self.entries(table)]

    def find(self, table: Table[R], *key: str) -> Entry[R] | None:
        """One row by its key."""
        return self.tables.get(table, {}).get(key)

    def place(self, *path: str | int) -> Place:
        """Where a key of `tenant.toml` stands: in the pack itself, else in the base pack that states it."""
        pack: Pack | None = self
        while pack is not None:
            line = pack.root.lines.get(path)
            if line is not None:
                return Place(pack.root.file, line)
            pack = pack.base
        return self.place(*path[:-1]) if path else Place(self.root.file, 1)

    def digest(self) -> str:
        """SHA-256 over everything that the pack states, base packs included; the same for any order of its lines."""
        stated = {
            table.name: [row.model_dump(mode="json") for row in table.sorted(self.rows(table))]
            for table in sorted(self.tables, key=lambda table: table.name)
        }
        tenant = self.tenant.model_dump(mode="json") if self.tenant else None
        return hashlib.sha256(orjson.dumps([tenant, stated], option=orjson.OPT_SORT_KEYS)).hexdigest()


def read_pack(source: PackSource, tables: Sequence[Table[Any]], bases: Bases, problems: Problems) -> Pack | None:
    """Read a tenant's pack and all that it builds on; None where not even its root can be read."""
    return _read(source, tables, bases, problems, chain=())


def read_base(name: str, tables: Sequence[Table[Any]], bases: Bases, problems: Problems) -> Pack | None:
    """Read a base pack by name, with all that it builds on."""
    source = bases.read(name, problems)
    return None if source is None else _read(source, tables, bases, problems, chain=(name,))


def _read(
    source: PackSource, tables: Sequence[Table[Any]], bases: Bases, problems: Problems, chain: tuple[str, ...]
) -> Pack | None:
    is_base = bool(chain)
    root = read_root(source, is_base=is_base, problems=problems)
    if root is None:
        return None
    base = _read_extended(root, tables, bases, problems, chain)
    row_type: type[PackRow] = BaseRow if is_base else TenantRow
    layer = read_layer(source, root, row_type, tables, problems)
    stated = {key: value for key, value in root.values.items() if key in row_type.model_fields}
    inherited = dict(base.inherited) if base else {}
    row = validated_row(row_type, {**({} if is_base else inherited), **stated}, root, (), problems)
    pack = Pack(row if isinstance(row, TenantRow) else None, root, base=base)
    pack.inherited = {**inherited, **{key: stated[key] for key in INHERITED if key in stated}}
    pack.removals = _removals(root, tables, problems)
    for table in tables:
        pack.tables[table] = _merged(table, layer, base, pack.removals.get(label(table), []), problems)
    return pack


def label(table: Table[Any]) -> str:
    """How a table is called in `[remove]`."""
    return f"{table.name}/" if isinstance(table, TomlFolder) else table.name


def _read_extended(
    root: Document, tables: Sequence[Table[Any]], bases: Bases, problems: Problems, chain: tuple[str, ...]
) -> Pack | None:
    name = root.values.get("extends")
    if not isinstance(name, str) or not re.match(BASE_NAME, name):
        return None
    at = (root.file, root.line(("extends",)), "extends")
    if name in chain or len(chain) >= LONGEST_CHAIN:
        circle = " → ".join((*chain, name))
        problems.say(*at, Text(f"循环继承:{circle}", f"the packs extend each other: {circle}"))
        return None
    source = bases.read(name, problems)
    if source is None:
        problems.say(
            *at,
            Text(f"没有基础包 {name!r}", f"there is no base pack {name!r}"),
            Text("基础包在 tenants/packs/ 下", "base packs lie in tenants/packs/"),
        )
        return None
    return _read(source, tables, bases, problems, (*chain, name))


def _removals(root: Document, tables: Sequence[Table[Any]], problems: Problems) -> dict[str, list[str]]:
    given = root.values.get(REMOVE, {})
    known = {label(table) for table in tables}
    if not isinstance(given, dict):
        problems.say(root.file, root.line((REMOVE,)), REMOVE, Text("应为表", "it must be a table"))
        return {}
    kept: dict[str, list[str]] = {}
    for name, keys in given.items():
        line, place = root.line((REMOVE, name)), f"{REMOVE}.{name}"
        if name not in known:
            problems.say(
                root.file,
                line,
                place,
                Text("未知的文件或段", "unknown file or section"),
                Text(f"可用:{'、'.join(sorted(known))}", f"known: {', '.join(sorted(known))}"),
            )
        elif not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            problems.say(root.file, line, place, Text("应为文本列表", "it must be a list of texts"))
        else:
            kept[name] = keys
    return kept


def _merged(
    table: Table[Any], layer: Layer, base: Pack | None, removals: list[str], problems: Problems
) -> dict[tuple[str, ...], Entry[Any]]:
    merged = {
        key: Entry(entry.row, entry.file, entry.line, is_inherited=True, given=entry.given)
        for key, entry in (base.tables.get(table, {}) if base else {}).items()
    }
    by_text = {",".join(key): key for key in merged}
    for index, text in enumerate(removals):
        key = by_text.pop(text, None)
        if key is not None:
            del merged[key]
        elif not (isinstance(table, TomlMap) and _remove_within(table, merged, text)):
            path = (REMOVE, label(table), index)
            problems.say(
                layer.root.file,
                layer.root.line(path),
                f"{REMOVE}.{label(table)}",
                Text(f"{text!r} 不在基础包中,无可删除", f"no base pack has {text!r}: there is nothing to remove"),
            )
    if isinstance(table, TomlMap):
        for entry in _merged_map(table, layer.root, merged, problems):
            merged[table.key_of(entry.row)] = entry
    else:
        for entry in layer.entries.get(table, []):
            merged[table.key_of(entry.row)] = entry
    return merged


def _remove_within(table: TomlMap[Any], merged: dict[tuple[str, ...], Entry[Any]], text: str) -> bool:
    """Take one key out of an inherited table, `<key>.<path>`; False where there is no such key."""
    path = split_path(text)
    entry = merged.get(path[:1])
    if entry is None or len(path) == 1:
        return False
    given = deep_without(entry.given, path[1:])
    if given is None:
        return False
    row = table.row.model_validate({table.key[0]: path[0], **given})
    merged[path[:1]] = Entry(row, entry.file, entry.line, is_inherited=True, given=given)
    return True


def _merged_map(
    table: TomlMap[Any], root: Document, merged: dict[tuple[str, ...], Entry[Any]], problems: Problems
) -> list[Entry[Any]]:
    given = root.values.get(table.name, {})
    if not isinstance(given, dict):
        problems.say(root.file, root.line((table.name,)), table.name, Text("应为表", "it must be a table"))
        return []
    (key,) = table.key
    found: list[Entry[Any]] = []
    for name, values in given.items():
        path = (table.name, name)
        if not isinstance(values, dict) or key in values:
            problems.say(
                root.file,
                root.line(path),
                ".".join(path),
                Text("应为表", "it must be a table"),
                Text(f"写作 [{table.name}.{name}]", f"write it as [{table.name}.{name}]"),
            )
            continue
        below = merged.get((name,))
        whole = deep_merged(below.given, values) if below else values
        row = validated_row(table.row, {key: name, **whole}, root, path, problems, ".".join(path))
        if row is not None:
            found.append(Entry(row, root.file, root.line(path), given=whole))
    return found
