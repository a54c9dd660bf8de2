"""Tenant packs: a city as a folder of declarative files.

`source` reads files and nothing outside of them, `layers` turns them into typed rows with file and line, `pack` merges
base packs in, `difference` compares with what the database has, `writing` is the inverse of reading, and `engine` ties
them to the parts that modules contribute (`parts`). Canonical form: UTF-8 without BOM, LF, rows sorted by key, no
comments (prose stands in `description` fields, which survive), nothing repeated that a base pack states.
"""

from cityloom.tenancy.packs.difference import Change, Difference, Differences, Plan
from cityloom.tenancy.packs.engine import PackEngine
from cityloom.tenancy.packs.pack import Bases, FolderBases, Pack
from cityloom.tenancy.packs.parts import PackPart
from cityloom.tenancy.packs.problems import InvalidPack, Problem, Problems
from cityloom.tenancy.packs.source import PackSource, read_folder, read_upload, write_folder
from cityloom.tenancy.packs.tables import (
    CsvTable,
    Entry,
    GeoJsonTable,
    PackRow,
    PackText,
    Table,
    TomlFolder,
    TomlMap,
    TomlTable,
    TomlValues,
)

__all__ = [
    "Bases",
    "Change",
    "CsvTable",
    "Difference",
    "Differences",
    "Entry",
    "FolderBases",
    "GeoJsonTable",
    "InvalidPack",
    "Pack",
    "PackEngine",
    "PackPart",
    "PackRow",
    "PackSource",
    "PackText",
    "Plan",
    "Problem",
    "Problems",
    "Table",
    "TomlFolder",
    "TomlMap",
    "TomlTable",
    "TomlValues",
    "read_folder",
    "read_upload",
    "write_folder",
]
