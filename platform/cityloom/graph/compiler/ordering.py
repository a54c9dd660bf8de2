"""Orderings, cursors and keyset conditions: the algebra of pages."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy import ColumnElement

from cityloom.graph.bound.bindings import Entity, Plain
from cityloom.graph.compiler.build import Build, storable
from cityloom.graph.compiler.refusals import CursorRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.sql.elements import BindParameter

    from cityloom.core.principal import Principal
    from cityloom.graph.bound.bindings import BoundType
    from cityloom.graph.compiler.values import Getter, Value

_INT4, _INT8 = 2**31, 2**63


@dataclass(frozen=True, slots=True)
class Term:
    """One column of an ordering."""

    key: str
    is_descending: bool
    is_nullable: bool
    python_type: type[Any]
    sql_type: Any


@dataclass(frozen=True, slots=True)
class Order:
    """A total order of a type's rows: its terms end with the row's id."""

    terms: tuple[Term, ...]
    signature: str

    def columns(self, alias: Entity) -> list[ColumnElement[Any]]:
        """The columns to order by."""
        return [getattr(alias, term.key) for term in self.terms]

    def by(self, alias: Entity, *, backward: bool) -> list[ColumnElement[Any]]:
        """ORDER BY; ascending puts nulls last and descending first, so that one index serves both ways."""
        return [
            column.desc() if term.is_descending is not backward else column.asc()
            for term, column in zip(self.terms, self.columns(alias), strict=True)
        ]

    def cursor(self, build: Build, alias: Entity) -> ColumnElement[str]:
        """The cursor of a row: the signature of the order and the row's keys, as URL-safe base64 of JSON."""
        keys = sa.func.json_build_array(build.constant(self.signature, sa.Text()), *self.columns(alias))
        encoded = sa.func.encode(
            sa.func.convert_to(sa.cast(keys, sa.Text()), sa.literal_column("'UTF8'")), sa.literal_column("'base64'")
        )
        return sa.func.translate(encoded, sa.literal_column("E'+/=\\n'"), sa.literal_column("'-_'"))

    def beyond(
        self, alias: Entity, keys: Sequence[BindParameter[Any]], *, after: bool, inclusive: bool = False
    ) -> ColumnElement[bool]:
        """Rows after (or before) the place of a cursor; never null, whatever is null in the row or the cursor."""
        columns = self.columns(alias)
        falling = {term.is_descending is after for term in self.terms}
        if len(falling) == 1 and not any(term.is_nullable for term in self.terms):
            return _compare(sa.tuple_(*columns), sa.tuple_(*keys), less=falling.pop(), inclusive=inclusive)
        found: ColumnElement[bool] | None = None
        for term, column, key in reversed(list(zip(self.terms, columns, keys, strict=True))):
            less = term.is_descending is after
            strict = _beyond(term, column, key, less=less, inclusive=inclusive and found is None)
            same = column.is_not_distinct_from(key) if term.is_nullable else column == key
            found = strict if found is None else sa.or_(strict, sa.and_(same, found))
        first = self.terms[0]
        if found is None:
            raise AssertionError
        if not first.is_nullable:
            # Says the same once more, in a form that an index understands.
            found = sa.and_(_compare(columns[0], keys[0], less=first.is_descending is after, inclusive=True), found)
        return found

    def keys(self, build: Build, cursor: Value) -> list[BindParameter[Any]]:
        """The keys in a cursor as statement arguments."""
        read, path = cursor.getter(), cursor.path
        kinds = tuple((term.python_type, term.is_nullable) for term in self.terms)
        signature = self.signature

        def key(at: int) -> Getter:
            def get(variables: Plain, principal: Principal) -> Plain:
                keys = decode_cursor(read(variables, principal), signature, kinds)
                if keys is None:
                    raise CursorRefused(argument=".".join(map(str, path)), path=path)
                return storable(keys[at], path)

            return get

        return [build.param(key(at), term.sql_type) for at, term in enumerate(self.terms)]


def _compare(left: Entity, right: Entity, *, less: bool, inclusive: bool) -> ColumnElement[bool]:
    if inclusive:
        return left <= right if less else left >= right  # type: ignore[no-any-return] # an SQL condition
    return left < right if less else left > right  # type: ignore[no-any-return] # an SQL condition


