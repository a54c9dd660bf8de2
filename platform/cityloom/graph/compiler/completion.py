"""What Python finishes: marks in an answer become null with an error.

Or the value of a resolver called once for all rows.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from graphql import GraphQLError, GraphQLLeafType, GraphQLList, GraphQLNonNull, GraphQLObjectType, is_abstract_type

from cityloom.core.errors import RefusalCode
from cityloom.graph.bound.bindings import Plain, Services
from cityloom.graph.compiler.collect import collect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from graphql import FieldNode, GraphQLField, GraphQLOutputType

    from cityloom.graph.compiler.build import Build, Patch

    Path = tuple[str | int, ...]


@dataclass(slots=True)
class Spot:
    """One mark that was found: where it stands, and what holds it."""

    holder: dict[str, Any]
    key: str
    path: Path
    mark: dict[str, Any]


async def finish(parts: dict[str, bytes], patches: Sequence[Patch], context: Services) -> list[GraphQLError]:
    """Replace all marks in the root values that have any; the errors that come with it."""
    errors: list[GraphQLError] = []
    decoded: dict[str, Any] = {}
    for number, patch in enumerate(patches):
        root = patch.path[0]
        if root not in parts:
            continue
        if root not in decoded:
            decoded[root] = orjson.loads(parts[root])
        spots = [spot for spot in _spots({root: decoded[root]}, patch.path, ()) if spot.mark["!"] == number]
        if root == patch.path[-1] and len(patch.path) == 1 and spots:
            spots[0].holder = decoded
        if patch.forbidden is not None:
            errors += _forbid(spots, patch.forbidden)
        elif spots:
            await _resolve(spots, patch, context)
    for root, value in decoded.items():
        parts[root] = orjson.dumps(value)
    return errors


def _spots(holder: Plain, path: tuple[str, ...], done: Path) -> Iterator[Spot]:
    step, *rest = path
    if step == "*":
        for at, item in enumerate(holder):
            if item is not None:
                yield from _spots(item, tuple(rest), (*done, at))
        return
    value = holder.get(step)
    if not rest:
        if isinstance(value, dict) and "!" in value:
            yield Spot(holder, step, (*done, step), value)
    elif (isinstance(value, dict) and rest[0] != "*") or (isinstance(value, list) and rest[0] == "*"):
        yield from _spots(value, tuple(rest), (*done, step))


def _forbid(spots: list[Spot], permission: str) -> Iterator[GraphQLError]:
    for spot in spots:
        spot.holder[spot.key] = None
        yield GraphQLError(
            f"You may not read this field: it needs the permission {permission}.",
            path=list(spot.path),
            extensions={"code": RefusalCode.FORBIDDEN.value, "permission": permission},
        )


async def _resolve(spots: list[Spot], patch: Patch, context: Services) -> None:
    if patch.resolve is None or patch.row is None or patch.complete is None:
        raise AssertionError(patch)
    values = patch.resolve([patch.row(spot.mark) for spot in spots], context)
    if inspect.isawaitable(values):
        values = await values
    for spot, value in zip(spots, values, strict=True):
        spot.holder[spot.key] = patch.complete(value)


def row_reader(needs: Sequence[Any]) -> Callable[[dict[str, Any]], Any]:
    """Makes the row of a resolver from a mark: attributes by column name, in Python's types, and what was `found`."""
    readers = [(f"c{at}", column.key, _reader(column)) for at, column in enumerate(needs)]
    return lambda mark: SimpleNamespace(
        **{name: None if mark[key] is None else read(mark[key]) for key, name, read in readers},
        found=mark.get("found"),
    )


def _reader(column: Plain) -> Callable[[Any], Any]:
    try:
        python_type = column.property.columns[0].type.python_type
    except NotImplementedError:
        return lambda value: value
    match python_type:
        case t if t in {UUID, float}:
            return t  # type: ignore[no-any-return] # a constructor
        case t if t in {datetime, date}:
            return t.fromisoformat  # type: ignore[no-any-return] # a constructor
        case t if t is Decimal:
            return lambda value: Decimal(str(value))
        case t if t is bytes:
            return lambda value: bytes.fromhex(value[2:])
    return lambda value: value


def completer(build: Build, field: GraphQLField, nodes: Sequence[FieldNode]) -> Callable[[Any], Any]:
    """Turns what a resolver answered into JSON, by the field's type and selection; made once per plan."""
    return _complete(build, field.type, nodes)


def _complete(build: Build, type_: GraphQLOutputType, nodes: Sequence[FieldNode]) -> Callable[[Any], Any]:
    if isinstance(type_, GraphQLNonNull):
        inner = _complete(build, type_.of_type, nodes)

        def present(value: Plain) -> Plain:
            if value is None:
                message = f"the resolver of {nodes[0].name.value} answered null, which its type does not allow"
                raise TypeError(message)
            return inner(value)

        return present
    if isinstance(type_, GraphQLList):
        item = _complete(build, type_.of_type, nodes)
        return lambda value: None if value is None else [item(one) for one in value]
    if isinstance(type_, GraphQLObjectType):
        return _object(build, type_, nodes)
    if is_abstract_type(type_):
        message = f"{nodes[0].name.value}: a resolved field cannot answer a union or interface"
        raise TypeError(message)
    leaf: GraphQLLeafType = type_  # type: ignore[assignment] # what is left is a scalar or an enum
    return lambda value: None if value is None else _plain(leaf.serialize(value))


def _plain(value: Plain) -> Plain:
    return value.value if isinstance(value, Enum) else value


def _object(build: Build, type_: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Callable[[Any], Any]:
    parts: list[tuple[str, str | None, Callable[[Any], Any]]] = []
    for key, group in collect(
        build.schema, build.fragments, build.variables, type_, [node.selection_set for node in nodes]
    ).items():
        name = group[0].name.value
        if name == "__typename":
            parts.append((key, None, lambda _value: type_.name))
            continue
        field = type_.fields[name]
        definition = field.extensions["strawberry-definition"]
        if not definition.is_basic_field or field.args:
            message = f"{type_.name}.{name}: below a resolved field only plain attributes can be answered"
            raise TypeError(message)
        parts.append((key, definition.python_name, _complete(build, field.type, group)))

    def complete(value: Plain) -> Plain:
        if value is None:
            return None
        return {key: done(None if attribute is None else getattr(value, attribute)) for key, attribute, done in parts}

    return complete
