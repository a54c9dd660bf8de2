"""The JSON Schema of `tenant.toml` for editors and others' tools; made from the row models, never by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from cityloom.tenancy.limits import LIMITS as KNOWN_LIMITS
from cityloom.tenancy.packs.layers import REMOVE
from cityloom.tenancy.packs.manifest import LIMITS, MODULES, TenantRow
from cityloom.tenancy.packs.pack import label
from cityloom.tenancy.packs.tables import CsvTable, GeoJsonTable, TomlFolder, TomlMap, TomlTable, TomlValues

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from cityloom.core.module import Module
    from cityloom.tenancy.packs.tables import Table

SCHEMA_ID = "urn:cityloom:pack"


def pack_schema(modules: Mapping[str, Module], tables: Sequence[Table[Any]]) -> dict[str, Any]:
    """JSON Schema 2020-12 of `tenant.toml`; `$defs` holds the rows of the other files, `x-files` says which.

    What needs other files or the base pack to be known (parents, needs of modules) is left to `tenants check`.
    """
    models: list[type[BaseModel]] = [TenantRow, *(table.row for table in tables if table not in {MODULES, LIMITS})]
    models += [module.settings for module in modules.values()]
    unique = list(dict.fromkeys(models))
    references, shared = models_json_schema([(model, "validation") for model in unique])
    definitions: dict[str, Any] = dict(shared["$defs"])
    reference = {model: references[model, "validation"] for model in unique}
    root = definitions.pop(reference[TenantRow]["$ref"].rsplit("/", 1)[-1])
    properties: dict[str, Any] = dict(root["properties"])
    files: dict[str, Any] = {}
    for table in tables:
        match table:
            case TomlMap() if table is MODULES:
                properties[table.name] = _modules(modules, reference)
            case TomlValues() if table is LIMITS:
                properties[table.name] = _limits()
            case TomlTable():
                properties[table.name] = {"type": "array", "items": reference[table.row]}
            case TomlMap() | TomlValues():
                properties[table.name] = {"type": "object"}
            case CsvTable() | GeoJsonTable():
                files[table.name] = {"rows": reference[table.row], "key": list(table.key)}
            case TomlFolder():
                files[f"{table.name}/*.toml"] = {"rows": reference[table.row], "key": list(table.key)}
    properties[REMOVE] = {
        "type": "object",
        "description": "Keys of rows that the base pack states and this tenant does not want, by file or section.",
        "additionalProperties": False,
        "properties": {
            label(table): {"type": "array", "items": {"type": "string"}}
            for table in sorted(tables, key=lambda t: t.name)
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "tenant.toml",
        "description": "The root of a tenant pack.",
        "type": "object",
        "additionalProperties": False,
        "required": root["required"],
        "properties": properties,
        "x-files": dict(sorted(files.items())),
        "$defs": dict(sorted(definitions.items())),
    }


def _modules(modules: Mapping[str, Module], reference: Mapping[type[BaseModel], Any]) -> dict[str, Any]:
    def described(module: Module) -> dict[str, Any]:
        enabled: dict[str, Any] = {"type": "boolean", "default": True}
        if module.is_core:
            enabled["const"] = True
        return {
            "type": "object",
            "title": f"{module.title.zh} · {module.title.en}",
            "description": module.description.en,
            "additionalProperties": False,
            "properties": {"enabled": enabled, "settings": reference[module.settings]},
        }

    return {
        "type": "object",
        "description": "Modules that differ from what the base pack states; core modules are always on.",
        "additionalProperties": False,
        "properties": {name: described(modules[name]) for name in sorted(modules)},
    }


def _limits() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Limits that differ from the platform's defaults.",
        "additionalProperties": False,
        "properties": {
            name: {
                "type": "integer",
                "minimum": 0,
                "maximum": limit.most,
                "default": limit.default,
                "description": limit.title.en,
            }
            for name, limit in sorted(KNOWN_LIMITS.items())
        },
    }