def _beyond(
    term: Term, column: ColumnElement[Any], key: ColumnElement[Any], *, less: bool, inclusive: bool
) -> ColumnElement[bool]:
    compared = _compare(column, key, less=less, inclusive=inclusive)
    if not term.is_nullable:
        return compared
    # Null counts as greater than every value, as PostgreSQL orders it.
    if less:
        beyond = sa.or_(sa.func.coalesce(compared, sa.false()), sa.and_(key.is_(None), column.is_not(None)))
    else:
        beyond = sa.or_(sa.func.coalesce(compared, sa.false()), sa.and_(column.is_(None), key.is_not(None)))
    return sa.or_(beyond, sa.and_(column.is_(None), key.is_(None))) if inclusive else beyond


def order_of(bound: BoundType, wanted: Value | None) -> Order:
    """The order that `orderBy` asks for, or the type's first one; always ended by the id."""
    chosen: list[tuple[str, bool]] = []
    if wanted is not None and wanted.plain:
        given = [item.plain for item in wanted.plain]
        chosen = [(_word(item["by"].plain), _word(item["direction"].plain) == "DESC") for item in given]
    elif bound.orderings:
        chosen.append((next(iter(bound.orderings)), False))
    terms: dict[str, Term] = {}
    for name, is_descending in chosen:
        for column in bound.orderings[name].columns:
            if column.key not in terms:
                terms[column.key] = _term(column, is_descending=is_descending)
    is_unique = any(bound.orderings[name].is_unique for name, _ in chosen)
    if "id" not in terms and not is_unique:
        # In the direction of the last term, so that one index serves both and rows compare as tuples.
        terms["id"] = _term(bound.model.id, is_descending=bool(terms) and list(terms.values())[-1].is_descending)
    # What follows the id cannot change the order any more.
    kept = list(terms.values())[: list(terms).index("id") + 1] if "id" in terms else list(terms.values())
    return Order(tuple(kept), signature_of(bound.name, {term.key: term.is_descending for term in kept}))


def signature_of(type_name: str, terms: Mapping[str, bool]) -> str:
    """Eight digits that stand in a cursor for its order: the type, and whether each column is descending."""
    said = f"{type_name} " + " ".join(f"{key}{'-' if is_descending else '+'}" for key, is_descending in terms.items())
    return hashlib.sha256(said.encode()).hexdigest()[:8]


def encode_cursor(signature: str, *keys: object) -> str:
    """A cursor as compiled statements write it."""
    # PostgreSQL writes JSON arrays with a blank after the comma.
    text = "[" + ", ".join(orjson.dumps(part).decode() for part in (signature, *keys)) + "]"
    return base64.b64encode(text.encode(), altchars=b"-_").decode().rstrip("=")


def _word(value: Plain) -> str:
    return str(getattr(value, "value", value))


def _term(column: Plain, *, is_descending: bool) -> Term:
    stored = column.property.columns[0]
    return Term(column.key, is_descending, bool(stored.nullable), stored.type.python_type, stored.type)


@lru_cache(maxsize=4_096)
def decode_cursor(text: str, signature: str, kinds: tuple[tuple[type[Any], bool], ...]) -> tuple[Any, ...] | None:
    """The keys in a cursor; None where it was never one of this order."""
    try:
        found = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        return None
    if not isinstance(found, list) or len(found) != len(kinds) + 1 or found[0] != signature:
        return None
    try:
        return tuple(_key(value, *kind) for value, kind in zip(found[1:], kinds, strict=True))
    except (ValueError, TypeError, InvalidOperation, OverflowError):
        return None


def _key(value: Plain, python_type: type[Any], is_nullable: bool) -> Plain:  # noqa: FBT001 - a pair of a tuple
    if value is None and is_nullable:
        return None
    if python_type in {UUID, datetime, date}:
        if not isinstance(value, str):
            raise TypeError
        made = UUID(value) if python_type is UUID else python_type.fromisoformat(value)
        if isinstance(made, datetime) and made.tzinfo is None:
            raise ValueError
        return made
    if python_type is Decimal and isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    if python_type is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not python_type or (python_type is int and not -_INT4 * _INT4 * 2 <= value < _INT8):
        raise TypeError
    return value
