"""Rows that a unit of work will write, and the one statement that writes them all.

The ORM's flush sends a statement per table and spends several milliseconds of Python on deciding what to send. A step
of a case changes one row and adds a handful in as many tables: here they become one statement of data-modifying CTEs,
whose text is made once for each shape. Foreign keys are checked at its end, so the order of rows does not matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import compress, islice
from operator import is_not, itemgetter
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, inspect
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.orm import configure_mappers

from cityloom.core.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Column

    from cityloom.core.database import TenantTable

_DIALECT = asyncpg_dialect.dialect(json_serializer=lambda value: orjson.dumps(value, default=str).decode())  # type: ignore[no-untyped-call] # the dialect is untyped
_quote = _DIALECT.identifier_preparer.quote
Row = TypeVar("Row", bound="TenantTable")
_MISSING = object()
_FIRST = UUID(int=0)
#: So many rows of a table are bound one by one: for a few, arrays cost the driver and the database more than text.
_FEW = 4
_PARAMETER = re.compile(r"\$(\d+)")


class RowsMissing(Exception):
    """A row that was read in this transaction was not there to be changed."""


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    """A column as values are bound to it; there is one object for each, so identity is equality."""

    key: str
    column: str
    pg_type: str
    convert: Callable[[Any], Any] | None
    default: Any
    is_optional: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    name: str
    plain: type[Any]
    fields: tuple[_Field, ...]
    by_key: Mapping[str, _Field]
    has_arrays: bool
    can_change: bool


class _Shape:
    """Columns of a table that are written together; there is one object for each (see `_shape`)."""

    __slots__ = ("_converts", "_take", "fields", "table")

    def __init__(self, table: _Table, fields: tuple[_Field, ...]) -> None:
        self.table, self.fields = table, fields
        # Given twice, so that one key makes a tuple too.
        self._take = itemgetter(*(one.key for one in fields), fields[0].key)
        # asyncpg takes most values as they are.
        self._converts = tuple((at, one.convert) for at, one in enumerate(fields) if one.convert is not None)

    def values(self, stated: Mapping[str, Any]) -> list[Any]:
        """The values as asyncpg takes them; None is NULL in every column."""
        found: list[Any]
        *found, _ = self._take(stated)
        for at, convert in self._converts:
            if found[at] is not None:
                found[at] = convert(found[at])
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Insert:
    """Rows that are added; the columns are the same for all of them."""

    shape: _Shape
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class _Update:
    """Rows of which the same columns change; found by tenant and the first `keys` columns of the shape."""

    shape: _Shape
    keys: int
    rows: int
    must_be_there: bool


#: One object for equal parts, so that a statement's text is found by their identity.
_inserted, _updated = lru_cache(maxsize=4_096)(_Insert), lru_cache(maxsize=4_096)(_Update)
_tables: dict[type[Any], _Table] = {}


def _table(model: type[TenantTable]) -> _Table:
    found = _tables.get(model)
    if found is None:
        found = _described(model)
        _tables[model] = _tables[found.plain] = found
    return found


def _described(model: type[Any]) -> _Table:
    # As the first constructor of any model does.
    configure_mappers()
    mapper = inspect(model)
    fields = tuple(_field(mapper.get_property_by_column(column).key, column) for column in mapper.local_table.columns)
    return _Table(
        _quote(str(mapper.local_table.name)),
        _plain(model, [one.key for one in fields]),
        fields,
        {one.key: one for one in fields},
        any(isinstance(column.type, ARRAY) for column in mapper.local_table.columns),
        "append_only" not in mapper.local_table.info,
    )


def _field(key: str, column: Column[Any]) -> _Field:
    default: Any = _MISSING
    if column.default is not None:
        # SQLAlchemy wraps functions so that they take a context.
        made: Any = column.default.arg  # type: ignore[attr-defined] # a scalar or a function, as our models have them
        default = (lambda: made(None)) if column.default.is_callable else (lambda: made)
    elif column.server_default is None:
        default = lambda: None  # noqa: E731 - as above
    return _Field(
        key,
        _quote(str(column.name)),
        # A collation is the column's, no part of the values' type.
        column.type.compile(dialect=_DIALECT).partition(" COLLATE ")[0],
        column.type.dialect_impl(_DIALECT).bind_processor(_DIALECT),
        default,
        default is _MISSING,
    )


@lru_cache(maxsize=4_096)
def _shape(table: _Table, keys: tuple[str, ...]) -> _Shape:
    return _Shape(table, tuple(table.by_key[key] for key in keys))


@lru_cache(maxsize=4_096)
def _shape_of_new(table: _Table, stated: tuple[str, ...]) -> tuple[_Shape, tuple[_Field, ...]]:
    """The shape of a new row that states these attributes, and the columns that get their default."""
    given = frozenset(stated)
    fields = [one for one in table.fields[1:] if one.key in given or not one.is_optional]
    return _shape(table, tuple(one.key for one in fields)), tuple(one for one in fields if one.key not in given)


def _plain(model: type[Any], keys: Sequence[str]) -> type[Any]:
    """A class of objects like a model's, whose attributes are nothing but values; those not given are None.

    Behind each attribute of a model stands the ORM: it took a tenth of a mutation's time to read and set them.
    """
    own = {
        name: value
        for cls in reversed(model.__mro__)
        for name, value in vars(cls).items()
        if isinstance(value, FunctionType | property) and not name.startswith("__")
    }
    return type(model.__name__, (), {**own, **dict.fromkeys(keys), "__module__": model.__module__})


def made(model: type[Row], values: Mapping[str, Any]) -> Row:
    """An object like those of a model that belongs to no session; see `_plain`."""
    row: Row = _table(model).plain()
    row.__dict__.update(values)
    return row


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What a slice adds to the statement in its own words: named expressions, one standing on another.

    `$1` is the tenant, `$2` and so on are the `arguments` that go with it. The names must be the part's alone.
    """

    expressions: Mapping[str, str]
    arguments: int

    def text(self, name: str, after: int) -> str:
        """One expression, its parameters counted on from those before."""
        return _PARAMETER.sub(
            lambda match: match[0] if match[1] == "1" else f"${int(match[1]) - 1 + after}", self.expressions[name]
        )


