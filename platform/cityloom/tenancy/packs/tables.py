"""What a part of a pack consists of: tables of typed rows, each in its own file or its own section of `tenant.toml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The files that hold the root of a pack: a tenant's, and a base pack's.
TENANT_FILE, BASE_FILE = "tenant.toml", "pack.toml"


class PackRow(BaseModel):
    """One row of a pack's table; the order of its fields is the order of columns and keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False, allow_inf_nan=False)


class PackText(PackRow):
    """A text in both languages, written `{ zh = "…", en = "…" }`."""

    zh: str = Field(min_length=1, max_length=2000)
    en: str = Field(min_length=1, max_length=2000)


R = TypeVar("R", bound=PackRow)


@dataclass(frozen=True, slots=True, eq=False)
class Table(Generic[R]):
    """A table of a pack. `key` names the columns that tell rows apart; `order` is how rows are sorted when written."""

    name: str
    row: type[R]
    key: tuple[str, ...]
    order: tuple[str, ...] = ()

    def key_of(self, row: R) -> tuple[str, ...]:
        """What tells the row apart, as texts."""
        return tuple(cell_text(getattr(row, name)) for name in self.key)

    def sorted(self, rows: Iterable[R]) -> list[R]:
        """Rows in canonical order; empty cells come first."""
        names = (*self.order, *self.key)
        return sorted(rows, key=lambda row: tuple(_sortable(getattr(row, name)) for name in names))


@dataclass(frozen=True, slots=True, eq=False)
class CsvTable(Table[R]):
    """A CSV file (RFC 4180, UTF-8, LF); without `header` it is in the manner of Casbin, split at `separator`."""

    header: bool = True
    separator: str = ","


@dataclass(frozen=True, slots=True, eq=False)
class GeoJsonTable(Table[R]):
    """A GeoJSON FeatureCollection (RFC 7946): a row is a feature's properties and its `geometry`."""


@dataclass(frozen=True, slots=True, eq=False)
class TomlTable(Table[R]):
    """A list of tables `[[name]]` in `tenant.toml`."""


@dataclass(frozen=True, slots=True, eq=False)
class TomlMap(Table[R]):
    """Tables `[name.<key>]` in `tenant.toml`; where a base pack has the same key, fields are merged one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class TomlValues(Table[R]):
    """Keys and single values below `[name]` in `tenant.toml`; the row has two fields: the key and the value."""


@dataclass(frozen=True, slots=True, eq=False)
class TomlFolder(Table[R]):
    """A folder of TOML files `name/<key>.toml`, each one row; the key is the file's name and no field of the file."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[R]):
    """A row and where it stands; `is_inherited` says that it comes from a base pack, whose path begins `file`."""

    row: R
    file: str
    line: int
    is_inherited: bool = False
    given: dict[str, Any] = field(default_factory=dict, compare=False)


def cell_text(value: object) -> str:
    """A value as a CSV cell: empty for None, `true` and `false`, ISO dates, shortest round-trip numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(getattr(value, "value", value))


def _sortable(value: object) -> tuple[int, float, str]:
    if isinstance(value, (int, float)):
        return (1, float(value), "")
    return (0, 0.0, "") if value is None else (2, 0.0, cell_text(value))
