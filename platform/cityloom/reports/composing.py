"""Ticks: what a caller can put into a report without writing a query, and the query that is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from graphql import GraphQLList, get_named_type, get_nullable_type, is_leaf_type, is_required_argument

from cityloom.core.principal import FieldAccess
from cityloom.graph.bound import bindings as bd
from cityloom.graph.compiler.columns import is_connection
from cityloom.graph.compiler.selection import definition_of
from cityloom.reports.errors import FieldUnknown, NothingTicked, RootUnknown, TooMuchTicked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from graphql import GraphQLField, GraphQLSchema

    from cityloom.core.principal import Rights

MOST: Final = 60
_BY: Final = "by."


@dataclass(frozen=True, slots=True)
class Root:
    """A list that reports can be made of; `is_grouped` where it counts instead of listing."""

    name: str
    type: str
    description: str
    is_grouped: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """Something that can be ticked. `path` is dotted: `name`, `parent.name`, `children.totalCount`, `by.STATE`.

    `kind` is VALUE (of the row itself), RELATED (of the one thing it belongs to), COUNT, DIMENSION or FIGURE.
    """

    path: str
    fields: tuple[str, ...]
    type: str
    kind: str
    description: str


def roots(schema: GraphQLSchema, rights: Rights) -> list[Root]:
    """The lists that the caller may read, by name."""
    query = schema.query_type
    return sorted(
        (
            Root(name, bound.name, field.description or "", isinstance(binding, bd.RootAggregateBinding))
            for name, field in (query.fields.items() if query else ())
            for binding, bound in _list(field)
            if bound.read is None or rights.scope(bound.read) is not None
        ),
        key=lambda root: root.name,
    )


def _list(field: GraphQLField) -> Iterator[tuple[Any, bd.BoundType]]:
    """The binding of a field that lists or counts everything, without an argument that must be given."""
    binding = bd.binding_of(definition_of(field))
    is_list = isinstance(binding, bd.RootConnectionBinding) and binding.limit is None
    if (is_list or isinstance(binding, bd.RootAggregateBinding)) and not any(
        is_required_argument(argument) for argument in field.args.values()
    ):
        yield binding, binding.target.__bound__


def ticks(schema: GraphQLSchema, rights: Rights, root: str) -> list[Tick]:
    """What can be ticked of a list, in the order of its type. Refuses (`RootUnknown`) what the caller cannot list."""
    if root not in {one.name for one in roots(schema, rights)}:
        raise RootUnknown(path=("root_field",), root=root)
    field = _field(schema, root)
    binding = bd.binding_of(definition_of(field))
    if isinstance(binding, bd.RootAggregateBinding):
        return list(_grouped(field, binding))
    return list(_values(schema, rights, _node(field), (), deep=True))


def _field(schema: GraphQLSchema, root: str) -> GraphQLField:
    query = schema.query_type
    if query is None:
        raise AssertionError(root)
    found: GraphQLField = query.fields[root]
    return found


def _node(field: GraphQLField) -> Any:  # noqa: ANN401 - a named type
    connection: Any = get_named_type(field.type)
    return get_named_type(connection.fields["nodes"].type)


def _grouped(field: GraphQLField, binding: bd.RootAggregateBinding) -> Iterator[Tick]:
    for name, dimension in binding.by.items():
        yield Tick(_BY + name, (name,), "String", "DIMENSION", dimension.description)
    group: Any = get_named_type(field.type)
    for name, figure in group.fields.items():
        if name != "keys":
            yield Tick(name, (name,), get_named_type(figure.type).name, "FIGURE", figure.description or "")


def _values(schema: GraphQLSchema, rights: Rights, type_: Any, path: tuple[str, ...], *, deep: bool) -> Iterator[Tick]:  # noqa: ANN401 - a named type
    for name, field in type_.fields.items():
        binding = bd.binding_of(definition_of(field))
        protected = getattr(binding, "protected", None)
        if any(is_required_argument(argument) for argument in field.args.values()) or (
            protected is not None and rights.field(protected) is FieldAccess.ABSENT
        ):
            continue
        named, at = get_named_type(field.type), (*path, name)
        told = field.description or ""
        if is_leaf_type(named) and not isinstance(get_nullable_type(field.type), GraphQLList):
            yield Tick(".".join(at), at, named.name, "RELATED" if path else "VALUE", told)
        elif deep and isinstance(binding, bd.OneBinding) and _may_read(named, rights):
            yield from _values(schema, rights, named, at, deep=False)
        elif deep and is_connection(named) and _may_read(_node(field), rights):
            yield Tick(".".join((*at, "totalCount")), (*at, "totalCount"), "Int", "COUNT", told)


def _may_read(type_: Any, rights: Rights) -> bool:  # noqa: ANN401 - a named type
    definition = type_.extensions.get("strawberry-definition")
    bound = None if definition is None else bd.bound_type_of(definition.origin)
    return bound is not None and (bound.read is None or rights.scope(bound.read) is not None)


def compose(schema: GraphQLSchema, rights: Rights, root: str, wanted: Sequence[str]) -> str:
    """The query of a list with these ticks, and `$where` as its filter.

    Refuses (`RootUnknown`, `FieldUnknown`, `NothingTicked`, `TooMuchTicked`).
    """
    known = {tick.path: tick for tick in ticks(schema, rights, root)}
    chosen = list(dict.fromkeys(wanted))
    if not chosen:
        raise NothingTicked(path=("fields",))
    if len(chosen) > MOST:
        raise TooMuchTicked(path=("fields",), limit=MOST)
    for at, path in enumerate(chosen):
        if path not in known:
            raise FieldUnknown(path=("fields", at), root=root, field=path)
    field = _field(schema, root)
    declared, given = [], []
    if "where" in field.args:
        declared.append(f"$where: {field.args['where'].type}")
        given.append("where: $where")
    dimensions = [path.removeprefix(_BY) for path in chosen if known[path].kind == "DIMENSION"]
    if dimensions:
        given.append(f"by: [{', '.join(dimensions)}]")
    plain = [path.split(".") for path in chosen if known[path].kind != "DIMENSION"]
    selection = " ".join([*(["keys"] if dimensions else []), *_selected(plain)])
    if not isinstance(bd.binding_of(definition_of(field)), bd.RootAggregateBinding):
        selection = f"nodes {{ {selection} }}"
    head = f"query ({', '.join(declared)}) " if declared else ""
    arguments = f"({', '.join(given)})" if given else ""
    return f"{head}{{ {root}{arguments} {{ {selection} }} }}"


def _selected(paths: Iterable[Sequence[str]]) -> Iterator[str]:
    """A selection set of dotted paths: those of one object together, where the first of them stands."""
    tree: dict[str, list[Sequence[str]]] = {}
    for first, *rest in paths:
        tree.setdefault(first, []).append(rest)
    for name, rests in tree.items():
        deeper = [rest for rest in rests if rest]
        yield f"{name} {{ {' '.join(_selected(deeper))} }}" if deeper else name