@dataclass(slots=True)
class Writes:
    """What waits to be written. Rows are objects of models that belong to no session."""

    tenant_id: UUID
    _last: UUID = _FIRST
    _added: dict[_Table, list[TenantTable]] = field(default_factory=dict)
    _kept: dict[int, tuple[TenantTable, dict[str, Any]]] = field(default_factory=dict)
    _changes: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)
    _attached: dict[Part, Sequence[Any]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether something may have to be written."""
        return bool(self._added or self._kept or self._changes or self._attached)

    def add(self, row: TenantTable) -> None:
        """Write a new row; what changes of it afterwards is written too."""
        # The row belongs to no session: nobody need be told of each value.
        stated = row.__dict__
        stated["tenant_id"] = self.tenant_id
        if stated.get("id") is None:
            made = new_id()
            # In the order in which they were added, although ids of one millisecond are in none of their own.
            self._last = stated["id"] = made if made > self._last else UUID(int=self._last.int + 1)
        self._added.setdefault(_table(type(row)), []).append(row)

    def keep(self, row: TenantTable) -> None:
        """Write what will have changed of a row that was read and locked; a change later on is written later on."""
        self._kept[id(row)] = (row, dict(row.__dict__))

    def change(self, model: type[TenantTable], where: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Write values into whatever rows have these; there may be none."""
        self._changes.setdefault((model, *where.items()), {}).update(values)

    def attach(self, part: Part, arguments: Sequence[Any]) -> None:
        """Let a part be carried out with the rows; each part once at most in one statement."""
        if part in self._attached or len(arguments) != part.arguments:
            message = "a part is attached once, with all of its arguments"
            raise ValueError(message)
        self._attached[part] = arguments

    def statement(self) -> tuple[str, list[Any], int] | None:
        """SQL, arguments and how many changed rows it must answer; None where nothing has changed.

        Everything that is pending counts as written.
        """
        parts: list[_Insert | _Update | Part] = []
        arguments: list[Any] = [self.tenant_id]
        expected = 0
        for part, given in self._attached.items():
            parts.append(part)
            arguments.extend(given)
        for shape, rows in self._changed_rows().items():
            # `unnest` would take the arrays of a row apart.
            for group in [[row] for row in rows] if shape.table.has_arrays else [rows]:
                parts.append(_updated(shape, 1, len(group), must_be_there=True))
                _bind(shape, group, arguments)
            expected += len(rows)
        for (model, *where), values in self._changes.items():
            table, keys = _table(model), tuple(key for key, _ in where)
            parts.append(_updated(_shape(table, (*keys, *values)), len(keys), 1, must_be_there=False))
            arguments += _shape(table, keys).values(dict(where))
            arguments += _shape(table, tuple(values)).values(values)
        for table, added in self._added.items():
            self._insert(table, added, parts, arguments)
        self._attached.clear()
        self._added.clear()
        self._changes.clear()
        return (_sql(tuple(parts)), arguments, expected) if parts else None

    def _insert(
        self, table: _Table, rows: Sequence[TenantTable], parts: list[_Insert | _Update | Part], arguments: list[Any]
    ) -> None:
        """Rows of one table, by the columns that they state: those that they leave to the database differ at most."""
        by_shape: dict[_Shape, list[list[Any]]] = {}
        for row in rows:
            stated = row.__dict__
            shape, missing = _shape_of_new(table, tuple(stated))
            for one in missing:
                stated[one.key] = one.default()
            by_shape.setdefault(shape, []).append(shape.values(stated))
            if table.can_change:
                self.keep(row)
        for shape, found in by_shape.items():
            parts.append(_inserted(shape, len(found)))
            _bind(shape, found, arguments, _FEW)

    def _changed_rows(self) -> dict[_Shape, list[list[Any]]]:
        groups: dict[_Shape, list[list[Any]]] = {}
        for row, before in self._kept.values():
            now = row.__dict__
            if now == before:
                continue
            table = _table(type(row))
            changed = tuple(key for key in _changed(now, before) if key in table.by_key)
            if changed:
                shape = _shape(table, ("id", *changed))
                groups.setdefault(shape, []).append(shape.values(now))
            before.update(now)
        return groups


def _changed(now: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    """Names of what differs. Rows lose no attribute and gain them at the end, so the others stand in one order."""
    for key in compress(now, map(is_not, now.values(), before.values())):
        if now[key] != before[key]:
            yield key
    yield from islice(now, len(before), None)


def _bind(shape: _Shape, rows: Sequence[Sequence[Any]], arguments: list[Any], few: int = 1) -> None:
    """A few rows bind values, more rows bind one array for each column: the text does not depend on their number."""
    if len(rows) <= few or shape.table.has_arrays:
        for row in rows:
            arguments += row
    else:
        arguments += map(list, zip(*rows, strict=True))


@lru_cache(maxsize=2_048)
def _sql(parts: tuple[_Insert | _Update | Part, ...]) -> str:
    ctes: list[str] = []
    counts: list[str] = []
    at = 1
    for number, part in enumerate(parts):
        if isinstance(part, Part):
            ctes.extend(f"{name} AS ({part.text(name, at)})" for name in part.expressions)
            at += part.arguments
            continue
        text, at = _insert_sql(part, at) if isinstance(part, _Insert) else _update_sql(part, at)
        ctes.append(f"w{number} AS ({text})")
        if isinstance(part, _Update) and part.must_be_there:
            counts.append(f"(SELECT count(*) FROM w{number})")  # noqa: S608 - a number
    return f"WITH {', '.join(ctes)} SELECT {' + '.join(counts) or '0'}"


def _insert_sql(part: _Insert, at: int) -> tuple[str, int]:
    table, fields = part.shape.table, part.shape.fields
    columns = ", ".join(one.column for one in fields)
    into = f"INSERT INTO {table.name} (tenant_id, {columns})"
    if part.rows <= _FEW or table.has_arrays:
        rows = []
        for _ in range(part.rows):
            values = ", ".join(f"${at + 1 + place}::{one.pg_type}" for place, one in enumerate(fields))
            rows.append(f"($1::uuid, {values})")
            at += len(fields)
        return f"{into} VALUES {', '.join(rows)}", at
    arrays, at = _arrays(fields, at)
    return f"{into} SELECT $1::uuid, v.* FROM unnest({arrays}) AS v", at  # noqa: S608 - names of models


def _update_sql(part: _Update, at: int) -> tuple[str, int]:
    table, named = part.shape.table, part.shape.fields
    keys, fields = named[: part.keys], named[part.keys :]
    if part.rows == 1:
        marks = [f"{one.column} = ${at + 1 + place}::{one.pg_type}" for place, one in enumerate(named)]
        sets, found = ", ".join(marks[part.keys :]), " AND ".join(marks[: part.keys])
        text = f"UPDATE {table.name} SET {sets} WHERE tenant_id = $1::uuid AND {found}"  # noqa: S608 - names of models
        return f"{text} RETURNING 1", at + len(named)
    arrays, at = _arrays(named, at)
    sets = ", ".join(f"{one.column} = v.{one.column}" for one in fields)
    found = " AND ".join(f"t.{one.column} = v.{one.column}" for one in keys)
    names = ", ".join(one.column for one in named)
    return (
        f"UPDATE {table.name} AS t SET {sets} FROM unnest({arrays}) AS v({names})"  # noqa: S608 - names of models
        f" WHERE t.tenant_id = $1::uuid AND {found} RETURNING 1"
    ), at


def _arrays(fields: Sequence[_Field], at: int) -> tuple[str, int]:
    return ", ".join(f"${at + 1 + place}::{one.pg_type}[]" for place, one in enumerate(fields)), at + len(fields)
