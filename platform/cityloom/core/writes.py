"""Rows that a unit of work will write, and the one statement that writes them all.

The ORM's flush sends a statement per table and spends several milliseconds of Python on deciding what to send. A step
of a case changes one row and adds a handful in as many tables: here they become one statement of data-modifying CTEs,
whose text is made once for each shape. Foreign keys are checked at its end, so the order of rows does not matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, inspect
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.orm import configure_mappers
from sqlalchemy.orm.instrumentation import manager_of_class

from cityloom.core.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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

    def bound(self, value: Any) -> Any:  # noqa: ANN401 - of any column
        """The value as asyncpg takes it; None is NULL in every column."""
        return value if self.convert is None or value is None else self.convert(value)


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    name: str
    fields: tuple[_Field, ...]
    by_key: Mapping[str, _Field]
    has_arrays: bool
    can_change: bool


@dataclass(frozen=True, slots=True)
class _Insert:
    """Rows that are added; the fields are the same for all of them."""

    table: _Table
    fields: tuple[_Field, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class _Update:
    """Rows of which the same columns change; found by tenant and `keys`."""

    table: _Table
    keys: tuple[_Field, ...]
    fields: tuple[_Field, ...]
    rows: int
    must_be_there: bool


_tables: dict[type[Any], _Table] = {}


def _table(model: type[TenantTable]) -> _Table:
    found = _tables.get(model)
    if found is None:
        found = _tables[model] = _described(model)
    return found


def _described(model: type[Any]) -> _Table:
    # As the first constructor of any model does.
    configure_mappers()
    mapper = inspect(model)
    fields = tuple(_field(mapper.get_property_by_column(column).key, column) for column in mapper.local_table.columns)
    return _Table(
        _quote(str(mapper.local_table.name)),
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


def made(model: type[Row], values: Mapping[str, Any]) -> Row:
    """An object of a model that belongs to no session, as the ORM makes them of rows.

    Its constructor would tell every listener of every value: 40 microseconds for a row, not 5.
    """
    _table(model)  # where nobody has used a model yet, it has to be configured
    row: Row = manager_of_class(model).new_instance()
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
    _added: dict[type[TenantTable], list[TenantTable]] = field(default_factory=dict)
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
        self._added.setdefault(type(row), []).append(row)

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
        for model, names, rows in self._changed_rows():
            table = _table(model)
            named = (table.by_key["id"], *names)
            # `unnest` would take the arrays of a row apart.
            for group in [[row] for row in rows] if table.has_arrays else [rows]:
                parts.append(_Update(table, named[:1], names, len(group), must_be_there=True))
                _bind(table, named, [[row.__dict__[one.key] for one in named] for row in group], arguments)
            expected += len(rows)
        for (model, *where), values in self._changes.items():
            table = _table(model)
            keys, names = tuple(table.by_key[key] for key, _ in where), tuple(table.by_key[key] for key in values)
            parts.append(_Update(table, keys, names, 1, must_be_there=False))
            _bind(table, (*keys, *names), [[*(value for _, value in where), *values.values()]], arguments)
        for model, added in self._added.items():
            self._insert(_table(model), added, parts, arguments)
        self._attached.clear()
        self._added.clear()
        self._changes.clear()
        return (_sql(tuple(parts)), arguments, expected) if parts else None

    def _insert(
        self, table: _Table, rows: Sequence[TenantTable], parts: list[_Insert | _Update | Part], arguments: list[Any]
    ) -> None:
        """Rows of one table, by the columns that they state: those that they leave to the database differ at most."""
        by_fields: dict[tuple[_Field, ...], list[list[Any]]] = {}
        for row in rows:
            stated = row.__dict__
            names: list[_Field] = []
            values: list[Any] = []
            for one in table.fields[1:]:
                value = stated.get(one.key, _MISSING)
                if value is _MISSING:
                    if one.is_optional:
                        continue
                    value = stated[one.key] = one.default()
                names.append(one)
                values.append(value)
            by_fields.setdefault(tuple(names), []).append(values)
            if table.can_change:
                self.keep(row)
        for fields, found in by_fields.items():
            parts.append(_Insert(table, fields, len(found)))
            _bind(table, fields, found, arguments, _FEW)

    def _changed_rows(self) -> list[tuple[type[TenantTable], tuple[_Field, ...], list[TenantTable]]]:
        groups: dict[tuple[type[TenantTable], tuple[_Field, ...]], list[TenantTable]] = {}
        for row, before in self._kept.values():
            now = row.__dict__
            names = tuple(one for one in _table(type(row)).fields if _differs(now, before, one.key))
            if names:
                groups.setdefault((type(row), names), []).append(row)
                before.update(now)
        return [(model, names, rows) for (model, names), rows in groups.items()]


def _differs(now: Mapping[str, Any], before: Mapping[str, Any], key: str) -> bool:
    new, old = now.get(key, _MISSING), before.get(key, _MISSING)
    return new is not old and new != old


def _bind(
    table: _Table, fields: Sequence[_Field], rows: Sequence[Sequence[Any]], arguments: list[Any], few: int = 1
) -> None:
    """A few rows bind values, more rows bind one array for each column: the text does not depend on their number."""
    if len(rows) <= few or table.has_arrays:
        arguments.extend(one.bound(value) for row in rows for one, value in zip(fields, row, strict=True))
    else:
        arguments.extend([one.bound(row[at]) for row in rows] for at, one in enumerate(fields))


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
    columns = ", ".join(one.column for one in part.fields)
    into = f"INSERT INTO {part.table.name} (tenant_id, {columns})"
    if part.rows <= _FEW or part.table.has_arrays:
        rows = []
        for _ in range(part.rows):
            values = ", ".join(f"${at + 1 + place}::{one.pg_type}" for place, one in enumerate(part.fields))
            rows.append(f"($1::uuid, {values})")
            at += len(part.fields)
        return f"{into} VALUES {', '.join(rows)}", at
    arrays, at = _arrays(part.fields, at)
    return f"{into} SELECT $1::uuid, v.* FROM unnest({arrays}) AS v", at  # noqa: S608 - names of models


def _update_sql(part: _Update, at: int) -> tuple[str, int]:
    named = (*part.keys, *part.fields)
    if part.rows == 1:
        marks = {one.key: f"${at + 1 + place}::{one.pg_type}" for place, one in enumerate(named)}
        sets = ", ".join(f"{one.column} = {marks[one.key]}" for one in part.fields)
        found = " AND ".join(f"{one.column} = {marks[one.key]}" for one in part.keys)
        text = f"UPDATE {part.table.name} SET {sets} WHERE tenant_id = $1::uuid AND {found}"  # noqa: S608 - names of models
        return f"{text} RETURNING 1", at + len(named)
    arrays, at = _arrays(named, at)
    sets = ", ".join(f"{one.column} = v.{one.column}" for one in part.fields)
    found = " AND ".join(f"t.{one.column} = v.{one.column}" for one in part.keys)
    names = ", ".join(one.column for one in named)
    return (
        f"UPDATE {part.table.name} AS t SET {sets} FROM unnest({arrays}) AS v({names})"  # noqa: S608 - names of models
        f" WHERE t.tenant_id = $1::uuid AND {found} RETURNING 1"
    ), at


def _arrays(fields: Sequence[_Field], at: int) -> tuple[str, int]:
    return ", ".join(f"${at + 1 + place}::{one.pg_type}[]" for place, one in enumerate(fields)), at + len(fields)
