"""Writing a pack's files in canonical form: the inverse of reading."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import orjson

from cityloom.tenancy.packs import toml_text
from cityloom.tenancy.packs.layers import REMOVE
from cityloom.tenancy.packs.manifest import INHERITED, TenantRow
from cityloom.tenancy.packs.merge import deep_difference, join_path, lacking
from cityloom.tenancy.packs.pack import Pack, label
from cityloom.tenancy.packs.tables import (
    TENANT_FILE,
    CsvTable,
    GeoJsonTable,
    Table,
    TomlFolder,
    TomlMap,
    TomlTable,
    TomlValues,
    cell_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Rows = Mapping[Table[Any], Sequence[Any]]


def write_pack(tenant: TenantRow, rows: Rows, tables: Sequence[Table[Any]], base: Pack | None) -> dict[str, bytes]:
    """The files of the pack that states exactly these rows on top of its base pack."""
    files: dict[str, str] = {}
    root = _root(tenant, base)
    removals: dict[str, list[str]] = {}
    for table in tables:
        own, removed = _own(table, rows.get(table, ()), base)
        if removed:
            removals[label(table)] = removed
        if not own:
            continue
        match table:
            case CsvTable():
                files[table.name] = csv_text(table, own)
            case GeoJsonTable():
                files[table.name] = geojson_text(own)
            case TomlTable():
                root[table.name] = [_toml_row(row) for row in own]
            case TomlMap():
                root[table.name] = dict(_map_items(table, own, base))
            case TomlValues():
                key, value = tuple(table.row.model_fields)
                root[table.name] = {getattr(row, key): getattr(row, value) for row in own}
            case TomlFolder():
                for row in own:
                    (name,) = table.key_of(row)
                    values = {k: v for k, v in _toml_row(row).items() if k not in table.key}
                    files[f"{table.name}/{name}.toml"] = toml_text.document(values)
    if removals:
        root[REMOVE] = removals
    files[TENANT_FILE] = toml_text.document(root)
    return {name: files[name].encode() for name in sorted(files)}


def _root(tenant: TenantRow, base: Pack | None) -> dict[str, Any]:
    values = _toml_row(tenant)
    inherited = base.inherited if base else {}
    return {name: value for name, value in values.items() if not (name in INHERITED and inherited.get(name) == value)}


def _own(table: Table[Any], rows: Sequence[Any], base: Pack | None) -> tuple[list[Any], list[str]]:
    """Rows that the base pack does not state already, and keys of those that it states but that are not there."""
    below = base.tables.get(table, {}) if base else {}
    keys = {table.key_of(row): row for row in rows}
    if isinstance(table, TomlMap):
        return _own_map(table, keys, below)
    own = [row for key, row in keys.items() if key not in below or below[key].row != row]
    removed = sorted(",".join(key) for key in below if key not in keys)
    return table.sorted(own), removed


def _own_map(
    table: TomlMap[Any], keys: dict[tuple[str, ...], Any], below: Mapping[tuple[str, ...], Any]
) -> tuple[list[Any], list[str]]:
    """The same for tables that are merged key by key: what they lack of the base is removed by path."""
    own, removed = [], [join_path(key) for key in below if key not in keys]
    for key, row in keys.items():
        if key not in below:
            own.append(row)
            continue
        values = {name: value for name, value in _toml_row(row).items() if name not in table.key}
        removed += [join_path((*key, *path)) for path in lacking(values, below[key].given)]
        if deep_difference(values, below[key].given):
            own.append(row)
    return table.sorted(own), sorted(removed)


def _map_items(table: TomlMap[Any], own: Sequence[Any], base: Pack | None) -> list[tuple[str, dict[str, Any]]]:
    items = []
    for row in own:
        values = {name: value for name, value in _toml_row(row).items() if name not in table.key}
        below = base.tables.get(table, {}).get(table.key_of(row)) if base else None
        items.append((table.key_of(row)[0], deep_difference(values, below.given) if below else values))
    return items


def _toml_row(row: Any) -> dict[str, Any]:  # noqa: ANN401 - any row
    """The row's values without what says nothing: None and empty tables."""
    return {
        name: _ordered(value) if isinstance(value, dict) and name == "settings" else value
        for name, value in row.model_dump(mode="python", exclude_none=True).items()
        if value != {}
    }


def _ordered(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _ordered(value) if isinstance(value, dict) else value for name, value in sorted(values.items())}


def csv_text(table: CsvTable[Any], rows: Sequence[Any]) -> str:
    """A CSV file with all columns, quoted only where it must be."""
    columns = list(table.row.model_fields)
    if not table.header:
        lines = [[cell_text(getattr(row, name)) for name in columns] for row in rows]
        return "".join(table.separator.join(_without_empty_end(cells)) + "\n" for cells in lines)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[cell_text(getattr(row, name)) for name in columns] for row in rows])
    return buffer.getvalue()


def _without_empty_end(cells: list[str]) -> list[str]:
    while cells and cells[-1] == "":
        cells.pop()
    return cells


def geojson_text(rows: Sequence[Any]) -> str:
    """A FeatureCollection with a feature to a line."""
    lines = []
    for row in rows:
        values = row.model_dump(mode="json", exclude_none=True)
        geometry = values.pop("geometry")
        lines.append(orjson.dumps({"type": "Feature", "properties": values, "geometry": geometry}).decode())
    return '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n"
